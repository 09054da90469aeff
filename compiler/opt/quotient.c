/*
 * quotient.c - exponentials over their own log-sum-exp, each computed once.
 *
 *     l[o] = lse(k) f(o, k);       y[o, k] = exp(f(o, k) - l[o]);
 *
 * takes every exponential twice. The same numbers are
 *
 *     m[o] = max(k) f;             z[o] = m[o] finite ? m[o] : 0;
 *     e[o, k] = exp(f - z[o]);     s[o] = sum(k) e[o, k];
 *     l[o] = z[o] + log(s[o]);     y[o, k] = e[o, k] * (1 / s[o]);
 *
 * also where f is infinite or NaN: z is what a log-sum-exp subtracts itself.
 * With a filter F the maximum is that of the terms in it, and e and y are 0
 * outside.
 *
 * Needs:    derivatives taken, equal bodies shared (opt_reuse()).
 * Provides: one exponential for each element of such a map.
 * Keeps:    values within the error model, infinities and NaN exactly; the
 *           nodes l and y.
 */
#include "opt/opt_priv.h"
#include <math.h>

typedef struct quotient {
    ir_graph *g;
    ir_node *l, *y;
    ir_expr *filter;    /* of l; NULL: none */
    ir_node *z, *e, *s; /* made of l */
} quotient;

static bool same_box(const ir_comp *a, const ir_comp *b)
{
    if (a->var_count != b->var_count)
        return false;
    for (int v = 0; v < a->var_count; v++)
        if (a->vars[v].lo != b->vars[v].lo || a->vars[v].hi != b->vars[v].hi)
            return false;
    return true;
}

/* The log-sum-exp over which `y` is exp(f - l), with f the terms of l. */
static ir_node *denominator_of(ir_graph *g, const ir_node *y)
{
    if (y->kind != IR_COMP || y->comp.reduce != IR_MAP)
        return NULL;
    ir_expr *root = y->comp.body, *filter = NULL;
    if (root->kind == IR_EXPR_OP && root->op == IR_SELECT_OP &&
        root->args[2] == ir_real(g, 0.0)) {
        filter = root->args[0];
        root = root->args[1];
    }
    if (root->kind != IR_EXPR_OP || root->op != IR_EXP_OP)
        return NULL;
    const ir_expr *d = root->args[0];
    if (d->kind != IR_EXPR_OP || d->op != IR_SUB_OP ||
        d->args[1]->kind != IR_EXPR_READ)
        return NULL;
    ir_node *l = d->args[1]->node;
    bool fits = l->kind == IR_COMP && l->comp.reduce == IR_LSE &&
                l->comp.filter == filter && l->comp.body == d->args[0] &&
                same_box(&l->comp, &y->comp) &&
                d->args[1] == ir_read_plain(g, l, 0);
    return fits ? l : NULL;
}

static ir_node *make(ir_graph *g, const ir_node *like, ir_comp comp,
                     const char *suffix)
{
    const char *name = arena_printf(g->arena, "%s%s", like->name, suffix);
    return ir_comprehend(g, name, &comp, like->at);
}

/* A map over the outputs of l. */
static ir_node *map_over(ir_graph *g, const ir_node *l, ir_expr *body,
                         const char *suffix)
{
    ir_comp comp = {.out_count = l->comp.out_count,
                    .var_count = l->comp.out_count,
                    .vars = l->comp.vars,
                    .reduce = IR_MAP,
                    .body = body};
    return make(g, l, comp, suffix);
}

static ir_node *reduce_over(ir_graph *g, const ir_node *l, ir_reduce reduce,
                            ir_expr *filter, ir_expr *body, const char *suffix)
{
    ir_comp comp = l->comp;
    comp.filter = filter;
    comp.reduce = reduce;
    comp.body = body;
    return make(g, l, comp, suffix);
}

/* `x` where the terms of l count, else 0. */
static ir_expr *filtered(const quotient *q, ir_expr *x)
{
    ir_graph *g = q->g;
    return q->filter ? ir_select(g, q->filter, x, ir_real(g, 0.0)) : x;
}

static void make_parts(quotient *q)
{
    ir_graph *g = q->g;
    ir_node *m =
        reduce_over(g, q->l, IR_MAX, q->filter, q->l->comp.body, "_max");
    ir_expr *most = ir_read_plain(g, m, 0);
    ir_expr *finite =
        ir_op2(g, IR_LT_OP, ir_op1(g, IR_ABS_OP, most), ir_real(g, INFINITY));
    q->z = map_over(g, q->l, ir_select(g, finite, most, ir_real(g, 0.0)),
                    "_shift");
    ir_comp e = q->y->comp;
    ir_expr *below =
        ir_op2(g, IR_SUB_OP, q->l->comp.body, ir_read_plain(g, q->z, 0));
    e.body = filtered(q, ir_op1(g, IR_EXP_OP, below));
    q->e = make(g, q->l, e, "_exp");
    q->s =
        reduce_over(g, q->l, IR_SUM, NULL, ir_read_plain(g, q->e, 0), "_sum");
}

/* l and y stay who they are; what they are made of changes. */
static void change_denominator(const quotient *q)
{
    ir_graph *g = q->g;
    ir_comp *l = &q->l->comp;
    l->reduce = IR_MAP;
    l->var_count = l->out_count;
    l->filter = NULL;
    l->body = ir_op2(g, IR_ADD_OP, ir_read_plain(g, q->z, 0),
                     ir_op1(g, IR_LOG_OP, ir_read_plain(g, q->s, 0)));
}

static void change_quotient(const quotient *q)
{
    ir_graph *g = q->g;
    ir_expr *part =
        ir_op2(g, IR_DIV_OP, ir_real(g, 1.0), ir_read_plain(g, q->s, 0));
    q->y->comp.body =
        filtered(q, ir_op2(g, IR_MUL_OP, ir_read_plain(g, q->e, 0), part));
}

void opt_quotient(ir_graph *g)
{
    int count = g->nodes.count, found = 0;
    ptl_arena *scratch = arena_new();
    quotient *q = ARENA_ARRAY(scratch, quotient, count + 1);
    int *made_for = ARENA_ARRAY(scratch, int, count + 1);
    for (int i = 0; i < count; i++) {
        ir_node *y = g->nodes.data[i], *l = denominator_of(g, y);
        if (!l)
            continue;
        q[found] = (quotient){.g = g, .l = l, .y = y, .filter = l->comp.filter};
        if (made_for[l->id]) {
            const quotient *first = &q[made_for[l->id] - 1];
            q[found].e = first->e;
            q[found].s = first->s;
        } else {
            make_parts(&q[found]);
            made_for[l->id] = found + 1;
        }
        found++;
    }
    for (int i = 0; i < found; i++) {
        if (made_for[q[i].l->id] == i + 1)
            change_denominator(&q[i]);
        change_quotient(&q[i]);
    }
    arena_free(scratch);
    if (found)
        ir_prune(g);
}
