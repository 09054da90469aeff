/*
 * cse.c - equal comprehensions are computed once.
 *
 * Expressions are shared already, so two comprehensions are equal when ranges,
 * reduction, filter and body are the same pointers. Replacing one makes its
 * users equal in turn, hence the repetition.
 *
 * Needs:    nothing.
 * Provides: no two comprehensions, scatters or literals of one graph are equal.
 * Keeps:    the earlier of two, outputs and their names.
 */
#include "base/map.h"
#include "opt/opt_priv.h"
#include <string.h>

static uint64_t hash_node(const ir_node *n)
{
    int head[] = {(int)n->kind, (int)n->type.kind, n->type.rank, n->piece_count,
                  n->comp.out_count, n->comp.var_count, (int)n->comp.reduce};
    uint64_t h = ptl_hash(head, sizeof head);
    const void *links[] = {n->comp.body, n->comp.filter,
                           n->piece_count ? n->pieces[0].source : NULL};
    h = ptl_hash_more(h, links, sizeof links);
    return ptl_hash_more(h, n->type.dims,
                         (size_t)n->type.rank * sizeof *n->type.dims);
}

static bool same_comp(const ir_comp *a, const ir_comp *b)
{
    if (a->body != b->body || a->filter != b->filter ||
        a->reduce != b->reduce || a->out_count != b->out_count ||
        a->var_count != b->var_count)
        return false;
    for (int i = 0; i < a->var_count; i++)
        if (a->vars[i].lo != b->vars[i].lo || a->vars[i].hi != b->vars[i].hi)
            return false;
    return true;
}

static bool same_pieces(const ir_node *a, const ir_node *b)
{
    if (a->piece_count != b->piece_count || a->disjoint != b->disjoint)
        return false;
    for (int i = 0; i < a->piece_count; i++) {
        if (a->pieces[i].source != b->pieces[i].source)
            return false;
        for (int d = 0; d < a->type.rank; d++) {
            const ir_sub *s = &a->pieces[i].subs[d], *t = &b->pieces[i].subs[d];
            if (s->mode != t->mode || s->gather != t->gather ||
                !ir_affine_equal(s->affine, t->affine))
                return false;
        }
    }
    return true;
}

static bool same_node(const ir_node *a, const ir_node *b)
{
    if (a->kind != b->kind || a->type.kind != b->type.kind ||
        a->type.rank != b->type.rank || a->type.bound != b->type.bound ||
        memcmp(a->type.dims, b->type.dims,
               (size_t)a->type.rank * sizeof *a->type.dims) != 0)
        return false;
    switch (a->kind) {
    case IR_COMP:
        return same_comp(&a->comp, &b->comp);
    case IR_SCATTER:
        return same_pieces(a, b);
    case IR_LITERAL:
        return a->storage == b->storage &&
               memcmp(a->values, b->values,
                      (size_t)ir_element_count(&a->type) *
                          sizeof *a->values) == 0;
    default:
        return false;
    }
}

/* Maps each node that equals an earlier one to it; false: there is none. */
static bool find_equal(ir_graph *g, ir_node **map)
{
    bool found = false;
    int room = 16;
    while (room < g->nodes.count * 2)
        room *= 2;
    ir_node **table = ARENA_ARRAY(g->arena, ir_node *, room);
    for (int i = 0; i < g->nodes.count; i++) {
        ir_node *n = g->nodes.data[i];
        if (n->kind != IR_COMP && n->kind != IR_SCATTER &&
            n->kind != IR_LITERAL)
            continue;
        int at = (int)(hash_node(n) >> 20) & (room - 1);
        while (table[at] && !same_node(table[at], n))
            at = (at + 1) & (room - 1);
        if (table[at])
            map[i] = table[at];
        else
            table[at] = n;
        found = found || map[i];
    }
    return found;
}

static bool is_output(const ir_graph *g, const ir_node *n)
{
    for (int i = 0; i < g->outputs.count; i++)
        if (g->outputs.data[i].node == n)
            return true;
    return false;
}

/* Of an output and something in between, the output's name is the one known. */
static void keep_known_names(ir_graph *g, ir_node *const *map, int count)
{
    for (int i = 0; i < count; i++) {
        ir_node *gone = g->nodes.data[i];
        if (!map[i] || !is_output(g, gone) || is_output(g, map[i]))
            continue;
        const char *name = map[i]->name;
        ir_rename(g, map[i], gone->name);
        ir_rename(g, gone, name);
    }
}

void opt_cse(ir_graph *g)
{
    for (;;) {
        int count = g->nodes.count;
        ir_node **map = ARENA_ARRAY(g->arena, ir_node *, count);
        if (!find_equal(g, map))
            return;
        keep_known_names(g, map, count);
        ir_graph_replace(g, map, count);
    }
}
