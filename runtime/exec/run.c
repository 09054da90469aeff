/*
 * run.c - binds buffers to memory and runs the steps of a program in order.
 *
 * Needs:    a program that passes program_check() (run_open checks).
 * Provides: each step called on a thread pool with its buffers, in order, each
 *           a barrier.
 * Keeps:    everything is allocated in run_open: executing allocates nothing.
 */
#include "runtime/run.h"
#include "base/clock.h"
#include "base/trace.h"
#include "exec/device_run.h"
#include "runtime/device.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ptl_run {
    const ptl_program *program;
    ptl_pool *pool;
    device_run **devices; /* NULL: the host carries it out */
    int device_count;
    char *arena; /* outputs and transients; NULL: not there yet */
    bool own_arena;
    char *scalars; /* PTL_BUFFER_ALIGN bytes for each buffer that is one */
    char *constants;
    size_t scalar_bytes, constant_bytes;
    void **data;     /* of each buffer; NULL: not bound */
    void **args;     /* of all steps, one after the other */
    bool stale;      /* args do not show `data` any more */
    double *seconds; /* per step; NULL: not measured */
    int64_t profiled;
};

static int arg_total(const ptl_program *p)
{
    int total = 0;
    for (int i = 0; i < p->step_count; i++)
        total += p->steps[i].arg_count;
    return total;
}

ptl_status run_no_arena(const ptl_program *p, ptl_error *err)
{
    const ptl_buffer *largest = NULL;
    for (int i = 0; i < p->buffer_count; i++)
        if (!largest || p->buffers[i].size_bytes > largest->size_bytes)
            largest = &p->buffers[i];
    return ptl_fail(err, PTL_E_MEMORY,
                    "no memory for the %lld bytes that \"%s\" needs (the "
                    "largest buffer is \"%s\" with %lld bytes); a smaller "
                    "batch needs less",
                    (long long)p->arena_bytes, p->name,
                    largest && largest->name ? largest->name : "",
                    largest ? (long long)largest->size_bytes : 0LL);
}

/* Constants are copied: their bytes may be unaligned or end without padding. */
static void place_constants(ptl_run *run)
{
    const ptl_program *p = run->program;
    char *scalar = run->scalars, *constant = run->constants;
    for (int i = 0; i < p->buffer_count; i++) {
        const ptl_buffer *b = &p->buffers[i];
        if (b->role == PTL_ROLE_SCALAR) {
            run->data[i] = scalar;
            scalar += PTL_BUFFER_ALIGN;
        } else if (b->role == PTL_ROLE_CONSTANT) {
            run->data[i] = constant;
            if (b->size_bytes)
                memcpy(constant, b->constant, (size_t)b->size_bytes);
            constant += memory_padded((size_t)b->size_bytes);
        }
    }
}

void run_give_arena(ptl_run *run, void *arena)
{
    const ptl_program *p = run->program;
    run->arena = arena;
    run->stale = true;
    for (int i = 0; i < p->buffer_count; i++) {
        const ptl_buffer *b = &p->buffers[i];
        if (b->role == PTL_ROLE_OUTPUT || b->role == PTL_ROLE_TRANSIENT)
            run->data[i] = run->arena + b->arena_offset;
    }
}

static void measure(const ptl_program *p, ptl_run *run)
{
    for (int i = 0; i < p->buffer_count; i++) {
        const ptl_buffer *b = &p->buffers[i];
        if (b->role == PTL_ROLE_SCALAR)
            run->scalar_bytes += PTL_BUFFER_ALIGN;
        if (b->role == PTL_ROLE_CONSTANT)
            run->constant_bytes += memory_padded((size_t)b->size_bytes);
    }
}

program_memory program_memory_of(const ptl_program *program)
{
    ptl_run run = {0};
    program_memory m = {0};
    measure(program, &run);
    m.fixed =
        memory_padded(run.scalar_bytes) + memory_padded(run.constant_bytes);
    m.arena = memory_padded((size_t)program->arena_bytes);
    for (int i = 0; i < program->buffer_count; i++) {
        const ptl_buffer *b = &program->buffers[i];
        size_t size = memory_padded((size_t)b->size_bytes);
        if (b->role == PTL_ROLE_DATA)
            m.data += size;
        if (b->role == PTL_ROLE_PARAM || b->role == PTL_ROLE_STATE ||
            b->role == PTL_ROLE_SLOT)
            m.persistent += size;
    }
    return m;
}

