/*
 * import.c - from one path to all modules of a program.
 *
 * Files are told apart by their real path, so two ways to one file give one
 * module. The chain of files being read finds cycles.
 */
#include "base/map.h"
#include "base/nearest.h"
#include "lang/module.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct loader {
    ptl_arena *arena;
    const lang_sources *sources;
    ptl_diags *diags;
    VEC(lang_module *) modules; /* the user's */
    VEC(lang_module *) library;
    ptl_map *by_path;               /* real path to module */
    VEC(const lang_module *) chain; /* being read, main first */
    uint64_t hash;
} loader;

typedef struct import_list {
    VEC(lang_import) imports;
} import_list;

/* ---------- files ---------- */

src_file *lang_read(ptl_arena *arena, const char *path, ptl_error *err)
{
    size_t room = AST_MAX_SOURCE_BYTES + 1;
    src_file *file = NULL;
    FILE *in = fopen(path, "rb");
    if (!in) {
        ptl_fail(err, PTL_E_IO, "could not open \"%s\": %s", path,
                 strerror(errno));
        return NULL;
    }
    char *text = malloc(room);
    PTL_ASSERT(text);
    size_t size = fread(text, 1, room, in);
    if (ferror(in))
        ptl_fail(err, PTL_E_IO, "could not read \"%s\": %s", path,
                 strerror(errno));
    else
        file = src_file_new(arena, path, text, size);
    free(text);
    fclose(in);
    return file;
}

/* Devices and pipes are no files to import: reading them may never end. */
static bool is_file(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode);
}

/* `folder`/`name`; the folder of `file` where `folder` is NULL. */
static const char *beside(loader *l, const char *folder, const char *file,
                          const char *name)
{
    if (folder)
        return arena_printf(l->arena, "%s/%s", folder, name);
    const char *slash = strrchr(file, '/');
    int length = slash ? (int)(slash - file) + 1 : 0;
    return arena_printf(l->arena, "%.*s%s", length, file, name);
}

static const char *real_path(loader *l, const char *path)
{
    char *found = realpath(path, NULL);
    const char *kept = arena_strdup(l->arena, found ? found : path);
    free(found);
    return kept;
}

