/*
 * bounds.c - between which values an integer expression stays.
 *
 * Interval arithmetic over the box of the variables. An end that is not known,
 * or leaves 64 bits, is INT64_MIN or INT64_MAX, so that clamping an unknown
 * value still bounds it. When unsure the interval is too large, never too
 * small.
 */
#include "base/integer.h"
#include "ir/ir.h"

typedef struct interval {
    int64_t low, high; /* both included */
} interval;

static const interval anything = {INT64_MIN, INT64_MAX};

static interval bounds_of(const ir_expr *e, const ir_var *vars);

static bool is_known(interval a)
{
    return a.low != INT64_MIN && a.high != INT64_MAX;
}

static interval either(interval a, interval b)
{
    return (interval){int_min(a.low, b.low), int_max(a.high, b.high)};
}

static interval add(interval a, interval b)
{
    interval r = anything;
    if (a.low != INT64_MIN && b.low != INT64_MIN &&
        __builtin_add_overflow(a.low, b.low, &r.low))
        return anything;
    if (a.high != INT64_MAX && b.high != INT64_MAX &&
        __builtin_add_overflow(a.high, b.high, &r.high))
        return anything;
    return r;
}

static interval negated(interval a)
{
    return (interval){a.high == INT64_MAX ? INT64_MIN : -a.high,
                      a.low == INT64_MIN ? INT64_MAX : -a.low};
}

static interval mul(interval a, interval b)
{
    const int64_t as[] = {a.low, a.high}, bs[] = {b.low, b.high};
    interval r = {INT64_MAX, INT64_MIN};
    if (!is_known(a) || !is_known(b))
        return anything;
    for (int i = 0; i < 4; i++) {
        int64_t p;
        if (__builtin_mul_overflow(as[i / 2], bs[i % 2], &p))
            return anything;
        r = either(r, (interval){p, p});
    }
    return r;
}

static interval binary_bounds(ir_scalar op, interval a, interval b)
{
    switch (op) {
    case IR_ADD_OP:
        return add(a, b);
    case IR_SUB_OP:
        return add(a, negated(b));
    case IR_MUL_OP:
        return mul(a, b);
    case IR_IDIV_OP: /* by a known positive number only */
        if (b.low != b.high || b.low <= 0)
            return anything;
        return (interval){
            a.low == INT64_MIN ? INT64_MIN : int_floor_div(a.low, b.low),
            a.high == INT64_MAX ? INT64_MAX : int_floor_div(a.high, b.low)};
    case IR_MOD_OP:
        if (b.low <= 0 || b.high == INT64_MAX)
            return anything;
        return a.low >= 0 && a.high < b.low ? a : (interval){0, b.high - 1};
    case IR_MAXIMUM_OP:
        return (interval){int_max(a.low, b.low), int_max(a.high, b.high)};
    case IR_MINIMUM_OP:
        return (interval){int_min(a.low, b.low), int_min(a.high, b.high)};
    default:
        return anything;
    }
}

static interval unary_bounds(ir_scalar op, interval a)
{
    switch (op) {
    case IR_NEG_OP:
        return negated(a);
    case IR_ABS_OP: {
        interval n = negated(a);
        int64_t least = a.low > 0 ? a.low : a.high < 0 ? n.low : 0;
        return (interval){least, int_max(a.high, n.high)};
    }
    case IR_SIGN_OP:
        return (interval){-1, 1};
    case IR_STOP_OP:
        return a;
    default:
        return anything;
    }
}

static interval op_bounds(const ir_expr *e, const ir_var *vars)
{
    if (e->op == IR_SELECT_OP)
        return either(bounds_of(e->args[1], vars),
                      bounds_of(e->args[2], vars));
    if (e->op == IR_INT_OP)
        return e->args[0]->type == IR_BOOL ? (interval){0, 1} : anything;
    if (e->arg_count == 1)
        return unary_bounds(e->op, bounds_of(e->args[0], vars));
    return binary_bounds(e->op, bounds_of(e->args[0], vars),
                         bounds_of(e->args[1], vars));
}

static interval read_bounds(const ir_expr *e, const ir_var *vars)
{
    if (e->node->type.bound <= 0)
        return anything;
    interval inside = {0, e->node->type.bound - 1};
    return e->outside ? either(inside, bounds_of(e->outside, vars)) : inside;
}

static interval bounds_of(const ir_expr *e, const ir_var *vars)
{
    if (e->type != IR_INT)
        return anything;
    switch (e->kind) {
    case IR_EXPR_CONST:
        return (interval){(int64_t)e->number, (int64_t)e->number};
    case IR_EXPR_VAR:
        return (interval){vars[e->var].lo,
                          int_max(vars[e->var].lo, vars[e->var].hi - 1)};
    case IR_EXPR_READ:
        return read_bounds(e, vars);
    case IR_EXPR_OP:
        return op_bounds(e, vars);
    default:
        return anything;
    }
}

bool ir_expr_bounds(const ir_expr *e, const ir_var *vars, int64_t *low,
                    int64_t *high)
{
    interval r = bounds_of(e, vars);
    *low = r.low;
    *high = r.high;
    return is_known(r);
}

bool ir_sub_bounds(const ir_sub *sub, const ir_var *vars, int64_t *low,
                   int64_t *high)
{
    interval r;
    ir_affine_range(sub->affine, vars, &r.low, &r.high);
    if (sub->gather)
        r = add(r, bounds_of(sub->gather, vars));
    *low = r.low;
    *high = r.high;
    return is_known(r);
}
