/*
 * server.c - see server.h.
 */
#include "cluster/server.h"
#include <string.h>

/* The data may go before the programs do. */
static const ptl_job_tensor *keep_raw(ptl_arena *arena,
                                      const ptl_job_tensor *raw, int count)
{
    ptl_job_tensor *kept = ARENA_ARRAY(arena, ptl_job_tensor, count + 1);
    for (int i = 0; i < count; i++) {
        kept[i] = raw[i];
        kept[i].path = arena_strdup(arena, raw[i].path);
    }
    return kept;
}

ptl_status server_open(cluster_server *server, ptl_job *job,
                       const train_options *options, const cluster_plan *plan,
                       int index, const ptl_job_tensor *raw, int raw_count,
                       const char *checkpoint, ptl_error *err)
{
    const update_count *u = &plan->updates;
    int64_t from =
        job->average_steps + job->average_epochs * plan->run.steps_per_epoch;
    ps_clock clock = {.total_updates = updates_in_all(u),
                      .average_from = updates_before_average(u, from)};
    *server = (cluster_server){0};
    if (plan->workers_update)
        return numbers_open(plan, job, index, NULL, &server->numbers, err);
    ptl_status st = session_open(&server->s, job, options, err);
    if (st == PTL_OK)
        st = ps_store_open(&server->s, &clock, plan->layout, plan->totals,
                           index, keep_raw(plan->arena, raw, raw_count),
                           raw_count, &server->parameters, err);
    if (st == PTL_OK)
        st = ps_store_start(server->parameters, checkpoint, err);
    if (st == PTL_OK && plan->buckets[0].rules.meet)
        st = ps_store_meet(server->parameters, plan->job.workers,
                           job->cluster.pace != PTL_PACE_ASYNC, err);
    if (st == PTL_OK)
        st = numbers_open(plan, job, index, server->parameters,
                          &server->numbers, err);
    return st;
}

void server_close(cluster_server *server)
{
    numbers_close(server->numbers);
    ps_store_close(server->parameters);
    if (server->s.job)
        session_close(&server->s);
    *server = (cluster_server){0};
}

ptl_status checkpoint_updates(const ptl_job *job, const char *checkpoint,
                              int64_t *out, ptl_error *err)
{
    ptl_buffer b = {.name = "updates",
                    .role = PTL_ROLE_SLOT,
                    .dtype = PTL_I64,
                    .rank = 1,
                    .dims = {1},
                    .size_bytes = 8};
    ptl_store store = {0};
    *out = 0;
    if (!checkpoint || job->cluster.aggregate != PTL_APPLY_EACH)
        return PTL_OK;
    ptl_status st = store_add_one(&store, &b, true, err);
    if (st == PTL_OK)
        st = store_allocate(&store, err);
    if (st == PTL_OK)
        st = checkpoint_load(checkpoint, &store, false, err);
    if (st == PTL_OK)
        memcpy(out, store.items[0].memory, sizeof *out);
    store_fini(&store);
    return st;
}
