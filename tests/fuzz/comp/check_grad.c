/*
 * check_grad.c - graph, text, gradient and passes, judged by the oracle.
 */
#include "base/philox.h"
#include "check.h"
#include "core/ir_text.h"
#include "generate.h"
#include "grad/grad.h"
#include "opt/opt.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check_fail(check_result *r, const char *format, ...)
{
    va_list args;
    if (r->failed)
        return;
    r->failed = true;
    va_start(args, format);
    vsnprintf(r->why, sizeof r->why, format, args);
    va_end(args);
}

void check_bind(const ir_graph *g, ir_values *v, uint64_t data_seed)
{
    for (int i = 0; i < g->nodes.count; i++) {
        const ir_node *n = g->nodes.data[i];
        if (n->kind != IR_INPUT)
            continue;
        double *data = fuzz_data(n, data_seed);
        ir_values_set(v, n, data);
        free(data);
    }
}

ir_graph *check_copy(const ir_graph *g)
{
    char *text = ir_to_text(g);
    ir_graph *copy = ir_from_unverified_text(text);
    free(text);
    return copy;
}

static bool verified(const ir_graph *g, const char *stage, check_result *r)
{
    ptl_error err = {0};
    if (!ir_verify(g, &err))
        check_fail(r, "%s: %s", stage, err.text);
    return !r->failed;
}

static void check_text(const ir_graph *g, check_result *r)
{
    char *once = ir_to_text(g);
    ir_graph *read = ir_try_text(once, strlen(once));
    if (!read) {
        check_fail(r, "the printed text does not parse");
    } else {
        char *twice = ir_to_text(read);
        if (strcmp(once, twice) != 0)
            check_fail(r, "the text does not read back as it was printed");
        free(twice);
        ir_graph_free(read);
    }
    free(once);
}

static ir_node *output_node(const ir_graph *g, const char *name)
{
    for (int i = 0; i < g->outputs.count; i++)
        if (strcmp(g->outputs.data[i].name, name) == 0)
            return g->outputs.data[i].node;
    return NULL;
}

/* Evaluates with error bounds for f64. */
static ir_values *evaluated(const ir_graph *g, uint64_t data_seed,
                            const char *stage, check_result *r)
{
    ptl_error err = {0};
    ir_values *v = ir_values_new(g);
    v->eps = DBL_EPSILON;
    check_bind(g, v, data_seed);
    if (ir_eval(g, v, NULL, &err) != PTL_OK)
        check_fail(r, "%s: the oracle stopped: %s", stage, err.text);
    return v;
}

/* ---------- gradients ---------- */

static bool add_gradients(ir_graph *g, check_result *r)
{
    ptl_diags *diags = diags_new(1);
    ir_node **wrt = calloc((size_t)g->nodes.count, sizeof *wrt);
    ir_node **grads = calloc((size_t)g->nodes.count, sizeof *grads);
    int count = 0;
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.data[i]->kind == IR_INPUT &&
            g->nodes.data[i]->type.kind == IR_REAL)
            wrt[count++] = g->nodes.data[i];
    ir_node *loss = output_node(g, "loss");
    bool built = grad_build(g, loss, wrt, count, grads, diags);
    if (!built) {
        ptl_str text = {0};
        diags_print(diags, &text, false);
        check_fail(r, "grad_build refused: %s", str_text(&text));
        str_fini(&text);
    }
    for (int i = 0; i < count && built; i++) {
        char name[300];
        snprintf(name, sizeof name, "d %s", wrt[i]->name);
        ir_output_add(g, name, grads[i], IR_OUT_VALUE, NULL);
    }
    free(wrt);
    free(grads);
    diags_free(diags);
    return !r->failed;
}

/* The gradient's slope along `d`, its magnitude and how sure it is. */
typedef struct slope {
    double value, magnitude, err;
} slope;

static slope slope_along(const ir_graph *g, const ir_values *v,
                         const ir_node *input, const double *d)
{
    char name[300];
    slope s = {0};
    snprintf(name, sizeof name, "d %s", input->name);
    const ir_node *grad = output_node(g, name);
    for (int64_t i = 0; i < ir_element_count(&input->type); i++) {
        double x = creal(v->data[grad->id][i]) * d[i];
        s.value += x;
        s.magnitude += fabs(x);
        s.err += v->error[grad->id][i] * fabs(d[i]);
    }
    return s;
}

