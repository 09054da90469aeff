/*
 * random.h - numbers that look random, the same for the same seed (splitmix64).
 */
#ifndef DEVICE_RANDOM_H
#define DEVICE_RANDOM_H

#include <stdint.h>

static inline uint64_t random_mix(uint64_t seed)
{
    seed += UINT64_C(0x9e3779b97f4a7c15);
    seed = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    seed = (seed ^ seed >> 27) * UINT64_C(0x94d049bb133111eb);
    return seed ^ seed >> 31;
}

/* The next number after `*state`. */
static inline uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return random_mix(*state);
}

#endif
