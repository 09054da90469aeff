/*
 * traffic.h - counts sectors of global memory and conflicts of banks.
 */
#ifndef DEVICE_TRAFFIC_H
#define DEVICE_TRAFFIC_H

#include "lanes.h"

/* SCATTERED lanes go anywhere; UNIFORM ones all to one place; IN_ORDER, one
 * behind the other. */
typedef enum { SCATTERED, UNIFORM, IN_ORDER } pattern;

typedef struct traffic_cost {
    u32 cycles;   /* sectors moved, or cycles for conflicts */
    u32 ideal;    /* sectors that the bytes asked for would fill */
    bool one_run; /* these bytes lie together */
} traffic_cost;

/* What an instruction cost when its lanes were last so far from each other. */
typedef struct traffic_memo {
    u64 key;
    traffic_cost cost;
} traffic_memo;

/* Lanes `m` access `size` bytes each at the offsets `at`. */
void count_global(counters *c, traffic_memo *memo, const u64 *at, u32 m,
                  pattern p, unsigned size, bool write);
void count_shared(counters *c, traffic_memo *memo, const u64 *at, u32 m,
                  pattern p, unsigned size);

#endif
