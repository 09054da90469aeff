/*
 * regions.c - clamp, wrap and reflect as plain reads of pieces of the domain.
 *
 * Each of them is piecewise affine: over the part of the domain where
 * lo <= e < hi it reads at e + constant, at constant - e, or at a constant. So
 * the adjoint is the sum over those regions of the adjoint of a plain read,
 * with the region as a window: the interior inverts as usual, the edges become
 * thin slabs.
 */
#include "base/integer.h"
#include "grad/grad_priv.h"

enum { MAX_REGIONS = 24 };

typedef struct splitter {
    ir_graph *g;
    const ir_comp *comp;
    const ir_expr *read;
    grad_regions *out;
    bool ok;
} splitter;

static void split_from(splitter *s, const grad_region *so_far, int d);

/* Over lo <= e < hi the subscript is coef * e + constant. */
static void add_region(splitter *s, const grad_region *so_far, int d,
                       int64_t lo, int64_t hi, int64_t coef, int64_t constant)
{
    int64_t low, high;
    ir_affine e = s->read->subs[d].affine;
    grad_region next = *so_far;
    ir_affine_range(e, s->comp->vars, &low, &high);
    if (high < lo || low >= hi || !s->ok)
        return;
    next.subs[d].mode = IR_PLAIN;
    next.subs[d].affine =
        ir_affine_add(s->g, ir_affine_scale(s->g, e, coef),
                      ir_affine_const(constant));
    if (low < lo || high >= hi) {
        next.windows[next.window_count].value = e;
        next.windows[next.window_count].lo = lo;
        next.windows[next.window_count++].hi = hi;
    }
    split_from(s, &next, d + 1);
}

static void split_clamp(splitter *s, const grad_region *r, int d, int64_t n)
{
    add_region(s, r, d, INT32_MIN, 0, 0, 0);
    add_region(s, r, d, 0, n, 1, 0);
    add_region(s, r, d, n, INT32_MAX, 0, n - 1);
}

static void split_wrap(splitter *s, const grad_region *r, int d, int64_t n,
                       int64_t low, int64_t high)
{
    for (int64_t k = int_floor_div(low, n); k <= int_floor_div(high, n); k++)
        add_region(s, r, d, k * n, (k + 1) * n, 1, -k * n);
}

/* Mirrored at the ends, which do not repeat: -1 reads 1, n reads n-2. */
static void split_reflect(splitter *s, const grad_region *r, int d, int64_t n,
                          int64_t low, int64_t high)
{
    int64_t step = n - 1;
    if (step == 0) {
        add_region(s, r, d, low, high + 1, 0, 0);
        return;
    }
    /* The interior keeps both its ends, so `low` may belong to the region
     * before the one it divides into. */
    for (int64_t k = int_floor_div(low, step) - 1;
         k <= int_floor_div(high, step); k++) {
        int64_t lo = k > 0 ? k * step + 1 : k * step;
        int64_t hi = k >= 0 ? (k + 1) * step + 1 : (k + 1) * step;
        if (k % 2 == 0)
            add_region(s, r, d, lo, hi, 1, -k * step);
        else
            add_region(s, r, d, lo, hi, -1, (k + 1) * step);
    }
}

static void split_from(splitter *s, const grad_region *so_far, int d)
{
    int64_t low, high;
    while (d < s->read->sub_count && s->read->subs[d].mode == IR_PLAIN)
        d++;
    if (d == s->read->sub_count) {
        s->ok = s->ok && s->out->count < MAX_REGIONS;
        vec_push(s->g->arena, s->out, *so_far);
        return;
    }
    const ir_sub *sub = &s->read->subs[d];
    int64_t n = s->read->node->type.dims[d];
    if (sub->gather || n <= 0) {
        s->ok = false;
        return;
    }
    ir_affine_range(sub->affine, s->comp->vars, &low, &high);
    if ((high - low) / n > MAX_REGIONS)
        s->ok = false;
    else if (sub->mode == IR_CLAMP)
        split_clamp(s, so_far, d, n);
    else if (sub->mode == IR_WRAP)
        split_wrap(s, so_far, d, n, low, high);
    else
        split_reflect(s, so_far, d, n, low, high);
}

bool grad_split_regions(ir_graph *g, const ir_comp *comp, const ir_expr *read,
                        grad_regions *out)
{
    grad_region whole = {0};
    for (int d = 0; d < read->sub_count; d++)
        whole.subs[d] = read->subs[d];
    splitter s = {g, comp, read, out, true};
    split_from(&s, &whole, 0);
    return s.ok;
}

/* ---------- for scatters ---------- */

static ir_expr *clamped(ir_graph *g, ir_expr *e, int64_t n)
{
    e = ir_op2(g, IR_MINIMUM_OP, e, ir_int(g, n - 1));
    return ir_op2(g, IR_MAXIMUM_OP, e, ir_int(g, 0));
}

static ir_expr *reflected(ir_graph *g, ir_expr *e, int64_t n)
{
    if (n == 1)
        return ir_int(g, 0);
    int64_t period = 2 * (n - 1);
    ir_expr *turn = ir_op2(g, IR_MOD_OP, e, ir_int(g, period));
    ir_expr *back = ir_op2(g, IR_SUB_OP, ir_int(g, period), turn);
    return ir_op2(g, IR_MINIMUM_OP, turn, back);
}

void grad_plain_subs(ir_graph *g, const ir_comp *comp, const ir_expr *read,
                     ir_sub *out)
{
    for (int d = 0; d < read->sub_count; d++) {
        const ir_sub *sub = &read->subs[d];
        int64_t n = read->node->type.dims[d], low, high;
        out[d] = *sub;
        if (sub->mode == IR_PLAIN &&
            ir_sub_bounds(sub, comp->vars, &low, &high) && low >= 0 && high < n)
            continue;
        ir_expr *e = ir_affine_value(g, sub->affine);
        if (sub->gather)
            e = ir_op2(g, IR_ADD_OP, e, sub->gather);
        if (sub->mode == IR_WRAP)
            e = ir_op2(g, IR_MOD_OP, e, ir_int(g, n));
        else if (sub->mode == IR_REFLECT)
            e = reflected(g, e, n);
        /* A value outside is guarded away; it needs some place to point at. */
        out[d] = (ir_sub){.gather = clamped(g, e, n)};
    }
}
