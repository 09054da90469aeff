/*
 * plan.h - a cluster's job as the machines (dist/machine.h) know it: buckets,
 * their owners and rules, and the text that all processes must agree on.
 *
 * A pure function of the job, its cluster block and where the run stands, so
 * that every process works out the same. Buckets of parameters come first, as
 * train/bucket_layout.h places them; then at most two of states, one for each
 * state_group, which parameter server 0 has: their value is the mean or the sum
 * itself, as their words say.
 */
#ifndef PTL_CLUSTER_PLAN_H
#define PTL_CLUSTER_PLAN_H

#include "base/str.h"
#include "dist/machine.h"
#include "launch/role.h"
#include "train/bucket_layout.h"
#include "train/peers.h"
#include "train/shard_states.h"
#include "train/shards.h"
#include "train/totals.h"

enum { STATE_GROUPS = 2, NO_BUCKET = -1 };

typedef struct cluster_plan {
    ptl_arena *arena;
    cluster_layout *layout;
    totals_layout *totals;
    machine_totals adder;
    int state_bucket[STATE_GROUPS]; /* NO_BUCKET: there are no such states */
    machine_job job;                /* points at what follows */
    wire_limits limits;
    machine_bucket *buckets;
    uint64_t *bytes, *slot_bytes;
    /* Where each lies where all are put one after another; parameters first,
     * which take `gradient_bytes`. */
    size_t *at, gradient_bytes, block_bytes;
    ptl_dtype *types;
    uint8_t *codecs; /* of gradients */
    ptl_str agreement;
    /* `slots = worker` under `replicated`: a bucket's value is the sum of the
     * gradients, and behind it, an element more, their weight. */
    bool workers_update;
    int strict_barriers; /* of an exchange; numbers from 1 on */
    update_count updates;
    peers_run run;
} cluster_plan;

/* Owners of buckets: parameter servers, or workers under allreduce. */
int cluster_owners(const ptl_job_cluster *c, const launch_role *role);

/*
 * `first_updates`: that parameters had before the run, where it follows from no
 * step (apply_each). E_USAGE for what is not carried out yet. After a failure
 * too: cluster_plan_fini().
 */
ptl_status cluster_plan_make(const ptl_job *job, const launch_role *role,
                             const peers_run *run, int64_t first_updates,
                             cluster_plan *out, ptl_error *err);
void cluster_plan_fini(cluster_plan *p);

#endif
