/*
 * driver_launch.c - kernels put into streams.
 */
#include "driver.h"
#include "race.h"
#include "random.h"
#include <stdlib.h>
#include <string.h>

static uint64_t launches; /* guarded by the driver's lock */

static CUresult run_launch(operation *op, struct CUctx_st *context)
{
    launch *l = op->launch;
    kernel *k = (kernel *)(uintptr_t)l->kernel;
    l->unordered = l->checks ? op->unordered : NULL;
    (void)context;
    pthread_mutex_init(&l->lock, NULL);
    launch_run(l);
    pthread_mutex_destroy(&l->lock);
    counters_add(&k->counts, &l->counts);
    str_fini(&l->fault.text);
    return l->fault.error;
}

static CUresult check_shape(const kernel *k, const launch *l)
{
    uint64_t threads = (uint64_t)l->shape[0] * l->shape[1] * l->shape[2];
    uint64_t blocks = (uint64_t)l->grid[0] * l->grid[1] * l->grid[2];
    size_t shared = k->shared_bytes + l->dynamic_shared;
    size_t allowed = SHARED_WITHOUT_ASKING;
    if (k->max_dynamic_shared)
        allowed = k->shared_bytes + (size_t)k->max_dynamic_shared;
    if (!threads || !blocks || threads > 1024 || l->shape[2] > 64 ||
        l->grid[0] > 0x7fffffff || l->grid[1] > 65535 || l->grid[2] > 65535)
        return CUDA_ERROR_INVALID_VALUE;
    if (threads > k->max_threads || shared > allowed)
        return CUDA_ERROR_INVALID_VALUE;
    if (l->cooperative &&
        blocks > (uint64_t)MULTIPROCESSORS *
                     (uint64_t)kernel_blocks_at_once(k, (unsigned)threads,
                                                     l->dynamic_shared))
        return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
    return CUDA_SUCCESS;
}

static uint8_t *copy_parameters(const kernel *k, void **arguments)
{
    uint8_t *copy = calloc(1, k->parameter_bytes + 8);
    if (!copy)
        abort();
    for (int p = 0; p < k->source->parameters.count; p++) {
        const ptx_variable *v = &k->source->parameters.data[p];
        memcpy(copy + v->offset, arguments[p], v->bytes);
    }
    return copy;
}

static void push_launch(struct CUstream_st *s, const launch *l,
                        void **arguments)
{
    operation *op = operation_new();
    op->launch = malloc(sizeof *op->launch);
    if (!op->launch)
        abort();
    *op->launch = *l;
    op->parameters = copy_parameters(l->kernel, arguments);
    op->launch->parameters = op->parameters;
    op->launch->op = op->number;
    launches++;
    op->launch->seed = random_mix(settings()->seed ^ launches << 20);
    op->run = run_launch;
    stream_push(s, op);
}

static CUresult enqueue(CUfunction function, launch *l, CUstream stream,
                        void **arguments, void **extra)
{
    struct CUctx_st *c;
    CUresult r = driver_enter(&c);
    kernel *k = r == CUDA_SUCCESS ? module_kernel(function) : NULL;
    struct CUstream_st *s = k ? stream_of(c, stream) : NULL;
    if (r == CUDA_SUCCESS && (!k || !s))
        r = CUDA_ERROR_INVALID_HANDLE;
    if (r == CUDA_SUCCESS &&
        (function->module->context != c || s->context != c))
        r = CUDA_ERROR_INVALID_CONTEXT;
    if (r == CUDA_SUCCESS &&
        (extra || (!arguments && k->source->parameters.count)))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS)
        r = check_shape(k, l);
    if (r == CUDA_SUCCESS) {
        l->kernel = k;
        l->device = &c->memory;
        l->checks = settings()->checks;
        l->races = l->checks && !k->fences && !l->cooperative;
        push_launch(s, l, arguments);
        r = c->sticky;
    }
    return driver_leave(r);
}

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                        unsigned grid_z, unsigned block_x, unsigned block_y,
                        unsigned block_z, unsigned shared_bytes,
                        CUstream stream, void **arguments, void **extra)
{
    launch l = {.grid = {grid_x, grid_y, grid_z},
                .shape = {block_x, block_y, block_z},
                .dynamic_shared = shared_bytes};
    return enqueue(function, &l, stream, arguments, extra);
}

CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x,
                                   unsigned grid_y, unsigned grid_z,
                                   unsigned block_x, unsigned block_y,
                                   unsigned block_z, unsigned shared_bytes,
                                   CUstream stream, void **arguments)
{
    launch l = {.grid = {grid_x, grid_y, grid_z},
                .shape = {block_x, block_y, block_z},
                .dynamic_shared = shared_bytes,
                .cooperative = true};
    return enqueue(function, &l, stream, arguments, NULL);
}
