/*
 * device_data.c - see device_data.h.
 *
 * A room may be written anew as soon as the execution that read it is over,
 * which the host has waited for before it begins the one after: so copies ahead
 * wait for nothing.
 */
#include "exec/device_data.h"
#include "base/trace.h"
#include <stdlib.h>
#include <string.h>

/* ---------- rooms ---------- */

ptl_status device_data_open(device_data *d, const ptl_program *program,
                            ptl_device *device, ptl_error *err)
{
    size_t count = (size_t)program->buffer_count + 1;
    *d = (device_data){.program = program, .device = device};
    d->at = calloc(count, sizeof *d->at);
    d->inside = calloc(count, sizeof *d->inside);
    d->ahead = calloc(count, sizeof *d->ahead);
    return d->at && d->inside && d->ahead
               ? PTL_OK
               : ptl_fail(err, PTL_E_MEMORY, "no memory for a run");
}

static void leave(device_data *d, data_room *room)
{
    device_free(d->device, room->memory);
    device_unpin(d->device, room->pinned);
    *room = (data_room){0};
}

static void leave_both(device_data *d)
{
    if (d->coming)
        d->device->driver->cuEventSynchronize(d->arrived);
    d->coming = false;
    leave(d, &d->now);
    leave(d, &d->next);
}

void device_data_close(device_data *d)
{
    leave_both(d);
    if (d->arrived)
        d->device->driver->cuEventDestroy_v2(d->arrived);
    free(d->at);
    free(d->inside);
    free(d->ahead);
}

static ptl_status take(device_data *d, data_room *room, ptl_error *err)
{
    ptl_status st =
        device_pin(d->device, d->bytes, (void **)&room->pinned, err);
    if (st == PTL_OK)
        st = device_alloc(d->device, d->bytes, d->program->name, &room->memory,
                          err);
    if (st != PTL_OK)
        leave(d, room);
    return st;
}

ptl_status device_data_lay_out(device_data *d, ptl_error *err)
{
    leave_both(d);
    d->bytes = 0;
    d->alone = false;
    for (int i = 0; i < d->program->buffer_count; i++) {
        d->at[i] = d->bytes;
        if (d->inside[i])
            d->bytes +=
                memory_padded((size_t)d->program->buffers[i].size_bytes);
    }
    return d->bytes ? take(d, &d->now, err) : PTL_OK;
}

/* ---------- copies ---------- */

static ptl_status copy(const device_data *d, const data_room *room,
                       void *const *host, CUstream stream, ptl_error *err)
{
    const ptl_device *device = d->device;
    for (int i = 0; i < d->program->buffer_count; i++)
        if (d->inside[i])
            memcpy(room->pinned + d->at[i], host[i],
                   (size_t)d->program->buffers[i].size_bytes);
    CUresult result = device->driver->cuMemcpyHtoDAsync_v2(
        room->memory, room->pinned, d->bytes, stream);
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, device->name, "copy to it", result);
}

/* Is what came ahead what this execution reads? */
static bool is_wanted(const device_data *d, void *const *host)
{
    for (int i = 0; i < d->program->buffer_count; i++)
        if (d->inside[i] && d->ahead[i] != host[i])
            return false;
    return true;
}

/* The device waits for what it reads; the host for what it does not, whose room
 * it writes again. */
static ptl_status await(device_data *d, bool wanted, ptl_error *err)
{
    const cuda_driver *driver = d->device->driver;
    CUresult result =
        wanted ? driver->cuStreamWaitEvent(d->device->stream, d->arrived, 0)
               : driver->cuEventSynchronize(d->arrived);
    d->coming = false;
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, d->device->name, "wait for data", result);
}

static void change_places(device_data *d)
{
    data_room room = d->now;
    d->now = d->next;
    d->next = room;
}

ptl_status device_data_give(device_data *d, void *const *host, ptl_error *err)
{
    bool wanted = d->coming && is_wanted(d, host);
    ptl_status st = d->coming ? await(d, wanted, err) : PTL_OK;
    if (st != PTL_OK || d->bytes == 0)
        return st;
    if (!wanted)
        return copy(d, &d->now, host, d->device->stream, err);
    change_places(d);
    return PTL_OK;
}

static ptl_status need_event(device_data *d, ptl_error *err)
{
    CUresult result = d->arrived ? CUDA_SUCCESS
                                 : d->device->driver->cuEventCreate(
                                       &d->arrived, CU_EVENT_DISABLE_TIMING);
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, d->device->name, "make an event", result);
}

static ptl_status copy_ahead(device_data *d, void *const *host, ptl_error *err)
{
    ptl_status st = copy(d, &d->next, host, d->device->copies, err);
    if (st != PTL_OK)
        return st;
    CUresult result =
        d->device->driver->cuEventRecord(d->arrived, d->device->copies);
    if (result != CUDA_SUCCESS)
        return cuda_fail(err, d->device->name, "mark data", result);
    memcpy(d->ahead, host, (size_t)d->program->buffer_count * sizeof *host);
    d->coming = true;
    return PTL_OK;
}

/* Where memory has no second room, executions go on without. */
ptl_status device_data_ahead(device_data *d, void *const *host, ptl_error *err)
{
    ptl_error unseen;
    if (!d->now.memory || d->coming || d->alone)
        return PTL_OK;
    if (!d->next.memory)
        d->alone = take(d, &d->next, &unseen) != PTL_OK;
    if (d->alone)
        return PTL_OK;
    double began = trace_now();
    ptl_status st = need_event(d, err);
    if (st == PTL_OK)
        st = copy_ahead(d, host, err);
    trace_span("loop", "copies ahead", began);
    return st;
}
