/*
 * exchange.h - between a worker's loop (train/peers.h) and its machine
 * (dist/worker.h), which live in two threads.
 *
 * The loop gives what its step added up to and sleeps; the machine's thread
 * (cluster/node.h) sends it, gathers the next values, and wakes the loop when
 * the next step may begin or the job is over.
 */
#ifndef PTL_CLUSTER_EXCHANGE_H
#define PTL_CLUSTER_EXCHANGE_H

#include "cluster/node.h"
#include "cluster/plan.h"
#include "cluster/schedule.h"
#include "train/peers.h"

typedef struct cluster_exchange cluster_exchange;

/* The plan is borrowed. `s` is the run's session, whose store has the tensors
 * by the time of exchange_begin(). */
ptl_status exchange_open(const cluster_plan *plan, session *s, int worker,
                         cluster_exchange **out, ptl_error *err);
void exchange_close(cluster_exchange *x); /* once the node is gone */

/* At the chief: steps are noted there from now on. Borrowed. */
void exchange_record(cluster_exchange *x, schedule_record *record);
/* For worker_new(); called in the node's thread. */
worker_owner exchange_owner(cluster_exchange *x);
/* The machine is at its end. In the node's thread. */
void exchange_ended(cluster_exchange *x, ptl_status status, const char *text);

/* ---------- the loop's thread: see train/peers.h ---------- */

/* The first step; `node` is running. */
ptl_status exchange_begin(cluster_exchange *x, cluster_node *node,
                          ptl_error *err);
char *exchange_block(cluster_exchange *x);
void exchange_early(cluster_exchange *x, int bucket, const char *gradients,
                    double weight);
ptl_status exchange_use(cluster_exchange *x, int bucket, ptl_error *err);
ptl_status exchange_settle(cluster_exchange *x, ptl_error *err);
void exchange_freed(cluster_exchange *x, int bucket);
ptl_status exchange_step(cluster_exchange *x, const peers_own *own,
                         peers_shared *out, ptl_error *err);
int64_t exchange_last(cluster_exchange *x);
void exchange_drain(cluster_exchange *x);
void exchange_busy(cluster_exchange *x, peers_work work);
ptl_status exchange_slots(cluster_exchange *x, bool *gone, ptl_error *err);
ptl_status exchange_end(cluster_exchange *x, ptl_error *err);

/* Where gradients of the plan's buckets lie in one block. */
peers_place *exchange_places(const cluster_plan *plan, ptl_arena *arena,
                             int *count);

#endif
