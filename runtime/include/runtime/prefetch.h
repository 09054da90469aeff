/*
 * prefetch.h - the batches of training, gathered ahead by a thread of its own.
 *
 * What a batch holds depends on its step alone (order.h), never on timing.
 * Memory is taken when opened; after that nothing is allocated.
 */
#ifndef PTL_RUNTIME_PREFETCH_H
#define PTL_RUNTIME_PREFETCH_H

#include "runtime/data.h"

typedef struct prefetch_desc {
    const ptl_dataset *data; /* borrowed, not changed meanwhile */
    uint64_t seed;
    int64_t batch;
    int64_t begin, end; /* steps, counted by how many were completed before */
} prefetch_desc;

typedef struct data_batch {
    int64_t step, epoch, rows;
    const uint32_t *records; /* which rows of the data set */
    void *const *fields;     /* in the order of the arrays; aligned, padded */
} data_batch;

typedef struct ptl_prefetch ptl_prefetch;

ptl_status prefetch_open(const prefetch_desc *desc, ptl_prefetch **out,
                         ptl_error *err);
void prefetch_close(ptl_prefetch *p); /* accepts NULL; ends the thread */

/*
 * The batch of the next step; it stays as it is until the following call.
 * NULL in *out after the last. Waits for at most a minute of the gathering
 * thread's making no progress, then fails with E_INTERNAL.
 */
ptl_status prefetch_next(ptl_prefetch *p, const data_batch **out,
                         ptl_error *err);
/* What the next call will give, where that is gathered already; else NULL. It
 * stays as it is until the call after that. */
const data_batch *prefetch_peek(ptl_prefetch *p);
/* Bytes of its buffers. */
size_t prefetch_bytes(const ptl_prefetch *p);
/* The same before there is one: for batches of `batch` records whose fields
 * take `data` bytes, each padded. */
size_t prefetch_plan(int64_t batch, size_t data);

#endif