static ptl_status open_devices(ptl_run *run, ptl_error *err)
{
    int count = device_count(run->program->device);
    ptl_status st = PTL_OK;
    run->devices = calloc((size_t)count, sizeof *run->devices);
    if (!run->devices)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a run");
    for (; run->device_count < count && st == PTL_OK; run->device_count++)
        st = device_run_open(run->program, run->device_count,
                             &run->devices[run->device_count], err);
    return st;
}

ptl_status run_open_without(const ptl_program *program, ptl_pool *pool,
                            ptl_run **out, ptl_error *err)
{
    ptl_status st = program_check(program, err);
    if (st != PTL_OK)
        return st;
    ptl_run *run = calloc(1, sizeof *run);
    if (!run)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a run");
    run->program = program;
    run->pool = pool;
    run->stale = true;
    measure(program, run);
    run->data = calloc((size_t)program->buffer_count + 1, sizeof *run->data);
    run->args = calloc((size_t)arg_total(program) + 1, sizeof *run->args);
    run->scalars = memory_map(run->scalar_bytes);
    run->constants = memory_map(run->constant_bytes);
    if (!run->data || !run->args || !run->scalars || !run->constants) {
        run_close(run);
        return run_no_arena(program, err);
    }
    place_constants(run);
    if (program->device)
        st = open_devices(run, err);
    if (st != PTL_OK) {
        run_close(run);
        return st;
    }
    *out = run;
    return PTL_OK;
}

ptl_status run_open(const ptl_program *program, ptl_pool *pool, ptl_run **out,
                    ptl_error *err)
{
    ptl_status st = run_open_without(program, pool, out, err);
    if (st != PTL_OK)
        return st;
    void *arena = memory_map((size_t)program->arena_bytes);
    if (!arena) {
        run_close(*out);
        *out = NULL;
        return run_no_arena(program, err);
    }
    run_give_arena(*out, arena);
    (*out)->own_arena = true;
    return PTL_OK;
}

void run_close(ptl_run *run)
{
    if (!run)
        return;
    for (int i = 0; i < run->device_count; i++)
        device_run_close(run->devices[i]);
    free(run->devices);
    if (run->own_arena)
        memory_unmap(run->arena, (size_t)run->program->arena_bytes);
    memory_unmap(run->constants, run->constant_bytes);
    memory_unmap(run->scalars, run->scalar_bytes);
    free(run->data);
    free(run->args);
    free(run->seconds);
    free(run);
}

void run_bind(ptl_run *run, int buffer, void *memory)
{
    PTL_ASSERT(buffer >= 0 && buffer < run->program->buffer_count);
    PTL_ASSERT((uintptr_t)memory % PTL_BUFFER_ALIGN == 0);
    if (run->data[buffer] == memory)
        return;
    run->data[buffer] = memory;
    run->stale = true;
}

bool run_bind_name(ptl_run *run, const char *name, void *memory)
{
    int buffer = program_find(run->program, name);
    if (buffer < 0)
        return false;
    run_bind(run, buffer, memory);
    return true;
}

void run_set(ptl_run *run, const char *scalar, int64_t value)
{
    int buffer = program_find(run->program, scalar);
    if (buffer < 0 || run->program->buffers[buffer].role != PTL_ROLE_SCALAR)
        return;
    switch (run->program->buffers[buffer].dtype) {
    case PTL_I32:
        *(int32_t *)run->data[buffer] = (int32_t)value;
        break;
    case PTL_I64:
        *(int64_t *)run->data[buffer] = value;
        break;
    case PTL_F32:
        *(float *)run->data[buffer] = (float)value;
        break;
    case PTL_F64:
        *(double *)run->data[buffer] = (double)value;
        break;
    case PTL_U8:
    case PTL_BOOL:
    case PTL_DTYPE_COUNT:
        PTL_ASSERT(!"a scalar of bytes");
    }
}

static ptl_status resolve_args(ptl_run *run, ptl_error *err)
{
    const ptl_program *p = run->program;
    void **arg = run->args;
    for (int i = 0; i < p->step_count; i++)
        for (int k = 0; k < p->steps[i].arg_count; k++) {
            int buffer = p->steps[i].args[k];
            if (!run->data[buffer])
                return ptl_fail(err, PTL_E_INTERNAL,
                                "\"%s\" of program \"%s\" was not bound",
                                p->buffers[buffer].name, p->name);
            *arg++ = run->data[buffer];
        }
    run->stale = false;
    return PTL_OK;
}

