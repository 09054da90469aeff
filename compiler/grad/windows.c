/*
 * windows.c - what becomes of the range of a variable that was solved for.
 *
 * lo <= affine < hi must hold or the term does not count. Where ranges imply
 * it, nothing is left of it. Often a factor of the value reads outside its axis
 * just where the window fails: then the 0 it gets there does the work, provided
 * that nothing else in the value could turn that 0 into NaN. What remains
 * extends the guard.
 */
#include "base/memo.h"
#include "grad/grad_priv.h"

typedef struct limit {
    ir_affine value;
    int64_t lo, hi;
    bool low_open, high_open; /* not decided by the ranges */
} limit;

/* A property of expressions, each shared part looked at once. */
typedef struct judge {
    ptl_memo known; /* expression -> yes or no */
    ir_graph *g;
    const limit *limit;
} judge;

static char yes_mark, no_mark;

static bool recall(const judge *j, const ir_expr *e, bool *answer)
{
    const void *known = memo_get(&j->known, e);
    *answer = known == &yes_mark;
    return known != NULL;
}

static bool remember(judge *j, const ir_expr *e, bool answer)
{
    memo_put(&j->known, e, answer ? &yes_mark : &no_mark);
    return answer;
}

static bool is_tame_in(judge *j, const ir_expr *e);

static bool is_tame_op(judge *j, const ir_expr *e)
{
    switch (e->op) {
    case IR_DIV_OP:
        return is_tame_in(j, e->args[0]) &&
               e->args[1]->kind == IR_EXPR_CONST && e->args[1]->number != 0.0;
    case IR_POW_OP:
    case IR_SQRT_OP:
    case IR_EXP_OP:
    case IR_LOG_OP:
        return false;
    default:
        for (int i = e->op == IR_SELECT_OP; i < e->arg_count; i++)
            if (!is_tame_in(j, e->args[i]))
                return false;
        return true;
    }
}

/* Can the value, once another factor is 0, not turn into NaN? */
static bool is_tame_in(judge *j, const ir_expr *e)
{
    bool answer = false;
    switch (e->kind) {
    case IR_EXPR_CONST:
        return __builtin_isfinite(e->number);
    case IR_EXPR_VAR:
    case IR_EXPR_INSIDE:
    case IR_EXPR_RANDOM:
        return true;
    case IR_EXPR_READ:
        return !e->outside || is_tame_in(j, e->outside);
    case IR_EXPR_OP:
        break;
    }
    if (e->type != IR_REAL || recall(j, e, &answer))
        return e->type != IR_REAL || answer;
    return remember(j, e, is_tame_op(j, e));
}

static bool is_tame(const ir_expr *e)
{
    judge j = {0};
    bool answer = is_tame_in(&j, e);
    memo_fini(&j.known);
    return answer;
}

/* Is `read` outside its axes wherever the limit fails? Then the value it has
 * there can stand for the limit. */
static bool read_implies(ir_graph *g, const ir_expr *read, const limit *w)
{
    for (int d = 0; d < read->sub_count; d++) {
        const ir_sub *sub = &read->subs[d];
        int64_t n = read->node->type.dims[d];
        if (sub->mode != IR_PLAIN || sub->gather)
            continue;
        for (int sign = 1; sign >= -1; sign -= 2) {
            ir_affine k = ir_affine_add(
                g, sub->affine, ir_affine_scale(g, w->value, -sign));
            if (k.term_count != 0)
                continue;
            /* 0 <= sign * value + k < n */
            int64_t lo = sign > 0 ? -k.constant : k.constant - n + 1;
            int64_t hi = sign > 0 ? n - k.constant : k.constant + 1;
            if ((!w->low_open || lo >= w->lo) && (!w->high_open || hi <= w->hi))
                return true;
        }
    }
    return false;
}

static bool is_zero(const ir_expr *e)
{
    return e->kind == IR_EXPR_CONST && e->number == 0.0;
}

static bool is_zero_in(judge *j, const ir_expr *e);

