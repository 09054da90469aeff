/*
 * walk.c - visiting and rewriting expressions, each shared part once.
 */
#include "base/memo.h"
#include "ir/interner.h"
#include <string.h>

/* ---------- visiting ---------- */

typedef struct visit_ctx {
    ptl_memo seen;
    void (*visit)(ir_expr *e, void *ctx);
    void *ctx;
} visit_ctx;

static void visit_all(visit_ctx *c, ir_expr *e)
{
    if (!e || !memo_add(&c->seen, e))
        return;
    for (int i = 0; i < e->sub_count; i++)
        visit_all(c, e->subs[i].gather);
    visit_all(c, e->outside);
    for (int i = 0; i < e->arg_count; i++)
        visit_all(c, e->args[i]);
    visit_all(c, e->element);
    visit_all(c, e->step);
    visit_all(c, e->seed);
    c->visit(e, c->ctx);
}

void ir_visit(ir_expr *e, void (*visit)(ir_expr *e, void *ctx), void *ctx)
{
    visit_ctx c = {.visit = visit, .ctx = ctx};
    visit_all(&c, e);
    memo_fini(&c.seen);
}

typedef struct reads_ctx {
    void (*visit)(ir_expr *read, void *ctx);
    void *ctx;
} reads_ctx;

static void visit_if_read(ir_expr *e, void *ctx)
{
    const reads_ctx *c = ctx;
    if (e->kind == IR_EXPR_READ || e->kind == IR_EXPR_INSIDE)
        c->visit(e, c->ctx);
}

void ir_visit_reads(ir_expr *e, void (*visit)(ir_expr *read, void *ctx),
                    void *ctx)
{
    reads_ctx c = {visit, ctx};
    ir_visit(e, visit_if_read, &c);
}

/* ---------- operands ---------- */

typedef struct operand_ctx {
    ir_graph *g;
    ptl_memo seen;
    VEC(ir_node *) found;
} operand_ctx;

static void add_operand(operand_ctx *c, ir_node *n)
{
    if (n && memo_add(&c->seen, n))
        vec_push(c->g->arena, &c->found, n);
}

static void add_read(ir_expr *read, void *ctx)
{
    add_operand(ctx, read->node);
}

static void add_expr(operand_ctx *c, ir_expr *e)
{
    if (e)
        ir_visit_reads(e, add_read, c);
}

static void add_scan(operand_ctx *c, const ir_scan *s)
{
    for (int i = 0; i < s->bind_count; i++)
        add_operand(c, s->bind_outer[i]);
    for (int i = 0; i < s->carry_count; i++)
        add_operand(c, s->carries[i].init);
}

int ir_operands(ir_graph *g, const ir_node *n, ir_node ***out)
{
    operand_ctx c = {.g = g};
    switch (n->kind) {
    case IR_INPUT:
    case IR_LITERAL:
        break;
    case IR_COMP:
        add_expr(&c, n->comp.filter);
        add_expr(&c, n->comp.body);
        break;
    case IR_SCATTER:
        for (int i = 0; i < n->piece_count; i++) {
            const ir_piece *p = &n->pieces[i];
            add_operand(&c, p->source);
            for (int k = 0; k < n->type.rank; k++)
                add_expr(&c, p->subs[k].gather);
        }
        break;
    case IR_SCAN:
        add_scan(&c, n->scan);
        break;
    case IR_SCAN_OUT:
        add_operand(&c, n->of);
        break;
    }
    memo_fini(&c.seen);
    *out = c.found.data;
    return c.found.count;
}

/* ---------- rewriting ---------- */

typedef struct subst_ctx {
    ir_graph *g;
    ptl_memo done;
    const ir_affine *map;
    ir_read_rule *rule;
    void *ctx;
} subst_ctx;

static ir_expr *rewrite(subst_ctx *c, ir_expr *e);

static ir_sub *rewrite_subs(subst_ctx *c, const ir_sub *subs, int count)
{
    ir_sub *out = ARENA_ARRAY(c->g->arena, ir_sub, count);
    for (int i = 0; i < count; i++) {
        out[i] = subs[i];
        if (c->map)
            out[i].affine =
                ir_affine_substitute(c->g, subs[i].affine, c->map);
        if (subs[i].gather)
            out[i].gather = rewrite(c, subs[i].gather);
    }
    return out;
}

static ir_expr *rewrite_read(subst_ctx *c, ir_expr *e)
{
    ir_sub *subs = rewrite_subs(c, e->subs, e->sub_count);
    ir_expr *outside = e->outside ? rewrite(c, e->outside) : NULL;
    return c->rule(c->g, e, subs, outside, c->ctx);
}

static ir_expr *rewrite_op(subst_ctx *c, ir_expr *e)
{
    ir_expr *args[3];
    PTL_ASSERT(e->arg_count <= 3);
    for (int i = 0; i < e->arg_count; i++)
        args[i] = rewrite(c, e->args[i]);
    return ir_op(c->g, e->op, args);
}

