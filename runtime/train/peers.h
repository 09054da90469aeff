/*
 * peers.h - what a training run asks of the other processes of its cluster.
 *
 * The run is that of one worker: it computes its own shards and gives away what
 * they add up to. Who adds, updates and answers is behind these functions
 * (runtime/cluster). All are called from the loop's thread; those that wait
 * have deadlines, and fail with the peer's name.
 */
#ifndef PTL_TRAIN_PEERS_H
#define PTL_TRAIN_PEERS_H

#include "base/plant.h"
#include "train/log.h"
#include "train/session.h"

/* Where a trained parameter's elements [first, first + count) lie in a block of
 * gradients. */
typedef struct peers_place {
    const char *path;
    int64_t first, count;
    size_t at;
    int bucket; /* what goes together */
} peers_place;

/* A loss times its weight, and the weight. */
typedef struct loss_sum {
    double loss, weight;
} loss_sum;

/* What the shards of one worker gave in a step. */
typedef struct peers_own {
    int64_t done; /* steps before this one */
    int64_t epoch;
    const loss_sum *losses; /* of each tower */
    /* The sum since the last exchange, if there is one after this step; weight
     * 0: no rows were there. */
    bool exchanged;
    const char *gradients;
    double weight;
    const void *states; /* STATE_GROUP_SYNCED, added up */
    int64_t state_rows;
    const void *copies; /* STATE_GROUP_LOOSE; NULL: not due */
    int64_t copy_rows;
} peers_own;

/* What came of it: parameters are in the store, or come there. */
typedef struct peers_shared {
    loss_sum loss;   /* of all workers, at the chief; else of this one */
    double lr;       /* NaN: there was no update, or this is not the chief */
    int64_t updates; /* so far; 0 but under apply_each */
    const void *states, *copies; /* new values; NULL: none */
    log_comm comm;               /* at the chief */
} peers_shared;

/* A run, as far as it must be alike everywhere. */
typedef struct peers_run {
    int64_t first, last; /* steps [first, last) are to be made */
    int64_t total_steps, steps_per_epoch, rows;
    int64_t batch;          /* rows of a full one */
    const char *checkpoint; /* it goes on from; NULL: from the start */
} peers_run;

/* All of it but `first` and `checkpoint`, from the job, what the user said and
 * the data. */
void peers_run_plan(const ptl_job *job, const train_options *options,
                    int64_t rows, peers_run *out);

typedef enum peers_work { PEERS_TRAIN, PEERS_EVALUATE, PEERS_SAVE } peers_work;

typedef struct train_peers {
    void *ctx;
    int64_t worker; /* 0: the chief */
    /* All workers are computed in this process: whoever is behind these
     * functions asks for the others' steps by shards_other(). */
    bool replays;
    struct shards *shards; /* shards_open() fills it in */

    /* Once the job's tensors are known: decides what lies where. Fills in
     * `places`. */
    ptl_status (*plan)(struct train_peers *p, session *s, const peers_run *run,
                       ptl_error *err);
    /* Its block of gradients. */
    const peers_place *places;
    int place_count, bucket_count;
    size_t block_bytes;

    /* Once all programs are there: joins, and puts the values to begin with
     * into the store. */
    ptl_status (*begin)(void *ctx, ptl_error *err);
    /* Where the sum that begins now is to be written: `block_bytes`, of any
     * contents; on PTL_BUFFER_ALIGN. NULL: the run has a block of its own. */
    char *(*block)(void *ctx);
    /* A bucket of the block is final, and will be exchanged after this step;
     * `weight`: what peers_own will say, not 0. It may go before the rest of
     * the step is computed. At most once a step. */
    void (*give)(void *ctx, int bucket, const char *gradients, double weight);
    /* An exchange may return before all values are in the store. use(): those
     * of a bucket are; before it is read, and given. settle(): all are. NULL:
     * they always are. */
    ptl_status (*use)(void *ctx, int bucket, ptl_error *err);
    ptl_status (*settle)(void *ctx, ptl_error *err);
    /* The step reads parameters of this bucket no more: their next values may
     * take their place, in another thread, before it ends. */
    void (*freed)(void *ctx, int bucket);
    /* Gives all that is due and was not given, and waits until everybody did.
     */
    ptl_status (*exchange)(void *ctx, const peers_own *own, peers_shared *out,
                           ptl_error *err);
    /* Where the run ends by now: earlier, if somebody asked for the end. */
    int64_t (*last)(void *ctx);
    /* Asks all to end after the same step. */
    void (*drain)(void *ctx);
    /* What this process does until its next exchange. */
    void (*busy)(void *ctx, peers_work work);
    /* Between two steps: brings the slots of all parameters into the store.
     * *gone: they cannot be had, now. */
    ptl_status (*slots)(void *ctx, bool *gone, ptl_error *err);
    /* After the last step, and all that follows it: leaves, and waits until
     * all have left. */
    ptl_status (*end)(void *ctx, ptl_error *err);
    /* However the run ended: nothing of the session is read from now on. NULL:
     * nothing was. */
    void (*close)(void *ctx);
} train_peers;

static inline bool peers_is_chief(const train_peers *p)
{
    return !p || p->worker == 0 || ptl_is_planted(PTL_PLANT_EVERY_CHIEF);
}

#endif
