/*
 * private.c - values that exist inside one row only.
 *
 * What a step that runs row by row makes and nobody else reads needs no memory
 * of its own: the row at hand is kept beside the task, in the nearest cache.
 *
 * Needs:    all steps, and names of outputs.
 * Provides: in_row of buffers, which then have no size.
 * Keeps:    the steps.
 */
#include "sched/internal.h"

/* Of the rows of one step together: they share the nearest caches; where lanes
 * are threads, the shared memory of a block with the rows of other tasks. */
enum { MOST_ROW_BYTES = 1 << 16, MOST_THREAD_ROW_BYTES = 1 << 13 };

static bool touches(const sched_step *step, int buffer)
{
    for (int i = 0; i < step->reads.count; i++)
        if (step->reads.data[i].buffer == buffer)
            return true;
    for (int i = 0; i < step->node_count; i++)
        if (step->targets[i] == buffer)
            return true;
    return false;
}

static bool is_private(const sched_schedule *s, const sched_step *step,
                       int buffer)
{
    const sched_buffer *b = &s->buffers.data[buffer];
    if (b->role != PTL_ROLE_TRANSIENT || b->home != buffer)
        return false;
    for (int i = 0; i < s->buffers.count; i++)
        if (i != buffer && s->buffers.data[i].home == buffer)
            return false;
    for (int i = 0; i < s->steps.count; i++)
        if (s->steps.data[i] != step && touches(s->steps.data[i], buffer))
            return false;
    for (int i = 0; i < step->reads.count; i++)
        if (step->reads.data[i].buffer == buffer)
            return false;
    return true;
}

int64_t sched_row_elements(const sched_step *step, const sched_buffer *b)
{
    int64_t count = 1;
    for (int i = step->row_rank; i < b->rank; i++)
        count *= b->dims[i];
    return count;
}

void sched_find_private(sched_schedule *s)
{
    for (int i = 0; i < s->steps.count; i++) {
        const sched_step *step = s->steps.data[i];
        int64_t left =
            s->options.target.threads ? MOST_THREAD_ROW_BYTES : MOST_ROW_BYTES;
        for (int k = 0; step->kind == SCHED_STEP_ROWS && k < step->node_count;
             k++) {
            sched_buffer *b = &s->buffers.data[step->targets[k]];
            int64_t bytes = sched_row_elements(step, b) * dtype_size(b->dtype);
            if (b->size_bytes == 0 || bytes > left ||
                sched_store_of(step->scope, step->nodes[k]) ||
                !is_private(s, step, step->targets[k]))
                continue;
            left -= bytes;
            b->in_row = true;
            b->size_bytes = 0;
        }
    }
}
