/*
 * rate.c - see rate.h.
 */
#include "cluster/rate.h"
#include "runtime/data.h"

ptl_status rate_open(cluster_rate *r, session *s, ptl_error *err)
{
    int count;
    const ptl_job_tensor *raw = data_raw(s->train, &count);
    ptl_status st = s->job->build_update(s->job, s->job->rounds, NULL, 0, raw,
                                         count, &r->program, err);
    if (st == PTL_OK)
        st = run_open(r->program, s->pool, &r->run, err);
    r->lr = st == PTL_OK ? program_find(r->program, "lr") : -1;
    return st;
}

ptl_status rate_find(const cluster_rate *r, const cluster_plan *plan,
                     int64_t number, double *lr, ptl_error *err)
{
    if (!r->run || r->lr < 0)
        return PTL_OK;
    run_set(r->run, "step", number);
    run_set(r->run, "total_steps", updates_in_all(&plan->updates));
    ptl_status st = run_execute(r->run, err);
    if (st == PTL_OK)
        *lr = dtype_get(r->program->buffers[r->lr].dtype,
                        run_data(r->run, r->lr), 0);
    return st;
}

void rate_close(cluster_rate *r)
{
    run_close(r->run);
    if (r->program)
        r->program->release(r->program);
    *r = (cluster_rate){0};
}
