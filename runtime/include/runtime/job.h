/*
 * job.h - what the training loop needs to know of a `.ptl` file.
 *
 * The compiler fills a job; the runtime carries it out (loop, data, metrics,
 * evaluation, checkpoints, logs). The runtime asks for programs through
 * `job->build`, since a last partial batch or an evaluation batch is another
 * specialisation.
 */
#ifndef PTL_RUNTIME_JOB_H
#define PTL_RUNTIME_JOB_H

#include "base/security.h"
#include "runtime/program.h"

typedef enum ptl_program_kind {
    PTL_PROGRAM_INIT,  /* writes PARAM, STATE and SLOT buffers */
    PTL_PROGRAM_TRAIN, /* one update; outputs "loss", "lr", ... */
    /* Outputs "loss" and each metric, means over rows; of metrics with
     * accumulators these, to be added up over batches. */
    PTL_PROGRAM_EVAL,
    PTL_PROGRAM_METRICS, /* their values: DATA buffers are the sums */
    PTL_PROGRAM_PREDICT, /* outputs the model's results */
    PTL_PROGRAM_GRAD,    /* forward and backward: "loss", values, "grad/PATH" */
    /*
     * The two halves of TRAIN. SHARD reads parameters and states and writes
     * neither; its outputs are "loss" (the mean over its rows), "weight" (its
     * rows, or what a weighted mean divides by), "sum/PATH" for each trained
     * parameter (weight times the loss's gradient) and "next/PATH" for each
     * state that is updated; "own/PATH" is DATA of SHARD: what the new value of
     * a state with `sync sum` reads of the old one. UPDATE takes "sum/PATH" and
     * "weight" as DATA, divides once and updates parameters and slots; output
     * "lr".
     */
    PTL_PROGRAM_SHARD,
    PTL_PROGRAM_UPDATE,
    /* Of `rows` reals: SLOT "total" gets DATA "addend" added. */
    PTL_PROGRAM_ADD,
} ptl_program_kind;

#define PTL_SUM_PREFIX "sum/"
#define PTL_NEXT_PREFIX "next/"
#define PTL_OWN_PREFIX "own/"
#define PTL_ADD_TOTAL "total"
#define PTL_ADD_ADDEND "addend"
#define PTL_TOTAL_PREFIX "total/"
#define PTL_BLOCKS_PREFIX "blocks/"
#define PTL_LAST_PREFIX "last/"

enum { PTL_TOTAL_BLOCK = 65536 }; /* elements */

/* One array of a data source: `train = data.idx(image = "..", label = "..")`
 * has two. */
typedef struct ptl_job_array {
    const char *field; /* raw.FIELD */
    const char *path;
    const char *options; /* reader specific, "name=value;..."; "" for none */
} ptl_job_array;

typedef struct ptl_job_source {
    const char *reader; /* idx, csv, npy, npz, safetensors */
    const ptl_job_array *arrays;
    int array_count;
    int64_t begin, end; /* rows used, half open; end -1: to the last */
    /* Of those: every k-th from the first, or all but these. 0: all. */
    int64_t every, except;
} ptl_job_source;

/* How the shards' values of a state become one after a step. */
typedef enum ptl_sync {
    PTL_SYNC_NONE, /* no word: as the job's state_sync says */
    PTL_SYNC_MEAN, /* weighted by rows */
    PTL_SYNC_SUM, /* where the new reads the old, one shard does: it counts once
                   */
    PTL_SYNC_LOCAL, /* each shard keeps its own; shard 0's is saved */
} ptl_sync;

/* A parameter, state or slot (what a checkpoint holds), a raw field, or an
 * accumulator of a metric. */
typedef struct ptl_job_tensor {
    const char *path;
    ptl_role role;
    ptl_sync sync; /* of a state */
    ptl_dtype dtype;
    int rank;
    int64_t dims[PTL_MAX_RANK];
    int64_t idx_bound;
    bool trained; /* of a parameter: the optimizer updates it, */
    bool whole;   /* and needs all of it: it is not cut into slices */
} ptl_job_tensor;

static inline int64_t job_tensor_elements(const ptl_job_tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++)
        count *= t->dims[i];
    return count;
}

/* Elements [first, first + count), in memory's order, of a parameter that is
 * trained. */
typedef struct ptl_job_piece {
    const char *path;
    int64_t first, count;
    const char *name; /* what buffers call it; of all of it: its path */
} ptl_job_piece;

typedef enum ptl_aggregate {
    PTL_AGGREGATE_MEAN, /* one update by the sum over all rows, divided once */
    PTL_AGGREGATE_SUM,  /* one update by the sum of the workers' means */
    PTL_APPLY_EACH,     /* one update by each worker's mean, in their order */
} ptl_aggregate;

typedef enum ptl_state_sync {
    PTL_STATE_CHIEF, /* shard 0's value is saved; no shard changes */
    PTL_STATE_MEAN,  /* all get the mean, weighted by rows */
    PTL_STATE_NEVER, /* what is saved is shard 0's current one */
} ptl_state_sync;

