/*
 * counters.h - what a kernel did, counted.
 */
#ifndef DEVICE_COUNTERS_H
#define DEVICE_COUNTERS_H

#include <stdint.h>

typedef struct {
#define COUNTER(name, text) uint64_t name;
#include "counters.def"
#undef COUNTER
} counters;

void counters_add(counters *to, const counters *from);

#endif
