/*
 * test_example_gradients.c - the gradients of every example, through the
 * compiled kernels in f64, are the oracle's complex-step derivatives: along 32
 * random directions and at 200 sampled coordinates, to 1e-9 of the gradient's
 * norm. Few rows, and small networks where an example can be set so: the
 * oracle is slow, and rows are alike.
 */
#include "base/embed.h"
#include "base/map.h"
#include "base/philox.h"
#include "codegen/compile.h"
#include "device/test_device.h"
#include "judge/outcome.h"
#include "lang/elab.h"
#include "lower/lower.h"
#include "opt/opt.h"
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 3, DIRECTIONS = 32, COORDINATES = 200 };
static const double STEP = 1e-30;

typedef struct example {
    ptl_arena *arena;
    ir_graph *forward, *backward;
    int param_count;
    ir_node **params; /* of the forward graph */
    double **gradients;
    int64_t *sizes, total;
    double norm; /* of the whole gradient */
} example;

static double draw(uint64_t site, uint64_t element)
{
    return 2.0 * philox_uniform(11, site, 0, element) - 1.0;
}

/* The value of an input's element: the same for both graphs, by its name. */
static double input_value(const ir_node *n, int64_t i)
{
    uint64_t site = ptl_hash(n->name, strlen(n->name));
    if (n->role == IR_SCALAR_INPUT)
        return strcmp(n->name, "seed") == 0          ? 5
               : strcmp(n->name, "total_steps") == 0 ? 100
                                                     : 0;
    double u = draw(site, (uint64_t)i);
    if (n->type.kind == IR_REAL)
        return n->role == IR_PARAM ? 0.2 * u : u;
    int64_t bound = n->type.bound ? n->type.bound : 2;
    return floor((u + 1) / 2 * (double)bound);
}

static double *input_values(example *e, const ir_node *n)
{
    int64_t count = ir_element_count(&n->type);
    double *x = ARENA_ARRAY(e->arena, double, count);
    for (int64_t i = 0; i < count; i++)
        x[i] = input_value(n, i);
    return x;
}

/* ---------- the compiled side ---------- */

static ir_values *backward_inputs(example *e)
{
    ir_values *v = ir_values_new(e->backward);
    for (int i = 0; i < e->backward->nodes.count; i++)
        if (e->backward->nodes.data[i]->kind == IR_INPUT)
            ir_values_set(v, e->backward->nodes.data[i],
                          input_values(e, e->backward->nodes.data[i]));
    return v;
}

/* What the program computes, output by output. */
static outcome carry_out(example *e, const ptl_program *program)
{
    ptl_error err = {0};
    ptl_pool *pool = NULL;
    ir_values *inputs = backward_inputs(e);
    const judge_case whole = {e->backward, inputs, ""};
    outcome out;
    assert_int_equal(pool_open(2, &pool, &err), PTL_OK);
    if (outcome_take(program, pool, &whole, 1, &out, &err) != PTL_OK)
        fail_msg("%s", err.text);
    ir_values_free(inputs);
    pool_close(pool);
    return out;
}

static void take_gradient(example *e, int p, const outcome *o)
{
    char name[512];
    int at = 0;
    snprintf(name, sizeof name, "grad/%s", e->params[p]->name);
    while (strcmp(e->backward->outputs.data[at].name, name) != 0)
        assert_true(++at < e->backward->outputs.count);
    e->gradients[p] = ARENA_ARRAY(e->arena, double, e->sizes[p]);
    memcpy(e->gradients[p], o->tensors[at].bytes,
           (size_t)e->sizes[p] * sizeof(double));
    for (int64_t i = 0; i < e->sizes[p]; i++)
        e->norm += e->gradients[p][i] * e->gradients[p][i];
}

