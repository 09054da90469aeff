/*
 * session_place.c - which devices have which of the tensors that outlive a
 * step.
 */
#include "runtime/device.h"
#include "train/bucket_layout.h"
#include "train/peers.h"
#include "train/session.h"

/* Under `caching = cpu` the host's are read anew for every part of a step. */
static bool stay_on_devices(const session *s)
{
    return !s->peers || s->job->cluster.caching != PTL_CACHE_CPU;
}

/* `caching = device`: one device gets the parameter from the host, for all of
 * them; as `ptlc check --plan` says. */
static void place_on_devices(const session *s, ptl_arena *arena,
                             device_block_piece *pieces)
{
    const ptl_job_tensor **tensors;
    int count;
    place_variable *variables =
        layout_variables(arena, s->job, &tensors, &count);
    int *device = ARENA_ARRAY(arena, int, count + 1);
    place_caches(variables, count, device_count(s->job->device), device);
    for (int i = 0; i < count; i++) {
        const store_tensor *t = store_find(&s->store, tensors[i]->path);
        if (t && device[i] != PLACE_CPU)
            pieces[t - s->store.items].home = device[i];
    }
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
    ptl_arena *arena = arena_new();
    device_block_piece *pieces =
        ARENA_ARRAY(arena, device_block_piece, store->count + 1);
    for (int i = 0; i < store->count; i++)
        pieces[i] =
            (device_block_piece){.at = (size_t)((char *)store->items[i].memory -
                                                (char *)store->block),
                                 .bytes = store->items[i].size,
                                 .home = DEVICE_ANY};
    if (s->peers && s->job->cluster.caching == PTL_CACHE_DEVICE)
        place_on_devices(s, arena, pieces);
    ptl_status st = open_block(s, pieces, err);
    arena_free(arena);
    return st;
}

ptl_status session_settle(session *s, ptl_error *err)
{
    const train_peers *p = s->peers;
    return p && p->settle ? p->settle(p->ctx, err) : PTL_OK;
}

ptl_status session_fetch(session *s, ptl_error *err)
{
    ptl_status st = session_settle(s, err);
    return st == PTL_OK && s->copy ? device_block_fetch(s->copy, err) : st;
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
