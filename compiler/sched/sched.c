/*
 * sched.c - makes a schedule: the passes in their order.
 */
#include "sched/internal.h"
#include <stdlib.h>

/* What has no kernel form yet is refused by name. */
static ptl_status check_supported(const ir_graph *g, ptl_error *err)
{
    for (int i = 0; i < g->nodes.count; i++) {
        const ir_node *n = g->nodes.data[i];
        if (n->kind == IR_SCAN || n->kind == IR_SCAN_OUT)
            return ptl_fail(err, PTL_E_PROGRAM,
                            "\"%s\" is a scan, which is not compiled yet",
                            n->name);
    }
    return PTL_OK;
}

ptl_status sched_new(const ir_graph *g, const sched_options *options,
                     sched_schedule **out, ptl_error *err)
{
    *out = NULL;
    ptl_status st = check_supported(g, err);
    if (st != PTL_OK)
        return st;
    ptl_arena *arena = arena_new();
    sched_schedule *s = ARENA_NEW(arena, sched_schedule);
    s->arena = arena;
    s->options = *options;
    sched_fuse(s, g);
    sched_group_nodes(s);
    sched_order(s);
    st = sched_make_steps(s, err);
    if (st != PTL_OK) {
        sched_free(s);
        return st;
    }
    sched_estimate(s);
    sched_plan_memory(s);
    *out = s;
    return PTL_OK;
}

void sched_free(sched_schedule *s)
{
    if (!s)
        return;
    ir_graph_free(s->graph);
    arena_free(s->arena);
}
