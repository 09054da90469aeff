/*
 * fake_job.h - a job whose programs are written by hand in C, so that the
 * runtime is tested without a compiler: a plane w . x + b fitted by gradient
 * descent with momentum, noise on the inputs that depends on seed and step,
 * and a state that counts records.
 *
 * Fields: raw.x real[2], raw.y real, raw.label u8 in idx(10).
 */
#ifndef TESTS_RUNTIME_FAKE_JOB_H
#define TESTS_RUNTIME_FAKE_JOB_H

#include "runtime/job.h"
#include <stddef.h>

typedef struct fake_options {
    const char *train_x, *train_y, *train_label; /* idx files */
    const char *eval_x, *eval_y, *eval_label;    /* NULL: no evaluation */
    int64_t batch, epochs, steps;
    int64_t eval_every, checkpoint_every;
    uint64_t seed;
    double lr;
    int64_t nan_at; /* the loss of this step is NaN, once; 0: never */
    int step_ms;    /* each step takes this long */
} fake_options;

ptl_job *fake_job_new(const fake_options *options);
void fake_job_free(ptl_job *job);
/* Programs built and not released: a leak where it is not 0 at the end. */
int fake_job_live_programs(void);

/* A folder of its own under /tmp; its path lives until fake_folder_remove().*/
const char *fake_folder(void);
void fake_folder_remove(void);
/* FOLDER/name, in one of eight buffers that are used in turn. */
const char *fake_path(const char *name);
void fake_write(const char *name, const void *bytes, size_t size);

/* Writes x.idx, y.idx, label.idx of `rows` records into the folder, the names
 * begun with `prefix`. */
void fake_data(const char *prefix, int rows);

#endif