static bool is_folder(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

typedef struct name_list {
    VEC(const char *) names;
} name_list;

/* Files beside `path`, by their names. */
static void add_beside(loader *l, const char *path, name_list *list)
{
    const char *slash = strrchr(path, '/');
    DIR *dir = opendir(
        slash ? arena_strndup(l->arena, path, (size_t)(slash - path) + 1)
              : ".");
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        size_t n = strlen(e->d_name);
        if (n > 4 && !strcmp(e->d_name + n - 4, ".ptl"))
            vec_push(l->arena, &list->names, arena_strdup(l->arena, e->d_name));
    }
    if (dir)
        closedir(dir);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "; did you mean ...?", of the files beside those that were tried. */
static const char *meant(loader *l, const char *file, const name_list *tried)
{
    name_list near = {0};
    const char *slash = strrchr(file, '/');
    const char *name = slash ? slash + 1 : file, *found;
    for (int i = 0; i < tried->names.count; i++) {
        if (is_folder(tried->names.data[i]))
            return "";
        add_beside(l, tried->names.data[i], &near);
    }
    if (near.names.count) /* a folder has no order of its own */
        qsort(near.names.data, (size_t)near.names.count,
              sizeof *near.names.data, by_text);
    found = ptl_nearest(name, near.names.data, near.names.count);
    return found ? arena_printf(l->arena, "; did you mean \"%.*s%s\"?",
                                (int)(name - file), file, found)
                 : "";
}

static void report_missing(loader *l, const ast_decl *d, const name_list *tried)
{
    diag_error(l->diags, DIAG_IMPORT, d->file_at, "there is no file \"%s\"%s",
               d->file, meant(l, d->file, tried));
    for (int i = 0; i < tried->names.count; i++) {
        const char *path = tried->names.data[i];
        diag_note(l->diags, (src_range){0},
                  is_folder(path) ? "tried %s, which is a folder: import its "
                                    "files one by one"
                                  : "tried %s",
                  path);
    }
}

/* The path `name` is found at, or NULL after reporting every path tried. */
static const char *search(loader *l, const src_file *from, const ast_decl *d)
{
    if (d->file[0] == '/' && is_file(d->file))
        return d->file;
    name_list tried = {0};
    if (d->file[0] == '/') {
        vec_push(l->arena, &tried.names, d->file);
    } else {
        for (int i = -1; i < l->sources->include_count; i++) {
            const char *folder = i < 0 ? NULL : l->sources->include_dirs[i];
            const char *path = beside(l, folder, from->name, d->file);
            if (is_file(path))
                return path;
            vec_push(l->arena, &tried.names, path);
        }
    }
    report_missing(l, d, &tried);
    return NULL;
}

/* ---------- modules ---------- */

static lang_module *new_module(loader *l, const char *path, bool is_library)
{
    lang_module *m = ARENA_NEW(l->arena, lang_module);
    m->path = path;
    m->is_library = is_library;
    if (is_library)
        vec_push(l->arena, &l->library, m);
    else
        vec_push(l->arena, &l->modules, m);
    return m;
}

static lang_module *library_module(loader *l, const char *folder, size_t length)
{
    for (int i = 0; i < l->library.count; i++) {
        const char *name = l->library.data[i]->path + strlen("std.");
        if (strlen(name) == length && memcmp(name, folder, length) == 0)
            return l->library.data[i];
    }
    return NULL;
}

static void add_import(loader *l, import_list *list, const char *name,
                       const lang_module *module, src_range at)
{
    for (int i = 0; i < list->imports.count; i++) {
        const lang_import *old = &list->imports.data[i];
        if (strcmp(old->name, name) != 0)
            continue;
        if (old->module != module) {
            diag_error(l->diags, DIAG_IMPORT_NAME, at,
                       "`%s` already names another import; give this one a "
                       "name with `as`",
                       name);
            diag_note(l->diags, old->at, "the first one");
        }
        return;
    }
    lang_import import = {name, module, at};
    vec_push(l->arena, &list->imports, import);
}

static void import_library(loader *l, import_list *list, const ast_decl *d)
{
    const ast_name *folder = &d->path[d->path_count - 1];
    src_range at = src_join(d->path[0].at, folder->at);
    if (d->path_count != 2 || strcmp(d->path[0].text, "std") != 0) {
        diag_error(l->diags, DIAG_IMPORT, at,
                   "the library is imported by `import std.NAME;`, a file by "
                   "`import \"file.ptl\" as name;`");
        if (d->path_count != 2)
            return;
    }
    const lang_module *m =
        library_module(l, folder->text, strlen(folder->text));
    if (!m && strcmp(d->path[0].text, "std") != 0)
        return;
    if (!m) {
        ptl_str names = {0};
        for (int i = 0; i < l->library.count; i++)
            str_printf(&names, "%s%s", i > 0 ? ", " : "",
                       l->library.data[i]->path);
        diag_error(l->diags, DIAG_IMPORT, folder->at,
                   "the library has no `%s`; there are %s", folder->text,
                   str_text(&names));
        str_fini(&names);
        return;
    }
    add_import(l, list, d->alias ? d->alias : folder->text, m, at);
}

static lang_module *load_file(loader *l, const char *path, const ast_decl *d);

/* `path` is being read already: a.ptl -> b.ptl -> a.ptl. */
static void report_cycle(loader *l, const lang_module *m, const ast_decl *d)
{
    ptl_str text = {0};
    int i = 0;
    while (l->chain.data[i] != m)
        i++;
    for (; i < l->chain.count; i++)
        str_printf(&text, "%s -> ", l->chain.data[i]->path);
    str_add(&text, m->path);
    diag_error(l->diags, DIAG_IMPORT_CYCLE, d->file_at,
               "files import each other: %s", str_text(&text));
    str_fini(&text);
}

static bool is_being_read(const loader *l, const lang_module *m)
{
    for (int i = 0; i < l->chain.count; i++)
        if (l->chain.data[i] == m)
            return true;
    return false;
}

static void import_file(loader *l, import_list *list, const src_file *from,
                        const lang_module *m, const ast_decl *d)
{
    if (m->is_library) {
        diag_error(l->diags, DIAG_IMPORT, d->file_at,
                   "the library imports no files");
        return;
    }
    const char *path = search(l, from, d);
    const lang_module *found = path ? load_file(l, path, d) : NULL;
    if (found)
        add_import(l, list, d->alias, found, d->file_at);
}

static void resolve_import(loader *l, import_list *list, lang_module *m,
                           ast_file *file, const ast_decl *d)
{
    int before = diags_error_count(l->diags);
    const char *name = d->alias ? d->alias : d->path[d->path_count - 1].text;
    if (d->file)
        import_file(l, list, file->source, m, d);
    else
        import_library(l, list, d);
    if (diags_error_count(l->diags) > before)
        map_put(file->lost, name, file);
}

static void resolve_imports(loader *l, lang_module *m)
{
    import_list list = {0};
    for (int f = 0; f < m->file_count; f++)
        for (int i = 0; i < m->files[f]->decl_count; i++)
            if (m->files[f]->decls[i]->kind == DECL_IMPORT)
                resolve_import(l, &list, m, m->files[f], m->files[f]->decls[i]);
    m->imports = list.imports.data;
    m->import_count = list.imports.count;
}

static void add_source(loader *l, lang_module *m, const src_file *source)
{
    ast_file *file = ptl_parse(l->arena, source, l->diags);
    l->hash = ptl_hash_more(l->hash, source->text, source->size);
    if (!file)
        return;
    ast_file **files = ARENA_ARRAY(l->arena, ast_file *, m->file_count + 1);
    if (m->file_count > 0)
        memcpy(files, m->files, (size_t)m->file_count * sizeof *files);
    files[m->file_count++] = file;
    m->files = files;
}

static lang_module *load_source(loader *l, const src_file *source)
{
    lang_module *m = new_module(l, source->name, false);
    map_put(l->by_path, real_path(l, source->name), m);
    vec_push(l->arena, &l->chain, m);
    add_source(l, m, source);
    resolve_imports(l, m);
    l->chain.count--;
    return m;
}

/* The module of an imported file; `d` is the import. NULL after an error. */
static lang_module *load_file(loader *l, const char *path, const ast_decl *d)
{
    lang_module *known = map_get(l->by_path, real_path(l, path));
    if (known && is_being_read(l, known)) {
        report_cycle(l, known, d);
        return NULL;
    }
    if (known)
        return known;
    if (l->chain.count >= AST_MAX_DEPTH) {
        diag_error(l->diags, DIAG_NESTING, d->file_at,
                   "imports are nested more than %d deep", AST_MAX_DEPTH);
        return NULL;
    }
    ptl_error err;
    src_file *source = lang_read(l->arena, path, &err);
    if (!source) {
        diag_error(l->diags, DIAG_IMPORT, d->file_at, "%s", err.text);
        return NULL;
    }
    return load_source(l, source);
}

/* ---------- the library ---------- */

static void load_library(loader *l)
{
    static const char *const builtin[] = {
#define BUILTIN_MODULE(name) name,
#include "lang/keywords.def"
    };
    const ptl_embedded *file = l->sources->library;
    for (; file && file->name; file++) {
        const char *slash = strchr(file->name, '/');
        if (!slash)
            continue;
        size_t length = (size_t)(slash - file->name);
        lang_module *m = library_module(l, file->name, length);
        if (!m)
            m = new_module(
                l, arena_printf(l->arena, "std.%.*s", (int)length, file->name),
                true);
        add_source(l, m,
                   src_file_new(l->arena,
                                arena_printf(l->arena, "std/%s", file->name),
                                file->text, file->size));
    }
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++)
        if (!library_module(l, builtin[i], strlen(builtin[i])))
            new_module(l, arena_printf(l->arena, "std.%s", builtin[i]), true);
    for (int i = 0; i < l->library.count; i++)
        resolve_imports(l, l->library.data[i]);
}

