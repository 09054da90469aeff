/*
 * bounds.c - between which values an integer expression stays.
 *
 * Interval arithmetic over the box of the variables. When unsure, the answer
 * is "unknown", never too small an interval.
 */
#include "ir/ir.h"

typedef struct interval {
    int64_t low, high; /* both included */
} interval;

static bool bounds_of(const ir_expr *e, const ir_var *vars, interval *out);

static bool add_intervals(interval a, interval b, interval *out)
{
    return !__builtin_add_overflow(a.low, b.low, &out->low) &&
           !__builtin_add_overflow(a.high, b.high, &out->high);
}

static bool mul_intervals(interval a, interval b, interval *out)
{
    const int64_t as[] = {a.low, a.high}, bs[] = {b.low, b.high};
    for (int i = 0; i < 4; i++) {
        int64_t p;
        if (__builtin_mul_overflow(as[i / 2], bs[i % 2], &p))
            return false;
        out->low = i == 0 || p < out->low ? p : out->low;
        out->high = i == 0 || p > out->high ? p : out->high;
    }
    return true;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool binary_bounds(ir_scalar op, interval a, interval b, interval *out)
{
    switch (op) {
    case IR_ADD_OP:
        return add_intervals(a, b, out);
    case IR_SUB_OP:
        return b.low > INT64_MIN && b.high > INT64_MIN &&
               add_intervals(a, (interval){-b.high, -b.low}, out);
    case IR_MUL_OP:
        return mul_intervals(a, b, out);
    case IR_IDIV_OP: /* by a known positive number only */
        if (b.low != b.high || b.low <= 0)
            return false;
        *out = (interval){floor_div(a.low, b.low), floor_div(a.high, b.low)};
        return true;
    case IR_MOD_OP:
        if (b.low <= 0)
            return false;
        *out = a.low >= 0 && a.high < b.low ? a : (interval){0, b.high - 1};
        return true;
    case IR_MAXIMUM_OP:
        *out = (interval){larger(a.low, b.low), larger(a.high, b.high)};
        return true;
    case IR_MINIMUM_OP:
        *out = (interval){smaller(a.low, b.low), smaller(a.high, b.high)};
        return true;
    default:
        return false;
    }
}

static bool unary_bounds(const ir_expr *e, const ir_var *vars, interval *out)
{
    interval a;
    if (e->op == IR_INT_OP && e->args[0]->type == IR_BOOL) {
        *out = (interval){0, 1};
        return true;
    }
    if (e->args[0]->type != IR_INT || !bounds_of(e->args[0], vars, &a) ||
        a.low == INT64_MIN)
        return false;
    switch (e->op) {
    case IR_NEG_OP:
        *out = (interval){-a.high, -a.low};
        return true;
    case IR_ABS_OP:
        *out = (interval){a.low > 0 ? a.low : a.high < 0 ? -a.high : 0,
                          larger(-a.low, a.high)};
        return true;
    case IR_SIGN_OP:
        *out = (interval){-1, 1};
        return true;
    case IR_STOP_OP:
        *out = a;
        return true;
    default:
        return false;
    }
}

static bool op_bounds(const ir_expr *e, const ir_var *vars, interval *out)
{
    interval a, b;
    if (e->op == IR_SELECT_OP) {
        if (!bounds_of(e->args[1], vars, &a) ||
            !bounds_of(e->args[2], vars, &b))
            return false;
        *out = (interval){smaller(a.low, b.low), larger(a.high, b.high)};
        return true;
    }
    if (e->arg_count == 1)
        return unary_bounds(e, vars, out);
    return e->arg_count == 2 && bounds_of(e->args[0], vars, &a) &&
           bounds_of(e->args[1], vars, &b) && binary_bounds(e->op, a, b, out);
}

static bool bounds_of(const ir_expr *e, const ir_var *vars, interval *out)
{
    if (e->type != IR_INT)
        return false;
    switch (e->kind) {
    case IR_EXPR_CONST:
        *out = (interval){(int64_t)e->number, (int64_t)e->number};
        return true;
    case IR_EXPR_VAR:
        *out = (interval){vars[e->var].lo,
                          larger(vars[e->var].lo, vars[e->var].hi - 1)};
        return true;
    case IR_EXPR_READ: {
        if (e->node->type.bound <= 0)
            return false;
        *out = (interval){0, e->node->type.bound - 1};
        interval outside;
        if (!e->outside)
            return true;
        if (!bounds_of(e->outside, vars, &outside))
            return false;
        *out = (interval){smaller(out->low, outside.low),
                          larger(out->high, outside.high)};
        return true;
    }
    case IR_EXPR_OP:
        return op_bounds(e, vars, out);
    default:
        return false;
    }
}

bool ir_expr_bounds(const ir_expr *e, const ir_var *vars, int64_t *low,
                    int64_t *high)
{
    interval result;
    if (!bounds_of(e, vars, &result))
        return false;
    *low = result.low;
    *high = result.high;
    return true;
}

bool ir_sub_bounds(const ir_sub *sub, const ir_var *vars, int64_t *low,
                   int64_t *high)
{
    ir_affine_range(sub->affine, vars, low, high);
    if (!sub->gather)
        return true;
    int64_t gather_low, gather_high;
    return ir_expr_bounds(sub->gather, vars, &gather_low, &gather_high) &&
           !__builtin_add_overflow(*low, gather_low, low) &&
           !__builtin_add_overflow(*high, gather_high, high);
}
