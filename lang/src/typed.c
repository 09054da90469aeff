/*
 * typed.c - what can be worked out of a typed expression: its affine form and
 * the interval it lies in.
 */
#include "lang/typed.h"
#include "base/integer.h"
#include <string.h>

static const struct op_row {
    const char *text;
    int arity;
} op_rows[] = {
#define SCALAR(name, arity, result, text) {text, arity},
#include "lang/scalar.def"
#undef SCALAR
    {"stop", 1},
};

const char *ty_op_text(ty_op op)
{
    return op_rows[op].text;
}

int ty_op_arity(ty_op op)
{
    return op_rows[op].arity;
}

const char *ty_kind_text(ty_kind kind)
{
    static const char *const texts[] = {"real", "int", "bool"};
    return texts[kind];
}

int64_t ty_element_count(const ty_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dims[i];
    return n;
}

/* ---------- affine form ---------- */

typedef struct linear_walk {
    ptl_arena *arena;
    ty_linear out;
    int room;
} linear_walk;

static void add_term(linear_walk *w, ty_var *v, int64_t coef)
{
    for (int i = 0; i < w->out.count; i++) {
        if (w->out.vars[i] == v) {
            w->out.coefs[i] =
                (int64_t)((uint64_t)w->out.coefs[i] + (uint64_t)coef);
            return;
        }
    }
    if (w->out.count == w->room) {
        int room = w->room ? w->room * 2 : 4;
        ty_var **vars = ARENA_ARRAY(w->arena, ty_var *, room);
        int64_t *coefs = ARENA_ARRAY(w->arena, int64_t, room);
        if (w->out.count) {
            memcpy(vars, w->out.vars, sizeof *vars * (size_t)w->out.count);
            memcpy(coefs, w->out.coefs, sizeof *coefs * (size_t)w->out.count);
        }
        w->out.vars = vars;
        w->out.coefs = coefs;
        w->room = room;
    }
    w->out.vars[w->out.count] = v;
    w->out.coefs[w->out.count++] = coef;
}

static ty_expr *int_op(ptl_arena *arena, ty_op op, ty_expr *a, ty_expr *b)
{
    ty_expr *x = ARENA_NEW(arena, ty_expr);
    x->kind = TY_OP;
    x->type = TY_INT;
    x->at = a->at;
    x->op = op;
    x->args = ARENA_ARRAY(arena, ty_expr *, 2);
    x->args[0] = a;
    x->args[1] = b;
    x->count = 2;
    return x;
}

static ty_expr *int_const(ptl_arena *arena, int64_t i, src_range at)
{
    ty_expr *x = ARENA_NEW(arena, ty_expr);
    x->kind = TY_CONST;
    x->type = TY_INT;
    x->at = at;
    x->number = (double)i;
    return x;
}

static void add_rest(linear_walk *w, ty_expr *x, int64_t by)
{
    if (by != 1)
        x = int_op(w->arena, TY_MUL_OP, x, int_const(w->arena, by, x->at));
    w->out.rest = w->out.rest ? int_op(w->arena, TY_ADD_OP, w->out.rest, x) : x;
}

static bool is_const(const ty_expr *x)
{
    return x->kind == TY_CONST && x->type == TY_INT;
}

/* A sum is split, a product with a number scales; what else stands there goes
 * to the rest as one piece. */
static void linear(linear_walk *w, ty_expr *x, int64_t by)
{
    int64_t sum;
    if (is_const(x) && !__builtin_mul_overflow(by, (int64_t)x->number, &sum) &&
        !__builtin_add_overflow(w->out.constant, sum, &sum)) {
        w->out.constant = sum;
        return;
    }
    if (x->kind == TY_VAR) {
        add_term(w, x->var, by);
        return;
    }
    if (x->kind == TY_OP && (x->op == TY_ADD_OP || x->op == TY_SUB_OP)) {
        linear(w, x->args[0], by);
        linear(w, x->args[1], x->op == TY_ADD_OP ? by : -by);
        return;
    }
    if (x->kind == TY_OP && x->op == TY_NEG_OP) {
        linear(w, x->args[0], -by);
        return;
    }
    if (x->kind == TY_OP && x->op == TY_MUL_OP) {
        int64_t scaled;
        int c = is_const(x->args[0]) ? 0 : 1;
        if (is_const(x->args[c]) &&
            !__builtin_mul_overflow(by, (int64_t)x->args[c]->number, &scaled)) {
            linear(w, x->args[1 - c], scaled);
            return;
        }
    }
    add_rest(w, x, by);
}

