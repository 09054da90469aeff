/*
 * reuse.c - what a map has computed is read, not computed again.
 *
 * The backward pass asks for exp(s - l), the tanh of the same sum, the same
 * quotient as the forward pass. Where a part of a body is the whole body of an
 * earlier map, over the same indices, and costs more than a load, it becomes a
 * read of that map. (Fusion may still decide to compute it in place.)
 *
 * Needs:    operands first.
 * Provides: no body with a costly part that is an earlier map.
 * Keeps:    every bit: it is the same value.
 */
#include "ir/memo.h"
#include "opt/opt_priv.h"

typedef struct reuser {
    ir_memo maps; /* body -> map */
    const ir_comp *reader;
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

static ir_expr *reuse_rule(ir_graph *g, ir_expr *e, void *ctx)
{
    reuser *r = ctx;
    ir_node *map = e->kind == IR_EXPR_OP ? ir_memo_get(&r->maps, e) : NULL;
    return map && covers(map, r->reader) ? ir_read_plain(g, map, 0) : e;
}

void opt_reuse(ir_graph *g)
{
    reuser r = {0};
    int count = g->nodes.count;
    for (int i = 0; i < count; i++) {
        ir_node *n = g->nodes.data[i];
        if (n->kind != IR_COMP)
            continue;
        r.reader = &n->comp;
        n->comp.body = opt_rewrite(g, n->comp.body, reuse_rule, &r);
        if (n->comp.filter)
            n->comp.filter = opt_rewrite(g, n->comp.filter, reuse_rule, &r);
        if (is_worth_keeping(n) && !ir_memo_get(&r.maps, n->comp.body))
            ir_memo_put(&r.maps, n->comp.body, n);
    }
    ir_memo_fini(&r.maps);
}
