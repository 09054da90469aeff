/*
 * machine.h - what the three machines (coordinator.h, ps.h, worker.h) share:
 * how they reach the outside.
 *
 * A machine has a hub; its owner gives that hub the transport's events
 * (hub_connected() and so on), and the machine time (..._tick()).
 */
#ifndef PTL_DIST_MACHINE_H
#define PTL_DIST_MACHINE_H

#include "base/status.h"
#include "dist/hub.h"
#include "dist/shard.h"

typedef struct machine_out {
    hub_out wire;
    void *ctx;
    /* Connect, and again whenever the connection is lost; hub_connected() says
     * when. `endpoint`: as the peer told it; empty for the coordinator. */
    void (*connect)(void *ctx, uint32_t node, const char *endpoint);
    /* The machine is at its end; nothing is expected of it any more. */
    void (*ended)(void *ctx, ptl_status status, const char *text);
    blob_source memory;  /* for values that are sent */
    shard_notice notice; /* of a parameter server; nobody need listen */
} machine_out;

/*
 * A bucket has a clock of its own: its version counts exchanges (what shard.h
 * calls steps). There is one after every `every`th step of the job and, of what
 * may not stay behind, after the last of all.
 */
typedef struct machine_bucket {
    int owner;      /* the ps */
    uint64_t every; /* 1: each step */
    bool rest;      /* also after the last step, if that is no `every`th */
    /* Steps after which workers that do not wait in each step do: the exchange
     * then, or the next, is complete before the next step. 0: never. */
    uint64_t barrier;
    /* Under `barrier`: a step may begin before this bucket's value is there.
     * The worker's owner waits for it where it needs it, and for all of them
     * before it gives the step's first gradient: so no two buckets are further
     * apart than one version, and who takes a place finds what to begin with.
     */
    bool late;
    shard_rules rules;
} machine_bucket;

/*
 * Updates that need numbers of all parameters, in rounds: see
 * runtime/README.md, "Totals". Buckets whose rules say `hold` take part; their
 * clocks are alike.
 */
typedef struct machine_totals {
    int rounds;
    void *ctx;
    /* What the parameter servers sent in `round` (NULL: of one that has no such
     * bucket), added up: a new blob. NULL: something is of another size. */
    dist_blob *(*add_up)(void *ctx, int round, dist_blob *const *sent);
} machine_totals;

/* What all processes of a job have alike. */
typedef struct machine_job {
    uint64_t id;
    int servers, workers;
    const char *agreement;
    const wire_limits *limits;
    const machine_bucket *buckets;
    const machine_totals *totals; /* NULL: no update waits for any */
    /* Steps [first_step, steps) are this run's; `total`: where the job would
     * end, which it need not reach. */
    uint64_t first_step, steps, total;
    int barriers; /* 1 to so many */
    uint64_t window, retry;
    liveness_rules liveness;
    uint64_t join_wait;   /* for all to be there for the first time */
    uint64_t worker_wait; /* for one that was lost to be replaced */
} machine_job;

/* Exchanges of a bucket in the first `steps` steps; after so many exchanges, at
 * least so many steps are over. */
uint64_t machine_rounds(const machine_job *job, uint32_t bucket,
                        uint64_t steps);
uint64_t machine_steps(const machine_job *job, uint32_t bucket,
                       uint64_t rounds);

/* Is there a barrier after so many exchanges, though there is none in each? */
bool machine_waits(const machine_job *job, uint32_t bucket, uint64_t rounds);

/* Milliseconds until machines want to hear of time again, at most. */
enum { MACHINE_TICK_MS = 10 };

#endif
