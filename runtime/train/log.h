/*
 * log.h - what a run says: events as JSON lines or as text, the same lines
 * into metrics.jsonl, progress on a terminal.
 *
 * The JSON events and their members are a contract (runtime/README.md). A
 * step's line allocates nothing once a first one was written.
 */
#ifndef PTL_TRAIN_LOG_H
#define PTL_TRAIN_LOG_H

#include "base/str.h"
#include "runtime/train.h"

typedef struct train_log {
    FILE *output, *notes;
    FILE *metrics; /* metrics.jsonl; NULL: none */
    bool json, quiet, f64, progress;
    int64_t log_every, last_step, steps_per_epoch;
    double shown; /* when the progress line was drawn last */
    bool drawn;   /* a progress line stands on the terminal */
    ptl_str line;
} train_log;

typedef struct log_start {
    const char *model, *config_json, *device;
    int64_t parameters, steps, records, shards;
    int64_t peak_bytes; /* planned */
    int threads;
} log_start;

typedef struct log_step {
    int64_t step, epoch;
    double loss, lr; /* lr NaN: not given */
    double examples_per_s;
} log_step;

/* An exchange with the other processes; times in milliseconds. */
typedef struct log_comm {
    double ms;      /* from the gradients given to the next values there */
    double wait_ms; /* of these, until the last worker had computed */
    int64_t bytes_out, bytes_in, bytes_early;
    int slowest; /* worker */
} log_comm;

typedef struct log_end {
    int64_t steps, peak_bytes;
    double wall_s, compile_s, step_ms_median;
} log_end;

void log_open(train_log *log, const train_options *options, bool f64);
void log_close(train_log *log);
/* Opens metrics.jsonl; with `keep` >= 0 it goes on after the last line of step
 * `keep`, and what stands behind is cut off; with -1 it begins anew. */
ptl_status log_metrics_file(train_log *log, const char *path, int64_t keep,
                            ptl_error *err);

/* Each fails with E_IO when the line could not be written. */
ptl_status log_event_start(train_log *log, const log_start *e, ptl_error *err);
ptl_status log_event_step(train_log *log, const log_step *e, ptl_error *err);
ptl_status log_event_skip(train_log *log, const log_step *e, ptl_error *err);
ptl_status log_event_eval(train_log *log, int64_t step, int64_t epoch,
                          const char *const *metrics, const double *values,
                          int count, ptl_error *err);
ptl_status log_event_checkpoint(train_log *log, int64_t step, const char *path,
                                ptl_error *err);
ptl_status log_event_comm(train_log *log, int64_t step, const log_comm *e,
                          ptl_error *err);
ptl_status log_event_end(train_log *log, const log_end *e, ptl_error *err);

/* Puts metrics.jsonl on the disk as far as it is written: before a checkpoint
 * is, so that whoever resumes from it misses no line. */
ptl_status log_sync(train_log *log, ptl_error *err);

/* One line for the user: warnings and reports. */
void log_note(train_log *log, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
