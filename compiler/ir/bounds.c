/*
 * bounds.c - between which values an integer expression stays.
 *
 * Interval arithmetic over the box of the variables. An end that is not known,
 * or leaves 64 bits, is INT64_MIN or INT64_MAX, so that clamping an unknown
 * value still bounds it. When unsure the interval is too large, never too
 * small.
 */
#include "base/integer.h"
#include "base/memo.h"
#include "base/status.h"
#include "ir/ir.h"
#include <stdlib.h>

typedef struct interval {
    int64_t low, high; /* both included */
} interval;

static const interval anything = {INT64_MIN, INT64_MAX};

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

/* Of one question: what was found of expressions that are shared. */
typedef struct walk {
    const ir_var *vars;
    ptl_memo places; /* 1 + position in `found` */
    interval *found;
    int count, room;
} walk;

static interval bounds_of(walk *w, const ir_expr *e);

static void remember(walk *w, const ir_expr *e, interval r)
{
    if (w->count == w->room) {
        w->room = w->room ? w->room * 2 : 16;
        w->found = realloc(w->found, sizeof *w->found * (size_t)w->room);
        PTL_ASSERT(w->found);
    }
    w->found[w->count++] = r;
    memo_put(&w->places, e, (void *)(intptr_t)w->count);
}

static interval op_bounds(walk *w, const ir_expr *e)
{
    if (e->op == IR_SELECT_OP)
        return either(bounds_of(w, e->args[1]), bounds_of(w, e->args[2]));
    if (e->op == IR_INT_OP)
        return e->args[0]->type == IR_BOOL ? (interval){0, 1} : anything;
    if (e->arg_count == 1)
        return unary_bounds(e->op, bounds_of(w, e->args[0]));
    return binary_bounds(e->op, bounds_of(w, e->args[0]),
                         bounds_of(w, e->args[1]));
}

static interval op_bounds_once(walk *w, const ir_expr *e)
{
    intptr_t place = (intptr_t)memo_get(&w->places, e);
    if (!place)
        remember(w, e, op_bounds(w, e));
    return w->found[place ? place - 1 : w->count - 1];
}

static interval read_bounds(walk *w, const ir_expr *e)
{
    if (e->node->type.bound <= 0)
        return anything;
    interval inside = {0, e->node->type.bound - 1};
    return e->outside ? either(inside, bounds_of(w, e->outside)) : inside;
}

static interval bounds_of(walk *w, const ir_expr *e)
{
    if (e->type != IR_INT)
        return anything;
    switch (e->kind) {
    case IR_EXPR_CONST:
        return (interval){(int64_t)e->number, (int64_t)e->number};
    case IR_EXPR_VAR: {
        const ir_var *v = &w->vars[e->var];
        return (interval){v->lo, int_max(v->lo, v->hi - 1)};
    }
    case IR_EXPR_READ:
        return read_bounds(w, e);
    case IR_EXPR_OP:
        return op_bounds_once(w, e);
    default:
        return anything;
    }
}

static interval find_bounds(const ir_expr *e, const ir_var *vars)
{
    walk w = {.vars = vars};
    interval r = bounds_of(&w, e);
    memo_fini(&w.places);
    free(w.found);
    return r;
}

bool ir_expr_bounds(const ir_expr *e, const ir_var *vars, int64_t *low,
                    int64_t *high)
{
    interval r = find_bounds(e, vars);
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
        r = add(r, find_bounds(sub->gather, vars));
    *low = r.low;
    *high = r.high;
    return is_known(r);
}
