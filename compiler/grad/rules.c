/*
 * rules.c - the derivative of each scalar function.
 *
 * A rule gets the adjoint (guard, value) of an operation and pushes one to each
 * operand. Where a partial derivative holds on one side only, the rule extends
 * the guard. Partials are written in the result where that is cheaper or safer
 * (exp, tanh, sigmoid, division): equal expressions are shared.
 */
#include "grad/grad_priv.h"

static ir_expr *mul(ir_graph *g, ir_expr *a, ir_expr *b)
{
    return ir_op2(g, IR_MUL_OP, a, b);
}

static ir_expr *neg(ir_graph *g, ir_expr *a)
{
    return ir_op1(g, IR_NEG_OP, a);
}

/* Marks a row without a derivative; never called. */
static void rule_none(grad_tape *t, ir_expr *e, grad_adj a)
{
    (void)t, (void)e, (void)a;
}

static void rule_neg(grad_tape *t, ir_expr *e, grad_adj a)
{
    grad_push(t, e->args[0], a.guard, neg(grad_graph(t), a.value));
}

static void rule_add(grad_tape *t, ir_expr *e, grad_adj a)
{
    grad_push(t, e->args[0], a.guard, a.value);
    grad_push(t, e->args[1], a.guard, a.value);
}

static void rule_sub(grad_tape *t, ir_expr *e, grad_adj a)
{
    grad_push(t, e->args[0], a.guard, a.value);
    grad_push(t, e->args[1], a.guard, neg(grad_graph(t), a.value));
}

static void rule_mul(grad_tape *t, ir_expr *e, grad_adj a)
{
    grad_push(t, e->args[0], a.guard,
              mul(grad_graph(t), a.value, e->args[1]));
    grad_push(t, e->args[1], a.guard,
              mul(grad_graph(t), a.value, e->args[0]));
}

static void rule_fma(grad_tape *t, ir_expr *e, grad_adj a)
{
    rule_mul(t, e, a);
    grad_push(t, e->args[2], a.guard, a.value);
}

/* y = p / q: dp = dy / q, dq = -dy * y / q */
static void rule_div(grad_tape *t, ir_expr *e, grad_adj a)
{
    ir_graph *g = grad_graph(t);
    ir_expr *q = e->args[1];
    grad_push(t, e->args[0], a.guard, ir_op2(g, IR_DIV_OP, a.value, q));
    if (grad_is_active(t, q))
        grad_push(t, q, a.guard,
                  neg(g, ir_op2(g, IR_DIV_OP, mul(g, a.value, e), q)));
}

/* d(x^n) = n * x^(n-1), by the plainest means for small constants n. */
static ir_expr *pow_slope(ir_graph *g, ir_expr *x, ir_expr *n)
{
    if (n->kind == IR_EXPR_CONST && n->number == 1.0)
        return ir_real(g, 1.0);
    if (n->kind == IR_EXPR_CONST && n->number == 2.0)
        return mul(g, n, x);
    if (n->kind == IR_EXPR_CONST && n->number == 3.0)
        return mul(g, n, mul(g, x, x));
    ir_expr *less = ir_op2(g, IR_SUB_OP, n, ir_real(g, 1.0));
    return mul(g, n, ir_op2(g, IR_POW_OP, x, less));
}

/*
 * y = x^n: dx = dy * n * x^(n-1), 0 where n is 0 whatever x is;
 * dn = dy * y * log(x), 0 where x is 0.
 */
static void rule_pow(grad_tape *t, ir_expr *e, grad_adj a)
{
    ir_graph *g = grad_graph(t);
    ir_expr *x = e->args[0], *n = e->args[1], *zero = ir_real(g, 0.0);
    ir_expr *has_slope = ir_op2(g, IR_NE_OP, n, zero);
    bool flat = has_slope->kind == IR_EXPR_CONST && has_slope->number == 0.0;
    if (!flat)
        grad_push(t, x, grad_and(g, a.guard, has_slope),
                  mul(g, a.value, pow_slope(g, x, n)));
    if (grad_is_active(t, n))
        grad_push(t, n, grad_and(g, a.guard, ir_op2(g, IR_NE_OP, x, zero)),
                  mul(g, a.value, mul(g, e, ir_op1(g, IR_LOG_OP, x))));
}

/* A rounding is taken for what it rounds. */
static void rule_rounded(grad_tape *t, ir_expr *e, grad_adj a)
{
    grad_push(t, e->args[0], a.guard, a.value);
}

