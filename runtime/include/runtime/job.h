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

#include "runtime/program.h"

typedef enum ptl_program_kind {
    PTL_PROGRAM_INIT,    /* writes PARAM, STATE and SLOT buffers */
    PTL_PROGRAM_TRAIN,   /* one update; outputs "loss", "lr", ... */
    PTL_PROGRAM_EVAL,    /* outputs "loss" and each metric, means over rows */
    PTL_PROGRAM_PREDICT, /* outputs the model's results */
    PTL_PROGRAM_GRAD,    /* forward and backward: "loss", values, "grad/PATH" */
} ptl_program_kind;

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

/* A parameter, state or slot (what a checkpoint holds), or a raw field. */
typedef struct ptl_job_tensor {
    const char *path;
    ptl_role role;
    ptl_dtype dtype;
    int rank;
    int64_t dims[PTL_MAX_RANK];
    int64_t idx_bound;
} ptl_job_tensor;

typedef struct ptl_job {
    const char *model;       /* name for logs */
    const char *source_hash; /* hex, of all sources and settings */
    const char *config_json; /* the resolved configuration, one JSON object */
    uint64_t seed;
    int64_t batch, steps, epochs; /* steps 0: by epochs */
    int64_t eval_every, checkpoint_every;   /* in steps; 0: by epochs below */
    int64_t eval_epochs, checkpoint_epochs; /* default 1 */
    bool f64; /* reals are f64: JSON prints %.17g */
    ptl_job_source train, eval; /* eval.array_count 0: none */
    /* Known once a program was built; the job owns them. */
    const ptl_job_tensor *tensors;
    int tensor_count;
    int64_t parameter_count;
    const char *const *metrics; /* names of eval outputs besides loss */
    int metric_count;

    /*
     * Makes the program of `kind` for a batch of `rows` records whose raw
     * fields have the shapes (without the batch axis) and types the data files
     * gave. The caller releases it. Called from the loop's thread.
     */
    ptl_status (*build)(struct ptl_job *job, ptl_program_kind kind,
                        int64_t rows, const ptl_job_tensor *raw, int raw_count,
                        ptl_program **out, ptl_error *err);
    void (*free)(struct ptl_job *job);
    void *owner;
} ptl_job;

#endif