static ir_expr *rebuild(subst_ctx *c, ir_expr *e)
{
    ir_expr key;
    switch (e->kind) {
    case IR_EXPR_CONST:
        key = (ir_expr){.kind = IR_EXPR_CONST, .type = e->type,
                        .number = e->number};
        return ir_intern(c->g, &key);
    case IR_EXPR_VAR:
        return c->map ? ir_affine_value(c->g, c->map[e->var])
                      : ir_var_value(c->g, e->var);
    case IR_EXPR_READ:
    case IR_EXPR_INSIDE:
        return rewrite_read(c, e);
    case IR_EXPR_RANDOM:
        return ir_random_value(c->g, e->random, e->site_name,
                               rewrite(c, e->element), rewrite(c, e->step),
                               rewrite(c, e->seed));
    case IR_EXPR_OP:
        break;
    }
    return rewrite_op(c, e);
}

static ir_expr *rewrite(subst_ctx *c, ir_expr *e)
{
    ir_expr *done = memo_get(&c->done, e);
    if (!done) {
        done = rebuild(c, e);
        memo_put(&c->done, e, done);
    }
    return done;
}

ir_expr *ir_expr_rebuild(ir_graph *g, ir_expr *e, const ir_affine *map,
                         ir_read_rule *rule, void *ctx)
{
    subst_ctx c = {.g = g, .map = map, .rule = rule, .ctx = ctx};
    ir_expr *result = rewrite(&c, e);
    memo_fini(&c.done);
    return result;
}

/* The same read of the node that stands for the old one. */
static ir_expr *read_mapped(ir_graph *g, const ir_expr *read,
                            const ir_sub *subs, ir_expr *outside, void *ctx)
{
    ir_node *const *node_map = ctx;
    ir_node *to = node_map ? node_map[read->node->id] : NULL;
    ir_node *n = to ? to : read->node;
    return read->kind == IR_EXPR_READ
               ? ir_read(g, n, subs, read->sub_count, outside)
               : ir_inside(g, n, subs, read->sub_count);
}

ir_expr *ir_expr_substitute(ir_graph *g, ir_expr *e, const ir_affine *map,
                            ir_node *const *node_map)
{
    return ir_expr_rebuild(g, e, map, read_mapped, (void *)(uintptr_t)node_map);
}

/* ---------- replacing nodes ---------- */

static void replace_node(ir_node **n, ir_node *const *map, int known)
{
    if (*n && (*n)->id < known && map[(*n)->id])
        *n = map[(*n)->id];
}

static void replace_in_scan(ir_graph *g, ir_scan *s, ir_node *const *map,
                            int known)
{
    ir_node **outer = ARENA_ARRAY(g->arena, ir_node *, s->bind_count);
    for (int i = 0; i < s->bind_count; i++) {
        outer[i] = s->bind_outer[i];
        replace_node(&outer[i], map, known);
    }
    s->bind_outer = outer;
    ir_carry *carries = ARENA_ARRAY(g->arena, ir_carry, s->carry_count);
    for (int i = 0; i < s->carry_count; i++) {
        carries[i] = s->carries[i];
        replace_node(&carries[i].init, map, known);
    }
    s->carries = carries;
}

static void replace_in_pieces(ir_graph *g, ir_node *n, ir_node *const *map,
                              int known)
{
    subst_ctx c = {
        .g = g, .rule = read_mapped, .ctx = (void *)(uintptr_t)map};
    ir_piece *pieces = ARENA_ARRAY(g->arena, ir_piece, n->piece_count);
    for (int i = 0; i < n->piece_count; i++) {
        pieces[i] = n->pieces[i];
        replace_node(&pieces[i].source, map, known);
        pieces[i].subs = rewrite_subs(&c, n->pieces[i].subs, n->type.rank);
    }
    n->pieces = pieces;
    memo_fini(&c.done);
}

void ir_graph_replace(ir_graph *g, ir_node *const *map, int known)
{
    /* Reads made after `map` was sized must not index past it. */
    ir_node **full = ARENA_ARRAY(g->arena, ir_node *, g->nodes.count);
    memcpy(full, map, (size_t)known * sizeof *full);
    known = g->nodes.count;
    for (int i = 0; i < known; i++) {
        ir_node *n = g->nodes.data[i];
        if (n->kind == IR_COMP) {
            n->comp.body = ir_expr_substitute(g, n->comp.body, NULL, full);
            if (n->comp.filter)
                n->comp.filter =
                    ir_expr_substitute(g, n->comp.filter, NULL, full);
        } else if (n->kind == IR_SCATTER) {
            replace_in_pieces(g, n, full, known);
        } else if (n->kind == IR_SCAN) {
            replace_in_scan(g, n->scan, full, known);
        } else if (n->kind == IR_SCAN_OUT) {
            replace_node(&n->of, full, known);
        }
    }
    for (int i = 0; i < g->outputs.count; i++) {
        replace_node(&g->outputs.data[i].node, full, known);
        replace_node(&g->outputs.data[i].target, full, known);
    }
    ir_prune(g);
}
