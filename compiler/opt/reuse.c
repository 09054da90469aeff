/*
 * reuse.c - what a map has computed is read, not computed again.
 *
 * The backward pass asks for exp(s - l), the tanh of the same sum, the same
 * quotient as the forward pass. Where a part of a body is the whole body of an
 * earlier map, over the same indices, and costs more than a load, it becomes a
 * read of that map. (Fusion may still decide to compute it in place.)
 *
 * A map that is guarded, g ? part : 0, stands for its part wherever g is known
 * to hold: in the same branch of a selection, under the same filter. So what
 * the part was made of need not be kept.
 *
 * Needs:    operands first.
 * Provides: no body with a costly part that is an earlier map.
 * Keeps:    every bit: it is the same value.
 */
#include "base/memo.h"
#include "opt/opt_priv.h"

typedef struct reuser {
    ptl_memo maps;    /* body -> map */
    ptl_memo guarded; /* what a map's body is where its guard holds -> map */
    const ir_comp *reader;
    const ir_expr *known; /* holds where the expression at hand counts */
} reuser;

static void note_cost(ir_expr *e, void *ctx)
{
    bool *costly = ctx;
    if (e->kind != IR_EXPR_OP || e->type != IR_REAL)
        return;
    switch (e->op) {
    case IR_EXP_OP:
    case IR_LOG_OP:
    case IR_SIN_OP:
    case IR_COS_OP:
    case IR_TANH_OP:
    case IR_SIGMOID_OP:
    case IR_ERF_OP:
    case IR_POW_OP:
    case IR_SQRT_OP:
    case IR_DIV_OP:
        *costly = true;
        return;
    default:
        return;
    }
}

static bool is_worth_keeping(const ir_node *n)
{
    bool costly = false;
    if (n->comp.reduce != IR_MAP || n->type.kind != IR_REAL)
        return false;
    ir_visit(n->comp.body, note_cost, &costly);
    return costly;
}

/* Does the reader stay inside the map where it has the same indices? */
static bool covers(const ir_node *map, const ir_comp *reader)
{
    if (map->type.rank > reader->var_count)
        return false;
    for (int d = 0; d < map->type.rank; d++)
        if (reader->vars[d].lo < 0 || reader->vars[d].hi > map->type.dims[d])
            return false;
    return true;
}

static bool is_op(const ir_expr *e, ir_scalar op)
{
    return e->kind == IR_EXPR_OP && e->op == op;
}

/* Does `guard` hold where `known` does? */
static bool implies(const ir_expr *known, const ir_expr *guard)
{
    if (known == guard)
        return true;
    return is_op(known, IR_AND_OP) &&
           (implies(known->args[0], guard) || implies(known->args[1], guard));
}

static ir_expr *guarded_rule(ir_graph *g, ir_expr *e, void *ctx)
{
    reuser *r = ctx;
    ir_node *map = e->kind == IR_EXPR_OP ? memo_get(&r->guarded, e) : NULL;
    if (!map || !covers(map, r->reader) ||
        !implies(r->known, map->comp.body->args[0]))
        return e;
    return ir_read_plain(g, map, 0);
}

/* `e`, which counts only where `known` holds. */
static ir_expr *reuse_under(reuser *r, ir_graph *g, const ir_expr *known,
                            ir_expr *e)
{
    r->known = known;
    return r->guarded.count ? opt_rewrite(g, e, guarded_rule, r) : e;
}

static ir_expr *reuse_rule(ir_graph *g, ir_expr *e, void *ctx)
{
    reuser *r = ctx;
    ir_node *map = e->kind == IR_EXPR_OP ? memo_get(&r->maps, e) : NULL;
    if (map && covers(map, r->reader))
        return ir_read_plain(g, map, 0);
    if (!is_op(e, IR_SELECT_OP))
        return e;
    ir_expr *part = reuse_under(r, g, e->args[0], e->args[1]);
    return part == e->args[1] ? e : ir_select(g, e->args[0], part, e->args[2]);
}

/* What later nodes may read in place of computing it. */
static void offer(reuser *r, ir_node *n)
{
    ir_expr *body = n->comp.body;
    if (!is_worth_keeping(n))
        return;
    if (!memo_get(&r->maps, body))
        memo_put(&r->maps, body, n);
    if (is_op(body, IR_SELECT_OP) && !memo_get(&r->guarded, body->args[1]))
        memo_put(&r->guarded, body->args[1], n);
}

static void reuse_in(reuser *r, ir_graph *g, ir_comp *comp)
{
    r->reader = comp;
    comp->body = opt_rewrite(g, comp->body, reuse_rule, r);
    if (!comp->filter)
        return;
    comp->filter = opt_rewrite(g, comp->filter, reuse_rule, r);
    comp->body = reuse_under(r, g, comp->filter, comp->body);
}

void opt_reuse(ir_graph *g)
{
    reuser r = {0};
    int count = g->nodes.count;
    for (int i = 0; i < count; i++) {
        ir_node *n = g->nodes.data[i];
        if (n->kind != IR_COMP)
            continue;
        reuse_in(&r, g, &n->comp);
        offer(&r, n);
    }
    memo_fini(&r.maps);
    memo_fini(&r.guarded);
}
