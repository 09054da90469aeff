/*
 * fold.c - identities of scalar expressions that change no bit.
 *
 * ir_op() already folds what it sees when an expression is made; this pass adds
 * identities between operations: signs move out of products, selections that
 * ask again are answered. Nothing that a signed zero, an infinity or a NaN
 * could tell apart: x*0 stays, x + 0 stays, a - b is not -(b - a).
 *
 * Needs:    nothing.
 * Provides: bodies and filters where none of the rules below applies.
 * Keeps:    every bit of every value.
 */
#include "opt/opt_priv.h"
#include <math.h>

static bool is_op(const ir_expr *e, ir_scalar op)
{
    return e->kind == IR_EXPR_OP && e->op == op;
}

static bool is_number(const ir_expr *e, double value)
{
    return e->kind == IR_EXPR_CONST && e->number == value &&
           !signbit(e->number) == !signbit(value);
}

static ir_expr *neg(ir_graph *g, ir_expr *e)
{
    return ir_op1(g, IR_NEG_OP, e);
}

static ir_expr *fold_add(ir_graph *g, ir_expr *e)
{
    ir_expr *a = e->args[0], *b = e->args[1];
    if (a == b && e->type == IR_REAL)
        return ir_op2(g, IR_MUL_OP, ir_real(g, 2.0), a);
    if (is_op(b, IR_NEG_OP))
        return ir_op2(g, IR_SUB_OP, a, b->args[0]);
    if (is_op(a, IR_NEG_OP))
        return ir_op2(g, IR_SUB_OP, b, a->args[0]);
    return e;
}

static ir_expr *fold_sub(ir_graph *g, ir_expr *e)
{
    ir_expr *a = e->args[0], *b = e->args[1];
    return is_op(b, IR_NEG_OP) ? ir_op2(g, IR_ADD_OP, a, b->args[0]) : e;
}

/* Also division: the sign of the result is that of the operands. */
static ir_expr *fold_product(ir_graph *g, ir_expr *e)
{
    ir_expr *a = e->args[0], *b = e->args[1];
    bool minus_a = is_op(a, IR_NEG_OP), minus_b = is_op(b, IR_NEG_OP);
    if (e->type != IR_REAL)
        return e;
    if (minus_a || minus_b) {
        ir_expr *rest = ir_op2(g, e->op, minus_a ? a->args[0] : a,
                               minus_b ? b->args[0] : b);
        return minus_a && minus_b ? rest : neg(g, rest);
    }
    if (is_number(b, -1.0))
        return neg(g, a);
    if (e->op == IR_MUL_OP && is_number(a, -1.0))
        return neg(g, b);
    return e;
}

static ir_expr *fold_select(ir_graph *g, ir_expr *e)
{
    ir_expr *c = e->args[0], *a = e->args[1], *b = e->args[2];
    if (is_op(c, IR_NOT_OP))
        return ir_select(g, c->args[0], b, a);
    if (is_op(a, IR_SELECT_OP) && a->args[0] == c)
        return ir_select(g, c, a->args[1], b);
    if (is_op(b, IR_SELECT_OP) && b->args[0] == c)
        return ir_select(g, c, a, b->args[2]);
    if (is_op(a, IR_SELECT_OP) && a->args[2] == b)
        return ir_select(g, ir_op2(g, IR_AND_OP, c, a->args[0]), a->args[1],
                         b);
    return e;
}

static ir_expr *fold_rule(ir_graph *g, ir_expr *e, void *ctx)
{
    (void)ctx;
    if (e->kind != IR_EXPR_OP)
        return e;
    switch (e->op) {
    case IR_ADD_OP:
        return fold_add(g, e);
    case IR_SUB_OP:
        return fold_sub(g, e);
    case IR_MUL_OP:
    case IR_DIV_OP:
        return fold_product(g, e);
    case IR_SELECT_OP:
        return fold_select(g, e);
    default:
        return e;
    }
}

static void fold_comp(ir_graph *g, ir_node *n)
{
    n->comp.body = opt_rewrite(g, n->comp.body, fold_rule, NULL);
    if (n->comp.filter)
        n->comp.filter = opt_rewrite(g, n->comp.filter, fold_rule, NULL);
}

void opt_fold(ir_graph *g)
{
    opt_each_comp(g, fold_comp);
}
