/*
 * grad_case.c - see grad_case.h.
 */
#include "core/grad_case.h"
#include "base/map.h"
#include "base/philox.h"
#include "opt/opt.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    abort();
}

static void verify(const grad_case *c, const char *when)
{
    ptl_error err = {0};
    if (!ir_verify(c->g, &err)) {
        ptl_str text = {0};
        ir_print(c->g, &text);
        fprintf(stderr, "%s\n", str_text(&text));
        stop(when, err.text);
    }
}

static void check_diags(const grad_case *c, const char *when)
{
    ptl_str text = {0};
    if (diags_error_count(c->diags) == 0)
        return;
    diags_print(c->diags, &text, false);
    stop(when, str_text(&text));
}

/* sum(weight * y) with a new input `name` for the weight */
static ir_node *weighted_sum(ir_graph *g, const char *name, ir_node *y)
{
    ir_comp sum = {.reduce = IR_SUM, .var_count = y->type.rank};
    ir_var vars[IR_MAX_RANK];
    for (int d = 0; d < y->type.rank; d++)
        vars[d] = (ir_var){"o", 0, y->type.dims[d]};
    sum.vars = vars;
    if (sum.var_count == 0)
        sum.reduce = IR_MAP;
    ir_node *weight = ir_input(g, name, y->type, IR_GENERIC, PTL_F64);
    sum.body = ir_op2(g, IR_MUL_OP, ir_read_plain(g, weight, 0),
                      ir_read_plain(g, y, 0));
    return ir_comprehend(g, "loss", &sum, (src_range){0});
}

static void note_forward(grad_case *c)
{
    c->forward_count = c->g->nodes.count;
    c->forward = ARENA_ARRAY(c->arena, ir_node *, c->forward_count);
    memcpy(c->forward, c->g->nodes.data,
           (size_t)c->forward_count * sizeof *c->forward);
}

grad_case *grad_case_parse(const char *name, const char *text)
{
    ptl_arena *arena = arena_new();
    grad_case *c = ARENA_NEW(arena, grad_case);
    c->arena = arena;
    c->diags = diags_new(0);
    src_file *file = src_file_new(arena, name, text, strlen(text));
    c->g = ir_parse(file, c->diags);
    check_diags(c, "parse");
    for (int i = 0; i < c->g->outputs.count; i++)
        if (strcmp(c->g->outputs.data[i].name, "y") == 0)
            c->y = c->g->outputs.data[i].node;
    if (!c->y)
        stop(name, "no output y");
    for (int i = 0; i < c->g->nodes.count; i++) {
        ir_node *n = c->g->nodes.data[i];
        if (n->kind == IR_INPUT && n->role == IR_PARAM &&
            n->type.kind == IR_REAL && c->wrt_count < CASE_INPUTS)
            c->wrt[c->wrt_count++] = n;
    }
    c->loss = weighted_sum(c->g, "dy", c->y);
    verify(c, name);
    note_forward(c);
    return c;
}

grad_case *grad_case_load(const char *path)
{
    ptl_str text = {0};
    char part[4096];
    FILE *file = fopen(path, "rb");
    if (!file)
        stop(path, "cannot be read");
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        str_addn(&text, part, n);
    fclose(file);
    grad_case *c = grad_case_parse(path, str_text(&text));
    str_fini(&text);
    return c;
}

void grad_case_free(grad_case *c)
{
    ir_graph_free(c->g);
    diags_free(c->diags);
    arena_free(c->arena);
}

void grad_case_set(grad_case *c, const char *name, const double *values)
{
    c->value_name[c->value_count] = name;
    c->values[c->value_count++] = values;
}

void grad_case_build(grad_case *c, bool optimise)
{
    grad_build(c->g, c->loss, c->wrt, c->wrt_count, c->grads, c->diags);
    check_diags(c, "grad");
    verify(c, "grad");
    for (int i = 0; i < c->wrt_count; i++)
        ir_output_add(c->g,
                      arena_printf(c->arena, "grad of %s", c->wrt[i]->name),
                      c->grads[i], IR_OUT_VALUE, NULL);
    ir_output_add(c->g, "the loss", c->loss, IR_OUT_VALUE, NULL);
    if (optimise)
        opt_run(c->g, true, NULL, NULL);
    /* Passes put other nodes in the place of these. */
    int base = c->g->outputs.count - c->wrt_count - 1;
    for (int i = 0; i < c->wrt_count; i++)
        c->grads[i] = c->g->outputs.data[base + i].node;
    c->loss = c->g->outputs.data[base + c->wrt_count].node;
    verify(c, "opt");
}

