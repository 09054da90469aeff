/*
 * shards.h - a training step cut into shards, replayed in one process.
 *
 * A shard is a contiguous range of the batch's rows; `accumulate` cuts it once
 * more, into parts that run one after another. Each part gives (sum of its
 * rows' gradients, weight). Parts are added left to right to a shard's pair,
 * the shards of a worker (its towers) to the worker's, the workers' to one, by
 * which the update divides once. This order is what a cluster is compared with,
 * bit for bit. A part without rows does not run; one without weight adds
 * nothing.
 */
#ifndef PTL_TRAIN_SHARDS_H
#define PTL_TRAIN_SHARDS_H

#include "runtime/prefetch.h"
#include "train/peers.h"

typedef struct shards shards;

/* May the job be cut so? E_USAGE with the reason. */
ptl_status shards_check(const session *s, ptl_error *err);
/* E_PROGRAM: gradients of this job cannot be sent as its cluster says. */
ptl_status shards_check_codec(const ptl_job *job, ptl_error *err);
/* Is the step cut? Where nobody asks for shards or parts, it is one program,
 * gradients and update fused, which rounds otherwise. */
bool shards_wanted(const session *s);
int64_t shards_count(const session *s);
/* Rows of the largest part of a batch of `rows`: what to build first. */
int64_t shards_first_rows(const session *s, int64_t rows);

/*
 * Builds UPDATE and the SHARD program of the largest part, and adds to the
 * session's store what shards keep: states of their own, sums between *
 * exchanges. Before the store has memory.
 */
ptl_status shards_open(session *s, int64_t batch, shards **out, ptl_error *err);
void shards_close(shards *h); /* accepts NULL */

/* Once the store is filled, from the start or from a checkpoint: every
 * program, all memory. `tail`: rows of an epoch's last batch, 0: none comes. */
ptl_status shards_begin(shards *h, int64_t tail, int64_t steps_per_epoch,
                        int64_t total_steps, ptl_error *err);

typedef struct shards_result {
    double loss;   /* mean over the shards, weighted; NaN: none had weight */
    double lr;     /* of the update; NaN: there was none */
    log_comm comm; /* with peers, at the chief */
} shards_result;

/* The step after `done` completed ones. `next`: the batch after this one, which
 * devices get meanwhile; NULL: it is not there yet. Allocates nothing. */
ptl_status shards_step(shards *h, const data_batch *batch,
                       const data_batch *next, int64_t done, shards_result *out,
                       ptl_error *err);

/*
 * Where the peers replay: the step of another worker than the loop's, in the
 * loop's thread while it waits for its peers, by the parameters that the store
 * has now; up to its next exchange, of no other. `out` is what this worker
 * would give; it lives until the next call.
 */
ptl_status shards_other(shards *h, int64_t worker, const data_batch *batch,
                        int64_t done, peers_own *out, ptl_error *err);
/* And its states without a word become these, as the peers gave them. */
void shards_take_copies(shards *h, int64_t worker, const void *copies);

/* Will there be checkpoints between two times of state_sync? They hold what
 * states without a word were at the first. */
bool shards_save_late(const shards *h, int64_t checkpoint_every);

/* Is nothing waiting for an exchange after `done` steps, so that a checkpoint
 * of one worker of a cluster has all there is? */
bool shards_may_save(const shards *h, int64_t done);

size_t shards_bytes(const shards *h); /* of memory outside the store */

/* Updates in the first `steps` of `total` steps, which schedules count by: one
 * an exchange, or of all workers with rows under apply_each. `tail`: rows of an
 * epoch's last batch, 0: none comes. */
typedef struct update_count {
    ptl_job_cluster rule;
    int64_t workers, batch, tail, steps_per_epoch, total_steps;
} update_count;
int64_t updates_in_all(const update_count *u);
int64_t exchanges_of(const ptl_job_cluster *rule, int64_t steps, int64_t total);
/* `average_from` in steps, as an update counts. */
int64_t updates_before_average(const update_count *u, int64_t from);

#endif