ty_linear ty_linearise(ptl_arena *arena, ty_expr *index)
{
    linear_walk w = {.arena = arena};
    int kept = 0;
    linear(&w, index, 1);
    for (int i = 0; i < w.out.count; i++) {
        if (w.out.coefs[i] == 0)
            continue;
        w.out.vars[kept] = w.out.vars[i];
        w.out.coefs[kept++] = w.out.coefs[i];
    }
    w.out.count = kept;
    return w.out;
}

/* ---------- scans ---------- */

const ty_carry *ty_carry_of(const ty_tensor *t)
{
    for (int i = 0; t->scan && i < t->scan->carry_count; i++)
        if (t->scan->carries[i].tensor == t)
            return &t->scan->carries[i];
    return NULL;
}

int64_t ty_steps_back(ptl_arena *arena, const ty_scan *scan, ty_expr *index)
{
    ty_linear l = ty_linearise(arena, index);
    if (l.rest || l.count != 1 || l.vars[0] != scan->var || l.coefs[0] != 1 ||
        l.constant > 0)
        return -1;
    return -l.constant;
}

/* ---------- intervals ---------- */

typedef struct interval {
    int64_t lo, hi;
} interval;

static bool find(ptl_arena *arena, const ty_expr *x, interval *out);

static bool add_scaled(interval *acc, interval i, int64_t by)
{
    int64_t a, b;
    if (__builtin_mul_overflow(i.lo, by, &a) ||
        __builtin_mul_overflow(i.hi, by, &b))
        return false;
    return !__builtin_add_overflow(acc->lo, a < b ? a : b, &acc->lo) &&
           !__builtin_add_overflow(acc->hi, a < b ? b : a, &acc->hi);
}

static bool find_mul(ptl_arena *arena, const ty_expr *x, interval *out);

/* What ty_linearise() left: a sum of pieces, each with its factor. Walked here,
 * as linearising a piece again would only give the piece again. */
static bool find_rest(ptl_arena *arena, const ty_expr *x, interval *out)
{
    interval a, b;
    if (x->kind == TY_OP && x->op == TY_ADD_OP) {
        *out = (interval){0, 0};
        return find_rest(arena, x->args[0], &a) &&
               find_rest(arena, x->args[1], &b) && add_scaled(out, a, 1) &&
               add_scaled(out, b, 1);
    }
    if (x->kind == TY_OP && x->op == TY_MUL_OP)
        return find_mul(arena, x, out);
    return find(arena, x, out);
}

/* Affine parts are exact over the box; the rest adds its own interval. */
static bool find_linear(ptl_arena *arena, const ty_expr *x, interval *out)
{
    ty_linear l = ty_linearise(arena, (ty_expr *)(uintptr_t)x);
    *out = (interval){l.constant, l.constant};
    for (int i = 0; i < l.count; i++) {
        interval v = {l.vars[i]->lo, l.vars[i]->hi - 1};
        if (!l.vars[i]->known || !add_scaled(out, v, l.coefs[i]))
            return false;
    }
    if (l.rest) {
        interval r;
        if (!find_rest(arena, l.rest, &r) || !add_scaled(out, r, 1))
            return false;
    }
    return true;
}

