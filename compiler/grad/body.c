/*
 * body.c - reverse mode inside one scalar body.
 *
 * The body is a graph of shared expressions, walked once from the result to the
 * leaves. Each expression has one adjoint: contributions under different
 * guards merge into a value that selects, under the disjunction of the guards,
 * so the size stays linear and a partial derivative is still evaluated only
 * where one of its users asked for it.
 */
#include "base/memo.h"
#include "grad/grad_priv.h"

typedef struct entry {
    ir_expr *e;
    bool active;
    grad_adj adj;
} entry;

struct grad_tape {
    ir_graph *g;
    const bool *active;
    VEC(entry *) entries; /* operands first */
    ptl_memo index;
};

ir_graph *grad_graph(const grad_tape *tape)
{
    return tape->g;
}

bool grad_is_active(const grad_tape *tape, const ir_expr *e)
{
    const entry *x = memo_get(&tape->index, e);
    return x && x->active;
}

ir_expr *grad_and(ir_graph *g, ir_expr *a, ir_expr *b)
{
    if (!a || !b)
        return a ? a : b;
    ir_expr *both = ir_op2(g, IR_AND_OP, a, b);
    bool is_true = both->kind == IR_EXPR_CONST && both->number != 0.0;
    return is_true ? NULL : both;
}

static bool has_derivative(const grad_tape *t, const ir_expr *e)
{
    if (e->type != IR_REAL)
        return false;
    if (e->kind == IR_EXPR_READ)
        return t->active[e->node->id] ||
               (e->outside && grad_is_active(t, e->outside));
    if (e->kind != IR_EXPR_OP || e->op == IR_STOP_OP)
        return false;
    for (int i = 0; i < e->arg_count; i++)
        if (grad_is_active(t, e->args[i]))
            return true;
    return false;
}

static void add_entry(ir_expr *e, void *ctx)
{
    grad_tape *t = ctx;
    entry *x = ARENA_NEW(t->g->arena, entry);
    x->e = e;
    x->active = has_derivative(t, e);
    vec_push(t->g->arena, &t->entries, x);
    memo_put(&t->index, e, x);
}

/* ---------- merging ---------- */

static ir_expr *where(ir_graph *g, ir_expr *guard, ir_expr *value)
{
    return guard ? ir_select(g, guard, value, ir_real(g, 0.0)) : value;
}

/* Splits a && b into its last conjunct and what stands before it. */
static ir_expr *last_conjunct(ir_expr *guard, ir_expr **before)
{
    *before = NULL;
    if (guard->kind != IR_EXPR_OP || guard->op != IR_AND_OP)
        return guard;
    *before = guard->args[0];
    return guard->args[1];
}

/* p && c and p && !c: both sides of one branch. */
static bool are_branches(ir_graph *g, ir_expr *a, ir_expr *b, ir_expr **common,
                         ir_expr **cond)
{
    if (!a || !b)
        return false;
    ir_expr *before_b, *last_b = last_conjunct(b, &before_b);
    *cond = last_conjunct(a, common);
    return *common == before_b && last_b == ir_op1(g, IR_NOT_OP, *cond);
}

static grad_adj merge(ir_graph *g, grad_adj a, grad_adj b)
{
    ir_expr *common, *cond;
    if (!a.value)
        return b;
    if (a.guard == b.guard)
        return (grad_adj){a.guard, ir_op2(g, IR_ADD_OP, a.value, b.value)};
    if (are_branches(g, a.guard, b.guard, &common, &cond))
        return (grad_adj){common, ir_select(g, cond, a.value, b.value)};
    grad_adj both = {
        .value = ir_op2(g, IR_ADD_OP, where(g, a.guard, a.value),
                        where(g, b.guard, b.value)),
    };
    if (a.guard && b.guard)
        both.guard = ir_op2(g, IR_OR_OP, a.guard, b.guard);
    return both;
}

static bool is_false(const ir_expr *e)
{
    return e && e->kind == IR_EXPR_CONST && e->number == 0.0;
}

void grad_push(grad_tape *tape, ir_expr *e, ir_expr *guard, ir_expr *value)
{
    entry *x = memo_get(&tape->index, e);
    PTL_ASSERT(x != NULL);
    if (x->active && !is_false(guard))
        x->adj = merge(tape->g, x->adj, (grad_adj){guard, value});
}

/* ---------- the walk ---------- */

static void push_outside(grad_tape *t, const entry *x)
{
    ir_expr *e = x->e;
    if (!e->outside || !grad_is_active(t, e->outside))
        return;
    ir_expr *inside = ir_inside(t->g, e->node, e->subs, e->sub_count);
    ir_expr *left = ir_op1(t->g, IR_NOT_OP, inside);
    grad_push(t, e->outside, grad_and(t->g, x->adj.guard, left),
              x->adj.value);
}

void grad_body(ir_graph *g, const bool *active, ir_expr *body, grad_adj seed,
               grad_reads *reads)
{
    grad_tape t = {.g = g, .active = active};
    ir_visit(body, add_entry, &t);
    grad_push(&t, body, seed.guard, seed.value);
    for (int i = t.entries.count - 1; i >= 0; i--) {
        entry *x = t.entries.data[i];
        if (!x->active || !x->adj.value)
            continue;
        if (x->e->kind == IR_EXPR_OP) {
            grad_rules[x->e->op](&t, x->e, x->adj);
            continue;
        }
        push_outside(&t, x);
        grad_read found = {x->e, x->adj};
        if (active[x->e->node->id])
            vec_push(g->arena, reads, found);
    }
    memo_fini(&t.index);
    for (int i = 0, k = reads->count - 1; i < k; i++, k--) {
        grad_read swap = reads->data[i];
        reads->data[i] = reads->data[k];
        reads->data[k] = swap;
    }
}
