/*
 * updates.c - where new values of inputs are written.
 *
 * In place when no later step reads the old value (a map may read it at the
 * very element it writes), else into the arena, and copied when all has run.
 *
 * Needs:    the steps of a scope.
 * Provides: homes of updates; copies as last steps.
 * Keeps:    the other steps.
 */
#include "sched/internal.h"

static bool writes(const sched_step *step, int buffer)
{
    for (int i = 0; i < step->node_count; i++)
        if (step->targets[i] == buffer)
            return true;
    return false;
}

/* May `value` be written where `old` lies? */
static bool fits_in_place(const sched_schedule *s, int value, int old)
{
    bool written = false;
    for (int i = 0; i < s->steps.count; i++) {
        const sched_step *step = s->steps.data[i];
        bool here = writes(step, value);
        written = written || here;
        for (int k = 0; written && k < step->reads.count; k++) {
            const sched_access *a = &step->reads.data[k];
            if (a->buffer == old &&
                !(here && step->kind == SCHED_STEP_MAP && a->same_map))
                return false;
        }
    }
    return true;
}

void sched_place_updates(sched_schedule *s, sched_scope *scope)
{
    VEC(ir_output) late = {0};
    for (int i = 0; i < scope->graph->outputs.count; i++) {
        ir_output out = scope->graph->outputs.data[i];
        if (out.role != IR_OUT_UPDATE)
            continue;
        int value = scope->node_buffer[out.node->id];
        int old = scope->node_buffer[out.target->id];
        sched_buffer *target = &s->buffers.data[old];
        target->updated =
            target->role == PTL_ROLE_PARAM || target->role == PTL_ROLE_STATE ||
            target->role == PTL_ROLE_SLOT || target->role == PTL_ROLE_DATA;
        if (s->buffers.data[value].dtype == target->dtype &&
            fits_in_place(s, value, old))
            s->buffers.data[value].home = old;
        else
            vec_push(s->arena, &late, out);
    }
    for (int i = 0; i < late.count; i++) {
        ir_node *copy = sched_copy_node(scope, late.data[i].node);
        int target = scope->node_buffer[late.data[i].target->id];
        sched_set_buffer(s, scope, copy, target);
        sched_add_map(s, scope, &copy, 1);
    }
}
