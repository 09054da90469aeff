/*
 * rewrite.c - rebuilding expressions from the leaves up, and what ranges decide.
 */
#include "opt/rewrite.h"
#include "base/integer.h"
#include "base/memo.h"
#include <string.h>

typedef struct rewriter {
    ir_graph *g;
    opt_rule *rule;
    void *ctx;
    ptl_memo done;
} rewriter;

static ir_expr *visit(rewriter *r, ir_expr *e);

/* What has become affine joins the affine part. */
static void regather(rewriter *r, ir_sub *sub)
{
    ir_expr *gather = visit(r, sub->gather);
    ir_affine more;
    if (gather == sub->gather)
        return;
    ir_split_affine(r->g, gather, &more, &sub->gather);
    sub->affine = ir_affine_add(r->g, sub->affine, more);
}

static ir_expr *rebuild_read(rewriter *r, ir_expr *e)
{
    bool changed = false;
    ir_sub subs[IR_MAX_RANK];
    for (int i = 0; i < e->sub_count; i++) {
        subs[i] = e->subs[i];
        if (subs[i].gather)
            regather(r, &subs[i]);
        changed = changed || subs[i].gather != e->subs[i].gather;
    }
    ir_expr *outside = e->outside ? visit(r, e->outside) : NULL;
    if (!changed && outside == e->outside)
        return e;
    if (e->kind == IR_EXPR_INSIDE)
        return ir_inside(r->g, e->node, subs, e->sub_count);
    return ir_read(r->g, e->node, subs, e->sub_count, outside);
}

static ir_expr *rebuild(rewriter *r, ir_expr *e)
{
    ir_expr *args[3];
    switch (e->kind) {
    case IR_EXPR_CONST:
    case IR_EXPR_VAR:
        return e;
    case IR_EXPR_READ:
    case IR_EXPR_INSIDE:
        return rebuild_read(r, e);
    case IR_EXPR_RANDOM:
        return ir_random_value(r->g, e->random, e->site_name,
                               visit(r, e->element), visit(r, e->step),
                               visit(r, e->seed));
    case IR_EXPR_OP:
        break;
    }
    for (int i = 0; i < e->arg_count; i++)
        args[i] = visit(r, e->args[i]);
    return ir_op(r->g, e->op, args);
}

static ir_expr *visit(rewriter *r, ir_expr *e)
{
    ir_expr *done = memo_get(&r->done, e);
    if (!done) {
        done = r->rule(r->g, rebuild(r, e), r->ctx);
        memo_put(&r->done, e, done);
    }
    return done;
}

ir_expr *opt_rewrite(ir_graph *g, ir_expr *e, opt_rule *rule, void *ctx)
{
    rewriter r = {.g = g, .rule = rule, .ctx = ctx};
    ir_expr *result = visit(&r, e);
    memo_fini(&r.done);
    return result;
}

/* ---------- what ranges decide ---------- */

typedef struct ranges {
    const ir_var *vars;
    bool cover;
} ranges;

bool opt_stays_inside(const ir_expr *read, const ir_var *vars)
{
    for (int i = 0; i < read->sub_count; i++) {
        int64_t low, high;
        if (read->subs[i].mode != IR_PLAIN)
            continue;
        if (!ir_sub_bounds(&read->subs[i], vars, &low, &high) || low < 0 ||
            high >= read->node->type.dims[i])
            return false;
    }
    return true;
}

static ir_expr *zero_of(ir_graph *g, ir_kind kind)
{
    return kind == IR_REAL  ? ir_real(g, 0.0)
           : kind == IR_INT ? ir_int(g, 0)
                            : ir_bool(g, false);
}

static ir_expr *settle_read(ir_graph *g, ir_expr *e, const ranges *r)
{
    bool stays = opt_stays_inside(e, r->vars);
    if (stays && e->kind == IR_EXPR_INSIDE)
        return ir_bool(g, true);
    if (stays && e->outside)
        return ir_read(g, e->node, e->subs, e->sub_count, NULL);
    if (!stays && e->kind == IR_EXPR_READ && !e->outside && r->cover)
        return ir_read(g, e->node, e->subs, e->sub_count,
                       zero_of(g, e->type));
    return e;
}

