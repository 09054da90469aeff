/*
 * sim_random.h - numbers that are a function of a seed and how many were drawn.
 */
#ifndef TEST_SIM_RANDOM_H
#define TEST_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sim_random {
    uint64_t state;
} sim_random;

/* splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t sim_mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

static inline uint64_t sim_draw(sim_random *r, uint64_t below)
{
    r->state += 0x9e3779b97f4a7c15;
    return sim_mix(r->state) % below;
}

static inline uint64_t sim_range(sim_random *r, uint64_t low, uint64_t high)
{
    return low + sim_draw(r, high - low + 1);
}

/* `per` in 10,000. */
static inline bool sim_chance(sim_random *r, uint64_t per)
{
    return per > 0 && sim_draw(r, 10000) < per;
}

#endif
