/*
 * simplify.c - what the ranges of indices decide.
 *
 * Comparisons that always or never hold, `else` and `inside` that are never
 * needed; affine filters become ranges; an index with one value goes, and a
 * sum, product, maximum or minimum over nothing but such indices is a map.
 *
 * Needs:    nothing.
 * Provides: no reduction index with one value, no filter that ranges decide.
 * Keeps:    values; an argmax keeps its ranges, they are what it counts in.
 */
#include "base/integer.h"
#include "opt/opt_priv.h"
#include <string.h>

static bool is_arg(const ir_comp *c)
{
    return c->reduce == IR_ARGMAX || c->reduce == IR_ARGMIN;
}

/* Of one value, these are that value. */
static bool is_plain(const ir_comp *c)
{
    return c->reduce == IR_SUM || c->reduce == IR_PROD ||
           c->reduce == IR_MAX || c->reduce == IR_MIN;
}

/* ---------- filters as ranges ---------- */

/* e >= 0 must hold: narrows each reduction index by what the others allow. */
static void require(const ir_comp *c, ir_affine e, ir_var *vars)
{
    for (int i = 0; i < e.term_count; i++) {
        int v = e.terms[i].var;
        int64_t coef = e.terms[i].coef, low, high;
        if (v < c->out_count)
            continue;
        ir_affine_range(e, vars, &low, &high);
        /* Without its own part, at its best: coef*v >= -rest. */
        int64_t own = coef > 0 ? coef * (vars[v].hi - 1) : coef * vars[v].lo;
        int64_t rest = high - own;
        if (vars[v].hi <= vars[v].lo)
            continue;
        if (coef > 0) {
            int64_t first = -int_floor_div(rest, coef);
            vars[v].lo = first > vars[v].lo ? first : vars[v].lo;
        } else {
            int64_t last = int_floor_div(rest, -coef);
            vars[v].hi = last + 1 < vars[v].hi ? last + 1 : vars[v].hi;
        }
        if (vars[v].hi < vars[v].lo)
            vars[v].hi = vars[v].lo;
    }
}

static bool affine_of(ir_graph *g, ir_expr *e, ir_affine *out)
{
    ir_expr *rest;
    ir_split_affine(g, e, out, &rest);
    return rest == NULL;
}

static void tighten_by(ir_graph *g, const ir_comp *c, ir_expr *filter,
                       ir_var *vars)
{
    ir_affine a, b;
    if (filter->kind != IR_EXPR_OP)
        return;
    if (filter->op == IR_AND_OP) {
        tighten_by(g, c, filter->args[0], vars);
        tighten_by(g, c, filter->args[1], vars);
        return;
    }
    if (filter->arg_count != 2 || filter->args[0]->type != IR_INT ||
        !affine_of(g, filter->args[0], &a) ||
        !affine_of(g, filter->args[1], &b))
        return;
    ir_affine a_b = ir_affine_add(g, a, ir_affine_scale(g, b, -1));
    ir_affine b_a = ir_affine_scale(g, a_b, -1);
    ir_affine one = ir_affine_const(-1);
    switch (filter->op) {
    case IR_GE_OP:
        require(c, a_b, vars);
        break;
    case IR_GT_OP:
        require(c, ir_affine_add(g, a_b, one), vars);
        break;
    case IR_LE_OP:
        require(c, b_a, vars);
        break;
    case IR_LT_OP:
        require(c, ir_affine_add(g, b_a, one), vars);
        break;
    case IR_EQ_OP:
        require(c, a_b, vars);
        require(c, b_a, vars);
        break;
    default:
        break;
    }
}

static void tighten(ir_graph *g, ir_comp *c)
{
    ir_var *vars = ARENA_ARRAY(g->arena, ir_var, c->var_count);
    memcpy(vars, c->vars, (size_t)c->var_count * sizeof *vars);
    if (!c->filter || is_arg(c))
        return;
    tighten_by(g, c, c->filter, vars);
    c->vars = vars;
}

/* ---------- indices with one value ---------- */

static bool has_one_value(const ir_comp *c, int v)
{
    return v >= c->out_count && c->vars[v].hi - c->vars[v].lo == 1;
}

static void drop_single(ir_graph *g, ir_comp *c)
{
    ir_affine map[IR_MAX_VARS];
    ir_var *vars = ARENA_ARRAY(g->arena, ir_var, c->var_count);
    int kept = 0;
    for (int v = 0; v < c->var_count; v++) {
        if (has_one_value(c, v)) {
            map[v] = ir_affine_const(c->vars[v].lo);
            continue;
        }
        map[v] = ir_affine_var(g, kept);
        vars[kept++] = c->vars[v];
    }
    /* The other reductions keep an index: what they are of one value is not
     * that value. */
    if (kept == c->var_count || (kept == c->out_count && !is_plain(c)))
        return;
    c->body = ir_expr_substitute(g, c->body, map, NULL);
    if (c->filter)
        c->filter = ir_expr_substitute(g, c->filter, map, NULL);
    c->vars = vars;
    c->var_count = kept;
}

static void drop_reduction(ir_graph *g, ir_comp *c)
{
    if (!is_plain(c) || c->var_count != c->out_count)
        return;
    if (c->filter && (c->reduce != IR_SUM || c->body->type != IR_REAL))
        return;
    if (c->filter)
        c->body = ir_select(g, c->filter, c->body, ir_real(g, 0.0));
    c->filter = NULL;
    c->reduce = IR_MAP;
}

static void simplify_comp(ir_graph *g, ir_node *n)
{
    ir_comp c = n->comp;
    c.body = opt_simplify_expr(g, c.body, c.vars, false);
    if (c.filter)
        c.filter = opt_simplify_expr(g, c.filter, c.vars, false);
    tighten(g, &c);
    if (c.filter)
        c.filter = opt_simplify_expr(g, c.filter, c.vars, false);
    if (c.filter && c.filter->kind == IR_EXPR_CONST && c.filter->number != 0.0)
        c.filter = NULL;
    c.body = opt_simplify_expr(g, c.body, c.vars, false);
    drop_single(g, &c);
    drop_reduction(g, &c);
    n->comp = c;
}

void opt_simplify(ir_graph *g)
{
    opt_each_comp(g, simplify_comp);
}
