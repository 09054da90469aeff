/*
 * training.h - a training run in progress; shared by the files that start it,
 * step it and save it.
 */
#ifndef PTL_TRAIN_TRAINING_H
#define PTL_TRAIN_TRAINING_H

#include "runtime/prefetch.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/log.h"
#include "train/peers.h"
#include "train/shards.h"

enum { STEP_TIMES = 1 << 16 }; /* of the latest steps, for the median */

typedef struct training {
    session s;
    train_log log;
    evaluation evaluation;
    ptl_prefetch *batches;
    session_program *full, *tail; /* by rows; tail NULL: never needed */
    shards *shards; /* in their place; NULL: the step is one program */

    int64_t rows, steps_per_epoch;
    int64_t total_steps; /* of the file: what schedules see */
    int64_t done, last;  /* completed updates; where this run ends */
    int64_t eval_every, checkpoint_every; /* in steps */

    char folder[CHECKPOINT_PATH - 100];
    char checkpoint[CHECKPOINT_PATH]; /* the last good one; "": none */
    int64_t checkpoint_step;          /* -1: none */
    bool save_due;                    /* but not possible yet */
    bool replaces_old; /* the folder holds another run's checkpoints */

    void *backup;  /* of the store before the step; NULL: not kept */
    int skipped;   /* in a row */
    double *times; /* STEP_TIMES seconds */
    int64_t timed;
    double began, logged_at;
    int64_t logged_records; /* since the last line */
    int64_t memory_before; /* in use when the run was opened */
    double start_s; /* from the start of the process to the first step */
    double init_s, wait_s, step_s, eval_s, checkpoint_s;
} training;

/* Data, programs, tensors, the start or the checkpoint, the run folder. */
ptl_status training_open(training *t, ptl_job *job,
                         const train_options *options, train_peers *peers,
                         ptl_error *err);
/* Carries out a job as one worker of a cluster; `peers` NULL: alone. */
ptl_status training_run(ptl_job *job, const train_options *options,
                        train_peers *peers, ptl_error *err);
void training_close(training *t);
/* From the first step to the last. */
ptl_status training_loop(training *t, ptl_error *err);

ptl_status training_save(training *t, ptl_error *err);
/* After an update that gave something not finite: skips, dumps or stops. */
ptl_status training_nonfinite(training *t, const data_batch *batch, double loss,
                              ptl_error *err);
/* Adds to err where the last good checkpoint is; gives err's status. */
ptl_status training_name_last_good(const training *t, ptl_error *err);
void training_report_times(training *t);
/* profile.c: with --profile, where the runs of a program went. */
void profile_report(train_log *log, const session_program *p, int threads);
double training_median_ms(training *t);

#endif
