/*
 * liveness.h - whether a peer lives, and whether it gets on: two verdicts, from
 * what was heard of it and when. Milliseconds of a monotonic clock.
 */
#ifndef PTL_DIST_LIVENESS_H
#define PTL_DIST_LIVENESS_H

#include "dist/wire.h"

typedef struct liveness_rules {
    uint64_t heartbeat, dead, stall; /* of the cluster block */
} liveness_rules;

/* Where a process is. */
typedef struct dist_progress {
    wire_phase phase;
    uint64_t step;
    uint32_t bucket;
} dist_progress;

typedef struct dist_pulse {
    uint64_t heard; /* any valid message */
    uint64_t moved; /* its step or phase changed */
    dist_progress at;
    bool told_unreachable, told_stalled; /* each verdict is news once */
} dist_pulse;

typedef enum liveness_verdict {
    LIVENESS_WELL,
    LIVENESS_UNREACHABLE, /* nothing heard for `dead` */
    LIVENESS_STALLED,     /* heard, but at one step for too long */
    LIVENESS_BACK         /* heard again after it was unreachable */
} liveness_verdict;

void liveness_begin(dist_pulse *p, uint64_t now);
/* BACK or WELL. */
liveness_verdict liveness_heard(dist_pulse *p, uint64_t now);
void liveness_progress(dist_pulse *p, const dist_progress *at, uint64_t now);
/* What is new since the last call; WELL: nothing is. */
liveness_verdict liveness_check(dist_pulse *p, const liveness_rules *rules,
                                uint64_t now);
/* "worker 1 is stalled: step 120, bucket 3, TRAINING, since 61 s", "worker 1 is
 * lost: nothing heard for 5 s"; at most 120 bytes. */
void liveness_text(const dist_pulse *p, uint32_t node, liveness_verdict what,
                   uint64_t now, char *text);

#endif
