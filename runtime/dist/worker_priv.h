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
    uint64_t round;
    double weight;
    dist_blob *bytes; /* NULL: no rows */
} contribution;

typedef struct worker_bucket {
    contribution *sent; /* [round % window] */
    int window;
    uint64_t round;     /* exchanges begun: the next gradient is of this one */
    bool given;         /* the gradient of this step */
    bool asked, exact;  /* a PULL is not answered */
    uint64_t wanted;    /* version */
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
    bool gave;             /* a gradient of it */
    bool computed;         /* nothing more comes in this step */
    wire_phase busy;       /* with what the owner is, in a step */
    bool draining, agreed; /* asked how far; told where to end */
    bool over;
    worker_bucket *buckets;
    uint64_t slots_got; /* bytes of the slots that were asked for */
    int slots_of;       /* their bucket; -1: none */
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
/* Is this refusal about slots? */
bool worker_slots_gone(dist_worker *w, const wire_message *m);
void worker_slots_came(dist_worker *w, const wire_message *m);
void worker_acknowledged(dist_worker *w, const wire_message *m);
/* Every ps was there, and every value is. */
bool worker_is_loaded(const dist_worker *w);
/* Is there a gradient that no ps has acknowledged? */
bool worker_owes(const dist_worker *w);
/* Is there an exchange of the bucket at the end of this step? */
bool worker_exchanges(const dist_worker *w, uint32_t bucket, uint64_t step);
/* Everything is computed; what is exchanged in this step has its next value
 * here, and room for another gradient, unless it may be late? */
bool worker_step_is_over(const dist_worker *w);

/* ---------- worker.c ---------- */

void worker_show_progress(dist_worker *w);
/* What may have become possible by what came. */
void worker_advance(dist_worker *w);

#endif
