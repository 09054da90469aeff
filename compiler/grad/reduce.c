/*
 * reduce.c - what a reduction passes on to its body.
 *
 * | reduction | adjoint of the body at (o, r) |
 * | map, sum  | dy[o] |
 * | max, min  | dy[o] where the remembered winner is r |
 * | lse       | dy[o] * exp(body - y[o]); nothing where y is -inf |
 * | prod      | no zero: dy*y/body; one zero: there dy * the others' product |
 * | argmax, argmin, any, all | none |
 *
 * A filter is part of the guard. The winner of max comes from an argmax over
 * the same box, never from comparing values again: another order of additions
 * or a fused multiply-add could make the comparison fail everywhere.
 */
#include "grad/grad_priv.h"

static ir_node *aux(ir_graph *g, const ir_node *y, const char *suffix,
                    ir_comp comp)
{
    return ir_comprehend(g, arena_printf(g->arena, "%s_%s", y->name, suffix),
                         &comp, y->at);
}

/* The row-major position of r in the box of reduction ranges. */
static ir_expr *position(ir_graph *g, const ir_comp *c)
{
    ir_affine at = ir_affine_const(0);
    for (int i = c->out_count; i < c->var_count; i++) {
        ir_affine digit = ir_affine_add(g, ir_affine_var(g, i),
                                        ir_affine_const(-c->vars[i].lo));
        int64_t extent = c->vars[i].hi - c->vars[i].lo;
        at = ir_affine_add(g, ir_affine_scale(g, at, extent), digit);
    }
    return ir_affine_value(g, at);
}

static grad_adj seed_extremum(ir_graph *g, ir_node *y, ir_expr *dy)
{
    ir_comp comp = y->comp;
    comp.reduce = y->comp.reduce == IR_MAX ? IR_ARGMAX : IR_ARGMIN;
    ir_node *winner = aux(g, y, "at", comp);
    ir_expr *won = ir_op2(g, IR_EQ_OP, ir_read_plain(g, winner, 0),
                          position(g, &y->comp));
    return (grad_adj){grad_and(g, y->comp.filter, won), dy};
}

/* Where everything is -inf there is no direction to grow in: nothing, rather
 * than exp(-inf - -inf). */
static grad_adj seed_lse(ir_graph *g, ir_node *y, ir_expr *dy)
{
    ir_expr *whole = ir_read_plain(g, y, 0);
    ir_expr *share =
        ir_op1(g, IR_EXP_OP, ir_op2(g, IR_SUB_OP, y->comp.body, whole));
    ir_expr *some =
        ir_op2(g, IR_NE_OP, whole, ir_real(g, -__builtin_inf()));
    return (grad_adj){grad_and(g, y->comp.filter, some),
                      ir_op2(g, IR_MUL_OP, dy, share)};
}

static grad_adj seed_prod(ir_graph *g, ir_node *y, ir_expr *dy)
{
    ir_expr *e = y->comp.body, *zero = ir_real(g, 0.0);
    ir_expr *is_zero = ir_op2(g, IR_EQ_OP, e, zero);
    ir_comp count = y->comp, others = y->comp;
    count.reduce = IR_SUM;
    count.body = ir_select(g, is_zero, ir_real(g, 1.0), zero);
    others.body = ir_select(g, is_zero, ir_real(g, 1.0), e);
    ir_expr *zeros = ir_read_plain(g, aux(g, y, "zeros", count), 0);
    ir_expr *rest = ir_read_plain(g, aux(g, y, "rest", others), 0);
    /* Of the others: all of y's zeros are elsewhere, or this is the one. */
    ir_expr *elsewhere = ir_op2(g, IR_SUB_OP, zeros, count.body);
    ir_expr *guard = ir_op2(g, IR_EQ_OP, elsewhere, zero);
    ir_expr *share = ir_select(g, is_zero, rest,
                               ir_op2(g, IR_DIV_OP, rest, e));
    return (grad_adj){grad_and(g, y->comp.filter, guard),
                      ir_op2(g, IR_MUL_OP, dy, share)};
}

grad_adj grad_seed(ir_graph *g, ir_node *y, ir_expr *dy)
{
    switch (y->comp.reduce) {
    case IR_MAP:
        return (grad_adj){NULL, dy};
    case IR_SUM:
        return (grad_adj){y->comp.filter, dy};
    case IR_PROD:
        return seed_prod(g, y, dy);
    case IR_MAX:
    case IR_MIN:
        return seed_extremum(g, y, dy);
    case IR_LSE:
        return seed_lse(g, y, dy);
    case IR_ARGMAX:
    case IR_ARGMIN:
    case IR_ANY:
    case IR_ALL:
    case IR_REDUCE_COUNT:
        break;
    }
    return (grad_adj){0};
}
