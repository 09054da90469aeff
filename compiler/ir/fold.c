/*
 * fold.c - simplifications that change no bit of any result.
 *
 * A program runs in f32 or f64 and the IR does not know which, so constants
 * fold only where both agree. x + 0 stays (it turns -0 into 0), x * 0 stays
 * (NaN), x - 0 and x * 1 go.
 */
#include "base/integer.h"
#include "ir/interner.h"
#include <math.h>

static bool is_const(const ir_expr *e)
{
    return e->kind == IR_EXPR_CONST;
}

static bool is_value(const ir_expr *e, double value)
{
    return is_const(e) && e->number == value &&
           !signbit(e->number) == !signbit(value);
}

/* Same value in f32 and f64, and finite. */
static bool is_exact(double x)
{
    return isfinite(x) && (double)(float)x == x &&
           (x == 0.0 || fabs(x) >= 0x1p-126);
}

static ir_expr *exact_real(ir_graph *g, double x)
{
    return is_exact(x) ? ir_real(g, x) : NULL;
}

static ir_expr *exact_int(ir_graph *g, bool overflow, int64_t x)
{
    bool fits = !overflow && x > -((int64_t)1 << 53) && x < (int64_t)1 << 53;
    return fits ? ir_int(g, x) : NULL;
}

static ir_expr *fold_int_consts(ir_graph *g, ir_scalar op, int64_t a,
                                int64_t b)
{
    int64_t r = 0;
    bool over = false;
    switch (op) {
    case IR_ADD_OP:
        over = __builtin_add_overflow(a, b, &r);
        break;
    case IR_SUB_OP:
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case IR_MUL_OP:
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case IR_IDIV_OP:
        if (b == 0)
            return NULL;
        r = int_floor_div(a, b);
        break;
    case IR_MOD_OP:
        if (b == 0)
            return NULL;
        r = a - int_floor_div(a, b) * b;
        break;
    case IR_MAXIMUM_OP:
        r = a > b ? a : b;
        break;
    case IR_MINIMUM_OP:
        r = a < b ? a : b;
        break;
    default:
        return NULL;
    }
    return exact_int(g, over, r);
}

static ir_expr *fold_real_consts(ir_graph *g, ir_scalar op, double a, double b)
{
    if (!is_exact(a) || !is_exact(b))
        return NULL;
    switch (op) {
    case IR_ADD_OP:
        return exact_real(g, a + b);
    case IR_SUB_OP:
        return exact_real(g, a - b);
    case IR_MUL_OP:
        return exact_real(g, a * b);
    case IR_DIV_OP: /* exact only where multiplying back is */
        return b != 0.0 && is_exact(a / b) && a / b * b == a &&
                       fma(a / b, b, -a) == 0.0
                   ? ir_real(g, a / b)
                   : NULL;
    default:
        return NULL;
    }
}

static ir_expr *fold_compare(ir_graph *g, ir_scalar op, const ir_expr *x,
                             const ir_expr *y)
{
    double a = x->number, b = y->number;
    if (x->type == IR_REAL && (!is_exact(a) || !is_exact(b)))
        return NULL;
    switch (op) {
    case IR_EQ_OP:
        return ir_bool(g, a == b);
    case IR_NE_OP:
        return ir_bool(g, a != b);
    case IR_LT_OP:
        return ir_bool(g, a < b);
    case IR_LE_OP:
        return ir_bool(g, a <= b);
    case IR_GT_OP:
        return ir_bool(g, a > b);
    case IR_GE_OP:
        return ir_bool(g, a >= b);
    default:
        return NULL;
    }
}

/* Identities with one known operand. */
static ir_expr *fold_neutral(ir_graph *g, ir_scalar op, ir_expr *a, ir_expr *b)
{
    bool real = a->type == IR_REAL;
    switch (op) {
    case IR_ADD_OP:
        if (is_value(b, real ? -0.0 : 0.0))
            return a;
        return is_value(a, real ? -0.0 : 0.0) ? b : NULL;
    case IR_SUB_OP:
        return is_value(b, 0.0) ? a : NULL;
    case IR_MUL_OP:
        if (is_value(b, 1.0))
            return a;
        if (is_value(a, 1.0))
            return b;
        return !real && (is_value(a, 0.0) || is_value(b, 0.0)) ? ir_int(g, 0)
                                                               : NULL;
    case IR_DIV_OP:
    case IR_IDIV_OP:
        return is_value(b, 1.0) ? a : NULL;
    case IR_MOD_OP:
        return is_value(b, 1.0) ? ir_int(g, 0) : NULL;
    case IR_MAXIMUM_OP:
    case IR_MINIMUM_OP:
        /* The derivative splits in half, and the halves add up again. */
        return a == b && !real ? a : NULL;
    default:
        return NULL;
    }
}

static ir_expr *fold_logic(ir_graph *g, ir_scalar op, ir_expr *a, ir_expr *b)
{
    bool is_and = op == IR_AND_OP;
    if (a == b)
        return a;
    if (is_const(a))
        return (a->number != 0.0) == is_and ? b : ir_bool(g, !is_and);
    if (is_const(b))
        return (b->number != 0.0) == is_and ? a : ir_bool(g, !is_and);
    return NULL;
}

