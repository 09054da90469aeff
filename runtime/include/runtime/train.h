/*
 * train.h - carries out a job: training, evaluation, prediction.
 *
 * These are the engines of `ptlc run`, `eval` and `predict`. What they print,
 * write and return is fixed by the command line's contract (runtime/README.md).
 */
#ifndef PTL_RUNTIME_TRAIN_H
#define PTL_RUNTIME_TRAIN_H

#include "runtime/job.h"
#include <stdio.h>

typedef enum train_on_nan {
    TRAIN_NAN_STOP, /* stop, the last checkpoint named */
    TRAIN_NAN_SKIP, /* take the update back and go on */
    TRAIN_NAN_DUMP, /* stop, and write what the step began with */
} train_on_nan;

/* All zero is a sensible start; strings are borrowed. */
typedef struct train_options {
    int threads;           /* 0: the cores allowed */
    int64_t steps, epochs; /* absolute last step; 0: as the job says */
    const char *out;       /* run folder; NULL: runs/NAME-TIME */
    const char *resume;    /* a run folder or a checkpoint; NULL: from zero */
    const char *from;      /* eval, predict: the same */
    /* Replay so many shards as job->cluster says; a multiple of its towers. 0:
     * one, and the cluster is ignored. */
    int64_t shards;
    train_on_nan on_nan;
    bool skip_bad; /* leave bad records out */

    bool json;         /* JSON lines instead of text */
    int64_t log_every; /* steps; 0: every one in JSON, every 100th in text */
    bool quiet;        /* text: results only, no progress */
    bool time;         /* report the time of each phase */
    bool profile;      /* report the time of each kernel */
    /* In a cluster: where this process records its part of the schedule, if it
     * is one that does. NULL: nobody does. */
    const char *record;
    FILE *output; /* NULL: standard output */
    FILE *notes;  /* warnings, progress, reports; NULL: standard error */
} train_options;

/*
 * Trains from the first step, or from a checkpoint, to the last. Fails with
 * E_INTERRUPTED or E_TERMINATED after SIGINT or SIGTERM, once the step was
 * finished and a checkpoint written. The signals' former handlers are back
 * when it returns.
 */
ptl_status train_run(ptl_job *job, const train_options *options,
                     ptl_error *err);

/* Prints one eval line: the job's eval data, or its training data where there
 * is none. */
ptl_status train_eval(ptl_job *job, const train_options *options,
                      ptl_error *err);

/* "NAME=PATH", or only a path where there is one field or one output. */
typedef struct train_predict_files {
    const char *const *inputs;
    int input_count;
    const char *const *outputs;
    int output_count;
} train_predict_files;

/* Reads npy inputs with the records first, writes npy outputs. */
ptl_status train_predict(ptl_job *job, const train_options *options,
                         const train_predict_files *files, ptl_error *err);

#endif
