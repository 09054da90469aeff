/*
 * doc.h - pages of documentation out of `///` comments: `ptlc doc`.
 */
#ifndef PTL_DRIVER_DOC_H
#define PTL_DRIVER_DOC_H

#include "lang/ast.h"

/* One namespace: a folder of the library, or one file of the user's. */
typedef struct doc_module {
    const char *name; /* before the dot: "nn", "blocks" */
    const char *from; /* "std.nn", or the file's path */
    ast_file **files; /* none: part of the compiler */
    int file_count;
} doc_module;

typedef VEC(const ast_decl *) doc_decls;

/* What has a page: functions, layers, models, optimizers, schedules, data. */
bool doc_has_page(const ast_decl *d);

/* Those of `m`, by name. */
doc_decls doc_list(ptl_arena *arena, const doc_module *m);

/* Names with the first sentence of each, by kind. `bold`: for a terminal. */
void doc_print_module(ptl_arena *arena, const doc_module *m, bool bold,
                      ptl_str *out);

/* Signature, what it holds, its comment, the tests that mention it. */
void doc_print_page(ptl_arena *arena, const doc_module *m, const ast_decl *d,
                    bool bold, ptl_str *out);

/* A space where no line ends. */
enum { DOC_KEPT_SPACE = '\1' };

/* Text in lines of at most 79 columns: the first begins where `out` stands
 * (`column`), the others after `hang` spaces. Ends the last line. */
void doc_fill(ptl_str *out, const char *text, int column, int hang);

#endif
