/*
 * operands.c - operands of contractions in fewer bits (`precision = bf16`).
 *
 *     y[n, m] = sum(k) x[n, k] * w[m, k]   becomes
 *     y[n, m] = sum(k) bf16(x[n, k]) * bf16(w[m, k])
 *
 * wherever each factor has an index of the result to itself. The product of
 * two such numbers is exact in F32, and the sum is taken in F32 as ever. What
 * else is a sum of products (norms, row sums, weighted means) keeps all bits.
 *
 * Needs:    products split into contractions, guards not looked into.
 * Provides: operands rounded where they are read; nothing stored is.
 * Keeps:    everything that is no contraction.
 */
#include "opt/opt.h"
#include "opt/opt_priv.h"
#include "opt/product.h"

static bool is_contraction(const ir_comp *c)
{
    const ir_expr *body = c->body;
    if (c->reduce != IR_SUM || body->kind != IR_EXPR_OP ||
        body->op != IR_MUL_OP || body->type != IR_REAL)
        return false;
    var_set outs = ((var_set)1 << c->out_count) - 1;
    var_set left = opt_vars_of(body->args[0]);
    var_set right = opt_vars_of(body->args[1]);
    return (left & ~right & outs) && (right & ~left & outs) &&
           (left & right & ~outs);
}

static void round_operands(ir_graph *g, ir_scalar op)
{
    for (int i = 0; i < g->nodes.count; i++) {
        ir_node *n = g->nodes.data[i];
        if (n->kind == IR_SCAN)
            round_operands(n->scan->body, op);
        if (n->kind != IR_COMP || !is_contraction(&n->comp))
            continue;
        ir_expr *const *factors = n->comp.body->args;
        n->comp.body = ir_op2(g, IR_MUL_OP, ir_op1(g, op, factors[0]),
                              ir_op1(g, op, factors[1]));
    }
}

void opt_round_operands(ir_graph *g, ir_scalar op)
{
    PTL_ASSERT(op == IR_BF16_OP || op == IR_TF32_OP);
    round_operands(g, op);
}
