/*
 * job_build.h - a `.ptl` file becomes a job the runtime can carry out.
 */
#ifndef PTL_DRIVER_JOB_BUILD_H
#define PTL_DRIVER_JOB_BUILD_H

#include "driver.h"
#include "lang/cluster.h"
#include "runtime/job.h"

/*
 * Loads FILE with d->options (--set, -I, --seed, --real, ...) and prepares its
 * `train` block. E_PROGRAM: what is wrong is in d->diags, or, where that holds
 * no error, in `err`; the same goes for job->build(), which checks the program
 * with the shapes the data files gave. The job lives in d->arena or on its
 * own; the caller calls job->free(job) before `d` ends.
 *
 * Readers and their options (job.h, ptl_job_array.options) are listed in
 * runtime/README.md; a field declared idx(V) or int that comes from csv needs
 * the option type=int.
 */
ptl_status job_open(driver *d, const char *path, ptl_job **out, ptl_error *err);
/* The cluster block of a job that job_open() gave; lives as long. */
const typed_cluster *job_typed_cluster(const ptl_job *job);

#endif
