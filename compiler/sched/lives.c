/*
 * lives.c - how long values stand in memory, by the order of groups.
 *
 * Needs:    a scope without scans, its groups in order.
 * Provides: lives.h.
 * Keeps:    the scope.
 */
#include "sched/lives.h"

static void number_groups(const sched_scope *scope, sched_lives *l)
{
    for (int i = 0; i < scope->graph->nodes.count; i++)
        l->group_of[i] = -1;
    for (int i = 0; i < l->groups; i++) {
        const sched_group *group = scope->groups.data[i];
        for (int k = 0; k < group->nodes.count; k++)
            l->group_of[group->nodes.data[k]->id] = i;
    }
}

static void note_use(sched_lives *l, ptl_arena *arena, ir_node *reader,
                     ir_node *n, int group)
{
    sched_life *life = &l->of[n->id];
    vec_push(arena, &life->readers, reader);
    vec_push(arena, &l->of[reader->id].operands, n);
    int count = life->uses.count;
    if (count && life->uses.data[count - 1] == group)
        return;
    vec_push(arena, &life->uses, group);
    vec_push(arena, &l->operands[group], n);
}

static void note_operands(sched_scope *scope, sched_lives *l, ptl_arena *arena,
                          int group)
{
    const sched_group *of = scope->groups.data[group];
    for (int i = 0; i < of->nodes.count; i++) {
        ir_node *n = of->nodes.data[i];
        ir_node **operands;
        int count = ir_operands(scope->graph, n, &operands);
        for (int k = 0; k < count; k++) {
            ir_node *base = sched_base(scope, operands[k]);
            note_use(l, arena, n, base, group);
            if (n->kind != IR_COMP || base != operands[k])
                l->of[base->id].by_comps = false;
        }
    }
}

/* What is an update lies in its target, what is stored through a scatter in
 * that one's memory. */
static void note_sizes(sched_schedule *s, const sched_scope *scope,
                       sched_lives *l)
{
    const ir_graph *g = scope->graph;
    for (int i = 0; i < g->nodes.count; i++) {
        const ir_node *n = g->nodes.data[i];
        sched_life *life = &l->of[i];
        life->first = life->last = l->group_of[i];
        life->by_comps = true;
        if (l->group_of[i] >= 0 && !sched_store_of(scope, n))
            life->bytes = sched_buffer_of(s, n).size_bytes;
    }
    for (int i = 0; i < g->outputs.count; i++)
        if (g->outputs.data[i].role == IR_OUT_UPDATE)
            l->of[g->outputs.data[i].node->id].bytes = 0;
}

static bool is_passing(const sched_life *life)
{
    return life->uses.count == 1 && life->uses.data[0] == life->first;
}

void sched_find_lives(sched_schedule *s, sched_scope *scope, ptl_arena *arena,
                      sched_lives *out)
{
    const ir_graph *g = scope->graph;
    *out = (sched_lives){.groups = scope->groups.count};
    out->group_of = ARENA_ARRAY(arena, int, g->nodes.count + 1);
    out->of = ARENA_ARRAY(arena, sched_life, g->nodes.count + 1);
    out->operands =
        arena_alloc(arena, (size_t)(out->groups + 1) * sizeof *out->operands);
    number_groups(scope, out);
    note_sizes(s, scope, out);
    for (int i = 0; i < out->groups; i++)
        note_operands(scope, out, arena, i);
    for (int i = 0; i < g->nodes.count; i++) {
        sched_life *life = &out->of[i];
        if (life->uses.count && life->first >= 0)
            life->last = life->uses.data[life->uses.count - 1];
        life->passing = is_passing(life);
    }
    for (int i = 0; i < g->outputs.count; i++)
        out->of[g->outputs.data[i].node->id].last = out->groups;
}
