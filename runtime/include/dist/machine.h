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
} machine_out;

/* What all processes of a job have alike. */
typedef struct machine_job {
    uint64_t id;
    int servers, workers;
    const char *agreement;
    const wire_limits *limits;
    const int *bucket_owner; /* by bucket: the ps */
    shard_rules rules;
    uint64_t steps; /* the last is steps - 1; the first, rules.first_step */
    int barriers;   /* 1 to so many */
    uint64_t window, retry;
    liveness_rules liveness;
    uint64_t join_wait;   /* for all to be there for the first time */
    uint64_t worker_wait; /* for one that was lost to be replaced */
} machine_job;

/* Milliseconds until machines want to hear of time again, at most. */
enum { MACHINE_TICK_MS = 10 };

#endif
