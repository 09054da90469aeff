/*
 * order.c - the order of groups.
 *
 * Data flows from operands to readers; besides, a group that makes the new
 * value of an input should run after every group that reads the old one, so
 * that the new value can be written in place. Where both cannot be had (two
 * parameters that swap), the second wish is dropped and steps.c copies.
 *
 * Of the groups that could come next, one that frees more memory than it takes
 * goes first: the gradient of a weight right after the last gradient of an
 * activation that it needs, the update right after it.
 *
 * Needs:    groups in some order in which operands come first.
 * Provides: such an order with updates as late as they must be, and memory
 *           freed as early as it can be.
 * Keeps:    groups and their contents; the given order where nothing speaks
 *           against it.
 */
#include "sched/internal.h"
#include <string.h>

typedef struct orderer {
    sched_schedule *s;
    sched_scope *scope;
    ptl_arena *scratch;
    int count;
    int *group_of;          /* by node id, -1: none */
    VEC(int) * after;       /* by group: groups that must come later */
    int *waiting;           /* by group: how many must come before */
    VEC(ir_node *) * reads; /* by group: what others made, each once */
    VEC(int) * readers;     /* by node id: groups that read it, each once */
    int *left;              /* by node id: those that have yet to read it */
    int64_t *bytes;         /* by node id; 0: it takes no room of its own */
    bool *stays;            /* by node id: to the end */
    int64_t live;           /* bytes, now */
    int64_t most;           /* bytes that were or will have to be there */
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

/* Marks `from` and all that must come after it. */
static void mark_after(const orderer *o, int from, bool *seen)
{
    VEC(int) open = {0};
    vec_push(o->scratch, &open, from);
    seen[from] = true;
    while (open.count > 0) {
        int at = open.data[--open.count];
        for (int i = 0; i < o->after[at].count; i++) {
            int next = o->after[at].data[i];
            if (!seen[next])
                vec_push(o->scratch, &open, next);
            seen[next] = true;
        }
    }
}

/* Group `index` reads `of`. */
static void add_read(orderer *o, int index, ir_node *of)
{
    ir_node *operand = sched_base(o->scope, of);
    int maker = o->group_of[operand->id];
    int count = o->readers[operand->id].count;
    if (count > 0 && o->readers[operand->id].data[count - 1] == index)
        return; /* groups are looked at one after another */
    vec_push(o->scratch, &o->readers[operand->id], index);
    add_edge(o, maker, index);
    if (maker < 0 || maker == index)
        return;
    vec_push(o->scratch, &o->reads[index], operand);
    o->left[operand->id]++;
}

static void add_reads(orderer *o, int index)
{
    const sched_group *group = o->scope->groups.data[index];
    const sched_scan *scan = group->scan;
    for (int i = 0; i < group->nodes.count; i++) {
        ir_node **operands;
        int count =
            ir_operands(o->scope->graph, group->nodes.data[i], &operands);
        for (int k = 0; k < count; k++)
            add_read(o, index, operands[k]);
    }
    for (int i = 0; scan && i < scan->scan->bind_count; i++)
        add_read(o, index, scan->binds[i]);
    for (int i = 0; scan && i < scan->scan->carry_count; i++)
        add_read(o, index, scan->inits[i]);
}

static void add_signals(orderer *o, int index)
{
    const sched_group *group = o->scope->groups.data[index];
    for (int i = 0; i < group->nodes.count; i++) {
        const ir_node *first = sched_followed(o->scope, group->nodes.data[i]);
        if (first)
            add_edge(o, o->group_of[first->id], index);
    }
}

/* Readers of the old value come before the group that makes the new one. */
static void add_update_edges(orderer *o, const ir_output *update)
{
    int maker = o->group_of[update->node->id];
    int count = o->readers[update->target->id].count;
    const int *readers = o->readers[update->target->id].data;
    bool *seen = ARENA_ARRAY(o->scratch, bool, o->count);
    mark_after(o, maker, seen);
    for (int i = 0; i < count; i++)
        if (readers[i] != maker && seen[readers[i]])
            return;
    for (int i = 0; i < count; i++)
        add_edge(o, readers[i], maker);
}

/* ---------- which comes next ---------- */

static int64_t made_by(const orderer *o, int index)
{
    const sched_group *group = o->scope->groups.data[index];
    int64_t bytes = 0;
    for (int i = 0; i < group->nodes.count; i++) {
        const ir_node *n = group->nodes.data[i];
        bytes += o->left[n->id] > 0 || o->stays[n->id] ? o->bytes[n->id] : 0;
    }
    return bytes;
}

/* Bytes that are free thanks to group `index` and were not before; those that
 * still wait for other readers, by its share. */
static int64_t relief(const orderer *o, int index)
{
    int64_t bytes = 0;
    for (int i = 0; i < o->reads[index].count; i++) {
        const ir_node *n = o->reads[index].data[i];
        bytes += o->stays[n->id] ? 0 : o->bytes[n->id] / o->left[n->id];
    }
    return bytes - made_by(o, index);
}

/* The group that alone waits for `index`, and for nothing else; -1: none. */
static int follower(const orderer *o, int index)
{
    if (o->after[index].count != 1)
        return -1;
    int next = o->after[index].data[0];
    return o->waiting[next] == 1 ? next : -1;
}

/* With its follower it frees memory, and takes no more meanwhile than there has
 * to be. */
static bool relieves_in_two(const orderer *o, int index)
{
    int next = follower(o, index);
    int64_t taken = -relief(o, index);
    return next >= 0 && o->live + taken <= o->most && relief(o, next) > taken;
}

/* The first that frees memory; else the one that does so in two and takes the
 * least meanwhile; else the first. */
static int next_group(const orderer *o, const bool *placed)
{
    int first = -1, pair = -1;
    for (int i = 0; i < o->count; i++) {
        if (placed[i] || o->waiting[i])
            continue;
        if (relief(o, i) > 0)
            return i;
        first = first < 0 ? i : first;
        if (relieves_in_two(o, i) &&
            (pair < 0 || relief(o, i) > relief(o, pair)))
            pair = i;
    }
    PTL_ASSERT(first >= 0);
    return pair >= 0 ? pair : first;
}

static void note_placed(orderer *o, int index)
{
    o->live += made_by(o, index);
    o->most = o->most < o->live ? o->live : o->most;
    for (int i = 0; i < o->reads[index].count; i++) {
        const ir_node *n = o->reads[index].data[i];
        if (--o->left[n->id] == 0 && !o->stays[n->id])
            o->live -= o->bytes[n->id];
    }
    for (int i = 0; i < o->after[index].count; i++)
        o->waiting[o->after[index].data[i]]--;
}

/* No group can do with less than what it reads and makes. */
static void find_least(orderer *o)
{
    for (int i = 0; i < o->count; i++) {
        int64_t bytes = made_by(o, i);
        for (int k = 0; k < o->reads[i].count; k++)
            bytes += o->bytes[o->reads[i].data[k]->id];
        o->most = o->most < bytes ? bytes : o->most;
    }
}

static void sort(orderer *o)
{
    sched_group **sorted = ARENA_ARRAY(o->s->arena, sched_group *, o->count);
    bool *placed = ARENA_ARRAY(o->scratch, bool, o->count);
    find_least(o);
    for (int k = 0; k < o->count; k++) {
        int next = next_group(o, placed);
        placed[next] = true;
        sorted[k] = o->scope->groups.data[next];
        note_placed(o, next);
    }
    if (o->count)
        memcpy(o->scope->groups.data, sorted,
               (size_t)o->count * sizeof *sorted);
}

static void number_groups(orderer *o)
{
    for (int i = 0; i < o->scope->graph->nodes.count; i++)
        o->group_of[i] = -1;
    for (int i = 0; i < o->count; i++) {
        const sched_group *group = o->scope->groups.data[i];
        const sched_scan *scan = group->scan;
        for (int k = 0; k < group->nodes.count; k++)
            o->group_of[group->nodes.data[k]->id] = i;
        int results =
            scan ? scan->scan->carry_count + scan->scan->stack_count : 0;
        for (int k = 0; k < results; k++)
            if (scan->results[k])
                o->group_of[scan->results[k]->id] = i;
    }
}

static void find_sizes(orderer *o)
{
    const ir_graph *g = o->scope->graph;
    o->bytes = ARENA_ARRAY(o->scratch, int64_t, g->nodes.count + 1);
    o->stays = ARENA_ARRAY(o->scratch, bool, g->nodes.count + 1);
    for (int i = 0; i < g->nodes.count; i++)
        if (o->group_of[i] >= 0)
            o->bytes[i] = sched_buffer_of(o->s, g->nodes.data[i]).size_bytes;
    for (int i = 0; i < g->outputs.count; i++) {
        const ir_output *out = &g->outputs.data[i];
        o->stays[out->node->id] = true;
        if (out->role == IR_OUT_UPDATE)
            o->bytes[out->node->id] = 0;
    }
}

void sched_order(sched_schedule *s, sched_scope *scope)
{
    orderer o = {.s = s,
                 .scope = scope,
                 .scratch = arena_new(),
                 .count = scope->groups.count};
    const ir_graph *g = scope->graph;
    o.group_of = ARENA_ARRAY(o.scratch, int, g->nodes.count + 1);
    o.after = arena_alloc(o.scratch, (size_t)(o.count + 1) * sizeof *o.after);
    o.waiting = ARENA_ARRAY(o.scratch, int, o.count + 1);
    o.reads = arena_alloc(o.scratch, (size_t)(o.count + 1) * sizeof *o.reads);
    o.readers = arena_alloc(o.scratch,
                            (size_t)(g->nodes.count + 1) * sizeof *o.readers);
    o.left = ARENA_ARRAY(o.scratch, int, g->nodes.count + 1);
    number_groups(&o);
    find_sizes(&o);
    for (int i = 0; i < o.count; i++)
        add_reads(&o, i);
    for (int i = 0; i < o.count; i++)
        add_signals(&o, i);
    for (int i = 0; i < g->outputs.count; i++)
        if (g->outputs.data[i].role == IR_OUT_UPDATE)
            add_update_edges(&o, &g->outputs.data[i]);
    sort(&o);
    arena_free(o.scratch);
}
