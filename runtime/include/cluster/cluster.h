/*
 * cluster.h - carries out one process of a cluster: `ptlc run FILE --job ...`.
 */
#ifndef PTL_CLUSTER_CLUSTER_H
#define PTL_CLUSTER_CLUSTER_H

#include "launch/role.h"
#include "runtime/train.h"

/*
 * A worker trains, as train_run() does, and worker 0 logs, evaluates and saves;
 * a parameter server serves until the job is over. Fails as train_run() does;
 * with E_PEER_LOST if a peer was lost, E_REFUSED if the cluster does not want
 * this process. After SIGINT or SIGTERM at any of them all end after the same
 * step.
 */
ptl_status cluster_run(ptl_job *job, const train_options *options,
                       const launch_role *role, ptl_error *err);

/*
 * Carries out again what a cluster did whose workers do not wait for each
 * other, in this process, by the schedule it recorded at `path`: lines and
 * checkpoints are those of its worker 0, bit for bit. `options->shards`: its
 * workers times their towers. Fails as train_run() does; E_USAGE, E_DATA where
 * the schedule is not of this job, E_DATA with file and line where it is
 * damaged.
 */
ptl_status cluster_replay(ptl_job *job, const train_options *options,
                          const char *path, ptl_error *err);

/*
 * Puts the parts of a schedule that processes recorded (train_options.record)
 * into one file at `path`, and removes them. Where not all of them are here,
 * *merged is false and nothing is done. E_IO.
 */
ptl_status cluster_merge_schedule(const char *path, const char *const *parts,
                                  int count, bool *merged, ptl_error *err);

#endif