static void rule_abs(grad_tape *t, ir_expr *e, grad_adj a)
{
    ir_graph *g = grad_graph(t);
    grad_push(t, e->args[0], a.guard,
              mul(g, a.value, ir_op1(g, IR_SIGN_OP, e->args[0])));
}

static void rule_sqrt(grad_tape *t, ir_expr *e, grad_adj a)
{
    ir_graph *g = grad_graph(t);
    grad_push(t, e->args[0], a.guard,
              ir_op2(g, IR_DIV_OP, mul(g, ir_real(g, 0.5), a.value), e));
}

static void rule_exp(grad_tape *t, ir_expr *e, grad_adj a)
{
    grad_push(t, e->args[0], a.guard, mul(grad_graph(t), a.value, e));
}

static void rule_log(grad_tape *t, ir_expr *e, grad_adj a)
{
    grad_push(t, e->args[0], a.guard,
              ir_op2(grad_graph(t), IR_DIV_OP, a.value, e->args[0]));
}

static void rule_sin(grad_tape *t, ir_expr *e, grad_adj a)
{
    ir_graph *g = grad_graph(t);
    grad_push(t, e->args[0], a.guard,
              mul(g, a.value, ir_op1(g, IR_COS_OP, e->args[0])));
}

static void rule_cos(grad_tape *t, ir_expr *e, grad_adj a)
{
    ir_graph *g = grad_graph(t);
    grad_push(t, e->args[0], a.guard,
              neg(g, mul(g, a.value, ir_op1(g, IR_SIN_OP, e->args[0]))));
}

static void rule_tanh(grad_tape *t, ir_expr *e, grad_adj a)
{
    ir_graph *g = grad_graph(t);
    ir_expr *slope = ir_op2(g, IR_SUB_OP, ir_real(g, 1.0), mul(g, e, e));
    grad_push(t, e->args[0], a.guard, mul(g, a.value, slope));
}

static void rule_sigmoid(grad_tape *t, ir_expr *e, grad_adj a)
{
    ir_graph *g = grad_graph(t);
    ir_expr *rest = ir_op2(g, IR_SUB_OP, ir_real(g, 1.0), e);
    grad_push(t, e->args[0], a.guard, mul(g, a.value, mul(g, e, rest)));
}

/* erf'(x) = 2 / sqrt(pi) * exp(-x*x) */
static void rule_erf(grad_tape *t, ir_expr *e, grad_adj a)
{
    ir_graph *g = grad_graph(t);
    ir_expr *x = e->args[0];
    ir_expr *bell = ir_op1(g, IR_EXP_OP, neg(g, mul(g, x, x)));
    ir_expr *slope = mul(g, ir_real(g, 1.1283791670955126), bell);
    grad_push(t, x, a.guard, mul(g, a.value, slope));
}

/* The winner takes all, a tie is halved. */
static void split_winner(grad_tape *t, ir_expr *e, grad_adj a, ir_scalar wins)
{
    ir_graph *g = grad_graph(t);
    ir_expr *p = e->args[0], *q = e->args[1];
    ir_expr *half = mul(g, ir_real(g, 0.5), a.value);
    ir_expr *tie = ir_op2(g, IR_EQ_OP, p, q);
    ir_expr *share = ir_select(g, tie, half, a.value);
    grad_push(t, p, grad_and(g, a.guard, ir_op2(g, wins, p, q)), share);
    grad_push(t, q, grad_and(g, a.guard, ir_op2(g, wins, q, p)), share);
}

static void rule_maximum(grad_tape *t, ir_expr *e, grad_adj a)
{
    split_winner(t, e, a, IR_GE_OP);
}

static void rule_minimum(grad_tape *t, ir_expr *e, grad_adj a)
{
    split_winner(t, e, a, IR_LE_OP);
}

static void rule_select(grad_tape *t, ir_expr *e, grad_adj a)
{
    ir_graph *g = grad_graph(t);
    ir_expr *taken = e->args[0];
    ir_expr *untaken = ir_op1(g, IR_NOT_OP, taken);
    grad_push(t, e->args[1], grad_and(g, a.guard, taken), a.value);
    grad_push(t, e->args[2], grad_and(g, a.guard, untaken), a.value);
}

grad_rule *const grad_rules[IR_SCALAR_COUNT] = {
#define RULE(op, rule) [IR_##op##_OP] = rule_##rule,
#include "grad/rules.def"
#undef RULE
};