void grad_case_again(grad_case *c, bool optimise)
{
    ir_node *total = NULL;
    for (int i = 0; i < c->wrt_count; i++) {
        ir_node *one = weighted_sum(
            c->g, arena_printf(c->arena, "e_%s", c->wrt[i]->name),
            c->grads[i]);
        if (total) {
            ir_comp sum = {.body = ir_op2(c->g, IR_ADD_OP,
                                          ir_read_plain(c->g, total, 0),
                                          ir_read_plain(c->g, one, 0))};
            one = ir_comprehend(c->g, "loss", &sum, (src_range){0});
        }
        total = one;
    }
    c->loss = total;
    c->g->outputs.count = 0;
    /* What a pass found to be unused is no longer in the graph. */
    int kept = 0;
    for (int i = 0; i < c->wrt_count; i++)
        if (c->wrt[i]->id >= 0)
            c->wrt[kept++] = c->wrt[i];
    c->wrt_count = kept;
    note_forward(c);
    grad_case_build(c, optimise);
}

/* ---------- looking ---------- */

static bool is_forward(const grad_case *c, const ir_node *n)
{
    for (int i = 0; i < c->forward_count; i++)
        if (c->forward[i] == n)
            return true;
    return false;
}

static bool *needed_for_gradients(const grad_case *c)
{
    bool *needed = ARENA_ARRAY(c->arena, bool, c->g->nodes.count);
    for (int i = 0; i < c->wrt_count; i++)
        needed[c->grads[i]->id] = true;
    for (int i = c->g->nodes.count - 1; i >= 0; i--) {
        ir_node **operands;
        int count = ir_operands(c->g, c->g->nodes.data[i], &operands);
        for (int k = 0; k < count && needed[i]; k++)
            needed[operands[k]->id] = true;
    }
    return needed;
}

void grad_case_print(const grad_case *c, ptl_str *out)
{
    const bool *needed = needed_for_gradients(c);
    ir_node **nodes = ARENA_ARRAY(c->arena, ir_node *, c->g->nodes.count);
    int count = 0;
    for (int i = 0; i < c->g->nodes.count; i++)
        if (needed[i] && !is_forward(c, c->g->nodes.data[i]))
            nodes[count++] = c->g->nodes.data[i];
    grad_print_ptl(c->g, nodes, count, out);
}

typedef struct op_ctx {
    ir_scalar op;
    bool found;
} op_ctx;

static void note_op(ir_expr *e, void *ctx)
{
    op_ctx *c = ctx;
    c->found = c->found || (e->kind == IR_EXPR_OP && e->op == c->op);
}

bool grad_case_uses(const grad_case *c, ir_scalar op)
{
    op_ctx ctx = {.op = op};
    const bool *needed = needed_for_gradients(c);
    for (int i = 0; i < c->g->nodes.count; i++) {
        const ir_node *n = c->g->nodes.data[i];
        if (!needed[i] || is_forward(c, n))
            continue;
        if (n->kind == IR_COMP)
            ir_visit(n->comp.body, note_op, &ctx);
        if (n->kind == IR_COMP && n->comp.filter)
            ir_visit(n->comp.filter, note_op, &ctx);
        for (int k = 0; k < n->piece_count; k++)
            for (int d = 0; d < n->type.rank; d++)
                if (n->pieces[k].subs[d].gather)
                    ir_visit(n->pieces[k].subs[d].gather, note_op, &ctx);
    }
    return ctx.found;
}

double grad_case_volume(const grad_case *c)
{
    const grad_volume *rows;
    double worst = 0.0;
    int count = grad_volumes(c->g, &rows);
    for (int i = 0; i < count; i++) {
        double ratio = rows[i].backward == 0
                           ? 0.0
                           : (double)rows[i].backward /
                                 (double)grad_volume_limit(&rows[i]);
        worst = ratio > worst ? ratio : worst;
    }
    return worst;
}

