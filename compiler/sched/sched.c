/*
 * sched.c - makes a schedule: the passes in their order.
 */
#include "sched/internal.h"
#include "sched/layout.h"
#include <stdlib.h>

/* Which outputs can be read by name. */
static void name_outputs(sched_schedule *s, const sched_scope *scope)
{
    const ir_graph *g = scope->graph;
    for (int i = 0; i < g->outputs.count; i++) {
        const ir_output *out = &g->outputs.data[i];
        if (out->role != IR_OUT_VALUE)
            continue;
        sched_buffer *b = &s->buffers.data[scope->node_buffer[out->node->id]];
        b->role = PTL_ROLE_OUTPUT;
        b->name = out->name;
    }
}

/* The graph with the axes of intermediate tensors in the order that suits
 * products over windows; NULL: as it is. */
static ir_graph *laid_out(const sched_schedule *s, const ir_graph *g)
{
    sched_layout layout;
    ir_graph *made = NULL;
    ptl_arena *scratch = arena_new();
    if (!s->options.no_fuse &&
        sched_choose_layout(g, s->options.target.threads, scratch, &layout))
        made = sched_relayout(g, &layout);
    arena_free(scratch);
    return made;
}

ptl_status sched_new(const ir_graph *g, const sched_options *options,
                     sched_schedule **out, ptl_error *err)
{
    (void)err;
    ptl_arena *arena = arena_new();
    sched_schedule *s = ARENA_NEW(arena, sched_schedule);
    s->arena = arena;
    s->options = *options;
    ir_graph *ordered = laid_out(s, g);
    g = ordered ? ordered : g;
    sched_scope *scope = sched_fuse(s, g, g->outputs.data, g->outputs.count);
    ir_graph_free(ordered);
    sched_group_nodes(s, scope);
    sched_order(s, scope);
    if (sched_recompute(s, scope)) {
        sched_group_nodes(s, scope);
        sched_order(s, scope);
    }
    sched_make_steps(s, scope);
    name_outputs(s, scope);
    sched_find_private(s);
    sched_estimate(s);
    sched_plan_memory(s);
    *out = s;
    return PTL_OK;
}

void sched_free(sched_schedule *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->scopes.count; i++)
        ir_graph_free(s->scopes.data[i]->graph);
    free(s->sums);
    arena_free(s->arena);
}

/* ---------- the order in which steps really run ---------- */

typedef struct step_walk {
    const sched_schedule *s;
    int64_t most_trips;
    bool (*run)(int step, void *ctx);
    void *ctx;
} step_walk;

/* The first region from `region` on that begins in [step, end); -1: none. */
static int next_region(const sched_schedule *s, int region, int step, int end)
{
    for (int i = region; i < s->regions.count; i++)
        if (s->regions.data[i].begin >= step && s->regions.data[i].end <= end &&
            s->regions.data[i].begin < s->regions.data[i].end)
            return i;
    return -1;
}

/* Regions before `region` are around or behind us. */
static bool walk(step_walk *w, int begin, int end, int region)
{
    for (int step = begin; step < end;) {
        int next = next_region(w->s, region, step, end);
        const sched_region *r = next >= 0 ? &w->s->regions.data[next] : NULL;
        if (!r || r->begin > step) {
            if (!w->run(step++, w->ctx))
                return false;
            continue;
        }
        int64_t trips = r->trips < w->most_trips ? r->trips : w->most_trips;
        for (int64_t t = 0; t < trips; t++)
            if (!walk(w, r->begin, r->end, next + 1))
                return false;
        step = r->end;
        region = next + 1;
    }
    return true;
}

bool sched_walk_steps(const sched_schedule *s, int64_t most_trips,
                      bool (*run)(int step, void *ctx), void *ctx)
{
    step_walk w = {s, most_trips, run, ctx};
    return walk(&w, 0, s->steps.count, 0);
}
