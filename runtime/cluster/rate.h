/*
 * rate.h - the learning rate of an update that was made elsewhere: the program
 * of an update without pieces gives it.
 */
#ifndef PTL_CLUSTER_RATE_H
#define PTL_CLUSTER_RATE_H

#include "cluster/plan.h"
#include "train/session.h"

typedef struct cluster_rate {
    ptl_program *program;
    ptl_run *run;
    int lr;     /* buffer; -1: the optimizer has none */
} cluster_rate; /* zero-initialise */

/* `s` has its training data. After a failure too: rate_close(). */
ptl_status rate_open(cluster_rate *r, session *s, ptl_error *err);
void rate_close(cluster_rate *r);
/* That of update `number`; *lr stays where there is none. */
ptl_status rate_find(const cluster_rate *r, const cluster_plan *plan,
                     int64_t number, double *lr, ptl_error *err);

#endif