static void run_compiled(example *e)
{
    ptl_error err = {0};
    ptl_program *program;
    compile_options options = {
        .f64 = true, .verify = true, .device = test_device()};
    if (compile_graph(e->backward, "gradients", &options, &program, &err) !=
        PTL_OK)
        fail_msg("%s", err.text);
    outcome o = carry_out(e, program);
    for (int p = 0; p < e->param_count; p++)
        take_gradient(e, p, &o);
    e->norm = sqrt(e->norm);
    outcome_fini(&o);
    program->release(program);
}

/* ---------- the oracle's side ---------- */

/* The derivative of the loss along `direction` (one array for each parameter,
 * NULL: zero there). */
static double oracle_along(example *e, double *const *direction)
{
    ir_values *v = ir_values_new(e->forward);
    for (int i = 0; i < e->forward->nodes.count; i++) {
        const ir_node *n = e->forward->nodes.data[i];
        if (n->kind != IR_INPUT)
            continue;
        int64_t count = ir_element_count(&n->type);
        double complex *x = malloc((size_t)(count ? count : 1) * sizeof *x);
        assert_non_null(x);
        for (int64_t k = 0; k < count; k++)
            x[k] = input_value(n, k);
        for (int p = 0; p < e->param_count; p++)
            for (int64_t k = 0;
                 e->params[p] == n && direction[p] && k < count; k++)
                x[k] = CMPLX(creal(x[k]), STEP * direction[p][k]);
        ir_values_set_complex(v, n, x);
        free(x);
    }
    ir_node *loss = NULL;
    for (int i = 0; i < e->forward->outputs.count; i++)
        if (strcmp(e->forward->outputs.data[i].name, "loss") == 0)
            loss = e->forward->outputs.data[i].node;
    assert_non_null(loss);
    bool *wanted = calloc((size_t)v->count, sizeof *wanted);
    assert_non_null(wanted);
    wanted[loss->id] = true;
    ptl_error err = {0};
    if (ir_eval(e->forward, v, wanted, &err) != PTL_OK)
        fail_msg("%s", err.text);
    double slope = cimag(v->data[loss->id][0]) / STEP;
    free(wanted);
    ir_values_free(v);
    return slope;
}

/* ---------- loading ---------- */

static ir_graph *lowered(const typed_program *p, lower_kind kind,
                         ptl_diags *diags)
{
    ir_graph *g = lower_program(p, kind, diags);
    assert_non_null(g);
    opt_run(g, true, NULL, NULL);
    return g;
}

static void list_params(example *e)
{
    int count = e->forward->nodes.count;
    e->params = ARENA_ARRAY(e->arena, ir_node *, count);
    e->gradients = ARENA_ARRAY(e->arena, double *, count);
    e->sizes = ARENA_ARRAY(e->arena, int64_t, count);
    for (int i = 0; i < count; i++) {
        ir_node *n = e->forward->nodes.data[i];
        if (n->kind != IR_INPUT || n->role != IR_PARAM)
            continue;
        e->sizes[e->param_count] = ir_element_count(&n->type);
        e->total += e->sizes[e->param_count];
        e->params[e->param_count++] = n;
    }
    assert_true(e->param_count > 0);
}

/* What makes an example small; the others are small enough. */
static const struct {
    const char *file;
    elab_set sets[3];
    int count;
} small[] = {
    {"digits_blocks.ptl", {{"train.width", "3"}, {"train.depth", "1"}}, 2},
    {"digits_lstm.ptl", {{"train.hidden", "5"}}, 1},
    {"fashion_lenet.ptl", {{"train.width", "2"}}, 1},
    {"gpt_nano.ptl",
     {{"train.dim", "8"}, {"train.depth", "2"}, {"licence.length", "7"}},
     3},
};

static void make_small(const char *path, elab_options *options)
{
    for (size_t i = 0; i < sizeof small / sizeof *small; i++)
        if (strcmp(strrchr(path, '/') + 1, small[i].file) == 0) {
            options->sets = small[i].sets;
            options->set_count = small[i].count;
        }
}

