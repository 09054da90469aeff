/*
 * apart.c - a sum that is the same wherever it goes is made once.
 *
 * What reads one element of each row by data, `p[n, t[n]] * w[n, c]`, has the
 * derivative `dp[n, k] = sum(c if k == t[n]) dy[n, c] * w[n, c]`: no index of
 * the sum decides the filter, and of the sum itself k is no part. So it becomes
 * `s[n] = sum(c) dy[n, c] * w[n, c]` and `dp[n, k] = k == t[n] ? s[n] : 0`.
 *
 * Needs:    a comprehension of a derivative.
 * Provides: a map over a new node, where fewer points are visited so.
 * Keeps:    every value, and the order of the sum.
 */
#include "grad/grad_priv.h"
#include "opt/product.h"

typedef struct filter_parts {
    ir_expr *outside, *inside; /* NULL: always */
} filter_parts;

/* Outside go conditions that no index of the sum decides, and one that the sum
 * does not have. The others stay: what is summed may need them. */
static void split_filter(ir_graph *g, ir_expr *filter, var_set summed,
                         var_set apart, filter_parts *out)
{
    if (filter->kind == IR_EXPR_OP && filter->op == IR_AND_OP) {
        split_filter(g, filter->args[0], summed, apart, out);
        split_filter(g, filter->args[1], summed, apart, out);
        return;
    }
    var_set vars = opt_vars_of(filter);
    bool leaves = !(vars & summed) && (vars & apart);
    ir_expr **part = leaves ? &out->outside : &out->inside;
    *part = grad_and(g, *part, filter);
}

/* The sum over what it depends on; returns how the old variables read it. */
static ir_expr *sum_apart(ir_graph *g, const char *name, const ir_comp *c,
                          ir_expr *filter, var_set kept, src_range at)
{
    ir_affine map[IR_MAX_VARS];
    ir_var vars[IR_MAX_VARS];
    ir_sub subs[IR_MAX_RANK] = {0};
    ir_comp sum = {.vars = vars, .reduce = IR_SUM};
    for (int v = 0; v < c->var_count; v++) {
        map[v] = ir_affine_const(c->vars[v].lo);
        if (v == c->out_count)
            sum.out_count = sum.var_count;
        if (v < c->out_count && !(kept >> v & 1))
            continue;
        if (v < c->out_count)
            subs[sum.var_count].affine = ir_affine_var(g, v);
        map[v] = ir_affine_var(g, sum.var_count);
        vars[sum.var_count++] = c->vars[v];
    }
    sum.body = ir_expr_substitute(g, c->body, map, NULL);
    sum.filter = filter ? ir_expr_substitute(g, filter, map, NULL) : NULL;
    ir_node *made = ir_comprehend(g, name, &sum, at);
    return ir_read(g, made, subs, sum.out_count, NULL);
}

ir_comp grad_apart(ir_graph *g, const char *name, const ir_comp *c,
                   src_range at)
{
    const var_set outputs = ((var_set)1 << c->out_count) - 1;
    filter_parts filter = {0};
    if (c->reduce != IR_SUM || !c->filter)
        return *c;
    var_set kept = opt_vars_of(c->body);
    split_filter(g, c->filter, ~outputs, outputs & ~kept, &filter);
    if (filter.inside)
        kept |= opt_vars_of(filter.inside);
    if (!filter.outside || (kept & outputs) == outputs)
        return *c;
    ir_expr *sum = sum_apart(g, name, c, filter.inside, kept, at);
    ir_comp map = *c;
    map.var_count = c->out_count;
    map.reduce = IR_MAP;
    map.filter = NULL;
    map.body = ir_select(g, filter.outside, sum, ir_real(g, 0.0));
    return map;
}
