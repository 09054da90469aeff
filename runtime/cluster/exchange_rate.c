/*
 * exchange_rate.c - the learning rate of an update that was made elsewhere: the
 * program of an update without pieces gives it.
 */
#include "cluster/exchange_priv.h"
#include "runtime/data.h"
#include <string.h>

/* ---------- the loop: the learning rate ---------- */

static bool counts_each(const cluster_exchange *x)
{
    return x->plan->buckets[0].rules.aggregate == DIST_APPLY_EACH;
}

ptl_status rate_open(cluster_exchange *x, ptl_error *err)
{
    session *s = x->s;
    int count;
    const ptl_job_tensor *raw = data_raw(s->train, &count);
    ptl_status st = s->job->build_update(s->job, s->job->rounds, NULL, 0, raw,
                                         count, &x->rate_program, err);
    if (st == PTL_OK)
        st = run_open(x->rate_program, s->pool, &x->rate_run, err);
    x->rate = st == PTL_OK ? program_find(x->rate_program, "lr") : -1;
    return st;
}

/* Update `number`'s. */
static ptl_status find_rate(cluster_exchange *x, int64_t number, double *lr,
                            ptl_error *err)
{
    const update_count *u = &x->plan->updates;
    if (x->rate < 0)
        return PTL_OK;
    run_set(x->rate_run, "step", number);
    run_set(x->rate_run, "total_steps", updates_in_all(u));
    ptl_status st = run_execute(x->rate_run, err);
    const void *at = run_data(x->rate_run, x->rate);
    *lr = x->s->job->f64 ? *(const double *)at : (double)*(const float *)at;
    return st;
}

static void note_who_gave(cluster_exchange *x, int64_t step)
{
    pthread_mutex_lock(&x->lock);
    const metric_table *t = &x->metrics[step % METRIC_STEPS];
    for (int i = 0; i < x->plan->job.workers * x->towers; i++)
        x->gave[i / x->towers] |= t->step == step && t->losses[i].weight != 0;
    pthread_mutex_unlock(&x->lock);
}

/* How many gradients were in the exchange: each an update under apply_each. */
static int64_t count_givers(cluster_exchange *x)
{
    int64_t count = 0;
    for (int w = 0; w < x->plan->job.workers; w++) {
        count += x->gave[w];
        x->gave[w] = false;
    }
    return count;
}

/* So many updates by one gradient each. Workers that do not wait for each other
 * are counted as the chief hears of their steps. */
static void count_updates(cluster_exchange *x, int64_t givers)
{
    const ptl_job_cluster *c = &x->plan->updates.rule;
    pthread_mutex_lock(&x->lock);
    x->updates = c->pace == PTL_PACE_BARRIER
                     ? x->updates + givers
                     : x->first_updates + x->gradients / c->sync_every;
    pthread_mutex_unlock(&x->lock);
}

ptl_status rate_take(cluster_exchange *x, const peers_own *own,
                     peers_shared *out, ptl_error *err)
{
    const update_count *u = &x->plan->updates;
    if (x->worker != 0)
        return PTL_OK;
    note_who_gave(x, own->done);
    if (!own->exchanged)
        return PTL_OK;
    int64_t givers = count_givers(x);
    int64_t number = exchanges_of(&u->rule, own->done, u->total_steps);
    if (counts_each(x)) {
        count_updates(x, givers);
        out->updates = x->updates;
        number = x->updates - 1;
    }
    return givers > 0 ? find_rate(x, number, &out->lr, err) : PTL_OK;
}

void rate_close(cluster_exchange *x)
{
    run_close(x->rate_run);
    if (x->rate_program)
        x->rate_program->release(x->rate_program);
}
