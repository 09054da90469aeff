/*
 * merge.c - copying a graph into another.
 */
#include "ir/merge.h"

typedef struct merger {
    ir_graph *to;
    const ir_graph *from;
    const char *prefix;
    ir_node **map;
} merger;

static const char *prefixed(const merger *m, const char *name)
{
    return arena_printf(m->to->arena, "%s%s", m->prefix, name);
}

static ir_expr *moved(const merger *m, ir_expr *e)
{
    return e ? ir_expr_substitute(m->to, e, NULL, m->map) : NULL;
}

static ir_node *copy_comp(const merger *m, const ir_node *n)
{
    ir_comp c = n->comp;
    c.body = moved(m, c.body);
    c.filter = moved(m, c.filter);
    ir_node *copy = ir_comprehend(m->to, prefixed(m, n->name), &c, n->at);
    copy->type.bound = n->type.bound;
    copy->ordered = n->ordered;
    return copy;
}

static ir_node *copy_scatter(const merger *m, const ir_node *n)
{
    ir_piece *pieces = ARENA_ARRAY(m->to->arena, ir_piece, n->piece_count);
    for (int i = 0; i < n->piece_count; i++) {
        ir_sub *subs = ARENA_ARRAY(m->to->arena, ir_sub, n->type.rank);
        pieces[i] = n->pieces[i];
        pieces[i].source = m->map[n->pieces[i].source->id];
        for (int k = 0; k < n->type.rank; k++) {
            subs[k] = n->pieces[i].subs[k];
            subs[k].gather = moved(m, subs[k].gather);
        }
        pieces[i].subs = subs;
    }
    ir_node *copy = ir_scatter(m->to, prefixed(m, n->name), n->type, pieces,
                               n->piece_count, n->at);
    copy->disjoint = n->disjoint;
    return copy;
}

static ir_node *copy_scan(const merger *m, const ir_node *n)
{
    const ir_scan *s = n->scan;
    ptl_arena *arena = m->to->arena;
    ir_scan copy = *s;
    ir_node **outer = ARENA_ARRAY(arena, ir_node *, s->bind_count);
    ir_node **inner = ARENA_ARRAY(arena, ir_node *, s->bind_count);
    ir_node **stacked = ARENA_ARRAY(arena, ir_node *, s->stack_count);
    ir_carry *carries = ARENA_ARRAY(arena, ir_carry, s->carry_count);
    copy.body = ir_copy(s->body);
    if (s->counter)
        copy.counter = ir_find(copy.body, s->counter->name);
    for (int i = 0; i < s->bind_count; i++) {
        outer[i] = m->map[s->bind_outer[i]->id];
        inner[i] = ir_find(copy.body, s->bind_inner[i]->name);
    }
    for (int i = 0; i < s->carry_count; i++)
        carries[i] = (ir_carry){m->map[s->carries[i].init->id],
                                ir_find(copy.body, s->carries[i].input->name),
                                ir_find(copy.body, s->carries[i].next->name)};
    for (int i = 0; i < s->stack_count; i++)
        stacked[i] = ir_find(copy.body, s->stacked[i]->name);
    copy.bind_outer = outer;
    copy.bind_inner = inner;
    copy.carries = carries;
    copy.stacked = stacked;
    return ir_scan_new(m->to, prefixed(m, n->name), &copy, n->at);
}

static ir_node *copy_node(const merger *m, const ir_node *n)
{
    ir_node *copy;
    switch (n->kind) {
    case IR_INPUT:
        return ir_input(m->to, prefixed(m, n->name), n->type, n->role,
                        n->storage);
    case IR_LITERAL:
        copy = ir_literal(m->to, prefixed(m, n->name), n->type, n->values);
        copy->storage = n->storage;
        return copy;
    case IR_COMP:
        return copy_comp(m, n);
    case IR_SCATTER:
        return copy_scatter(m, n);
    case IR_SCAN:
        return copy_scan(m, n);
    case IR_SCAN_OUT:
        return ir_scan_out(m->to, prefixed(m, n->name), m->map[n->of->id],
                           n->out_index);
    }
    return NULL;
}

void ir_merge(ir_graph *to, const ir_graph *from, const char *prefix)
{
    merger m = {to, from, prefix,
                ARENA_ARRAY(to->arena, ir_node *, from->nodes.count + 1)};
    for (int i = 0; i < from->nodes.count; i++)
        m.map[i] = copy_node(&m, from->nodes.data[i]);
    for (int i = 0; i < from->outputs.count; i++) {
        const ir_output *o = &from->outputs.data[i];
        ir_output_add(to, prefixed(&m, o->name), m.map[o->node->id], o->role,
                      o->target ? m.map[o->target->id] : NULL);
    }
}

ir_graph *ir_copy(const ir_graph *g)
{
    ir_graph *copy = ir_graph_new();
    ir_merge(copy, g, "");
    return copy;
}
