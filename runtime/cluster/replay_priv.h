/*
 * replay_priv.h - a replay's fields, for replay.c (what the loop asks of its
 * peers) and replay_events.c (who does what next).
 */
#ifndef PTL_CLUSTER_REPLAY_PRIV_H
#define PTL_CLUSTER_REPLAY_PRIV_H

#include "cluster/numbers.h"
#include "cluster/plan.h"
#include "cluster/rate.h"
#include "cluster/schedule.h"
#include "runtime/prefetch.h"
#include "runtime/sums.h"

enum { NOBODY = -1 };

/* A worker's gradient of one exchange of a bucket, as it was sent. */
typedef struct replay_gradient {
    bool there;
    uint64_t round;
    double weight; /* 0: it had no rows */
} replay_gradient;

typedef struct replay_worker {
    int64_t step;          /* of the job: the next it computes */
    ptl_prefetch *batches; /* NULL: the loop has them */
    uint8_t *values;       /* as it read them last: plan->at says where */
    bool *has_read;        /* by bucket */
    uint64_t *reads;       /* by bucket: the exchange it computes by that */
    /* [exchange % window]: of each bucket, and where they lie (plan->at). */
    replay_gradient *given;
    uint8_t *gradients;
} replay_worker;

typedef struct replay_bucket {
    int at; /* events that were carried out */
    sum_list whole;
    uint64_t version, updates;
    /* Of the sum that is not applied yet. */
    int absorbed, added;
    double weight;
} replay_bucket;

typedef struct replay {
    ptl_job *job;
    session *s; /* the loop's */
    FILE *notes;
    struct shards *shards;
    schedule schedule;
    launch_role role;
    cluster_plan plan;
    ps_store **parameters; /* by parameter server */
    cluster_numbers **numbers;
    replay_bucket *buckets;
    replay_worker *workers;
    int window;   /* exchanges of a worker that may be under way */
    int64_t last; /* where the run ends */
    cluster_rate rate;
    bool lent;        /* the store has another worker's parameters */
    int slots_wanted; /* of this bucket, by worker 0; NOBODY's: NOBODY */
} replay;

static inline int replay_buckets(const replay *r)
{
    return r->plan.limits.bucket_count;
}

static inline const shard_store *replay_store(const replay *r, int bucket)
{
    return numbers_store(r->numbers[r->plan.buckets[bucket].owner]);
}

/* Exchanges of the bucket before the worker's next step. */
static inline uint64_t replay_round(const replay *r, int bucket,
                                    const replay_worker *w)
{
    return machine_rounds(&r->plan.job, (uint32_t)bucket, (uint64_t)w->step);
}

/* Of a worker's step. */
static inline loss_sum replay_loss(const replay *r, const peers_own *own)
{
    loss_sum all = {0};
    for (int64_t i = 0; i < r->job->cluster.towers; i++) {
        all.loss += own->losses[i].loss;
        all.weight += own->losses[i].weight;
    }
    return all;
}

/* ---------- replay_events.c ---------- */

/* The worker made its step: what it gives of it. E_DATA: it cannot have. */
ptl_status replay_give(replay *r, int worker, const peers_own *own,
                       ptl_error *err);
/* Until worker 0 has the values of its next step: what others do meanwhile.
 * The store has worker 0's values then. */
ptl_status replay_until_read(replay *r, ptl_error *err);
/* Until worker 0 got the slots of this bucket, which are in the store then. */
ptl_status replay_until_slots(replay *r, int bucket, ptl_error *err);

#endif
