/*
 * contraction.c - recognises products under a sum, forward and backward alike.
 *
 * A sum over a product of two factors is a contraction by where its variables
 * occur: in both factors and the result: batch; in the left (right) factor and
 * the result: M (N); reduced: K. The variables of an axis are one fused,
 * row-major index. Convolutions, their gradients and batched products all are
 * this form; what is odd about their addresses is the packing's business.
 *
 * Needs:    a comprehension after fusion.
 * Provides: axes and factors, or the reason why not.
 * Keeps:    K in order of definition. The choice looks at sizes alone, so it
 *           is the same for every target.
 */
#include "sched/internal.h"
#include <stdlib.h>

enum { LEAST_EXTENT = 4 };

static void check_packable(ir_expr *e, void *ctx)
{
    bool *ok = ctx;
    switch (e->kind) {
    case IR_EXPR_CONST:
    case IR_EXPR_OP:
        return;
    case IR_EXPR_READ:
        for (int i = 0; i < e->sub_count; i++)
            *ok = *ok && sched_is_direct(&e->subs[i]);
        *ok = *ok && (!e->outside || e->outside->kind == IR_EXPR_CONST);
        return;
    default:
        *ok = false;
    }
}

bool sched_is_packable(ir_expr *e)
{
    bool ok = true;
    ir_visit(e, check_packable, &ok);
    return ok;
}

static void add_vars(ir_expr *e, void *ctx)
{
    uint32_t *mask = ctx;
    if (e->kind == IR_EXPR_VAR)
        *mask |= (uint32_t)1 << e->var;
    for (int i = 0; i < e->sub_count; i++)
        for (int k = 0; k < e->subs[i].affine.term_count; k++)
            *mask |= (uint32_t)1 << e->subs[i].affine.terms[k].var;
}

uint32_t sched_vars_of(ir_expr *e)
{
    uint32_t mask = 0;
    ir_visit(e, add_vars, &mask);
    return mask;
}

void sched_axis_add(sched_axis *axis, const ir_comp *comp, int var)
{
    axis->vars[axis->count++] = var;
    axis->extent *= comp->vars[var].hi - comp->vars[var].lo;
}

void sched_split_axes(sched_contraction *c)
{
    const ir_comp *comp = &c->node->comp;
    const sched_axis none = {.extent = 1};
    uint32_t left = sched_vars_of(c->left), right = sched_vars_of(c->right);
    c->batch = c->m = c->n = c->k = none;
    for (int v = 0; v < comp->var_count; v++) {
        if (v < comp->out_count && comp->vars[v].hi == 1)
            continue;
        bool in_left = left >> v & 1, in_right = right >> v & 1;
        if (v >= comp->out_count)
            sched_axis_add(&c->k, comp, v);
        else if (in_left && in_right)
            sched_axis_add(&c->batch, comp, v);
        else if (in_right)
            sched_axis_add(&c->n, comp, v);
        else
            sched_axis_add(&c->m, comp, v);
    }
}

bool sched_has_long_axes(const sched_contraction *c)
{
    return c->m.extent >= LEAST_EXTENT && c->n.extent >= LEAST_EXTENT &&
           c->k.extent >= LEAST_EXTENT;
}

int sched_innermost(const ir_comp *comp)
{
    for (int v = comp->out_count - 1; v >= 0; v--)
        if (comp->vars[v].hi > 1)
            return v;
    return -1;
}

static bool has_var(const sched_axis *axis, int var)
{
    for (int i = 0; i < axis->count; i++)
        if (axis->vars[i] == var)
            return true;
    return false;
}

/* Rounded to bf16 on a machine that multiplies them two at a time. */
static bool multiplies_pairs(const sched_contraction *c,
                             const sched_options *options)
{
    const ir_expr *l = c->left, *r = c->right;
    return options->target.bf16_pairs && !options->f64 &&
           l->kind == IR_EXPR_OP && l->op == IR_BF16_OP &&
           r->kind == IR_EXPR_OP && r->op == IR_BF16_OP &&
           c->k.extent % 2 == 0;
}

const char *sched_find_contraction(ir_node *n, const sched_options *options,
                                   sched_contraction *out)
{
    const ir_comp *comp = &n->comp;
    if (comp->reduce != IR_SUM || n->type.kind != IR_REAL)
        return "not a sum of reals";
    ir_expr *body = comp->body;
    if (body->kind != IR_EXPR_OP || body->op != IR_MUL_OP)
        return "not a product";
    if (comp->filter)
        return "filtered";
    *out = (sched_contraction){
        .node = n, .left = body->args[0], .right = body->args[1]};
    sched_split_axes(out);
    if (has_var(&out->m, sched_innermost(comp))) {
        out->left = body->args[1];
        out->right = body->args[0];
        sched_split_axes(out);
    }
    if (!sched_is_packable(out->left) || !sched_is_packable(out->right))
        return "a factor is more than operations on affine reads";
    if (!sched_has_long_axes(out))
        return "an axis is short";
    if (ir_volume(comp) < SCHED_LEAST_WORK)
        return "small";
    out->packed = multiplies_pairs(out, options) ? 2 : 1;
    out->splits = 1;
    out->k_split = out->k.extent;
    kern_tile_fit(&options->target, options->f64, out->m.extent, out->n.extent,
                  &out->mr, &out->nr);
    return NULL;
}

void sched_axis_at(const sched_axis *axis, const ir_var *vars, int64_t at,
                   int64_t *values)
{
    for (int i = axis->count - 1; i >= 0; i--) {
        const ir_var *var = &vars[axis->vars[i]];
        int64_t extent = var->hi - var->lo;
        int64_t step = at % extent;
        if (axis->reversed >> axis->vars[i] & 1)
            step = extent - 1 - step;
        values[axis->vars[i]] = var->lo + step;
        at /= extent;
    }
}

/* Room that is used again: a table may have millions of rows. */
static int64_t *room_for(sched_schedule *s, int64_t count)
{
    if (count > s->sums_room) {
        free(s->sums);
        s->sums = malloc((size_t)count * sizeof *s->sums);
        PTL_ASSERT(s->sums);
        s->sums_room = count;
    }
    return s->sums;
}

const int64_t *sched_axis_sums(sched_schedule *s, const sched_axis *axis,
                               const ir_var *vars, const int64_t *coef)
{
    int64_t *out = room_for(s, axis->extent + 1), size = 1;
    out[0] = 0;
    for (int i = axis->count - 1; axis->extent && i >= 0; i--) {
        int v = axis->vars[i];
        int64_t extent = vars[v].hi - vars[v].lo, step = coef[v];
        bool reversed = axis->reversed >> v & 1;
        int64_t first = step * (reversed ? vars[v].hi - 1 : vars[v].lo);
        step = reversed ? -step : step;
        for (int64_t k = extent - 1; k >= 0; k--)
            for (int64_t at = 0; at < size; at++)
                out[k * size + at] = out[at] + first + k * step;
        size *= extent;
    }
    return out;
}
