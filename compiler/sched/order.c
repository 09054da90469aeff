/*
 * order.c - the order of groups.
 *
 * Data flows from operands to readers; besides, a group that makes the new
 * value of an input should run after every group that reads the old one, so
 * that the new value can be written in place. Where both cannot be had (two
 * parameters that swap), the second wish is dropped and steps.c copies.
 *
 * Needs:    groups in some order in which operands come first.
 * Provides: such an order with updates as late as they must be.
 * Keeps:    groups and their contents; the given order where nothing speaks
 *           against it.
 */
#include "sched/internal.h"
#include <string.h>

typedef struct orderer {
    sched_schedule *s;
    ptl_arena *scratch;
    int count;
    int *group_of;    /* by node id, -1: none */
    VEC(int) * after; /* by group: groups that must come later */
    int *waiting;     /* by group: how many must come before */
} orderer;

static void add_edge(orderer *o, int from, int to)
{
    if (from < 0 || from == to)
        return;
    for (int i = 0; i < o->after[from].count; i++)
        if (o->after[from].data[i] == to)
            return;
    vec_push(o->scratch, &o->after[from], to);
    o->waiting[to]++;
}

static bool reaches(const orderer *o, int from, int to, bool *seen)
{
    if (from == to)
        return true;
    if (seen[from])
        return false;
    seen[from] = true;
    for (int i = 0; i < o->after[from].count; i++)
        if (reaches(o, o->after[from].data[i], to, seen))
            return true;
    return false;
}

static int group_of(const orderer *o, ir_node *n)
{
    return o->group_of[sched_base(o->s, n)->id];
}

static void add_data_edges(orderer *o)
{
    const ir_graph *g = o->s->graph;
    for (int i = 0; i < g->nodes.count; i++) {
        ir_node **operands;
        int count = ir_operands(o->s->graph, g->nodes.data[i], &operands);
        for (int k = 0; k < count; k++)
            if (o->group_of[i] >= 0)
                add_edge(o, group_of(o, operands[k]), o->group_of[i]);
    }
}

/* Readers of the old value come before the group that makes the new one. */
static void add_update_edges(orderer *o, const ir_output *update)
{
    ir_graph *g = o->s->graph;
    int maker = o->group_of[update->node->id];
    bool *reader = ARENA_ARRAY(o->scratch, bool, o->count);
    for (int i = 0; i < g->nodes.count; i++) {
        ir_node **operands;
        int count = ir_operands(g, g->nodes.data[i], &operands);
        for (int k = 0; k < count; k++)
            if (sched_base(o->s, operands[k]) == update->target &&
                o->group_of[i] != maker)
                reader[o->group_of[i]] = true;
    }
    bool *seen = ARENA_ARRAY(o->scratch, bool, o->count);
    reaches(o, maker, -1, seen);
    for (int i = 0; i < o->count; i++)
        if (reader[i] && seen[i])
            return;
    for (int i = 0; i < o->count; i++)
        if (reader[i])
            add_edge(o, i, maker);
}

static void sort(orderer *o)
{
    sched_group **sorted = ARENA_ARRAY(o->s->arena, sched_group *, o->count);
    bool *placed = ARENA_ARRAY(o->scratch, bool, o->count);
    for (int k = 0; k < o->count; k++) {
        int next = 0;
        while (next < o->count && (placed[next] || o->waiting[next]))
            next++;
        PTL_ASSERT(next < o->count);
        placed[next] = true;
        sorted[k] = o->s->groups.data[next];
        for (int i = 0; i < o->after[next].count; i++)
            o->waiting[o->after[next].data[i]]--;
    }
    if (o->count)
        memcpy(o->s->groups.data, sorted, (size_t)o->count * sizeof *sorted);
}

void sched_order(sched_schedule *s)
{
    orderer o = {.s = s, .scratch = arena_new(), .count = s->groups.count};
    o.group_of = ARENA_ARRAY(o.scratch, int, s->graph->nodes.count + 1);
    o.after = arena_alloc(o.scratch, (size_t)(o.count + 1) * sizeof *o.after);
    o.waiting = ARENA_ARRAY(o.scratch, int, o.count + 1);
    for (int i = 0; i < s->graph->nodes.count; i++)
        o.group_of[i] = -1;
    for (int i = 0; i < o.count; i++)
        for (int k = 0; k < s->groups.data[i]->nodes.count; k++)
            o.group_of[s->groups.data[i]->nodes.data[k]->id] = i;
    add_data_edges(&o);
    for (int i = 0; i < s->graph->outputs.count; i++)
        if (s->graph->outputs.data[i].role == IR_OUT_UPDATE)
            add_update_edges(&o, &s->graph->outputs.data[i]);
    sort(&o);
    arena_free(o.scratch);
}
