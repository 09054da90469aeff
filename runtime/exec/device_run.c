/*
 * device_run.c - see device_run.h.
 */
#include "exec/device_run.h"
#include "base/clock.h"
#include "base/str.h"
#include "device/device.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct device_run {
    const ptl_program *program;
    ptl_device *device;
    CUmodule *modules;     /* by part */
    CUfunction *functions; /* by step */
    CUdeviceptr fixed;     /* constants, scalars, and what is copied each run */
    CUdeviceptr *own;      /* by buffer: its place in `fixed`, or 0 */
    CUdeviceptr *at;       /* by buffer: where it is now */
    void **arguments;      /* of the step at hand */
    bool updates_block;    /* something in the device's block is updated */
    bool placed;           /* constants are there */
    double *seconds;
};

static bool is_persistent(const ptl_buffer *b)
{
    return b->role == PTL_ROLE_PARAM || b->role == PTL_ROLE_STATE ||
           b->role == PTL_ROLE_SLOT;
}

static bool in_arena(const ptl_buffer *b)
{
    return b->role == PTL_ROLE_OUTPUT || b->role == PTL_ROLE_TRANSIENT;
}

/* ---------- opening ---------- */

static ptl_status load_code(device_run *r, ptl_error *err)
{
    const ptl_program *p = r->program;
    ptl_status st = PTL_OK;
    for (int i = 0; i < p->part_count && st == PTL_OK; i++)
        st = device_load(r->device, p->parts[i].ptx, p->parts[i].image,
                         &r->modules[i], err);
    for (int i = 0; i < p->step_count && st == PTL_OK; i++) {
        const ptl_launch *l = &p->steps[i].launch;
        CUresult result =
            l->blocks ? r->device->driver->cuModuleGetFunction(
                            &r->functions[i], r->modules[l->part], l->function)
                      : CUDA_SUCCESS;
        if (result != CUDA_SUCCESS)
            st = cuda_fail(err, device_name(r->device), l->function, result);
    }
    return st;
}

/* Which of the arena's buffers, or of the others, is the largest but those
 * before `after`; -1: none. */
static int next_largest(const ptl_program *p, bool arena, int after)
{
    int best = -1;
    for (int i = 0; i < p->buffer_count; i++) {
        int64_t size = p->buffers[i].size_bytes;
        int64_t most = after < 0 ? INT64_MAX : p->buffers[after].size_bytes;
        bool comes = size < most || (size == most && i > after);
        if (in_arena(&p->buffers[i]) == arena && comes &&
            (best < 0 || size > p->buffers[best].size_bytes))
            best = i;
    }
    return best;
}

/* Where memory ended: what takes most of it, after what was said. */
static ptl_status name_largest(const ptl_program *p, bool arena,
                               ptl_status status, ptl_error *err)
{
    enum { NAMED = 3 };
    ptl_str text = {0};
    if (status != PTL_E_MEMORY || !err)
        return status;
    str_add(&text, err->text);
    int at = -1;
    for (int i = 0; i < NAMED; i++) {
        at = next_largest(p, arena, at);
        if (at < 0)
            break;
        str_printf(&text, "%s \"%s\" (%" PRId64 " bytes)",
                   i ? "," : "; the largest in it:", p->buffers[at].name,
                   p->buffers[at].size_bytes);
    }
    ptl_fail(err, status, "%s", str_text(&text));
    str_fini(&text);
    return status;
}

/* All of the program's own memory but the arena in one piece. */
static ptl_status take_fixed(device_run *r, ptl_error *err)
{
    const ptl_program *p = r->program;
    size_t total = 0;
    for (int i = 0; i < p->buffer_count; i++)
        if (!in_arena(&p->buffers[i]))
            total += memory_padded((size_t)p->buffers[i].size_bytes);
    ptl_status st = device_alloc(r->device, total, p->name, &r->fixed, err);
    CUdeviceptr next = r->fixed;
    for (int i = 0; i < p->buffer_count && st == PTL_OK; i++)
        if (!in_arena(&p->buffers[i])) {
            r->own[i] = next;
            next += memory_padded((size_t)p->buffers[i].size_bytes);
        }
    return name_largest(p, false, st, err);
}

static ptl_status take_arena(device_run *r, ptl_error *err)
{
    size_t bytes = memory_padded((size_t)r->program->arena_bytes);
    ptl_status st = device_need_arena(r->device, bytes, err);
    return name_largest(r->program, true, st, err);
}

static int most_arguments(const ptl_program *p)
{
    int most = 0;
    for (int i = 0; i < p->step_count; i++)
        most = p->steps[i].arg_count > most ? p->steps[i].arg_count : most;
    return most;
}