/* Compares INT a and b over their ranges: -1 never, 1 always, 0 open. */
static int decide(ir_scalar op, int64_t low, int64_t high)
{
    /* low <= a - b <= high */
    switch (op) {
    case IR_LT_OP:
        return high < 0 ? 1 : low >= 0 ? -1 : 0;
    case IR_LE_OP:
        return high <= 0 ? 1 : low > 0 ? -1 : 0;
    case IR_GT_OP:
        return low > 0 ? 1 : high <= 0 ? -1 : 0;
    case IR_GE_OP:
        return low >= 0 ? 1 : high < 0 ? -1 : 0;
    case IR_EQ_OP:
        return low == 0 && high == 0 ? 1 : low > 0 || high < 0 ? -1 : 0;
    case IR_NE_OP:
        return low == 0 && high == 0 ? -1 : low > 0 || high < 0 ? 1 : 0;
    default:
        return 0;
    }
}

static ir_expr *settle_compare(ir_graph *g, ir_expr *e, const ranges *r)
{
    int64_t low, high;
    ir_sub apart = {0};
    /* Normalised first, so that i - i is 0. */
    ir_split_affine(g, ir_op2(g, IR_SUB_OP, e->args[0], e->args[1]),
                    &apart.affine, &apart.gather);
    if (!ir_sub_bounds(&apart, r->vars, &low, &high))
        return e;
    int known = decide(e->op, low, high);
    return known ? ir_bool(g, known > 0) : e;
}

/* Integer arithmetic that is affine in the variables has one form. */
static ir_expr *settle_affine(ir_graph *g, ir_expr *e)
{
    ir_affine a;
    ir_expr *rest;
    ir_split_affine(g, e, &a, &rest);
    return rest ? e : ir_affine_value(g, a);
}

/* a = by * quotient + remainder, with 0 <= remainder < by for all values? */
static bool divide(ir_graph *g, ir_affine a, int64_t by, const ir_var *vars,
                   ir_affine *quotient, ir_affine *remainder)
{
    int64_t low, high, whole = int_floor_div(a.constant, by);
    *quotient = ir_affine_const(whole);
    *remainder = ir_affine_const(a.constant - whole * by);
    for (int i = 0; i < a.term_count; i++) {
        ir_affine v = ir_affine_var(g, a.terms[i].var);
        int64_t coef = a.terms[i].coef;
        if (coef % by == 0)
            *quotient =
                ir_affine_add(g, *quotient, ir_affine_scale(g, v, coef / by));
        else
            *remainder =
                ir_affine_add(g, *remainder, ir_affine_scale(g, v, coef));
    }
    ir_affine_range(*remainder, vars, &low, &high);
    return low >= 0 && high < by;
}

/* (8*i + j) / 8 is i and (8*i + j) % 8 is j, while j runs below 8. */
static ir_expr *settle_quotient(ir_graph *g, ir_expr *e, const ranges *r)
{
    ir_affine a, quotient, remainder;
    ir_expr *rest;
    const ir_expr *by = e->args[1];
    if (by->kind != IR_EXPR_CONST || by->number < 1)
        return e;
    ir_split_affine(g, e->args[0], &a, &rest);
    if (rest ||
        !divide(g, a, (int64_t)by->number, r->vars, &quotient, &remainder))
        return e;
    return ir_affine_value(g, e->op == IR_IDIV_OP ? quotient : remainder);
}

static bool is_sum(const ir_expr *e)
{
    return e->kind == IR_EXPR_OP && e->type == IR_INT &&
           (e->op == IR_ADD_OP || e->op == IR_SUB_OP || e->op == IR_MUL_OP ||
            e->op == IR_NEG_OP);
}

static ir_expr *settle(ir_graph *g, ir_expr *e, void *ctx)
{
    const ranges *r = ctx;
    if (is_sum(e))
        return settle_affine(g, e);
    if (e->kind == IR_EXPR_OP && (e->op == IR_IDIV_OP || e->op == IR_MOD_OP))
        return settle_quotient(g, e, r);
    if (e->kind == IR_EXPR_READ || e->kind == IR_EXPR_INSIDE)
        return settle_read(g, e, r);
    if (e->kind == IR_EXPR_OP && ir_scalars[e->op].result == 'B' &&
        e->arg_count == 2 && e->args[0]->type == IR_INT)
        return settle_compare(g, e, r);
    return e;
}

ir_expr *opt_simplify_expr(ir_graph *g, ir_expr *e, const ir_var *vars,
                           bool cover)
{
    ranges r = {vars, cover};
    return opt_rewrite(g, e, settle, &r);
}
