/*
 * server.h - the numbers of a parameter server, with the programs that update
 * them: in a process of its own, or beside a worker (allreduce).
 */
#ifndef PTL_CLUSTER_SERVER_H
#define PTL_CLUSTER_SERVER_H

#include "cluster/numbers.h"

typedef struct cluster_server {
    session s; /* its own: programs and threads */
    ps_store *parameters;
    cluster_numbers *numbers;
} cluster_server;

/* `raw`: the data's fields, not needed any more afterwards. `checkpoint`: to
 * begin with; NULL: from the start. After a failure too: server_close().
 * Everything is borrowed. */
ptl_status server_open(cluster_server *server, ptl_job *job,
                       const train_options *options, const cluster_plan *plan,
                       int index, const ptl_job_tensor *raw, int raw_count,
                       const char *checkpoint, ptl_error *err);
void server_close(cluster_server *server);

/* Updates that parameters of this checkpoint had, where they are counted
 * (apply_each); else 0. */
ptl_status checkpoint_updates(const ptl_job *job, const char *checkpoint,
                              int64_t *out, ptl_error *err);

#endif
