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
    int64_t batch; /* records a program call takes */
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
 * Allocates nothing.
 */
ptl_status evaluation_run(evaluation *e, session *s, const ptl_dataset *data,
                          int64_t step, int64_t epoch, int64_t total_steps,
                          ptl_error *err);

#endif
