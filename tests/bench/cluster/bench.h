/*
 * bench.h - one work of scripts/bench-cluster: a job of several processes that
 * takes a number of steps whenever it is told to, and says how long they took.
 */
#ifndef PTL_BENCH_CLUSTER_H
#define PTL_BENCH_CLUSTER_H

#include "dist/placement.h"
#include <semaphore.h>
#include <stdbool.h>

enum { MOST_MEMBERS = 16 };

/* What the command line says. */
typedef struct work {
    const char *kind; /* exchange, barrier, ping, raw */
    const char *via;  /* tcp, ipc */
    bool shared;      /* payloads in shared memory */
    int workers;
    const place_variable *tensors;
    int tensor_count;
    int64_t bucket, slice; /* bytes */
    bool ordered;
    bool original; /* its schedule: see exchange.c */
} work;

/* In memory that all processes of the job share. */
typedef struct turns {
    sem_t go[MOST_MEMBERS], done[MOST_MEMBERS]; /* by worker */
    int steps;
    double wait; /* seconds of each step in which gradients become ready */
    double seconds[MOST_MEMBERS];
    char endpoint[320]; /* of who listens; its socket is `listener` */
    int listener;
} turns;

/* Bytes of all tensors. */
int64_t work_bytes(const work *w);
/* In a worker: waits for its turn, and says that it is over. */
int turns_begin(turns *t, int worker);
void turns_end(turns *t, int worker, double seconds);
/* Where to listen, before processes are made. */
void turns_listen(turns *t, const char *via);
/* Does not return. */
void bench_fail(const char *what);

/* The processes of each kind: never return. `member`: workers, then who serves
 * them. */
void exchange_member(const work *w, turns *t, int member);
void raw_member(const work *w, turns *t, int member);

#endif