lang_modules *lang_load_source(ptl_arena *arena, const src_file *main,
                               const lang_sources *sources, ptl_diags *diags)
{
    loader l = {
        .arena = arena,
        .sources = sources,
        .diags = diags,
        .by_path = map_new(arena),
        .hash = ptl_hash("", 0),
    };
    load_library(&l);
    load_source(&l, main);
    for (int i = 0; i < l.library.count; i++)
        vec_push(arena, &l.modules, l.library.data[i]);
    lang_modules *all = ARENA_NEW(arena, lang_modules);
    all->modules = l.modules.data;
    all->count = l.modules.count;
    all->hash = l.hash;
    return all;
}

lang_modules *lang_load(ptl_arena *arena, const char *path,
                        const lang_sources *sources, ptl_diags *diags,
                        ptl_error *err)
{
    const src_file *main = lang_read(arena, path, err);
    return main ? lang_load_source(arena, main, sources, diags) : NULL;
}

const lang_import *lang_find_import(const lang_module *module, const char *name)
{
    for (int i = 0; i < module->import_count; i++)
        if (strcmp(module->imports[i].name, name) == 0)
            return &module->imports[i];
    return NULL;
}

bool lang_is_lost(const lang_module *module, const char *name)
{
    for (int i = 0; i < module->file_count; i++)
        if (module->files[i] && map_get(module->files[i]->lost, name))
            return true;
    return false;
}

const lang_module *lang_library(const lang_modules *modules, const char *folder)
{
    for (int i = 0; i < modules->count; i++) {
        const lang_module *m = modules->modules[i];
        if (m->is_library && strcmp(m->path + strlen("std."), folder) == 0)
            return m;
    }
    return NULL;
}
