/*
 * worker.h - a worker's side of a step: says gradients, gets values, knows when
 * the next step may begin. States and messages: runtime/README.md, "Worker".
 */
#ifndef PTL_DIST_WORKER_H
#define PTL_DIST_WORKER_H

#include "dist/machine.h"

typedef struct dist_worker dist_worker;

typedef struct worker_owner {
    void *ctx;
    /* Bytes of a bucket's new value. May come while a step computes: of a
     * bucket whose gradient was given. `version`: of it. */
    void (*value)(void *ctx, uint32_t bucket, uint64_t version, size_t offset,
                  const uint8_t *bytes, size_t size);
    /* The values are those for this step: compute, and give a gradient of every
     * bucket, once, now or later. */
    void (*step)(void *ctx, uint64_t step);
    void (*passed)(void *ctx, uint32_t barrier, uint64_t generation);
} worker_owner;

/* Everything given is borrowed. Connects to the coordinator at once. */
dist_worker *worker_new(const machine_job *job, int index, uint64_t incarnation,
                        const worker_owner *owner, const machine_out *out,
                        uint64_t now);
void worker_free(dist_worker *w); /* accepts NULL */
dist_hub *worker_hub(dist_worker *w);
void worker_tick(dist_worker *w, uint64_t now);

/*
 * The gradient of a bucket in the step that was begun last, as the aggregate
 * wants it (`mean`: the sum over this worker's rows; else their mean), and its
 * weight; NULL: this worker has no rows. Held until a ps has it.
 */
void worker_gradient(dist_worker *w, uint32_t bucket, dist_blob *bytes,
                     double weight, uint64_t now);
/* Waits for all workers: owner.passed() says when. One worker waits for
 * nobody. */
void worker_enter(dist_worker *w, uint32_t barrier, uint64_t generation,
                  uint64_t now);
/* Asks the coordinator to end the job in order. */
void worker_drain(dist_worker *w, uint64_t now);

#endif
