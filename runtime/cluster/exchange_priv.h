/*
 * exchange_priv.h - an exchange's fields, for the files that are its two
 * threads: exchange_node.c (what the machine says, and what is said to it), and
 * those of the loop: exchange.c, exchange_values.c, exchange_rate.c,
 * exchange_update.c.
 */
#ifndef PTL_CLUSTER_EXCHANGE_PRIV_H
#define PTL_CLUSTER_EXCHANGE_PRIV_H

#include "cluster/exchange.h"
#include "cluster/gradient_block.h"
#include "cluster/rate.h"
#include <pthread.h>

enum { METRIC_STEPS = 2 }; /* tables of losses: of this step and of the next */

/* Losses of all shards in a step, as they come to the chief. */
typedef struct metric_table {
    int64_t step;
    loss_sum *losses; /* [worker][tower] */
    bool *there;      /* by worker */
    int count;
    int latest;       /* worker, and when it came */
    double latest_at; /* clock_seconds() */
} metric_table;

/* What a step gives; it lives until it was carried out. */
typedef struct order {
    dist_blob **gradients; /* by bucket; NULL: no rows, or not due */
    double *weights;
    bool *due;
    bool *given; /* before the rest, in this step */
} order;

/* A bucket that is given before the rest. */
typedef struct early_bucket {
    struct cluster_exchange *x;
    int bucket;
} early_bucket;

/* The next value of a bucket. */
typedef struct next_value {
    dist_blob *holder; /* it lies there, with its sender; NULL: in `incoming` */
    const uint8_t *there; /* its first byte */
    /* Under the lock. */
    bool whole;   /* and all of it */
    bool freed;   /* nobody reads the old one */
    bool claimed; /* one of the two threads puts it into the store */
    bool adopted; /* it is there */
} next_value;

struct cluster_exchange {
    const cluster_plan *plan;
    session *s;
    cluster_node *node;
    int worker, towers;
    order order;
    early_bucket *early; /* by bucket */
    next_value *next;    /* by bucket */
    uint8_t *incoming;   /* plan->at says where each bucket lies */

    pthread_mutex_t lock;
    pthread_cond_t moved;
    /* Under the lock. */
    bool begun, end;
    int64_t step;
    bool ended;
    ptl_status status;
    char why[300];
    metric_table metrics[METRIC_STEPS]; /* at the chief */
    bool slots_here, slots_gone, passed;
    uint8_t *slots;    /* of one bucket */
    int64_t gradients; /* of all workers and steps, that the chief heard of */
    uint32_t slots_of, barrier; /* what was asked for last */
    uint64_t generation;
    wire_phase phase; /* that exchange_tell_busy() tells */

    /* The loop's. */
    bool *owed; /* by bucket: a step began without its value */
    int64_t last;
    bool drained;
    int64_t first_updates, updates; /* made, where each gradient is one */
    schedule_record *record;        /* NULL: none */
    gradient_block block;           /* of the sum under way */
    bool *gave; /* by worker: rows since the last exchange, at the chief */
    /* At the chief: the learning rate alone. */
    cluster_rate rate;
    /* Where workers update: the program, what it takes. NULL: others do. */
    session_program *update;
    ptl_store sums;
    void *weight;
};

/* Of parameters; the others' are states. */
static inline int parameter_buckets(const cluster_exchange *x)
{
    return x->plan->layout->plan->bucket_count;
}

static inline int exchange_buckets(const cluster_exchange *x)
{
    return x->plan->limits.bucket_count;
}

/* ---------- exchange_node.c: posted to the node's thread ---------- */

/* All take the exchange as their context. */
void exchange_give(void *x);            /* everything of the step: x->order */
void exchange_give_early(void *bucket); /* one of it: x->early */
void exchange_adopt_early(void *bucket);
void exchange_give_metrics(void *x);
void exchange_leave(void *x);
void exchange_tell_busy(void *x);
void exchange_enter_barrier(void *x);
void exchange_ask_slots(void *x);
/* Under the lock. Losses of a step may come before the chief itself is there.
 */
void exchange_put_losses(cluster_exchange *x, int worker, int64_t step,
                         const loss_sum *losses);

/* ---------- exchange.c: the loop ---------- */

/* Under the lock. */
typedef bool exchange_condition(const cluster_exchange *x, int64_t step);

/* Until the condition holds or the machine is at its end, which it is sooner or
 * later whatever becomes of the others. A signal asks for the end. */
ptl_status exchange_await(cluster_exchange *x, exchange_condition *holds,
                          int64_t step, ptl_error *err);
bool exchange_has_begun(const cluster_exchange *x, int64_t step);
/* What this process is busy with, for the others. */
void exchange_tell_phase(cluster_exchange *x, wire_phase phase);

/* ---------- exchange_values.c: of either thread ---------- */

/* Under the lock: is it for the caller to put the value into the store? Then by
 * exchange_adopt(), without the lock. */
bool exchange_claim(cluster_exchange *x, int b, next_value *out);
ptl_status exchange_adopt(cluster_exchange *x, int b, const next_value *v,
                          ptl_error *err);
/* Buckets whose values go there. */
int exchange_adopted(const cluster_exchange *x);

/* ---------- exchange_values.c: the loop ---------- */

/* Once all is computed, values go into the store while others are on their way.
 */
ptl_status exchange_adopt_until_begun(cluster_exchange *x, int64_t step,
                                      ptl_error *err);
/* Of a step that begins: all but those that come later. */
ptl_status exchange_adopt_values(cluster_exchange *x, ptl_error *err);

/* ---------- exchange_rate.c: the learning rate, at the chief ---------- */

/* That of the exchange after this step, and how many updates there were. */
ptl_status exchange_rate(cluster_exchange *x, const peers_own *own,
                         peers_shared *out, ptl_error *err);

/* ---------- exchange_update.c: updates on the workers ---------- */

ptl_status update_open(cluster_exchange *x, ptl_error *err);
void update_close(cluster_exchange *x);
/* By the sums that came, if there were rows. */
ptl_status update_take(cluster_exchange *x, const peers_own *own,
                       peers_shared *out, ptl_error *err);

#endif