typedef enum ptl_placement {
    PTL_REPLICATED,
    PTL_PARAMETER_SERVER,
    PTL_ALLREDUCE, /* workers are the parameter servers of each other */
} ptl_placement;

/* Where a worker of parameter servers has what its devices read. */
typedef enum ptl_caching {
    PTL_CACHE_REPLICA, /* no parameter servers: each device has all */
    PTL_CACHE_CPU,     /* on the host, read anew for each part of a step */
    PTL_CACHE_DEVICE,  /* one device gets each parameter, for all */
} ptl_caching;

/* What a worker waits for before its next step. */
typedef enum ptl_pace {
    PTL_PACE_BARRIER, /* that every worker's gradient is in the values */
    PTL_PACE_ASYNC,   /* nothing */
    PTL_PACE_STALE,   /* the gradients of all but the last `stale` steps */
} ptl_pace;

/* The cluster block, whose combinations the language checked. --shards takes
 * the first part, as far as `pace`. */
typedef struct ptl_job_cluster {
    int64_t towers; /* consecutive shards that are one worker */
    ptl_aggregate aggregate;
    int64_t sync_every; /* steps from one exchange to the next */
    ptl_state_sync state_sync;
    int64_t state_steps, state_epochs; /* how often; one of them, other 0 */
    ptl_pace pace;

    ptl_placement placement;
    ptl_caching caching;
    int64_t stale;         /* steps */
    int64_t barrier_steps, barrier_epochs; /* how often all wait; 0: never */
    bool round_robin;      /* else the owner with the fewest bytes */
    int64_t slice, bucket; /* bytes */
    bool ordered, strict, locking;
    bool slots_on_workers, bf16;
    ptl_security security;
    int64_t heartbeat, dead, stall; /* milliseconds */
    /* What is not carried out yet and was asked for: one warning each; NULL
     * ends them. */
    const char *const *warnings;
} ptl_job_cluster;

typedef struct ptl_job {
    const char *model;       /* name for logs */
    const char *source_hash; /* hex, of all sources and settings */
    const char *config_json; /* the resolved configuration, one JSON object */
    uint64_t seed;
    int64_t batch, steps, epochs; /* steps 0: by epochs */
    int64_t accumulate; /* parts of a shard's rows, one after another; 0: 1 */
    ptl_job_cluster cluster;
    int64_t eval_every, checkpoint_every;   /* in steps; 0: by epochs below */
    int64_t eval_epochs, checkpoint_epochs; /* default 1 */
    /* Where the mean of the weights begins (scalar "average_from"), one of them
     * or neither. */
    int64_t average_steps, average_epochs;
    bool f64;                   /* reals are f64: JSON prints %.17g */
    /* What programs are made for; NULL: the host. The job's own. UPDATE is made
     * for it where `device_updates`. */
    struct ptl_device *device;
    bool device_updates;
    ptl_job_source train, eval; /* eval.array_count 0: none */
    /* Known once a program was built; the job owns them. */
    const ptl_job_tensor *tensors;
    int tensor_count;
    int64_t parameter_count;
    const char *const *metrics; /* what evaluation gives besides loss */
    int metric_count;
    const bool *summed; /* by metric: it has accumulators */
    /*
     * Numbers of all parameters that an update asks for (across_params): each
     * is added up in a round, from 0, that needs those of rounds before.
     */
    int total_count, rounds;
    const int *total_rounds; /* by total */
    /* All accumulators, under METRIC/NAME; reals as the job has them. */
    const ptl_job_tensor *sums;
    int sum_count;

    /*
     * Makes the program of `kind` for a batch of `rows` records whose raw
     * fields have the shapes (without the batch axis) and types the data files
     * gave. The caller releases it. Called from the loop's thread.
     */
    ptl_status (*build)(struct ptl_job *job, ptl_program_kind kind,
                        int64_t rows, const ptl_job_tensor *raw, int raw_count,
                        ptl_program **out, ptl_error *err);
    /*
     * Round `rounds` is UPDATE of these pieces alone: "sum/NAME", parameters
     * NAME, slots NAME/SLOT. A piece that is a whole parameter has its shape,
     * one that is not is a vector, as are its slots. Without pieces, "lr" is
     * left. The rounds before give what the totals of the round are added up
     * from, which later ones take as DATA "total/K": outputs "blocks/K/NAME",
     * a number for each full block of PTL_TOTAL_BLOCK elements, and
     * "last/K/NAME", one for what is left of the piece. `raw` as for build().
     */
    ptl_status (*build_update)(struct ptl_job *job, int round,
                               const ptl_job_piece *pieces, int count,
                               const ptl_job_tensor *raw, int raw_count,
                               ptl_program **out, ptl_error *err);
    void (*free)(struct ptl_job *job);
    void *owner;
} ptl_job;

#endif
