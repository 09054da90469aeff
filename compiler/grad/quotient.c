/*
 * quotient.c - reads at the quotient or remainder of an index by a number.
 *
 * `x[v / k]` and `x[v % k]` cannot be solved for v. Written over two indices, v
 * = k*q + r with 0 <= r < k, they are x[q] and x[r], which are affine, and so
 * is everything else that v stands in. So the read is differentiated as if the
 * comprehension had been written over q and r.
 *
 * Needs:    a read and its adjoint over the variables of its comprehension.
 * Provides: the same over one variable more.
 * Keeps:    the value of every term; values of v beyond its range are guarded.
 */
#include "base/integer.h"
#include "grad/grad_priv.h"
#include "opt/rewrite.h"
#include <string.h>

typedef struct found {
    int var;
    int64_t by;
} found;

/* v / k or v % k, where k is worth it: both parts have several values. */
static void find_quotient(ir_expr *e, void *ctx)
{
    found *f = ctx;
    if (f->by || e->kind != IR_EXPR_OP ||
        (e->op != IR_IDIV_OP && e->op != IR_MOD_OP) ||
        e->args[0]->kind != IR_EXPR_VAR || e->args[1]->kind != IR_EXPR_CONST ||
        e->args[1]->number < 2)
        return;
    *f = (found){e->args[0]->var, (int64_t)e->args[1]->number};
}

/* The variables of `y` with v as the quotient and the remainder behind them;
 * `map` gives the old ones. */
static ir_comp split_variable(ir_graph *g, const ir_comp *comp, found f,
                              ir_affine *map)
{
    ir_comp split = *comp;
    int last = split.var_count++;
    ir_var *vars = ARENA_ARRAY(g->arena, ir_var, split.var_count);
    memcpy(vars, comp->vars, sizeof *vars * (size_t)last);
    vars[f.var].hi = int_ceil_div(vars[f.var].hi, f.by);
    vars[last] =
        (ir_var){arena_printf(g->arena, "%s_rest", vars[f.var].name), 0, f.by};
    split.vars = vars;
    for (int v = 0; v < last; v++)
        map[v] = ir_affine_var(g, v);
    map[f.var] = ir_affine_add(g, ir_affine_scale(g, map[f.var], f.by),
                               ir_affine_var(g, last));
    return split;
}

static ir_expr *over_parts(ir_graph *g, ir_expr *e, const ir_affine *map,
                           const ir_var *vars)
{
    return e ? opt_simplify_expr(g, ir_expr_substitute(g, e, map, NULL), vars,
                                 false)
             : NULL;
}

bool grad_split_quotient(ir_graph *g, ir_node *y, grad_read *r)
{
    found f = {0};
    ir_affine map[IR_MAX_VARS];
    for (int d = 0; d < r->read->sub_count; d++)
        if (r->read->subs[d].gather)
            ir_visit(r->read->subs[d].gather, find_quotient, &f);
    if (!f.by || y->comp.vars[f.var].lo != 0 ||
        y->comp.var_count == IR_MAX_VARS)
        return false;
    int64_t end = y->comp.vars[f.var].hi;
    y->comp = split_variable(g, &y->comp, f, map);
    const ir_var *vars = y->comp.vars;
    r->read = over_parts(g, r->read, map, vars);
    r->adj.value = over_parts(g, r->adj.value, map, vars);
    r->adj.guard = over_parts(g, r->adj.guard, map, vars);
    if (end % f.by != 0)
        r->adj.guard =
            grad_and(g, r->adj.guard,
                     ir_op2(g, IR_LT_OP, ir_affine_value(g, map[f.var]),
                            ir_int(g, end)));
    return true;
}
