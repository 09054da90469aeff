/*
 * worker_priv.h - a worker's fields, for worker.c (who it is, when it begins
 * and ends) and worker_step.c (gradients out, values in).
 */
#ifndef PTL_DIST_WORKER_PRIV_H
#define PTL_DIST_WORKER_PRIV_H

#include "dist/worker.h"

typedef enum worker_state {
    WORKER_JOINING, /* the coordinator knows of us, or will */
    WORKER_LOADING, /* waits for the values to begin with */
    WORKER_READY,   /* has them; waits for GO */
    WORKER_TRAINING,
    WORKER_DONE /* said BYE */
} worker_state;

/* What a ps has not acknowledged. */
typedef struct contribution {
    bool there;
    uint64_t step;
    double weight;
    dist_blob *bytes; /* NULL: no rows */
} contribution;

typedef struct worker_bucket {
    contribution *sent; /* [step % window] */
    bool given;         /* the gradient of this step */
    bool asked, exact;  /* a PULL is not answered */
    uint64_t wanted;
    uint64_t coming; /* version of the DATA that comes, and bytes of it */
    size_t got;
} worker_bucket;

/* A barrier that was entered; at most one at a time. */
typedef struct worker_wait {
    uint32_t barrier; /* 0: none */
    uint64_t generation;
} worker_wait;

struct dist_worker {
    machine_job job;
    machine_out out;
    worker_owner owner;
    int index;
    dist_hub *hub;
    worker_state state;
    uint32_t epoch;
    uint64_t step, last; /* steps end before `last` */
    bool in_step;
    bool draining, agreed; /* asked how far; told where to end */
    bool over;
    int window;
    worker_bucket *buckets;
    worker_wait wait;
    uint64_t deadline; /* of JOINING to READY */
};

/* ---------- worker_step.c ---------- */

/* The values of `step`: PULL of all buckets that the ps `server` (-1: any) has.
 */
void worker_load(dist_worker *w, int server);
/* Says again what is not acknowledged and asks again for what is missing. */
void worker_say_again(dist_worker *w, int server);
void worker_data(dist_worker *w, const wire_message *m);
void worker_acknowledged(dist_worker *w, const wire_message *m);
/* Every ps was there, and every value is. */
bool worker_is_loaded(const dist_worker *w);
/* Is there a gradient that no ps has acknowledged? */
bool worker_owes(const dist_worker *w);
/* Every bucket's gradient is given, its next value here, and there is room for
 * another gradient? */
bool worker_step_is_over(const dist_worker *w);

/* ---------- worker.c ---------- */

/* What may have become possible by what came. */
void worker_advance(dist_worker *w);

#endif
