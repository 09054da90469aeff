/*
 * cmd_test.c - `ptlc test [FILE or FOLDER]...`: the test blocks of files, each
 * elaborated, lowered and worked out by the oracle. Without arguments: of the
 * current folder. With an option that is about compiled programs those of a
 * file are compiled as well (compiled_test.h).
 *
 * A file of the library is tested within its module, so its neighbours are in
 * sight as they are in use.
 */
#include "cmd_test.h"
#include "compile_file.h"
#include "expects.h"
#include "layer_check.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct test_run {
    driver *d;
    compiled_test *compiled; /* NULL: by the oracle alone */
    int tests, failed, layers, unchecked;
} test_run;

/* ---------- one test block ---------- */

typedef enum test_result {
    TEST_GOOD,
    TEST_WRONG, /* reported */
    TEST_WAITS, /* good by the oracle, and waits to be compiled */
} test_result;

/* By the oracle. */
static bool holds(driver *d, const typed_program *p, const ast_decl *test,
                  const ir_graph *g, ir_values *v)
{
    ptl_error err = {0};
    if (!ir_verify(g, &err))
        ptl_panic(__FILE__, __LINE__, "%s", err.text);
    if (ir_eval(g, v, NULL, &err) == PTL_OK)
        return expects_check(d, p, g, v) == 0;
    diag_error(d->diags, DIAG_EXPECT_FAILED, test->name_at, "%s", err.text);
    return false;
}

/* May leave graph and values to be compiled. */
static test_result run_graph(test_run *t, const typed_program *p,
                             const ast_decl *test)
{
    ir_graph *g = lower_program(p, LOWER_TEST, t->d->diags);
    test_result r = TEST_WRONG;
    ir_values *v;
    if (!g)
        return r;
    v = ir_values_new(g);
    v->eps = compiled_test_eps(t->compiled);
    if (holds(t->d, p, test, g, v))
        r = TEST_GOOD;
    if (r == TEST_GOOD && t->compiled &&
        compiled_test_add(t->compiled,
                          (compiled_check){test, DIAG_EXPECT_FAILED,
                                           expects_claims(p, g), g, v}))
        return TEST_WAITS;
    ir_values_free(v);
    ir_graph_free(g);
    return r;
}

/* A test is over, or the compiled part of a layer's check. */
static void end_check(void *ctx, const ast_decl *decl, bool passed)
{
    test_run *t = ctx;
    t->failed += !passed;
    if (decl->kind != DECL_TEST)
        return;
    if (!passed)
        diag_note(t->d->diags, decl->name_at, "in test \"%s\"", decl->name);
    else if (t->d->options.verbose)
        printf("ok   %s: %s\n", decl->at.file->name, decl->name);
}

static void run_test(test_run *t, const lang_modules *modules,
                     const lang_module *m, const ast_decl *test)
{
    ptl_arena *arena = arena_new();
    elab_options options = {.mode = ELAB_EVAL};
    typed_program *p =
        elab_test(arena, modules, m, test, &options, t->d->diags);
    test_result r = p ? run_graph(t, p, test) : TEST_WRONG;
    t->tests++;
    if (r != TEST_WAITS)
        end_check(t, test, r == TEST_GOOD);
    arena_free(arena);
}

/* ---------- one file ---------- */

/* Is there a gradient to check by itself? */
static bool has_gradient(const ast_decl *d)
{
    return d->kind == DECL_LAYER || d->kind == DECL_MODEL ||
           (d->kind == DECL_FN && d->has_grad);
}

static void test_decls(test_run *t, const lang_modules *modules,
                       const lang_module *m, const ast_file *file)
{
    for (int i = 0; i < file->decl_count; i++) {
        const ast_decl *d = file->decls[i];
        if (d->kind == DECL_TEST)
            run_test(t, modules, m, d);
        if (!has_gradient(d))
            continue;
        switch (layer_check(t->d, modules, m, d, t->compiled)) {
        case LAYER_GOOD:
            t->layers++;
            break;
        case LAYER_WRONG:
            t->layers++;
            t->failed++;
            compiled_test_drop(t->compiled, d);
            break;
        case LAYER_NOT_DRAWN:
            t->unchecked++;
            if (t->d->options.verbose)
                printf("skip %s: no random sizes fit %s\n", d->at.file->name,
                       d->name);
            break;
        }
    }
}