static bool find_mul(ptl_arena *arena, const ty_expr *x, interval *out)
{
    interval a, b;
    int64_t p[4];
    if (!find(arena, x->args[0], &a) || !find(arena, x->args[1], &b))
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
static bool find_div(ptl_arena *arena, const ty_expr *x, interval *out)
{
    interval a, b;
    if (!find(arena, x->args[1], &b) || b.lo != b.hi || b.lo <= 0)
        return false;
    if (x->op == TY_MOD_OP) {
        *out = (interval){0, b.lo - 1};
        if (find(arena, x->args[0], &a) && a.lo >= 0 && a.hi < b.lo)
            *out = a;
        return true;
    }
    if (!find(arena, x->args[0], &a))
        return false;
    *out = (interval){int_floor_div(a.lo, b.lo), int_floor_div(a.hi, b.lo)};
    return true;
}

/* Either side bounds a minimum from above and a maximum from below. */
static bool find_extreme(ptl_arena *arena, const ty_expr *x, interval *out)
{
    interval a, b;
    if (!find(arena, x->args[0], &a) || !find(arena, x->args[1], &b))
        return false;
    *out = x->op == TY_MINIMUM_OP
               ? (interval){int_min(a.lo, b.lo), int_min(a.hi, b.hi)}
               : (interval){int_max(a.lo, b.lo), int_max(a.hi, b.hi)};
    return true;
}

static bool find_op(ptl_arena *arena, const ty_expr *x, interval *out)
{
    interval a, b;
    switch (x->op) {
    case TY_ADD_OP:
    case TY_SUB_OP:
    case TY_NEG_OP:
        return find_linear(arena, x, out);
    case TY_MUL_OP:
        return is_const(x->args[0]) || is_const(x->args[1])
                   ? find_linear(arena, x, out)
                   : find_mul(arena, x, out);
    case TY_IDIV_OP:
    case TY_MOD_OP:
        return find_div(arena, x, out);
    case TY_MINIMUM_OP:
    case TY_MAXIMUM_OP:
        return find_extreme(arena, x, out);
    case TY_SELECT_OP:
        if (!find(arena, x->args[1], &a) || !find(arena, x->args[2], &b))
            return false;
        *out = (interval){int_min(a.lo, b.lo), int_max(a.hi, b.hi)};
        return true;
    case TY_INT_OP:
        if (x->args[0]->type != TY_BOOL)
            return false;
        *out = (interval){0, 1};
        return true;
    case TY_STOP_OP:
        return find(arena, x->args[0], out);
    default:
        return false;
    }
}

static bool find_reduce(ptl_arena *arena, const ty_expr *x, interval *out)
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
        return n > 0 && !x->filter && find(arena, x->body, out);
    if (x->reduction == RED_SUM) {
        interval b, zero = {0, 0};
        if (!find(arena, x->body, &b))
            return false;
        if (x->filter)
            b = (interval){int_min(b.lo, 0), int_max(b.hi, 0)};
        *out = zero;
        return add_scaled(out, b, n);
    }
    return false;
}

static bool find(ptl_arena *arena, const ty_expr *x, interval *out)
{
    switch (x->kind) {
    case TY_CONST:
        *out = (interval){(int64_t)x->number, (int64_t)x->number};
        return true;
    case TY_VAR:
        *out = (interval){x->var->lo, x->var->hi - 1};
        return x->var->known;
    case TY_READ:
        *out = (interval){0, x->tensor->bound - 1};
        if (x->tensor->bound <= 0)
            return false;
        if (x->outside) {
            interval o;
            if (!find(arena, x->outside, &o))
                return false;
            *out = (interval){int_min(0, o.lo), int_max(out->hi, o.hi)};
        }
        return true;
    case TY_OP:
        return find_op(arena, x, out);
    case TY_REDUCE:
        return find_reduce(arena, x, out);
    default:
        return false;
    }
}

bool ty_interval(ptl_arena *arena, ty_expr *e, int64_t *low, int64_t *high)
{
    interval i;
    if (e->type != TY_INT || !find(arena, e, &i))
        return false;
    *low = i.lo;
    *high = i.hi;
    return true;
}
