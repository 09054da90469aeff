/*
 * fma.c - decides which products round together with their sum.
 *
 * a*b + c becomes fma(a, b, c), also a*b - c and c - a*b. Where both operands
 * of a sum are products, the left one is fused. The choice is made on one
 * body, before fusion puts bodies together, so a value has the same bits fused
 * and alone. (The accumulation of a sum of products is the kernel builder's: a
 * sum whose body is a product accumulates by fma.)
 *
 * Needs:    all other passes: none of them looks through fma.
 * Provides: no real a*b + c as two roundings.
 * Keeps:    everything but the second rounding.
 */
#include "opt/opt_priv.h"

static bool is_product(const ir_expr *e)
{
    return e->kind == IR_EXPR_OP && e->op == IR_MUL_OP && e->type == IR_REAL;
}

static ir_expr *fma_of(ir_graph *g, ir_expr *a, ir_expr *b, ir_expr *c)
{
    return ir_op(g, IR_FMA_OP, (ir_expr *[]){a, b, c});
}

static ir_expr *fma_rule(ir_graph *g, ir_expr *e, void *ctx)
{
    (void)ctx;
    if (e->kind != IR_EXPR_OP || e->type != IR_REAL ||
        (e->op != IR_ADD_OP && e->op != IR_SUB_OP))
        return e;
    ir_expr *p = e->args[0], *q = e->args[1];
    bool subtract = e->op == IR_SUB_OP;
    if (is_product(p))
        return fma_of(g, p->args[0], p->args[1],
                      subtract ? ir_op1(g, IR_NEG_OP, q) : q);
    if (is_product(q))
        return fma_of(g,
                      subtract ? ir_op1(g, IR_NEG_OP, q->args[0]) : q->args[0],
                      q->args[1], p);
    return e;
}

static void fma_comp(ir_graph *g, ir_node *n)
{
    n->comp.body = opt_rewrite(g, n->comp.body, fma_rule, NULL);
    if (n->comp.filter)
        n->comp.filter = opt_rewrite(g, n->comp.filter, fma_rule, NULL);
}

void opt_fma(ir_graph *g)
{
    opt_each_comp(g, fma_comp);
}
