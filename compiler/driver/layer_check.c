/*
 * layer_check.c - see layer_check.h.
 *
 * What is judged is grad_build() on the own graph of a layer or function: what training
 * would use. The judge is the oracle's complex step, one sampled coordinate of
 * a parameter or input at a time.
 */
#include "layer_check.h"
#include "base/philox.h"
#include "grad/grad.h"
#include "ir/eval.h"
#include "lang/elab.h"
#include "lower/lower.h"
#include <complex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DRAWS = 12, /* of sizes, until enough fit */
    CHECKED_DRAWS = 3,
    COORDINATES = 12,       /* of each parameter or input */
    MOST_ELEMENTS = 200000, /* of all nodes: more is too slow here */
};

static const double STEP = 1e-30, TOLERANCE = 1e-9;

typedef struct checking {
    driver *d;
    const ast_decl *decl;
    compiled_test *compiled; /* NULL: by the oracle alone */
    uint64_t seed;
    ir_graph *g;
    ir_node *loss;
    VEC(ir_node *) wrt;
    ir_node **grads;
    ir_values *values; /* with the gradients' */
} checking;

/* ---------- values of inputs ---------- */

static double draw_value(const checking *c, const ir_node *n, int64_t i)
{
    double u = philox_uniform(c->seed, (uint64_t)n->id + 1, 1, (uint64_t)i);
    if (n->role == IR_SCALAR_INPUT)
        return !strcmp(n->name, "seed") ? 1 : 0;
    if (n->type.kind == IR_BOOL)
        return u < 0.5;
    if (n->type.kind == IR_INT)
        return floor(u * (double)(n->type.bound ? n->type.bound : 1));
    if (n->role == IR_STATE)
        return 0.5 + u;
    return 2 * u - 1;
}

/* One that f32 has, where that may be compiled for. */
static double input_value(const checking *c, const ir_node *n, int64_t i)
{
    double x = draw_value(c, n, i);
    return c->compiled ? (double)(float)x : x;
}

static void set_inputs(const checking *c, ir_values *v, const ir_node *moved,
                       int64_t at)
{
    for (int i = 0; i < c->g->nodes.count; i++) {
        const ir_node *n = c->g->nodes.data[i];
        int64_t count = ir_element_count(&n->type);
        double complex *numbers;
        if (n->kind != IR_INPUT)
            continue;
        numbers = calloc((size_t)count + 1, sizeof *numbers);
        PTL_ASSERT(numbers);
        for (int64_t k = 0; k < count; k++)
            numbers[k] = input_value(c, n, k);
        if (n == moved)
            numbers[at] += CMPLX(0.0, STEP);
        ir_values_set_complex(v, n, numbers);
        free(numbers);
    }
}

/* ---------- one draw ---------- */

static void collect_wrt(checking *c)
{
    for (int i = 0; i < c->g->nodes.count; i++) {
        ir_node *n = c->g->nodes.data[i];
        if (n->kind == IR_INPUT && n->type.kind == IR_REAL &&
            (n->role == IR_PARAM || n->role == IR_DATA))
            vec_push(c->g->arena, &c->wrt, n);
    }
}

static bool is_small(const ir_graph *g)
{
    int64_t n = 0;
    for (int i = 0; i < g->nodes.count; i++) {
        const ir_node *node = g->nodes.data[i];
        n += node->kind == IR_COMP ? ir_volume(&node->comp)
                                   : ir_element_count(&node->type);
    }
    return n <= MOST_ELEMENTS;
}

/* The derivative by complex step; false where the oracle cannot say. */
static bool slope(const checking *c, const ir_node *n, int64_t at,
                  const bool *wanted, double *out)
{
    ir_values *v = ir_values_new(c->g);
    ptl_error err;
    set_inputs(c, v, n, at);
    bool done = ir_eval(c->g, v, wanted, &err) == PTL_OK;
    if (done)
        *out = cimag(v->data[c->loss->id][0]) / STEP;
    ir_values_free(v);
    return done;
}

static double norm(const double complex *numbers, int64_t count)
{
    double s = 0;
    for (int64_t i = 0; i < count; i++)
        s += creal(numbers[i]) * creal(numbers[i]);
    return sqrt(s);
}

/* Where `grad` defines what the input receives; else the declaration. */
static src_range place_of(const ast_decl *decl, const char *input)
{
    for (int i = 0; decl->has_grad && i < decl->grad_body.count; i++) {
        const ast_stmt *st = decl->grad_body.stmts[i];
        if (st->name && st->name[0] == 'd' && !strcmp(st->name + 1, input))
            return st->name_at;
    }
    return decl->name_at;
}

