/*
 * cmd_test.c - `ptlc test [FILE or FOLDER]...`: the test blocks of files, each
 * elaborated, lowered and worked out by the oracle. Without arguments: of the
 * current folder.
 *
 * A file of the library is tested within its module, so its neighbours are in
 * sight as they are in use.
 */
#include "cmd_test.h"
#include "compile_file.h"
#include "ir/eval.h"
#include "layer_check.h"
#include <complex.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct test_run {
    driver *d;
    int tests, failed, layers, unchecked;
} test_run;

/* ---------- one test block ---------- */

static const ir_node *output(const ir_graph *g, const char *kind, int i)
{
    char name[40];
    snprintf(name, sizeof name, "%s%d", kind, i);
    for (int k = 0; k < g->outputs.count; k++)
        if (!strcmp(g->outputs.data[k].name, name))
            return g->outputs.data[k].node;
    return NULL;
}

static void add_place(ptl_str *s, const ir_node *n, int64_t flat)
{
    int64_t at[IR_MAX_RANK];
    if (n->type.rank == 0)
        return;
    for (int i = n->type.rank - 1; i >= 0; i--) {
        at[i] = flat % n->type.dims[i];
        flat /= n->type.dims[i];
    }
    str_add(s, " at [");
    for (int i = 0; i < n->type.rank; i++)
        str_printf(s, "%s%lld", i ? ", " : "", (long long)at[i]);
    str_addc(s, ']');
}

/* Names the element that misses its tolerance most. */
static void explain_close(const ir_graph *g, const ir_values *v,
                          const typed_expect *x, int i, ptl_str *s)
{
    const ir_node *a = output(g, "got", i), *b = output(g, "want", i);
    int64_t na = ir_element_count(&a->type), nb = ir_element_count(&b->type);
    int64_t n = na > nb ? na : nb, worst = 0;
    double most = -1;
    for (int64_t k = 0; k < n; k++) {
        double got = creal(v->data[a->id][na == 1 ? 0 : k]);
        double want = creal(v->data[b->id][nb == 1 ? 0 : k]);
        double miss = fabs(got - want) / (1 + fabs(want));
        if (got == want)
            continue;
        if (isnan(miss))
            miss = INFINITY;
        if (miss > most) {
            most = miss;
            worst = k;
        }
    }
    str_printf(s, ": got %.9g, wanted %.9g",
               creal(v->data[a->id][na == 1 ? 0 : worst]),
               creal(v->data[b->id][nb == 1 ? 0 : worst]));
    add_place(s, na > nb ? a : b, worst);
    str_printf(s, ", beyond %g * (1 + |wanted|)", x->tolerance);
}

static int check_expects(driver *d, const typed_program *p, const ir_graph *g,
                         const ir_values *v)
{
    int failed = 0;
    for (int i = 0; i < p->expects.count; i++) {
        const typed_expect *x = &p->expects.data[i];
        const ir_node *cond = output(g, "expect", i);
        ptl_str why = {0};
        if (creal(v->data[cond->id][0]) != 0)
            continue;
        if (x->compared)
            str_printf(&why, ": the left side is %.9g, the right side %.9g",
                       creal(v->data[output(g, "got", i)->id][0]),
                       creal(v->data[output(g, "want", i)->id][0]));
        else if (x->a)
            explain_close(g, v, x, i, &why);
        diag_error(d->diags, DIAG_EXPECT_FAILED, x->at, "this does not hold%s",
                   str_text(&why));
        str_fini(&why);
        failed++;
    }
    return failed;
}

static bool run_graph(driver *d, const typed_program *p, const ast_decl *test)
{
    ir_graph *g = lower_program(p, LOWER_TEST, d->diags);
    ptl_error err = {0};
    ir_values *v;
    int failed;
    if (!g)
        return false;
    if (!ir_verify(g, &err))
        ptl_panic(__FILE__, __LINE__, "%s", err.text);
    v = ir_values_new(g);
    if (ir_eval(g, v, NULL, &err) != PTL_OK) {
        diag_error(d->diags, DIAG_EXPECT_FAILED, test->name_at, "%s", err.text);
        failed = 1;
    } else {
        failed = check_expects(d, p, g, v);
    }
    ir_values_free(v);
    ir_graph_free(g);
    return failed == 0;
}

static void run_test(test_run *t, const lang_modules *modules,
                     const lang_module *m, const ast_decl *test)
{
    ptl_arena *arena = arena_new();
    elab_options options = {.mode = ELAB_EVAL};
    typed_program *p =
        elab_test(arena, modules, m, test, &options, t->d->diags);
    bool passed = p && run_graph(t->d, p, test);
    t->tests++;
    t->failed += !passed;
    if (!passed)
        diag_note(t->d->diags, test->name_at, "in test \"%s\"", test->name);
    else if (t->d->options.verbose)
        printf("ok   %s: %s\n", test->at.file->name, test->name);
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
        switch (layer_check(t->d, modules, m, d)) {
        case LAYER_GOOD:
            t->layers++;
            break;
        case LAYER_WRONG:
            t->layers++;
            t->failed++;
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

static int test_file(test_run *t, const char *path)
{
    ptl_error err = {0};
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
    }
    return EXIT_DONE;
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

int cmd_test(driver *d)
{
    test_run t = {.d = d};
    int status = driver_check_options(d, "test"), wrong;
    if (!status && d->options.device && strcmp(d->options.device, "cpu") != 0)
        status = driver_usage("test", "--device other than cpu is not built "
                                      "yet: test blocks run by the oracle");
    if (status != EXIT_DONE)
        return status;
    if (d->args.count == 0)
        status = test_path(&t, ".", 0);
    for (int i = 0; i < d->args.count && status == EXIT_DONE; i++)
        status = test_path(&t, d->args.data[i], 0);
    wrong = driver_report(d);
    if (!d->options.quiet) {
        printf("%d tests and %d gradient checks, %d failed\n", t.tests,
               t.layers, t.failed);
        if (t.unchecked)
            printf("%d gradient%s not checked: no random sizes fit%s\n",
                   t.unchecked, t.unchecked == 1 ? "" : "s",
                   d->options.verbose ? "" : "; see --verbose");
    }
    return status != EXIT_DONE ? status : wrong;
}
