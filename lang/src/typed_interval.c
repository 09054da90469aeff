/*
 * typed_interval.c - the interval that an integer expression lies in.
 */
#include "base/integer.h"
#include "linear_priv.h"
#include <math.h>

typedef struct interval {
    int64_t lo, hi;
} interval;

/* What was found of an expression: also that nothing was. */
typedef struct finding {
    bool found;
    interval in;
} finding;

typedef struct finder {
    ptl_arena *arena;
    linear_walk linear;
    ptl_memo findings;
} finder;

static bool find(finder *f, ty_expr *x, interval *out);

static bool is_number(const ty_expr *x)
{
    return x->kind == TY_CONST && x->type == TY_INT;
}

static bool find_var(const ty_var *v, interval *out)
{
    *out = (interval){v->lo, v->hi - 1};
    return v->known;
}

static bool add_scaled(interval *acc, interval i, int64_t by)
{
    int64_t a, b;
    if (__builtin_mul_overflow(i.lo, by, &a) ||
        __builtin_mul_overflow(i.hi, by, &b))
        return false;
    return !__builtin_add_overflow(acc->lo, a < b ? a : b, &acc->lo) &&
           !__builtin_add_overflow(acc->hi, a < b ? b : a, &acc->hi);
}

/* Affine parts are exact over the box; each piece adds its own interval. */
static bool find_linear(finder *f, ty_expr *x, interval *out)
{
    const form *l = linear_form(&f->linear, x);
    *out = (interval){l->constant, l->constant};
    for (int i = 0; i < l->terms.count; i++) {
        term t = l->terms.data[i];
        interval v;
        if (t.coef == 0)
            continue;
        if (t.piece == x ||
            !(t.var ? find_var(t.var, &v) : find(f, t.piece, &v)) ||
            !add_scaled(out, v, t.coef))
            return false;
    }
    return true;
}

static bool find_mul(finder *f, ty_expr *x, interval *out)
{
    interval a, b;
    int64_t p[4];
    if (!find(f, x->args[0], &a) || !find(f, x->args[1], &b))
        return false;
    if (__builtin_mul_overflow(a.lo, b.lo, &p[0]) ||
        __builtin_mul_overflow(a.lo, b.hi, &p[1]) ||
        __builtin_mul_overflow(a.hi, b.lo, &p[2]) ||
        __builtin_mul_overflow(a.hi, b.hi, &p[3]))
        return false;
    *out = (interval){p[0], p[0]};
    for (int i = 1; i < 4; i++) {
        out->lo = p[i] < out->lo ? p[i] : out->lo;
        out->hi = p[i] > out->hi ? p[i] : out->hi;
    }
    return true;
}

/* Division and remainder by a positive number. */
static bool find_div(finder *f, ty_expr *x, interval *out)
{
    interval a, b;
    if (!find(f, x->args[1], &b) || b.lo != b.hi || b.lo <= 0)
        return false;
    if (x->op == TY_MOD_OP) {
        *out = (interval){0, b.lo - 1};
        if (find(f, x->args[0], &a) && a.lo >= 0 && a.hi < b.lo)
            *out = a;
        return true;
    }
    if (!find(f, x->args[0], &a))
        return false;
    *out = (interval){int_floor_div(a.lo, b.lo), int_floor_div(a.hi, b.lo)};
    return true;
}

/* Either side bounds a minimum from above and a maximum from below. */
static bool find_extreme(finder *f, ty_expr *x, interval *out)
{
    interval a, b;
    if (!find(f, x->args[0], &a) || !find(f, x->args[1], &b))
        return false;
    *out = x->op == TY_MINIMUM_OP
               ? (interval){int_min(a.lo, b.lo), int_min(a.hi, b.hi)}
               : (interval){int_max(a.lo, b.lo), int_max(a.hi, b.hi)};
    return true;
}

const ty_expr *ty_drawn_below(const ty_expr *x)
{
    if (x->kind == TY_OP && x->op == TY_FLOOR_OP)
        x = x->args[0];
    if (x->kind != TY_OP || x->op != TY_MUL_OP)
        return NULL;
    const ty_expr *a = x->args[0], *b = x->args[1];
    const ty_expr *u = a->kind == TY_RANDOM ? a : b;
    return u->kind == TY_RANDOM && u->random == TY_UNIFORM ? u == a ? b : a
                                                           : NULL;
}