static void compare_slopes(slope s, double expected, const char *what,
                           check_result *r)
{
    /* Too close to call does not count here: both sides are decided by the
     * same evaluator from the same numbers. */
    double err = isinf(s.err) ? 0.0 : 50.0 * s.err;
    double bound = 1e-10 * (s.magnitude + fabs(expected)) + err + 1e-13;
    r->compared++;
    if (!(fabs(s.value - expected) <= bound))
        check_fail(r,
                   "%s: gradient %.17g, complex step %.17g (magnitude %.3g, "
                   "bound %.3g)",
                   what, s.value, expected, s.magnitude, bound);
}

static double *direction_for(const ir_node *input, uint64_t seed)
{
    int64_t count = ir_element_count(&input->type);
    double *d = calloc((size_t)count + 1, sizeof *d);
    for (int64_t i = 0; i < count; i++)
        d[i] = philox_uniform(seed, (uint64_t)input->id, 99, (uint64_t)i) -
               0.5;
    return d;
}

/* Every input on its own, along a random direction. */
static void check_slopes(const ir_graph *g, const ir_values *v,
                         uint64_t data_seed, check_result *r)
{
    const ir_node *loss = output_node(g, "loss");
    for (int i = 0; i < g->nodes.count && !r->failed; i++) {
        ir_node *input = g->nodes.data[i];
        if (input->kind != IR_INPUT || input->type.kind != IR_REAL)
            continue;
        double *d = direction_for(input, data_seed + 1);
        slope s = slope_along(g, v, input, d);
        double expected = ir_complex_step(g, v, loss, &input,
                                          (const double *const *)&d, 1);
        compare_slopes(s, expected, input->name, r);
        free(d);
    }
}

/* ---------- passes ---------- */

/* Values before and after the passes, output by output. */
static void compare_outputs(const ir_graph *g, const ir_values *v,
                            const ir_graph *h, const ir_values *w,
                            check_result *r)
{
    for (int k = 0; k < g->outputs.count && !r->failed; k++) {
        const char *name = g->outputs.data[k].name;
        const ir_node *a = g->outputs.data[k].node;
        const ir_node *b = output_node(h, name);
        for (int64_t i = 0; i < ir_element_count(&a->type); i++) {
            double x = creal(v->data[a->id][i]), y = creal(w->data[b->id][i]);
            double bound = 50.0 * (v->error[a->id][i] + w->error[b->id][i]) +
                           1e-13;
            bool same = x == y || (isnan(x) && isnan(y));
            if (!same && !(fabs(x - y) <= bound))
                check_fail(r, "passes changed %s[%lld] from %.17g to %.17g",
                           name, (long long)i, x, y);
        }
    }
}

static void dump_pass(const char *pass, const ir_graph *g, void *ctx)
{
    check_result *r = ctx;
    ptl_error err = {0};
    if (!ir_verify(g, &err))
        check_fail(r, "after pass %s: %s", pass, err.text);
}

ir_graph *check_gradient(const ir_graph *g, uint64_t data_seed,
                         check_result *r)
{
    if (!verified(g, "generated", r))
        return NULL;
    check_text(g, r);
    ir_graph *h = check_copy(g);
    ir_graph *plain = NULL;
    ir_values *v = NULL, *w = NULL;
    if (r->failed || !add_gradients(h, r))
        goto done;
    if (!verified(h, "gradient", r))
        goto done;
    check_text(h, r);
    v = evaluated(h, data_seed, "gradient", r);
    if (!r->failed)
        check_slopes(h, v, data_seed, r);
    if (r->failed)
        goto done;
    plain = check_copy(h);
    opt_run(h, false, dump_pass, r);
    if (r->failed || !verified(h, "passes", r))
        goto done;
    check_text(h, r);
    w = evaluated(h, data_seed, "passes", r);
    if (!r->failed)
        compare_outputs(plain, v, h, w, r);
done:
    ir_values_free(v);
    ir_values_free(w);
    ir_graph_free(plain);
    if (r->failed) {
        ir_graph_free(h);
        return NULL;
    }
    return h;
}