ptl_status device_run_open(const ptl_program *program, int which,
                           device_run **out, ptl_error *err)
{
    device_run *r = calloc(1, sizeof *r);
    size_t buffers = (size_t)program->buffer_count + 1;
    if (!r)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a run");
    r->program = program;
    r->device = device_member(program->device, which);
    r->modules = calloc((size_t)program->part_count + 1, sizeof *r->modules);
    r->functions =
        calloc((size_t)program->step_count + 1, sizeof *r->functions);
    r->own = calloc(buffers, sizeof *r->own);
    r->at = calloc(buffers, sizeof *r->at);
    r->arguments =
        calloc((size_t)most_arguments(program) + 1, sizeof *r->arguments);
    ptl_status st =
        r->modules && r->functions && r->own && r->at && r->arguments
            ? PTL_OK
            : ptl_fail(err, PTL_E_MEMORY, "no memory for a run");
    if (st == PTL_OK)
        st = load_code(r, err);
    if (st == PTL_OK)
        st = take_fixed(r, err);
    if (st == PTL_OK)
        st = take_arena(r, err);
    if (st != PTL_OK) {
        device_run_close(r);
        return st;
    }
    *out = r;
    return PTL_OK;
}

void device_run_close(device_run *r)
{
    if (!r)
        return;
    device_free(r->device, r->fixed);
    for (int i = 0; r->modules && i < r->program->part_count; i++)
        if (r->modules[i])
            r->device->driver->cuModuleUnload(r->modules[i]);
    free(r->modules);
    free(r->functions);
    free(r->own);
    free(r->at);
    free(r->arguments);
    free(r);
}

/* ---------- one execution ---------- */

static void place(device_run *r, void *const *data)
{
    const ptl_program *p = r->program;
    r->updates_block = false;
    for (int i = 0; i < p->buffer_count; i++) {
        const ptl_buffer *b = &p->buffers[i];
        CUdeviceptr in_block =
            is_persistent(b)
                ? device_in_block(r->device, data[i], (size_t)b->size_bytes)
                : 0;
        r->at[i] = in_arena(b) ? r->device->arena + (CUdeviceptr)b->arena_offset
                   : in_block  ? in_block
                               : r->own[i];
        r->updates_block = r->updates_block || (in_block && b->updated);
    }
}

/* Is this copied to the device before each execution? */
static bool is_copied(const device_run *r, int buffer)
{
    const ptl_buffer *b = &r->program->buffers[buffer];
    if (in_arena(b) || r->at[buffer] != r->own[buffer])
        return false;
    return b->role != PTL_ROLE_CONSTANT || !r->placed;
}

static ptl_status give(device_run *r, void *const *data, ptl_error *err)
{
    const ptl_program *p = r->program;
    ptl_status st = device_block_begin(r->device, err);
    for (int i = 0; i < p->buffer_count && st == PTL_OK; i++)
        if (is_copied(r, i))
            st = device_upload(r->device, r->at[i], data[i],
                               (size_t)p->buffers[i].size_bytes, err);
    r->placed = true;
    return st;
}

static ptl_status take(device_run *r, void *const *data, ptl_error *err)
{
    const ptl_program *p = r->program;
    ptl_status st = PTL_OK;
    for (int i = 0; i < p->buffer_count && st == PTL_OK; i++) {
        const ptl_buffer *b = &p->buffers[i];
        bool own = is_persistent(b) && b->updated && r->at[i] == r->own[i];
        if (b->role == PTL_ROLE_OUTPUT || own)
            st = device_download(r->device, data[i], r->at[i],
                                 (size_t)b->size_bytes, err);
    }
    if (st == PTL_OK)
        st = device_block_end(r->device, r->updates_block, err);
    return st == PTL_OK ? device_wait(r->device, err) : st;
}

static ptl_status launch(device_run *r, int step, ptl_error *err)
{
    const ptl_step *s = &r->program->steps[step];
    const ptl_launch *l = &s->launch;
    if (l->blocks == 0)
        return PTL_OK;
    if (l->blocks > INT32_MAX)
        return ptl_fail(err, PTL_E_DEVICE,
                        "%s: \"%s\" is too large: %lld blocks",
                        device_name(r->device), s->name, (long long)l->blocks);
    for (int k = 0; k < s->arg_count; k++)
        r->arguments[k] = &r->at[s->args[k]];
    CUresult result = r->device->driver->cuLaunchKernel(
        r->functions[step], (unsigned)l->blocks, 1, 1, (unsigned)l->threads, 1,
        1, 0, r->device->stream, r->arguments, NULL);
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, device_name(r->device), s->name, result);
}

ptl_status device_run_execute(device_run *r, void *const *data, ptl_error *err)
{
    const ptl_program *p = r->program;
    place(r, data); /* the device's arena may have moved as well */
    CUresult result = r->device->driver->cuCtxSetCurrent(r->device->context);
    if (result != CUDA_SUCCESS)
        return cuda_fail(err, device_name(r->device), "use it", result);
    ptl_status st = give(r, data, err);
    for (int i = 0; i < p->step_count && st == PTL_OK; i++) {
        double start = r->seconds ? clock_seconds() : 0;
        st = launch(r, i, err);
        if (r->seconds && st == PTL_OK) {
            st = device_wait(r->device, err);
            r->seconds[i] += clock_seconds() - start;
        }
    }
    return st == PTL_OK ? take(r, data, err) : st;
}

void device_run_measure(device_run *r, double *seconds)
{
    r->seconds = seconds;
}
