/*
 * numbers.h - the arithmetic of a parameter server: for buckets of parameters
 * train/ps_store.h, for those of states (cluster/plan.h) the mean or the sum
 * itself.
 *
 * One thread at a time, as ps_store.h says.
 */
#ifndef PTL_CLUSTER_NUMBERS_H
#define PTL_CLUSTER_NUMBERS_H

#include "cluster/plan.h"
#include "train/ps_store.h"

typedef struct cluster_numbers cluster_numbers;

/* Of parameter server `index`. What is given is borrowed. `parameters` NULL:
 * workers update, and gradients are only added up here. */
ptl_status numbers_open(const cluster_plan *plan, const ptl_job *job, int index,
                        ps_store *parameters, cluster_numbers **out,
                        ptl_error *err);
void numbers_close(cluster_numbers *n); /* accepts NULL */
const shard_store *numbers_store(const cluster_numbers *n);

#endif
