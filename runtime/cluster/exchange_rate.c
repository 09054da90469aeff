/*
 * exchange_rate.c - how many updates there were, and the learning rate of the
 * last, at the chief.
 */
#include "cluster/exchange_priv.h"

static bool counts_each(const cluster_exchange *x)
{
    return x->plan->buckets[0].rules.aggregate == DIST_APPLY_EACH;
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

ptl_status exchange_rate(cluster_exchange *x, const peers_own *own,
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
    return givers > 0 ? rate_find(&x->rate, x->plan, number, &out->lr, err)
                      : PTL_OK;
}
