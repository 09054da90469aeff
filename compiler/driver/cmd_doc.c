/*
 * cmd_doc.c - `ptlc doc [NAME]...`: which page NAME means.
 *
 * NAME is a module (`nn`, `std.nn`, `blocks.ptl`, a folder), a declaration in
 * one (`nn.conv2d`, `blocks.residual`), or a declaration alone. A file is
 * looked for here, in -I and in PTL_PATH; it is parsed, and what it imports is
 * not looked at.
 */
#include "base/nearest.h"
#include "doc.h"
#include "driver.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef VEC(const char *) name_list;

typedef struct doc_search {
    driver *d;
    VEC(doc_module) library;
    lang_sources sources;
    ptl_str out;
    ptl_error err;
} doc_search;

/* ---------- modules ---------- */

static void load_library(doc_search *s)
{
    src_file *nothing = src_file_new(s->d->arena, "", "", 0);
    lang_modules *all =
        lang_load_source(s->d->arena, nothing, &s->sources, s->d->diags);
    for (int i = 0; i < all->count; i++) {
        const lang_module *m = all->modules[i];
        doc_module page = {m->path + strlen("std."), m->path, m->files,
                           m->file_count};
        if (m->is_library)
            vec_push(s->d->arena, &s->library, page);
    }
}

/* "x/blocks.ptl" is called blocks. */
static const char *stem(ptl_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return arena_strndup(arena, name,
                         dot ? (size_t)(dot - name) : strlen(name));
}

/* False: in s->err, or in the diagnostics, is why. */
static bool open_file(doc_search *s, const char *path, doc_module *out)
{
    ptl_arena *arena = s->d->arena;
    src_file *source = lang_read(arena, path, &s->err);
    int before = diags_error_count(s->d->diags);
    if (!source)
        return false;
    ast_file **files = ARENA_ARRAY(arena, ast_file *, 1);
    files[0] = ptl_parse(arena, source, s->d->diags);
    *out = (doc_module){stem(arena, path), path, files, 1};
    return diags_error_count(s->d->diags) == before;
}

static bool is_ptl(const char *name)
{
    size_t length = strlen(name);
    return length > 4 && !strcmp(name + length - 4, ".ptl");
}

static bool is_kind(const char *path, mode_t kind)
{
    struct stat found;
    return stat(path, &found) == 0 && (found.st_mode & S_IFMT) == kind;
}

/* NAME.ptl here, in -I or in PTL_PATH; NULL: nowhere. */
static const char *find_file(doc_search *s, const char *name)
{
    ptl_arena *arena = s->d->arena;
    const char *file =
        is_ptl(name) ? name : arena_printf(arena, "%s.ptl", name);
    if (is_kind(file, S_IFREG))
        return file;
    for (int i = 0; *file != '/' && i < s->sources.include_count; i++) {
        const char *path =
            arena_printf(arena, "%s/%s", s->sources.include_dirs[i], file);
        if (is_kind(path, S_IFREG))
            return path;
    }
    return NULL;
}

/* NAME as a folder: here, in -I or in PTL_PATH; NULL: nowhere. */
static const char *find_folder(doc_search *s, const char *name)
{
    if (is_kind(name, S_IFDIR))
        return name;
    for (int i = 0; *name != '/' && i < s->sources.include_count; i++) {
        const char *path = arena_printf(s->d->arena, "%s/%s",
                                        s->sources.include_dirs[i], name);
        if (is_kind(path, S_IFDIR))
            return path;
    }
    return NULL;
}

static const doc_module *library_module(const doc_search *s, const char *name)
{
    for (int i = 0; i < s->library.count; i++)
        if (!strcmp(s->library.data[i].name, name) ||
            !strcmp(s->library.data[i].from, name))
            return &s->library.data[i];
    return NULL;
}

/* ---------- folders and the overview ---------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static name_list files_of(doc_search *s, const char *folder)
{
    name_list names = {0};
    DIR *dir = opendir(folder);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        if (e->d_name[0] != '.' && is_ptl(e->d_name))
            vec_push(s->d->arena, &names,
                     arena_printf(s->d->arena, "%s/%s", folder, e->d_name));
    if (dir)
        closedir(dir);
    if (names.count)
        qsort(names.data, (size_t)names.count, sizeof *names.data, by_text);
    return names;
}

static bool print_folder(doc_search *s, const char *folder)
{
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    name_list files = files_of(s, arena_strndup(s->d->arena, folder, length));
    doc_module m;
    if (files.count == 0) {
        ptl_fail(&s->err, PTL_E_IO, "there is no .ptl file in \"%s\"", folder);
        return false;
    }
    for (int i = 0; i < files.count; i++) {
        if (!open_file(s, files.data[i], &m))
            return false;
        str_add(&s->out, i ? "\n" : "");
        doc_print_module(s->d->arena, &m, s->d->colour_out, &s->out);
    }
    return true;
}

/* A module in a line: its name and what it declares. */
static void print_line(doc_search *s, const doc_module *m)
{
    doc_decls all = doc_list(s->d->arena, m);
    ptl_str names = {0};
    int column = 14, length = (int)strlen(m->from);
    for (int i = 0; i < all.count; i++)
        str_printf(&names, "%s%s", i ? ", " : "", all.data[i]->name);
    if (m->file_count == 0)
        str_add(&names, "(part of the compiler)");
    str_printf(&s->out, "  %s", m->from);
    if (length + 3 > column)
        str_printf(&s->out, "\n%*s", column, "");
    else
        str_printf(&s->out, "%*s", column - 2 - length, "");
    doc_fill(&s->out, str_text(&names), column, column);
    str_fini(&names);
}

