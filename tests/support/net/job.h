/*
 * job.h - a whole small job over sockets: coordinator, parameter servers and
 * workers with the arithmetic of tests/sim's model, each process a transport
 * and a reactor in a thread of its own, each worker's computation in another.
 */
#ifndef TEST_NET_JOB_H
#define TEST_NET_JOB_H

#include "net/reactor.h"
#include "sim_model.h"
#include <pthread.h>

enum { JOB_SERVERS = 2, JOB_WORKERS = 3 };

typedef struct job_options {
    int servers, workers;
    const char *keys;   /* NULL: plain */
    const char *folder; /* ipc sockets there; NULL: tcp */
    bool together;      /* worker 0 is in the process of ps 0 */
    bool breaks;        /* every connection of ps 0 is closed in each step */
} job_options;

/* Runs it; fails the test where anything is not as the model says. */
void job_run(const job_options *options, uint64_t seed);
/* Worker 1 comes with the keys of another folder: it is refused, and `why` is
 * in the text, at both ends. */
void job_refuses(const job_options *options, const char *keys, const char *why);

#endif
