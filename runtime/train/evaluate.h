/*
 * evaluate.h - loss and metrics over a whole data set.
 */
#ifndef PTL_TRAIN_EVALUATE_H
#define PTL_TRAIN_EVALUATE_H

#include "train/session.h"

/* Value 0 is the loss, value i + 1 the job's metric i. */
typedef struct evaluation {
    double *values;
    int count;
    double *sums;  /* of accumulators, one after the other */
    int64_t batch; /* records a program call takes */
    void *sum_memory; /* as programs read them; part of memory */
    session_program *of_sums; /* NULL: no metric has accumulators */
    void *memory;  /* of one batch */
    size_t memory_bytes;
    void **fields;
} evaluation;

/* Takes the memory and builds the programs. */
ptl_status evaluation_open(evaluation *e, session *s, const ptl_dataset *data,
                           ptl_error *err);
void evaluation_close(evaluation *e);

/*
 * Runs the records in order. Each value is the mean over the records, summed
 * in f64 batch by batch in order, weighted by the records of each batch.
 * Accumulators of metrics are added up in f64 likewise, without weights, and
 * the values are worked out of their sums. Allocates nothing.
 */
ptl_status evaluation_run(evaluation *e, session *s, const ptl_dataset *data,
                          int64_t step, int64_t epoch, int64_t total_steps,
                          ptl_error *err);

/* ---------- accumulators of metrics (sums.c) ---------- */

/* The program that works out values of the sums, where a metric has any. */
ptl_status sums_open(evaluation *e, session *s, const ptl_dataset *data,
                     ptl_error *err);
size_t sums_bytes(const session *s); /* of sum_memory */
void sums_clear(evaluation *e, const session *s);
void sums_add(evaluation *e, const session *s, const session_program *p);
ptl_status sums_values(evaluation *e, const session *s, ptl_error *err);

#endif