static bool check_one(const checking *c, const ir_values *v, int k,
                      const bool *wanted)
{
    const ir_node *n = c->wrt.data[k];
    int64_t count = ir_element_count(&n->type);
    const double complex *grad = v->data[c->grads[k]->id];
    double size = norm(grad, count);
    for (int64_t s = 0; s < COORDINATES && s < count; s++) {
        int64_t at =
            count <= COORDINATES
                ? s
                : (int64_t)(philox_uniform(c->seed, 99, 2, (uint64_t)s) *
                            (double)count);
        double exact, got = creal(grad[at]);
        if (!slope(c, n, at, wanted, &exact))
            return true;
        if (fabs(exact - got) <= TOLERANCE * (1 + size))
            continue;
        diag_error(c->d->diags, DIAG_GRADIENT_CHECK, place_of(c->decl, n->name),
                   "the derivative of `%s` by element %lld of %s is %.12g, "
                   "and %.12g by complex step",
                   c->decl->name, (long long)at, n->name, got, exact);
        return false;
    }
    return true;
}

static bool check_grads(checking *c)
{
    bool *wanted = calloc((size_t)c->g->nodes.count + 1, sizeof *wanted);
    bool good = true;
    PTL_ASSERT(wanted);
    wanted[c->loss->id] = true;
    for (int k = 0; k < c->wrt.count && good; k++)
        good = check_one(c, c->values, k, wanted);
    free(wanted);
    return good;
}

/* False where there is no finite loss at these sizes and values. */
static bool evaluate(checking *c)
{
    ptl_error err;
    c->values = ir_values_new(c->g);
    c->values->eps = compiled_test_eps(c->compiled);
    set_inputs(c, c->values, NULL, 0);
    return ir_eval(c->g, c->values, NULL, &err) == PTL_OK &&
           isfinite(creal(c->values->data[c->loss->id][0]));
}

static void give_grads(checking *c)
{
    for (int k = 0; k < c->wrt.count; k++)
        ir_output_add(
            c->g, arena_printf(c->g->arena, "grad/%s", c->wrt.data[k]->name),
            c->grads[k], IR_OUT_VALUE, NULL);
}

static layer_result check_graph(checking *c)
{
    ptl_error err;
    if (!is_small(c->g))
        return LAYER_NOT_DRAWN;
    c->loss = c->g->outputs.data[0].node;
    collect_wrt(c);
    c->grads = ARENA_ARRAY(c->g->arena, ir_node *, c->wrt.count + 1);
    if (!grad_build(c->g, c->loss, c->wrt.data, c->wrt.count, c->grads,
                    c->d->diags))
        return LAYER_WRONG;
    give_grads(c);
    if (!ir_verify(c->g, &err))
        ptl_panic(__FILE__, __LINE__, "%s", err.text);
    if (!evaluate(c))
        return LAYER_NOT_DRAWN;
    return check_grads(c) ? LAYER_GOOD : LAYER_WRONG;
}

/* ---------- the same graph, compiled ---------- */

static compiled_claim *claims_of(const checking *c)
{
    const ir_graph *g = c->g;
    int first_grad = g->outputs.count - c->wrt.count;
    compiled_claim *claims =
        ARENA_ARRAY(g->arena, compiled_claim, g->outputs.count);
    for (int i = 0; i < first_grad; i++)
        claims[i] = (compiled_claim){c->decl->name_at,
                                     arena_printf(g->arena, "%s of `%s`",
                                                  g->outputs.data[i].name,
                                                  c->decl->name)};
    for (int k = 0; k < c->wrt.count; k++)
        claims[first_grad + k] = (compiled_claim){
            place_of(c->decl, c->wrt.data[k]->name),
            arena_printf(g->arena, "the derivative of `%s` by %s",
                         c->decl->name, c->wrt.data[k]->name)};
    return claims;
}

static void compile_too(checking *c)
{
    compiled_check check = {c->decl, DIAG_GRADIENT_CHECK, claims_of(c), c->g,
                            c->values};
    if (!compiled_test_add(c->compiled, check))
        return;
    c->g = NULL; /* they are its own now */
    c->values = NULL;
}

static layer_result check_draw(checking *c, const lang_modules *modules,
                               const lang_module *module)
{
    ptl_arena *arena = arena_new();
    elab_options options = {.mode = ELAB_GRAD, .seed = c->seed, .f64 = true};
    typed_program *p =
        elab_drawn(arena, modules, module, c->decl, &options, c->d->diags);
    layer_result r = LAYER_NOT_DRAWN;
    if (p) {
        c->g = lower_program(p, LOWER_CHECK, c->d->diags);
        r = c->g ? check_graph(c) : LAYER_WRONG;
    }
    if (r == LAYER_GOOD && c->compiled)
        compile_too(c);
    ir_values_free(c->values);
    ir_graph_free(c->g);
    arena_free(arena);
    return r;
}

layer_result layer_check(driver *d, const lang_modules *modules,
                         const lang_module *module, const ast_decl *decl,
                         compiled_test *compiled)
{
    int checked = 0;
    for (uint64_t seed = 1; seed <= DRAWS && checked < CHECKED_DRAWS; seed++) {
        checking c = {.d = d, .decl = decl, .compiled = compiled, .seed = seed};
        switch (check_draw(&c, modules, module)) {
        case LAYER_WRONG:
            return LAYER_WRONG;
        case LAYER_GOOD:
            checked++;
            break;
        case LAYER_NOT_DRAWN:
            break;
        }
    }
    return checked ? LAYER_GOOD : LAYER_NOT_DRAWN;
}