static bool is_zero_op(judge *j, const ir_expr *e)
{
    switch (e->op) {
    case IR_MUL_OP:
        return is_zero_in(j, e->args[0]) || is_zero_in(j, e->args[1]);
    case IR_NEG_OP:
    case IR_DIV_OP:
        return is_zero_in(j, e->args[0]);
    case IR_ADD_OP:
    case IR_SUB_OP:
        return is_zero_in(j, e->args[0]) && is_zero_in(j, e->args[1]);
    case IR_SELECT_OP:
        return is_zero_in(j, e->args[1]) && is_zero_in(j, e->args[2]);
    default:
        return false;
    }
}

/* Is `e` 0 wherever the limit fails, once its reads are 0 outside? */
static bool is_zero_in(judge *j, const ir_expr *e)
{
    bool answer = false;
    if (e->kind == IR_EXPR_CONST)
        return is_zero(e);
    if (e->kind == IR_EXPR_READ)
        return (!e->outside || is_zero(e->outside)) &&
               read_implies(j->g, e, j->limit);
    if (e->kind != IR_EXPR_OP || recall(j, e, &answer))
        return e->kind == IR_EXPR_OP && answer;
    return remember(j, e, is_zero_op(j, e));
}

static bool value_implies(ir_graph *g, const ir_expr *e, const limit *w)
{
    judge j = {.g = g, .limit = w};
    bool answer = is_zero_in(&j, e);
    memo_fini(&j.known);
    return answer;
}

/* In `winner[..] == position`, position is never -1: with `else -1` the
 * comparison fails outside by itself. */
static ir_expr *winner_implies(ir_graph *g, const ir_var *vars,
                               ir_expr *guard, const limit *w)
{
    int64_t low, high;
    if (!guard || guard->kind != IR_EXPR_OP)
        return NULL;
    if (guard->op == IR_AND_OP) {
        for (int i = 0; i < 2; i++) {
            ir_expr *part = winner_implies(g, vars, guard->args[i], w);
            if (part)
                return ir_op2(g, IR_AND_OP,
                              i == 0 ? part : guard->args[0],
                              i == 1 ? part : guard->args[1]);
        }
        return NULL;
    }
    ir_expr *read = guard->args[0];
    if (guard->op != IR_EQ_OP || read->kind != IR_EXPR_READ ||
        read->type != IR_INT || !read_implies(g, read, w) ||
        !ir_expr_bounds(guard->args[1], vars, &low, &high) || low < 0)
        return NULL;
    if (read->outside)
        return read->outside == ir_int(g, -1) ? guard : NULL;
    ir_expr *covered = ir_read(g, read->node, read->subs, read->sub_count,
                               ir_int(g, -1));
    return ir_op2(g, IR_EQ_OP, covered, guard->args[1]);
}

/* lo <= constant + terms < hi, as terms against numbers. */
static ir_expr *limit_condition(ir_graph *g, limit w)
{
    int64_t lo = w.lo - w.value.constant, hi = w.hi - w.value.constant;
    ir_expr *guard = NULL;
    w.value.constant = 0;
    if (w.value.term_count && w.value.terms[0].coef < 0) {
        w.value = ir_affine_scale(g, w.value, -1);
        int64_t mirrored = 1 - hi;
        bool low_open = w.low_open;
        hi = 1 - lo;
        lo = mirrored;
        w.low_open = w.high_open;
        w.high_open = low_open;
    }
    ir_expr *value = ir_affine_value(g, w.value);
    if (w.low_open)
        guard = ir_op2(g, IR_GE_OP, value, ir_int(g, lo));
    if (w.high_open)
        guard = grad_and(g, guard, ir_op2(g, IR_LT_OP, value, ir_int(g, hi)));
    return guard;
}

void grad_apply_window(ir_graph *g, const ir_var *vars, ir_affine value,
                       int64_t lo, int64_t hi, grad_adj *adj)
{
    int64_t low, high;
    ir_affine_range(value, vars, &low, &high);
    limit w = {value, lo, hi, low < lo, high >= hi};
    if (!w.low_open && !w.high_open)
        return;
    ir_expr *covered = winner_implies(g, vars, adj->guard, &w);
    if (covered)
        adj->guard = covered;
    else if (!is_tame(adj->value) || !value_implies(g, adj->value, &w))
        adj->guard = grad_and(g, adj->guard, limit_condition(g, w));
}
