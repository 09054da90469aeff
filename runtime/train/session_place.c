/*
 * session_place.c - which devices have which of the tensors that outlive a
 * step.
 */
#include "dist/placement.h"
#include "runtime/device.h"
#include "train/session.h"
#include <stdlib.h>
#include <string.h>

/* Under `caching = cpu` the host's are read anew for every part of a step. */
static bool stay_on_devices(const session *s)
{
    return !s->peers || s->job->cluster.caching != PTL_CACHE_CPU;
}

static store_tensor *find_trained(const session *s, const ptl_job_tensor *t)
{
    return t->role == PTL_ROLE_PARAM && t->trained
               ? store_find(&s->store, t->path)
               : NULL;
}

/* `caching = device`: one device gets the parameter from the host, for all of
 * them; as `ptlc check --plan` says. */
static bool place_on_devices(const session *s, device_block_piece *pieces)
{
    const ptl_job *job = s->job;
    size_t room = (size_t)job->tensor_count + 1;
    place_variable *variables = calloc(room, sizeof *variables);
    int *device = calloc(room, sizeof *device), count = 0;
    for (int i = 0; variables && i < job->tensor_count; i++)
        if (find_trained(s, &job->tensors[i]))
            variables[count++].elements = job_tensor_elements(&job->tensors[i]);
    if (variables && device)
        place_caches(variables, count, device_count(job->device), device);
    for (int i = 0, k = 0; variables && device && i < job->tensor_count; i++) {
        const store_tensor *t = find_trained(s, &job->tensors[i]);
        if (t && device[k++] != PLACE_CPU)
            pieces[t - s->store.items].home = device[k - 1];
    }
    bool placed = variables && device;
    free(variables);
    free(device);
    return placed;
}

static ptl_status no_memory(ptl_error *err)
{
    return ptl_fail(err, PTL_E_MEMORY, "no memory for a device's block");
}

static ptl_status open_block(session *s, const device_block_piece *pieces,
                             ptl_error *err)
{
    const device_block_desc desc = {.host = s->store.block,
                                    .bytes = s->store.block_bytes,
                                    .pieces = pieces,
                                    .piece_count = s->store.count,
                                    .resident = stay_on_devices(s),
                                    .what = "parameters, states and slots"};
    return device_block_open(s->job->device, &desc, &s->copy, err);
}

ptl_status session_place(session *s, ptl_error *err)
{
    const ptl_store *store = &s->store;
    if (!s->job->device)
        return PTL_OK;
    device_block_piece *pieces =
        calloc((size_t)store->count + 1, sizeof *pieces);
    if (!pieces)
        return no_memory(err);
    for (int i = 0; i < store->count; i++)
        pieces[i] =
            (device_block_piece){.at = (size_t)((char *)store->items[i].memory -
                                                (char *)store->block),
                                 .bytes = store->items[i].size,
                                 .home = DEVICE_ANY};
    bool caches = s->peers && s->job->cluster.caching == PTL_CACHE_DEVICE;
    ptl_status st = caches && !place_on_devices(s, pieces)
                        ? no_memory(err)
                        : open_block(s, pieces, err);
    free(pieces);
    return st;
}

ptl_status session_fetch(session *s, ptl_error *err)
{
    return s->copy ? device_block_fetch(s->copy, err) : PTL_OK;
}

void session_changed(session *s)
{
    if (s->copy)
        device_block_changed(s->copy);
}

void session_wrote(session *s, const store_tensor *tensor)
{
    if (s->copy)
        device_block_wrote(s->copy, tensor->memory);
}