static ir_expr *fold_unary(ir_graph *g, ir_scalar op, ir_expr *a)
{
    bool same_op = a->kind == IR_EXPR_OP && a->op == op;
    switch (op) {
    case IR_NEG_OP:
        if (is_const(a))
            return a->type == IR_REAL ? ir_real(g, -a->number)
                                      : ir_int(g, -(int64_t)a->number);
        return same_op ? a->args[0] : NULL;
    case IR_NOT_OP:
        if (is_const(a))
            return ir_bool(g, a->number == 0.0);
        return same_op ? a->args[0] : NULL;
    case IR_REAL_OP:
        if (a->type == IR_REAL)
            return a;
        return is_const(a) ? ir_real(g, a->number) : NULL;
    case IR_INT_OP:
        if (a->type == IR_INT)
            return a;
        return is_const(a) && a->type == IR_BOOL
                   ? ir_int(g, (int64_t)a->number)
                   : NULL;
    case IR_STOP_OP:
        return is_const(a) || a->type != IR_REAL || same_op ? a : NULL;
    default:
        return NULL;
    }
}

ir_expr *ir_fold(ir_graph *g, ir_scalar op, ir_expr *const *args)
{
    ir_expr *a = args[0];
    if (op == IR_SELECT_OP) {
        if (is_const(a))
            return a->number != 0.0 ? args[1] : args[2];
        return args[1] == args[2] ? args[1] : NULL;
    }
    if (ir_scalars[op].arity == 1)
        return fold_unary(g, op, a);
    if (ir_scalars[op].arity != 2)
        return NULL;
    ir_expr *b = args[1];
    if (op == IR_AND_OP || op == IR_OR_OP)
        return fold_logic(g, op, a, b);
    if (is_const(a) && is_const(b)) {
        ir_expr *r;
        if (ir_scalars[op].result == 'B')
            r = fold_compare(g, op, a, b);
        else if (a->type == IR_INT)
            r = fold_int_consts(g, op, (int64_t)a->number, (int64_t)b->number);
        else
            r = fold_real_consts(g, op, a->number, b->number);
        if (r)
            return r;
    }
    return fold_neutral(g, op, a, b);
}

/* ---------- affine parts ---------- */

static bool const_factor(const ir_expr *e, int64_t *factor, ir_expr **other)
{
    if (e->kind != IR_EXPR_OP || e->op != IR_MUL_OP)
        return false;
    for (int i = 0; i < 2; i++) {
        if (!is_const(e->args[i]))
            continue;
        *factor = (int64_t)e->args[i]->number;
        *other = e->args[1 - i];
        return true;
    }
    return false;
}

static ir_expr *rest_of_sum(ir_graph *g, bool subtract, ir_expr *a, ir_expr *b)
{
    if (!b)
        return a;
    if (!a)
        return subtract ? ir_op1(g, IR_NEG_OP, b) : b;
    return ir_op2(g, subtract ? IR_SUB_OP : IR_ADD_OP, a, b);
}

static bool is_zero(ir_affine a)
{
    return a.constant == 0 && a.term_count == 0;
}

/* Coefficients far beyond any size stay in the rest, so that arithmetic on
 * affine parts cannot overflow. */
static bool is_moderate(ir_affine a, int64_t factor)
{
    const int64_t most = (int64_t)1 << 40;
    int64_t size = factor < 0 ? -factor : factor;
    if (size > most)
        return false;
    for (int i = 0; i < a.term_count; i++)
        if (a.terms[i].coef > most / (size + 1) ||
            a.terms[i].coef < -most / (size + 1))
            return false;
    return a.constant <= most / (size + 1) && a.constant >= -most / (size + 1);
}

static void split_sum(ir_graph *g, ir_expr *e, ir_affine *affine,
                      ir_expr **rest)
{
    ir_affine a, b;
    ir_expr *rest_a, *rest_b;
    bool subtract = e->op == IR_SUB_OP;
    ir_split_affine(g, e->args[0], &a, &rest_a);
    ir_split_affine(g, e->args[1], &b, &rest_b);
    if ((is_zero(a) && is_zero(b)) || !is_moderate(a, 1) || !is_moderate(b, 1))
        return;
    *affine = ir_affine_add(g, a, ir_affine_scale(g, b, subtract ? -1 : 1));
    *rest = rest_of_sum(g, subtract, rest_a, rest_b);
}

/* factor * other, and -other as -1 * other. */
static void split_product(ir_graph *g, int64_t factor, ir_expr *other,
                          ir_affine *affine, ir_expr **rest)
{
    ir_affine a;
    ir_expr *rest_a;
    ir_split_affine(g, other, &a, &rest_a);
    if (is_zero(a) || !is_moderate(a, factor))
        return;
    *affine = ir_affine_scale(g, a, factor);
    *rest = rest_a;
    if (rest_a)
        *rest = factor == -1
                    ? ir_op1(g, IR_NEG_OP, rest_a)
                    : ir_op2(g, IR_MUL_OP, ir_int(g, factor), rest_a);
}

void ir_split_affine(ir_graph *g, ir_expr *e, ir_affine *affine,
                     ir_expr **rest)
{
    int64_t factor;
    ir_expr *other;
    *affine = ir_affine_const(0);
    *rest = e;
    if (is_const(e)) {
        if (!is_moderate(ir_affine_const((int64_t)e->number), 1))
            return;
        *affine = ir_affine_const((int64_t)e->number);
        *rest = NULL;
    } else if (e->kind == IR_EXPR_VAR) {
        *affine = ir_affine_var(g, e->var);
        *rest = NULL;
    } else if (e->kind != IR_EXPR_OP) {
        return;
    } else if (e->op == IR_ADD_OP || e->op == IR_SUB_OP) {
        split_sum(g, e, affine, rest);
    } else if (e->op == IR_NEG_OP) {
        split_product(g, -1, e->args[0], affine, rest);
    } else if (const_factor(e, &factor, &other)) {
        split_product(g, factor, other, affine, rest);
    }
}
