/*
 * bind.c - memory for a program, and its executions.
 *
 * Parameters, states, slots and data are inputs of the work; what an
 * execution writes, updates and outputs, are its outputs.
 */
#include "runtime/run.h"
#include "work.h"
#include <stdlib.h>
#include <string.h>

typedef struct bound {
    ptl_program *program;
    ptl_pool *pool;
    ptl_run *run;
} bound;

static void close_bound(void *ctx)
{
    bound *b = ctx;
    run_close(b->run);
    pool_close(b->pool);
    b->program->release(b->program);
    free(b);
}

static ptl_status run_bound(void *ctx, int variant, int64_t step,
                            ptl_error *err)
{
    bound *b = ctx;
    (void)variant;
    run_set(b->run, "step", step);
    return run_execute(b->run, err);
}

static bool is_owners(const ptl_buffer *b)
{
    return b->role <= PTL_ROLE_DATA;
}

/* Integers stay below their bound, slots begin at 0. */
static work_tensor tensor_of(work *w, const ptl_buffer *b)
{
    work_tensor t = {.name = arena_strdup(w->arena, b->name),
                     .dtype = b->dtype,
                     .rank = b->rank,
                     .input = is_owners(b),
                     .output = b->updated || b->role == PTL_ROLE_OUTPUT};
    memcpy(t.dims, b->dims, sizeof t.dims);
    t.low = b->role == PTL_ROLE_SLOT || b->idx_bound ? 0 : -1;
    t.high = b->role == PTL_ROLE_SLOT ? 0
             : b->idx_bound           ? (double)b->idx_bound
                                      : 1;
    return t;
}

static ptl_status bind_buffer(bound *run, int index, work *w, ptl_error *err)
{
    const ptl_buffer *b = &run->program->buffers[index];
    if (!is_owners(b) && b->role != PTL_ROLE_OUTPUT)
        return PTL_OK;
    work_tensor t = tensor_of(w, b);
    if (is_owners(b)) {
        t.owned = (size_t)b->size_bytes;
        t.data = memory_map(t.owned);
        if (!t.data)
            return ptl_fail(err, PTL_E_MEMORY, "no memory for %s", b->name);
        w->planned_bytes += b->size_bytes;
        run_bind(run->run, index, t.data);
    }
    if (b->role == PTL_ROLE_OUTPUT)
        t.data = run_data(run->run, index);
    vec_push(w->arena, &w->tensors, t);
    return PTL_OK;
}

static void set_scalars(ptl_run *run)
{
    run_set(run, "seed", 1);
    run_set(run, "row0", 0);
    run_set(run, "epoch", 0);
    run_set(run, "total_steps", 1000);
}

ptl_status work_bind(ptl_program *program, int threads, work *w,
                     ptl_error *err)
{
    bound *b = calloc(1, sizeof *b);
    PTL_ASSERT(b);
    b->program = program;
    w->ctx = b;
    w->close = close_bound;
    w->run = run_bound;
    w->variants[0] = "ptl";
    w->planned_bytes = program->arena_bytes;
    w->resident_before = worker_resident();
    ptl_status st = pool_open(threads, &b->pool, err);
    if (st == PTL_OK)
        st = run_open(program, b->pool, &b->run, err);
    for (int i = 0; i < program->buffer_count && st == PTL_OK; i++)
        st = bind_buffer(b, i, w, err);
    for (int i = 0; i < program->step_count; i++) {
        w->flops += (double)program->steps[i].flops;
        w->bytes += (double)program->steps[i].bytes;
    }
    if (st == PTL_OK)
        set_scalars(b->run);
    return st;
}