void grad_case_volumes(const grad_case *c, const char *operand,
                       int64_t *forward, int64_t *backward)
{
    const grad_volume *rows;
    int count = grad_volumes(c->g, &rows);
    *forward = *backward = 0;
    for (int i = 0; i < count; i++)
        if (strcmp(rows[i].operand->name, operand) == 0) {
            *forward += rows[i].forward;
            *backward += rows[i].backward;
        }
}

/* ---------- numbers ---------- */

static double random_at(uint64_t key, int64_t i)
{
    return philox_uniform(1, key, 0, (uint64_t)i);
}

static double complex *numbers_for(const grad_case *c, const ir_node *n)
{
    int64_t count = ir_element_count(&n->type);
    double complex *x = ARENA_ARRAY(c->arena, double complex, count + 1);
    uint64_t key = ptl_hash(n->name, strlen(n->name));
    for (int64_t i = 0; i < count; i++) {
        double u = random_at(key, i);
        if (n->type.kind == IR_REAL)
            x[i] = 2.0 * u - 1.0;
        else if (n->type.kind == IR_BOOL)
            x[i] = u < 0.5;
        else
            x[i] = floor(u * (double)(n->type.bound ? n->type.bound : 4));
    }
    for (int k = 0; k < c->value_count; k++)
        for (int64_t i = 0; strcmp(c->value_name[k], n->name) == 0 && i < count;
             i++)
            x[i] = c->values[k][i];
    return x;
}

static void set_inputs(const grad_case *c, ir_values *v, const ir_node *nudged,
                       int64_t at, double step)
{
    for (int i = 0; i < c->g->nodes.count; i++) {
        const ir_node *n = c->g->nodes.data[i];
        if (n->kind != IR_INPUT)
            continue;
        double complex *x = numbers_for(c, n);
        if (n == nudged)
            x[at] += CMPLX(0.0, step);
        ir_values_set_complex(v, n, x);
    }
}

static ir_values *evaluate(const grad_case *c, const ir_node *nudged,
                           int64_t at, double step, const bool *wanted)
{
    ptl_error err = {0};
    ir_values *v = ir_values_new(c->g);
    set_inputs(c, v, nudged, at, step);
    if (ir_eval(c->g, v, wanted, &err) != PTL_OK)
        stop("eval", err.text);
    return v;
}

ir_values *grad_case_eval(const grad_case *c)
{
    return evaluate(c, NULL, 0, 0.0, NULL);
}

const double *grad_case_gradient(const grad_case *c, int i)
{
    ir_values *v = grad_case_eval(c);
    int64_t count = ir_element_count(&c->wrt[i]->type);
    double *out = ARENA_ARRAY(c->arena, double, count + 1);
    for (int64_t k = 0; k < count; k++)
        out[k] = creal(v->data[c->grads[i]->id][k]);
    ir_values_free(v);
    return out;
}

static double complex_step(const grad_case *c, const ir_node *x, int64_t at)
{
    enum { SMALL = 100 }; /* h = 2^-100: nothing is lost beside 1 */
    bool *wanted = ARENA_ARRAY(c->arena, bool, c->g->nodes.count);
    wanted[c->loss->id] = true;
    double h = ldexp(1.0, -SMALL);
    ir_values *v = evaluate(c, x, at, h, wanted);
    double slope = cimag(v->data[c->loss->id][0]) / h;
    ir_values_free(v);
    return slope;
}

double grad_case_error(const grad_case *c)
{
    double worst = 0.0;
    for (int i = 0; i < c->wrt_count; i++) {
        const double *derived = grad_case_gradient(c, i);
        int64_t count = ir_element_count(&c->wrt[i]->type);
        for (int64_t k = 0; k < count; k++) {
            double exact = complex_step(c, c->wrt[i], k);
            double scale = fabs(exact) > 1.0 ? fabs(exact) : 1.0;
            double error = fabs(derived[k] - exact) / scale;
            if (!(error <= 1e-10))
                fprintf(stderr, "d%s[%lld]: %.17g, complex step %.17g\n",
                        c->wrt[i]->name, (long long)k, derived[k], exact);
            worst = error > worst || isnan(error) ? error : worst;
        }
    }
    return worst;
}
