/*
 * manifest.h - the file that makes another system start a job: a Kubernetes
 * Indexed Job with the service its pods meet in, or a batch script for Slurm.
 *
 * Both start `ptlc launch FILE` once for each process; role.h finds out which
 * one it is. What only the user knows (image, volumes, partition) stands there
 * to be changed.
 */
#ifndef PTL_LAUNCH_MANIFEST_H
#define PTL_LAUNCH_MANIFEST_H

#include "base/str.h"
#include "launch/start.h"

/* `name` becomes one that both systems take; `curve`: the job has keys.
 * `folder`: the run's, of which the words say nothing; NULL: runs/NAME-JOB. */
void manifest_k8s(const start_job *job, const char *name, bool curve,
                  ptl_str *out);
void manifest_sbatch(const start_job *job, const char *name,
                     const char *folder, bool curve, ptl_str *out);

#endif