/* What is drawn is k / 2^24, and its product with an integer of as many bits
 * rounds to less than that. */
int64_t ty_drawn_count(const ty_expr *x)
{
    const ty_expr *n = ty_drawn_below(x);
    if (n && n->kind == TY_OP && n->op == TY_REAL_OP)
        n = n->args[0];
    return n && n->kind == TY_CONST && floor(n->number) == n->number &&
                   n->number > 0 && n->number <= 0x1p24
               ? (int64_t)n->number
               : 0;
}

static bool find_int(const ty_expr *x, interval *out)
{
    int64_t n = x->type == TY_BOOL ? 2 : ty_drawn_count(x);
    *out = (interval){0, n - 1};
    return n > 0;
}

static bool find_op(finder *f, ty_expr *x, interval *out)
{
    interval a, b;
    switch (x->op) {
    case TY_ADD_OP:
    case TY_SUB_OP:
    case TY_NEG_OP:
        return find_linear(f, x, out);
    case TY_MUL_OP:
        return is_number(x->args[0]) || is_number(x->args[1])
                   ? find_linear(f, x, out)
                   : find_mul(f, x, out);
    case TY_IDIV_OP:
    case TY_MOD_OP:
        return find_div(f, x, out);
    case TY_MINIMUM_OP:
    case TY_MAXIMUM_OP:
        return find_extreme(f, x, out);
    case TY_SELECT_OP:
        if (!find(f, x->args[1], &a) || !find(f, x->args[2], &b))
            return false;
        *out = (interval){int_min(a.lo, b.lo), int_max(a.hi, b.hi)};
        return true;
    case TY_INT_OP:
        return find_int(x->args[0], out);
    case TY_STOP_OP:
        return find(f, x->args[0], out);
    default:
        return false;
    }
}

static bool find_reduce(finder *f, ty_expr *x, interval *out)
{
    int64_t n = 1;
    for (int i = 0; i < x->count; i++)
        if (!x->vars[i]->known ||
            __builtin_mul_overflow(n, x->vars[i]->hi - x->vars[i]->lo, &n))
            return false;
    if (x->reduction == RED_ARGMAX || x->reduction == RED_ARGMIN) {
        *out = (interval){0, int_max(n - 1, 0)};
        return n > 0;
    }
    if (x->reduction == RED_MAX || x->reduction == RED_MIN)
        return n > 0 && !x->filter && find(f, x->body, out);
    if (x->reduction == RED_SUM) {
        interval b, zero = {0, 0};
        if (!find(f, x->body, &b))
            return false;
        if (x->filter)
            b = (interval){int_min(b.lo, 0), int_max(b.hi, 0)};
        *out = zero;
        return add_scaled(out, b, n);
    }
    return false;
}

static bool find_read(finder *f, const ty_expr *x, interval *out)
{
    interval outside;
    *out = (interval){0, x->tensor->bound - 1};
    if (x->tensor->bound <= 0)
        return false;
    if (!x->outside)
        return true;
    if (!find(f, x->outside, &outside))
        return false;
    *out = (interval){int_min(0, outside.lo), int_max(out->hi, outside.hi)};
    return true;
}

static bool find_new(finder *f, ty_expr *x, interval *out)
{
    switch (x->kind) {
    case TY_CONST:
        *out = (interval){(int64_t)x->number, (int64_t)x->number};
        return true;
    case TY_VAR:
        return find_var(x->var, out);
    case TY_READ:
        return find_read(f, x, out);
    case TY_OP:
        return find_op(f, x, out);
    case TY_REDUCE:
        return find_reduce(f, x, out);
    default:
        return false;
    }
}

static bool find(finder *f, ty_expr *x, interval *out)
{
    finding *known = memo_get(&f->findings, x);
    if (!known) {
        known = ARENA_NEW(f->arena, finding);
        known->found = find_new(f, x, &known->in);
        memo_put(&f->findings, x, known);
    }
    *out = known->in;
    return known->found;
}

bool ty_interval(ptl_arena *arena, ty_expr *e, int64_t *low, int64_t *high)
{
    finder f = {.arena = arena, .linear.arena = arena};
    interval i;
    bool found = e->type == TY_INT && find(&f, e, &i);
    if (found) {
        *low = i.lo;
        *high = i.hi;
    }
    memo_fini(&f.findings);
    memo_fini(&f.linear.forms);
    return found;
}