int test_failures(driver *d, const lang_modules *modules, const lang_module *m,
                  const ast_file *file)
{
    test_run t = {.d = d};
    test_decls(&t, modules, m, file);
    return t.failed;
}

ir_graph *test_graph(driver *d, const lang_modules *modules, ptl_error *err)
{
    test_run t = {.d = d};
    ir_graph *g = NULL;
    const ast_file *file;
    const lang_module *m = driver_module(modules, &file);
    if (compiled_test_open(d, &t.compiled, err) == PTL_OK) {
        test_decls(&t, modules, m, file);
        if (diags_error_count(d->diags) == 0)
            g = compiled_test_graph(t.compiled);
    }
    compiled_test_close(t.compiled);
    return g;
}

static int test_file(test_run *t, const char *path)
{
    ptl_error err = {0};
    ptl_status st = PTL_OK;
    int before = diags_error_count(t->d->diags);
    lang_modules *modules = driver_load(t->d, path, &err);
    const ast_file *file;
    const lang_module *m;
    if (!modules)
        return driver_fail(&err);
    if (diags_error_count(t->d->diags) > before)
        return EXIT_DONE;
    m = driver_module(modules, &file);
    if (file && lang_check_names(modules, m, t->d->diags)) {
        t->failed += !lang_check_alone(modules, m, t->d->diags);
        test_decls(t, modules, m, file);
        if (t->compiled)
            st = compiled_test_run(t->compiled, end_check, t, &err);
    }
    return st == PTL_OK ? EXIT_DONE : driver_fail(&err);
}

/* ---------- folders ---------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_ptl(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && !strcmp(name + n - 4, ".ptl");
}

static int test_path(test_run *t, const char *path, int depth);

static int test_folder(test_run *t, const char *path, int depth)
{
    VEC(const char *) names = {0};
    DIR *dir = opendir(path);
    int status = EXIT_DONE;
    if (!dir) {
        ptl_error err;
        ptl_fail(&err, PTL_E_IO, "could not open the folder \"%s\"", path);
        return driver_fail(&err);
    }
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        const char *full = arena_printf(t->d->arena, "%s/%s", path, e->d_name);
        struct stat st;
        if (e->d_name[0] == '.' || stat(full, &st))
            continue;
        if (S_ISDIR(st.st_mode) || is_ptl(e->d_name))
            vec_push(t->d->arena, &names, full);
    }
    closedir(dir);
    if (names.count)
        qsort(names.data, (size_t)names.count, sizeof *names.data, by_name);
    for (int i = 0; i < names.count && status == EXIT_DONE; i++)
        status = test_path(t, names.data[i], depth + 1);
    return status;
}

enum { MAX_FOLDER_DEPTH = 20 };

static int test_path(test_run *t, const char *path, int depth)
{
    struct stat st;
    if (!stat(path, &st) && S_ISDIR(st.st_mode))
        return depth < MAX_FOLDER_DEPTH ? test_folder(t, path, depth)
                                        : EXIT_DONE;
    return test_file(t, path);
}

static int test_paths(test_run *t)
{
    const option_texts *paths = &t->d->args;
    int status = EXIT_DONE;
    if (paths->count == 0)
        return test_path(t, ".", 0);
    for (int i = 0; i < paths->count && status == EXIT_DONE; i++)
        status = test_path(t, paths->data[i], 0);
    return status;
}

static void summarize(const test_run *t)
{
    printf("%d tests and %d gradient checks, %d failed\n", t->tests, t->layers,
           t->failed);
    if (t->unchecked)
        printf("%d gradient%s not checked: no random sizes fit%s\n",
               t->unchecked, t->unchecked == 1 ? "" : "s",
               t->d->options.verbose ? "" : "; see --verbose");
    if (t->compiled) {
        ptl_str text = {0};
        compiled_test_summary(t->compiled, &text);
        puts(str_text(&text));
        str_fini(&text);
    }
}

int cmd_test(driver *d)
{
    test_run t = {.d = d};
    ptl_error err = {0};
    int status = driver_check_options(d, "test"), wrong;
    if (status != EXIT_DONE)
        return status;
    if (compiled_test_wanted(&d->options) &&
        compiled_test_open(d, &t.compiled, &err) != PTL_OK)
        status = driver_fail(&err);
    else
        status = test_paths(&t);
    wrong = driver_report(d);
    if (!d->options.quiet && err.status == PTL_OK)
        summarize(&t);
    compiled_test_close(t.compiled);
    return status != EXIT_DONE ? status : wrong;
}
