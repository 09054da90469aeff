/*
 * ps_job.h - a job with its parameter servers, without a network: one process
 * that updates all parameters whole is what they are compared with. Failures
 * are cmocka's.
 */
#ifndef PTL_TESTS_DRIVER_PS_JOB_H
#define PTL_TESTS_DRIVER_PS_JOB_H

#include "job_build.h"
#include "train/ps_store.h"

enum { PS_JOB_STEPS = 3, PS_JOB_MOST = 3 };

/* A model: three layers, biases of 256, 30 and 10 numbers. */
extern const char ps_job_mlp[];

/* Begins as {0}. */
typedef struct ps_job {
    char folder[64];
    driver d;
    ptl_job *job;
    train_options options;
    session s;
    ptl_arena *arena;
    /* Tensors whole under their paths: of the oracle, of the cluster, and
     * gradients under the parameters'. */
    ptl_store whole, cluster, gradients;
    cluster_layout *layout;
    totals_layout *totals;
    ps_store *ps[PS_JOB_MOST];
    int servers;
} ps_job;

/* Ends the test where `st` is a failure. */
void ps_job_good(ptl_status st, const ptl_error *err, driver *d);

/* `before`: declarations; `optimizer`: its call, with what follows it in the
 * block; `real`: NULL or "f64". */
void ps_job_open(ps_job *f, const char *model, const char *before,
                 const char *optimizer, const char *real);
void ps_job_close(ps_job *f);

void ps_job_list_gradients(ps_job *f);
/* Of a worker: any numbers, others at every step. */
void ps_job_make_gradients(ps_job *f, int step, int worker);
double ps_job_weight(int step);

/* One process: a program opened by itself, all tensors initialised, and
 * PS_JOB_STEPS updates by two workers' gradients. */
ptl_run *ps_job_program(ps_job *f, ptl_program_kind kind,
                        ptl_program **program_out);
void ps_job_execute(ps_job *f, ptl_run *run);
void ps_job_initialise(ps_job *f);
void ps_job_update_whole(ps_job *f);

/* `count` servers, at most PS_JOB_MOST, from a checkpoint or NULL; one update
 * by two workers' gradients; then their tensors come together in f->cluster. */
void ps_job_serve(ps_job *f, int count, const char *checkpoint);
void ps_job_stop(ps_job *f);
const shard_store *ps_job_server(const ps_job *f, int bucket);
void ps_job_update(ps_job *f, int step);
void ps_job_gather(ps_job *f);
/* f->whole and f->cluster have the same bits. */
void ps_job_assert_equal(const ps_job *f);
/* How many slices more than variables there are. */
int ps_job_cuts(const ps_job *f);

#endif
