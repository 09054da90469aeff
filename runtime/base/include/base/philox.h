/*
 * philox.h - counter-based random numbers: Philox4x32-10 (Salmon, Moraes,
 * Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011).
 *
 * Every random value of PTL is a pure function of (seed, site, step, element),
 * so it depends on no thread, shard or order. This header is the definition;
 * the oracle calls it and generated kernels compute the same words.
 *
 *   key     = splitmix64(seed + site) as two words, low first
 *   counter = (element low, element high, step low, step high)
 *   uniform = (word0 >> 8) * 2^-24, in [0, 1), exact in f32 and f64
 *   normal  = sqrt(-2 ln u1) * cos(2 pi u2), u1 = ((word0 >> 8) + 1) * 2^-24,
 *             u2 = (word1 >> 8) * 2^-24     (Box and Muller 1958)
 *   bernoulli(p) = uniform < p
 */
#ifndef PTL_BASE_PHILOX_H
#define PTL_BASE_PHILOX_H

#include <stdint.h>

uint64_t philox_key(uint64_t seed, uint64_t site); /* splitmix64(seed + site) */
void philox_words(uint64_t key, uint64_t step, uint64_t element,
                  uint32_t words[4]);
double philox_uniform(uint64_t seed, uint64_t site, uint64_t step,
                      uint64_t element);
double philox_normal(uint64_t seed, uint64_t site, uint64_t step,
                     uint64_t element);

#endif
