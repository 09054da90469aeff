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
     * bucket whose gradient was given. `version`: of it. They live during the
     * call; under `barrier`, where `holder` is not NULL, as long as it is held
     * and the bucket's next gradient was not given. */
    void (*value)(void *ctx, uint32_t bucket, uint64_t version, size_t offset,
                  const uint8_t *bytes, size_t size, dist_blob *holder);
    /* The values are those for this step, but of a bucket that may be late,
     * where it is still to come: compute, give a gradient of every bucket that
     * is exchanged in it, once, now or later, and say worker_done(). `end`:
     * these are the last values, and all are there; there is nothing to
     * compute, and after worker_done() the job may end. */
    void (*step)(void *ctx, uint64_t step, bool end);
    void (*passed)(void *ctx, uint32_t barrier, uint64_t generation);
    /* What worker_slots() asked for. `updates`: the bucket's, before. `bytes`
     * NULL: gone, since this process took the place of another and the others
     * are a step ahead. */
    void (*slots)(void *ctx, uint32_t bucket, uint64_t updates, size_t offset,
                  const uint8_t *bytes, size_t size, bool last);
    /* At the chief (worker 0): what another said by worker_metrics(). */
    void (*metrics)(void *ctx, int worker, uint64_t step, const uint8_t *bytes,
                    size_t size);
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
 * weight; NULL: this worker has no rows. Held until a ps has it. Its bytes are
 * as the bucket's codec has them.
 */
void worker_gradient(dist_worker *w, uint32_t bucket, dist_blob *bytes,
                     double weight, uint64_t now);
/* What the owner does in this step, instead of training (it may wait for a
 * value that is late): how long it may take is said in phases.def. */
void worker_is_busy(dist_worker *w, wire_phase phase);
/* Nothing more comes in this step. */
void worker_done(dist_worker *w, uint64_t now);
/*
 * Asks for the slots of a bucket that has some: those of the values this step
 * began with, if the bucket's gradient of this step was not given. One at a
 * time: owner.slots() says when they came.
 */
void worker_slots(dist_worker *w, uint32_t bucket, uint64_t now);
/* To the chief, with the number of the step that was begun last. */
void worker_metrics(dist_worker *w, const void *bytes, size_t size,
                    uint64_t now);
/* Waits for all workers: owner.passed() says when. One worker waits for
 * nobody. */
void worker_enter(dist_worker *w, uint32_t barrier, uint64_t generation,
                  uint64_t now);
/* Asks the coordinator to end the job in order. */
void worker_drain(dist_worker *w, uint64_t now);

#endif