static bool print_overview(doc_search *s)
{
    str_add(&s->out, "The library\n");
    for (int i = 0; i < s->library.count; i++)
        print_line(s, &s->library.data[i]);
    for (int i = 0; i < s->sources.include_count; i++) {
        name_list files = files_of(s, s->sources.include_dirs[i]);
        for (int k = 0; k < files.count; k++) {
            doc_module m;
            if (!open_file(s, files.data[k], &m))
                return false;
            if (k == 0)
                str_printf(&s->out, "\n%s\n", s->sources.include_dirs[i]);
            print_line(s, &m);
        }
    }
    str_add(&s->out, "\n`ptlc doc nn` lists a module, `ptlc doc nn.conv2d` "
                     "shows a page, `ptlc doc FILE`\nis for files of your "
                     "own.\n");
    return true;
}

/* ---------- which page ---------- */

static const ast_decl *decl_of(doc_search *s, const doc_module *m,
                               const char *name)
{
    doc_decls all = doc_list(s->d->arena, m);
    for (int i = 0; i < all.count; i++)
        if (!strcmp(all.data[i]->name, name))
            return all.data[i];
    return NULL;
}

static void add_names(doc_search *s, const doc_module *m, const char *before,
                      name_list *names)
{
    doc_decls all = doc_list(s->d->arena, m);
    for (int i = 0; i < all.count; i++)
        vec_push(s->d->arena, names,
                 arena_printf(s->d->arena, "%s%s", before, all.data[i]->name));
}

static bool unknown_in(doc_search *s, const doc_module *m, const char *name)
{
    name_list names = {0};
    const char *near;
    add_names(s, m, "", &names);
    near = ptl_nearest(name, names.data, names.count);
    if (near)
        ptl_fail(&s->err, PTL_E_USAGE, "%s has no `%s`; did you mean `%s`?",
                 m->from, name, near);
    else
        ptl_fail(&s->err, PTL_E_USAGE, "%s has no `%s`", m->from, name);
    return false;
}

static bool unknown(doc_search *s, const char *word)
{
    name_list names = {0};
    const char *near;
    for (int i = 0; i < s->library.count; i++) {
        const doc_module *m = &s->library.data[i];
        vec_push(s->d->arena, &names, m->name);
        add_names(s, m, "", &names);
        add_names(s, m, arena_printf(s->d->arena, "%s.", m->name), &names);
    }
    near = ptl_nearest(word, names.data, names.count);
    if (near)
        ptl_fail(&s->err, PTL_E_USAGE,
                 "nothing is called `%s`; did you mean `%s`?", word, near);
    else
        ptl_fail(&s->err, PTL_E_USAGE,
                 "nothing is called `%s`: not in the library, and there is no "
                 "such file here, in -I or in PTL_PATH",
                 word);
    return false;
}

static bool print_decl(doc_search *s, const doc_module *m, const char *name)
{
    const ast_decl *d = decl_of(s, m, name);
    if (!d)
        return unknown_in(s, m, name);
    doc_print_page(s->d->arena, m, d, s->d->colour_out, &s->out);
    return true;
}

static bool print_module(doc_search *s, const doc_module *m)
{
    doc_print_module(s->d->arena, m, s->d->colour_out, &s->out);
    return true;
}

/* MODULE.NAME, of the library or of a file; `dot` is the last one in `word`. */
static bool print_dotted(doc_search *s, const char *word, const char *dot)
{
    const char *before = arena_strndup(s->d->arena, word, (size_t)(dot - word));
    const doc_module *m = library_module(s, before);
    const char *path = m ? NULL : find_file(s, before);
    doc_module own;
    if (m)
        return print_decl(s, m, dot + 1);
    if (!path)
        return unknown(s, word);
    return open_file(s, path, &own) && print_decl(s, &own, dot + 1);
}

/* Every declaration of the library that is called so. */
static bool print_alone(doc_search *s, const char *word)
{
    bool found = false;
    for (int i = 0; i < s->library.count; i++) {
        const doc_module *m = &s->library.data[i];
        if (!decl_of(s, m, word))
            continue;
        str_add(&s->out, found ? "\n" : "");
        found = print_decl(s, m, word);
    }
    return found || unknown(s, word);
}

static bool print_word(doc_search *s, const char *word)
{
    const doc_module *m = library_module(s, word);
    const char *path = m ? NULL : find_file(s, word);
    const char *folder = m || path ? NULL : find_folder(s, word);
    const char *dot = strrchr(word, '.');
    doc_module own;
    if (m)
        return print_module(s, m);
    if (path || is_ptl(word)) /* what is not there is said by opening it */
        return open_file(s, path ? path : word, &own) && print_module(s, &own);
    if (folder)
        return print_folder(s, folder);
    if (dot && dot > word && dot[1] && !strchr(dot, '/'))
        return print_dotted(s, word, dot);
    return print_alone(s, word);
}

int cmd_doc(driver *d)
{
    doc_search s = {.d = d, .sources = driver_sources(d)};
    bool done = true;
    int wrong;
    load_library(&s);
    if (d->args.count == 0)
        done = print_overview(&s);
    for (int i = 0; i < d->args.count && done; i++) {
        str_add(&s.out, i ? "\n" : "");
        done = print_word(&s, d->args.data[i]);
    }
    fputs(str_text(&s.out), stdout);
    str_fini(&s.out);
    wrong = driver_report(d);
    if (done || wrong != EXIT_DONE)
        return wrong;
    if (s.err.status == PTL_E_USAGE)
        return driver_usage("doc", "%s", s.err.text);
    return driver_fail(&s.err);
}
