/*
 * module.h - a program's files: the main one, what it imports, the library.
 *
 * A module is a namespace: one file of the user's, or all files of a library
 * folder (`std.nn` is all of nn/). Every library module is loaded with every
 * program, imported or not; imports only make names visible.
 *
 * `import std.nn;` makes the module visible as `nn`, `import std.nn as n;` as
 * `n`, `import "blocks.ptl" as b;` as `b`. A file is looked for in the folder
 * of the file that imports it, then in the include folders in order.
 */
#ifndef PTL_LANG_MODULE_H
#define PTL_LANG_MODULE_H

#include "base/embed.h"
#include "base/status.h"
#include "lang/ast.h"

typedef struct lang_module lang_module;

typedef struct lang_import {
    const char *name; /* as the importing module says it */
    const lang_module *module;
    src_range at;
} lang_import;

struct lang_module {
    const char *path; /* "std.nn", or the file's path as found */
    bool is_library;
    ast_file **files; /* none for a module built into the compiler (std.data) */
    int file_count;
    lang_import *imports;
    int import_count;
};

typedef struct lang_modules {
    lang_module **modules; /* the main file's first */
    int count;
    uint64_t hash; /* of all source text of the program, library included */
} lang_modules;

typedef struct lang_sources {
    const ptl_embedded *library; /* ends with a NULL name; may be NULL */
    const char *const *include_dirs;
    int include_count;
} lang_sources;

/*
 * Loads `path` and everything it imports. Wrong text, missing imports and
 * import cycles go to `diags`, and the result is what could be read. NULL, with
 * the reason in `err`, only where the main file cannot be read at all.
 */
lang_modules *lang_load(ptl_arena *arena, const char *path,
                        const lang_sources *sources, ptl_diags *diags,
                        ptl_error *err);

/* The same for a main file that is already in memory. Never NULL. */
lang_modules *lang_load_source(ptl_arena *arena, const src_file *main,
                               const lang_sources *sources, ptl_diags *diags);

/* The import of `module` that is called `name`, or NULL. */
const lang_import *lang_find_import(const lang_module *module,
                                    const char *name);
/* Whether a declaration of the module that could not be read may have been
 * called `name`. */
bool lang_is_lost(const lang_module *module, const char *name);
/* `std.` + folder, or NULL. */
const lang_module *lang_library(const lang_modules *modules,
                                const char *folder);

/*
 * Reads a file of PTL text. NULL, with the reason in `err`, where it cannot be
 * read; a file over the size limit is cut just above it, so that parsing says
 * what is wrong.
 */
src_file *lang_read(ptl_arena *arena, const char *path, ptl_error *err);

#endif
