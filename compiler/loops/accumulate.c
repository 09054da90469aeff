/*
 * accumulate.c - the element at the variables that have values joins an
 * accumulator, in the lanes that take part.
 */
#include "kernel/math.h"
#include "loops/reduce.h"

void reduce_begin(reducer *r, accumulator *a)
{
    kern_builder *b = &r->k->b;
    a->value = kern_local_new(b, r->type, r->lanes, "acc");
    kern_set(b, a->value, reduce_neutral(r));
    if (!reduce_has_index(r))
        return;
    a->index = kern_local_new(b, KERN_I32, r->lanes, "at");
    kern_set(b, a->index, kern_int(b, KERN_I32, r->lanes, -1));
}

/* Position of the current element within the box of reduced ranges. */
static kern_value *position(reducer *r)
{
    const ir_comp *comp = &r->n->comp;
    emit *e = r->e;
    kern_value *at = kern_int(e->b, KERN_I64, 1, 0);
    int64_t stride = 1, lane_stride = 0;
    for (int v = comp->var_count - 1; v >= comp->out_count; v--) {
        kern_value *lo = kern_int(e->b, KERN_I64, 1, comp->vars[v].lo);
        kern_value *steps = kern_op2(e->b, KERN_SUB, e->var[v], lo);
        kern_value *by = kern_int(e->b, KERN_I64, 1, stride);
        at = kern_op2(e->b, KERN_ADD, at, kern_op2(e->b, KERN_MUL, steps, by));
        if (v == e->lane_var)
            lane_stride = stride;
        stride *= comp->vars[v].hi - comp->vars[v].lo;
    }
    at = kern_convert(e->b, at, KERN_I32);
    if (lane_stride == 0)
        return at;
    kern_value *lane =
        kern_op2(e->b, KERN_MUL, kern_iota(e->b, KERN_I32, r->lanes),
                 kern_int(e->b, KERN_I32, 1, lane_stride));
    return kern_op2(e->b, KERN_ADD, at, lane);
}

/* Which lanes take part; NULL: all. */
static kern_value *taking_part(reducer *r)
{
    const ir_comp *comp = &r->n->comp;
    kern_value *cond = r->plan->lanes_reduce ? r->e->mask : NULL;
    if (!comp->filter)
        return cond;
    kern_value *filter = emit_expr(r->e, comp->filter);
    return cond ? kern_op2(r->e->b, KERN_AND, cond, filter) : filter;
}

static kern_value *as_type(reducer *r, kern_value *x)
{
    return kern_convert(&r->k->b, x, r->type);
}

static bool is_product(const ir_expr *x)
{
    return x->kind == IR_EXPR_OP && x->op == IR_MUL_OP && x->type == IR_REAL;
}

/* A product under a sum is one fma. */
static kern_value *next_value(reducer *r, int copy, kern_value *old)
{
    emit *e = r->e;
    ir_expr *body = r->n->comp.body;
    if (r->op == IR_SUM && !r->exponentials && is_product(body)) {
        kern_value *x = emit_expr(e, body->args[0]);
        return kern_fma(e->b, x, emit_expr(e, body->args[1]), old);
    }
    kern_value *x = as_type(r, emit_expr(e, body));
    if (r->exponentials) {
        kern_value *d = kern_op2(e->b, KERN_SUB, x, r->shift[copy]);
        x = kern_exp(e->b, d);
    }
    return reduce_combined(r, old, kern_splat(e->b, x, r->lanes));
}

/* Is the first element all there is so far? Then it need not be compared with
 * what stands for nothing. */
static bool takes_first(const reducer *r, kern_value *cond)
{
    bool compares = reduce_has_index(r) || r->op == IR_MAX || r->op == IR_MIN;
    return r->flat && r->fresh && !cond && compares;
}

static void accumulate_indexed(reducer *r, accumulator *a, kern_value *cond)
{
    kern_builder *b = &r->k->b;
    kern_value *x = kern_get(b, a->value), *at = kern_get(b, a->index);
    kern_value *y =
        kern_splat(b, as_type(r, emit_expr(r->e, r->n->comp.body)), r->lanes);
    kern_value *y_at = kern_splat(b, position(r), r->lanes);
    if (takes_first(r, cond)) {
        kern_set(b, a->value, y);
        kern_set(b, a->index, y_at);
        return;
    }
    kern_value *wins = reduce_beats(r, y, x);
    if (!r->in_order)
        wins = kern_op2(b, KERN_OR, wins,
                        reduce_is_earlier(r, x, at, y, y_at));
    if (!r->flat || r->n->comp.filter)
        wins = kern_op2(b, KERN_OR, wins,
                        kern_op2(b, KERN_LT, at, kern_int(b, KERN_I32, 1, 0)));
    if (cond)
        wins = kern_op2(b, KERN_AND, wins, cond);
    kern_set(b, a->value, kern_select(b, wins, y, x));
    kern_set(b, a->index, kern_select(b, wins, y_at, at));
}

void reduce_add(reducer *r, int copy)
{
    kern_builder *b = &r->k->b;
    accumulator *a = &r->acc[copy];
    kern_value *cond = taking_part(r);
    if (reduce_has_index(r)) {
        accumulate_indexed(r, a, cond);
        return;
    }
    kern_value *old = kern_get(b, a->value);
    if (takes_first(r, cond)) {
        kern_value *first = as_type(r, emit_expr(r->e, r->n->comp.body));
        kern_set(b, a->value, kern_splat(b, first, r->lanes));
        return;
    }
    kern_value *next = kern_splat(b, next_value(r, copy, old), r->lanes);
    kern_set(b, a->value, cond ? kern_select(b, cond, next, old) : next);
}
