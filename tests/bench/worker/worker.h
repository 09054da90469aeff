/*
 * worker.h - a process that carries out works when it is told to, so that
 * scripts/bench can take turns between programs.
 *
 * Requests are lines on standard input, each answered by one line of JSON on
 * standard output; {"error": ".."} tells a failure, after which the worker
 * goes on:
 *
 *   open KIND NAME=VALUE...     prepares a work; its variants and tensors
 *   fill PATTERN LOW HIGH       numbers of the inputs whose names match
 *   run VARIANT SECONDS         repeats it that long; the median time
 *   values VARIANT STEPS DIR    fills anew, runs, writes outputs to DIR/N.f32
 *   memory VARIANT STEPS        runs; bytes resident now and before the work
 *   close                       lets go of the work
 *
 * A worker ends with its input. Numbers follow from a tensor's name and
 * element alone (work_fill), so all programs compute on the same.
 */
#ifndef PTL_BENCH_WORKER_H
#define PTL_BENCH_WORKER_H

#include "base/arena.h"
#include "base/dtype.h"
#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

enum { MOST_VARIANTS = 8, MOST_WORDS = 32 };

typedef struct work_tensor {
    const char *name;
    ptl_dtype dtype;
    int rank;
    int64_t dims[PTL_MAX_RANK];
    void *data;  /* row-major */
    size_t owned; /* bytes of memory the worker gives back; 0: not its own */
    bool input;  /* filled before; with `output`: updated in place */
    bool output; /* written by an execution */
    double low, high;
} work_tensor;

typedef struct work {
    ptl_arena *arena; /* ends with the work */
    VEC(work_tensor) tensors;
    const char *variants[MOST_VARIANTS]; /* up to the first NULL */
    double flops, bytes;   /* of one execution; 0: not said */
    int64_t planned_bytes; /* what the program says it takes; 0: nothing */
    int64_t resident_before; /* worker_resident() before it had its memory */
    void *ctx;
    ptl_status (*run)(void *ctx, int variant, int64_t step, ptl_error *err);
    void (*close)(void *ctx); /* also after a failed open; may be NULL */
} work;

/* The words of an `open` line. */
typedef struct work_request {
    int threads;
    const char *kind;
    char *words[MOST_WORDS];
    int count;
} work_request;

/* NULL: not given. */
const char *request_text(const work_request *r, const char *name);
int64_t request_int(const work_request *r, const char *name, int64_t otherwise);

/* Fills `w`, whose arena is made. What is not its kind fails with E_USAGE. */
typedef ptl_status (*work_open)(const work_request *r, work *w,
                                ptl_error *err);

typedef enum work_use { WORK_IN = 1, WORK_OUT = 2 } work_use; /* or both */

/* Adds a tensor of f32 with memory of its own, which the worker gives back;
 * returns that memory. */
float *work_tensor_new(work *w, const char *name, int use, int rank,
                       const int64_t *dims);

/* Serves until the input ends: `NAME [--threads N]`; the exit status. */
int worker_main(int argc, char **argv, work_open open);

int64_t work_count(const work_tensor *t);
int64_t worker_resident(void); /* bytes of this process in memory */
/* Writes the numbers of `t`: reals in [low, high), integers from low to
 * high - 1. */
void work_fill(const work_tensor *t);

#endif
