/*
 * device_run.c - see device_run.h.
 */
#include "exec/device_run.h"
#include "base/clock.h"
#include "base/trace.h"
#include "device/product.h"
#include "exec/device_places.h"
#include <stdlib.h>

struct device_run {
    const ptl_program *program;
    ptl_device *device;
    CUmodule *modules;     /* by part */
    CUfunction *functions; /* by step */
    device_product **products; /* by the program's; NULL: is launched */
    CUdeviceptr *at;           /* arguments of the step at hand */
    void **arguments;          /* pointers to these */
    device_places places;
    double *seconds;
};

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
            st = cuda_fail(err, r->device->name, l->function, result);
    }
    return st;
}

/* Where step `i` has its product; NULL: it is none. */
static device_product **product_of(const device_run *r, int i)
{
    const ptl_product *p = r->program->steps[i].product;
    return p ? &r->products[p - r->program->products] : NULL;
}

static ptl_status prepare_products(device_run *r, ptl_error *err)
{
    const ptl_program *p = r->program;
    ptl_status st = PTL_OK;
    for (int i = 0; i < p->product_count && st == PTL_OK; i++)
        st = device_product_open(r->device, &p->products[i], &r->products[i],
                                 err);
    return st;
}

run_by device_run_by(const device_run *r, int step)
{
    device_product **p = product_of(r, step);
    return !p ? RUN_BY_LAUNCH : *p ? RUN_BY_LIBRARY : RUN_REFUSED;
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
    if (!r)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a run");
    size_t arguments = (size_t)most_arguments(program);
    r->program = program;
    r->device = device_member(program->device, which);
    r->modules = calloc((size_t)program->part_count + 1, sizeof *r->modules);
    r->functions =
        calloc((size_t)program->step_count + 1, sizeof *r->functions);
    r->products =
        calloc((size_t)program->product_count + 1, sizeof *r->products);
    r->at = calloc(arguments + 1, sizeof *r->at);
    r->arguments = calloc(arguments + 1, sizeof *r->arguments);
    for (size_t k = 0; r->at && r->arguments && k < arguments; k++)
        r->arguments[k] = &r->at[k];
    ptl_status st = device_places_open(&r->places, program, r->device, err);
    if (st == PTL_OK &&
        !(r->modules && r->functions && r->products && r->arguments && r->at))
        st = ptl_fail(err, PTL_E_MEMORY, "no memory for a run");
    if (st == PTL_OK)
        st = load_code(r, err);
    if (st == PTL_OK)
        st = prepare_products(r, err);
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
    device_use(r->device, NULL);
    device_places_close(&r->places);
    for (int i = 0; r->modules && i < r->program->part_count; i++)
        if (r->modules[i])
            r->device->driver->cuModuleUnload(r->modules[i]);
    for (int i = 0; r->products && i < r->program->product_count; i++)
        device_product_close(r->products[i]);
    free(r->modules);
    free(r->functions);
    free(r->products);
    free(r->arguments);
    free(r->at);
    free(r);
}

/* ---------- one execution ---------- */

static ptl_status launch(device_run *r, int step, ptl_error *err)
{
    const ptl_step *s = &r->program->steps[step];
    const ptl_launch *l = &s->launch;
    device_product **product = product_of(r, step);
    if (l->blocks == 0)
        return PTL_OK;
    for (int k = 0; k < s->arg_count; k++)
        r->at[k] = r->places.at[s->args[k]];
    if (product && *product)
        return device_product_run(*product, r->at, err);
    if (l->blocks > INT32_MAX)
        return ptl_fail(err, PTL_E_DEVICE,
                        "%s: \"%s\" is too large: %lld blocks", r->device->name,
                        s->name, (long long)l->blocks);
    CUresult result = r->device->driver->cuLaunchKernel(
        r->functions[step], (unsigned)l->blocks, 1, 1, (unsigned)l->threads, 1,
        1, 0, r->device->stream, r->arguments, NULL);
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, r->device->name, s->name, result);
}

/* Waits for each where somebody wants to know how long it takes. */
static ptl_status launch_all(device_run *r, ptl_error *err)
{
    bool timed = r->seconds || trace_is_open();
    ptl_status st = PTL_OK;
    for (int i = 0; i < r->program->step_count && st == PTL_OK; i++) {
        double start = timed ? clock_seconds() : 0;
        st = launch(r, i, err);
        if (timed && st == PTL_OK)
            st = device_wait(r->device, err);
        if (r->seconds)
            r->seconds[i] += clock_seconds() - start;
        trace_span("kernel", r->program->steps[i].name, start);
    }
    return st;
}

ptl_status device_run_begin(device_run *r, void *const *data, ptl_error *err)
{
    ptl_status st = device_use(r->device, err);
    if (st == PTL_OK)
        st = device_places_give(&r->places, data, err);
    if (st == PTL_OK)
        st = launch_all(r, err);
    return st == PTL_OK ? device_places_take(&r->places, err) : st;
}

ptl_status device_run_finish(device_run *r, ptl_error *err)
{
    ptl_status st = device_use(r->device, err);
    return st == PTL_OK ? device_places_end(&r->places, err) : st;
}

ptl_status device_run_ahead(device_run *r, void *const *data, ptl_error *err)
{
    ptl_status st = device_use(r->device, err);
    return st == PTL_OK ? device_places_ahead(&r->places, data, err) : st;
}

void device_run_leave(device_run *r, int output)
{
    r->places.left[output] = true;
}

/* Behind what the first device was asked for; what this one is asked for next
 * comes behind the copy. */
static ptl_status copy(ptl_device *d, const block_place *to, size_t at,
                       size_t bytes, ptl_error *err)
{
    ptl_device *first = d->first;
    const cuda_driver *driver = d->driver;
    CUresult result =
        d == first
            ? driver->cuMemcpyDtoDAsync_v2(to->at, d->arena + at, bytes,
                                           first->stream)
            : driver->cuMemcpyPeerAsync(to->at, first->context, d->arena + at,
                                        d->context, bytes, first->stream);
    if (result != CUDA_SUCCESS)
        return cuda_fail(err, first->name, "take gradients", result);
    ptl_status st = block_mark(first, err);
    if (st == PTL_OK && d != first)
        result = driver->cuStreamWaitEvent(d->stream, first->changed, 0);
    return result == CUDA_SUCCESS ? st
                                  : cuda_fail(err, d->name, "wait", result);
}

ptl_status device_run_copy(device_run *r, size_t at, size_t bytes, void *to,
                           ptl_error *err)
{
    ptl_device *first = r->device->first;
    block_place place = block_find(first, to, bytes);
    PTL_ASSERT(place.block);
    ptl_status st = device_use(first, err);
    if (st == PTL_OK) /* what lies beside it in the piece stays */
        st = block_bring(first, &place, err);
    if (st == PTL_OK)
        st = copy(r->device, &place, at, bytes, err);
    if (st == PTL_OK)
        block_changed_by(first, &place);
    return st;
}

void device_run_measure(device_run *r, double *seconds)
{
    r->seconds = seconds;
}
