/*
 * traffic.h - counts sectors of global memory and conflicts of banks.
 */
#ifndef DEVICE_TRAFFIC_H
#define DEVICE_TRAFFIC_H

#include "lanes.h"

/* SCATTERED lanes go anywhere; UNIFORM ones all to one place; IN_ORDER, one
 * behind the other. */
typedef enum { SCATTERED, UNIFORM, IN_ORDER } pattern;

/* Lanes `m` access `size` bytes each at the offsets `at`. */
void count_global(counters *c, const u64 *at, u32 m, pattern p, unsigned size,
                  bool write);
void count_shared(counters *c, const u64 *at, u32 m, pattern p, unsigned size);

#endif