/* False for a file that trains nothing. */
static bool load(example *e, const char *path)
{
    ptl_error err = {0};
    ptl_diags *diags = diags_new(0);
    e->arena = arena_new();
    lang_sources sources = {.library = ptl_stdlib_files};
    lang_modules *modules = lang_load(e->arena, path, &sources, diags, &err);
    assert_non_null(modules);
    if (!elab_has_train(modules)) {
        diags_free(diags);
        arena_free(e->arena);
        return false;
    }
    elab_options options = {.mode = ELAB_GRAD, .rows = ROWS, .f64 = true};
    make_small(path, &options);
    typed_program *p = elab_train(e->arena, modules, &options, diags);
    if (!p) {
        ptl_str text = {0};
        diags_print(diags, &text, false);
        fail_msg("%s", str_text(&text));
    }
    e->forward = lowered(p, LOWER_FORWARD, diags);
    e->backward = lowered(p, LOWER_GRAD, diags);
    diags_free(diags);
    list_params(e);
    return true;
}

static void unload(example *e)
{
    ir_graph_free(e->forward);
    ir_graph_free(e->backward);
    arena_free(e->arena);
}

/* ---------- comparing ---------- */

static void assert_slope(const example *e, double got, double wanted,
                         const char *what, int index)
{
    if (!(fabs(got - wanted) <= 1e-9 * e->norm))
        fail_msg("%s %d: %.17g, the oracle says %.17g (norm %g)", what, index,
                 got, wanted, e->norm);
}

static void compare_directions(example *e)
{
    double **d = ARENA_ARRAY(e->arena, double *, e->param_count);
    for (int p = 0; p < e->param_count; p++)
        d[p] = ARENA_ARRAY(e->arena, double, e->sizes[p]);
    for (int k = 0; k < DIRECTIONS; k++) {
        double length = 0, slope = 0;
        for (int p = 0; p < e->param_count; p++)
            for (int64_t i = 0; i < e->sizes[p]; i++) {
                d[p][i] = draw((uint64_t)(1000 + k * 100 + p), (uint64_t)i);
                length += d[p][i] * d[p][i];
            }
        length = sqrt(length);
        for (int p = 0; p < e->param_count; p++)
            for (int64_t i = 0; i < e->sizes[p]; i++) {
                d[p][i] /= length;
                slope += d[p][i] * e->gradients[p][i];
            }
        assert_slope(e, slope, oracle_along(e, d), "direction", k);
    }
}

static void compare_coordinates(example *e)
{
    double **d = ARENA_ARRAY(e->arena, double *, e->param_count);
    for (int k = 0; k < COORDINATES; k++) {
        uint32_t words[4];
        philox_words(77, 0, (uint64_t)k, words);
        /* Half of the samples spread over the parameters, however small. */
        int p = (int)(words[0] % (uint32_t)e->param_count);
        int64_t at = (int64_t)words[1] % e->sizes[p];
        if (k % 2) {
            at = (int64_t)words[1] % e->total;
            for (p = 0; at >= e->sizes[p]; p++)
                at -= e->sizes[p];
        }
        d[p] = calloc((size_t)e->sizes[p], sizeof(double));
        assert_non_null(d[p]);
        d[p][at] = 1;
        assert_slope(e, e->gradients[p][at], oracle_along(e, d), "coordinate",
                     k);
        free(d[p]);
        d[p] = NULL;
    }
}

static void gradients_of_examples_are_the_oracles(void **state)
{
    (void)state;
    glob_t files;
    assert_int_equal(glob(PTL_SOURCE_DIR "/examples/*.ptl", 0, NULL, &files),
                     0);
    int checked = 0;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        example e = {0};
        print_message("%s\n", files.gl_pathv[i]);
        if (!load(&e, files.gl_pathv[i]))
            continue;
        checked++;
        run_compiled(&e);
        assert_true(e.norm > 0);
        compare_directions(&e);
        compare_coordinates(&e);
        unload(&e);
    }
    globfree(&files);
    assert_true(checked >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_examples_are_the_oracles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