run_by run_step_by(const ptl_run *run, int index)
{
    return run->devices ? device_run_by(run->devices[0], index) : RUN_BY_LAUNCH;
}

/*
 * Waking the other threads costs some microseconds; a step that is done sooner
 * by one stays with the caller. Only the estimates decide, and results do not
 * depend on it. A step without estimates is shared.
 */
static bool worth_sharing(const ptl_step *s)
{
    enum { FLOPS_PER_NS = 8, BYTES_PER_NS = 8, SHARED_NS = 10000 };
    if (s->flops <= 0 && s->bytes <= 0)
        return true;
    return s->flops / FLOPS_PER_NS + s->bytes / BYTES_PER_NS >= SHARED_NS;
}

static void run_step(const ptl_run *run, const ptl_step *s, void **args)
{
    if (s->task_count > 1 && !worth_sharing(s))
        s->entry(args, 0, s->task_count);
    else
        pool_run(run->pool, s->entry, args, s->task_count, s->pieces);
}

ptl_status run_execute(ptl_run *run, ptl_error *err)
{
    return run_execute_watched(run, NULL, NULL, err);
}

ptl_status run_begin(ptl_run *run, int device, ptl_error *err)
{
    PTL_ASSERT(device >= 0 && device < run->device_count);
    ptl_status st = run->stale ? resolve_args(run, err) : PTL_OK;
    run->profiled++;
    return st == PTL_OK
               ? device_run_begin(run->devices[device], run->data, err)
               : st;
}

ptl_status run_finish(ptl_run *run, int device, ptl_error *err)
{
    PTL_ASSERT(device >= 0 && device < run->device_count);
    return device_run_finish(run->devices[device], err);
}

ptl_status run_ahead(ptl_run *run, int device, ptl_error *err)
{
    PTL_ASSERT(device >= 0 && device < run->device_count);
    return device_run_ahead(run->devices[device], run->data, err);
}

static ptl_status run_on_device(ptl_run *run, ptl_error *err)
{
    ptl_status st = run_begin(run, 0, err);
    return st == PTL_OK ? run_finish(run, 0, err) : st;
}

ptl_status run_execute_watched(ptl_run *run, void (*after)(void *ctx, int step),
                               void *ctx, ptl_error *err)
{
    const ptl_program *p = run->program;
    if (run->devices)
        return run_on_device(run, err);
    if (run->stale) {
        ptl_status st = resolve_args(run, err);
        if (st != PTL_OK)
            return st;
    }
    void **args = run->args;
    run->profiled++;
    for (int i = 0; i < p->step_count; i++) {
        const ptl_step *s = &p->steps[i];
        double start = run->seconds ? clock_seconds() : 0;
        double began = trace_now();
        run_step(run, s, args);
        trace_span("kernel", s->name, began);
        if (run->seconds)
            run->seconds[i] += clock_seconds() - start;
        if (after)
            after(ctx, i);
        args += s->arg_count;
    }
    return PTL_OK;
}

void run_leave(ptl_run *run, int output)
{
    for (int i = 0; i < run->device_count; i++)
        device_run_leave(run->devices[i], output);
}

ptl_status run_copy(ptl_run *run, int device, size_t at, size_t bytes, void *to,
                    ptl_error *err)
{
    PTL_ASSERT(device >= 0 && device < run->device_count);
    return device_run_copy(run->devices[device], at, bytes, to, err);
}

void *run_data(const ptl_run *run, int buffer)
{
    PTL_ASSERT(buffer >= 0 && buffer < run->program->buffer_count);
    return run->data[buffer];
}

const ptl_program *run_program(const ptl_run *run)
{
    return run->program;
}

void run_profile(ptl_run *run, bool on)
{
    free(run->seconds);
    run->seconds = NULL;
    run->profiled = 0;
    if (on) {
        run->seconds =
            calloc((size_t)run->program->step_count + 1, sizeof(double));
        PTL_ASSERT(run->seconds);
    }
    for (int i = 0; i < run->device_count; i++)
        device_run_measure(run->devices[i], run->seconds);
}

double run_step_seconds(const ptl_run *run, int index)
{
    return run->seconds ? run->seconds[index] : 0;
}

int64_t run_profiled(const ptl_run *run)
{
    return run->profiled;
}
