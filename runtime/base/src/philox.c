/*
 * philox.c - Philox4x32-10 as in the paper, and the distributions on it.
 */
#include "base/philox.h"
#include <math.h>

uint64_t philox_key(uint64_t seed, uint64_t site)
{
    uint64_t z = seed + site + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void philox_words(uint64_t key, uint64_t step, uint64_t element,
                  uint32_t words[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t c0 = (uint32_t)element, c1 = (uint32_t)(element >> 32);
    uint32_t c2 = (uint32_t)step, c3 = (uint32_t)(step >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)c0 * 0xD2511F53u;
        uint64_t p1 = (uint64_t)c2 * 0xCD9E8D57u;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

double philox_uniform(uint64_t seed, uint64_t site, uint64_t step,
                      uint64_t element)
{
    uint32_t w[4];
    philox_words(philox_key(seed, site), step, element, w);
    return (double)(w[0] >> 8) * 0x1p-24;
}

double philox_normal(uint64_t seed, uint64_t site, uint64_t step,
                     uint64_t element)
{
    static const double two_pi = 6.283185307179586476925;
    uint32_t w[4];
    philox_words(philox_key(seed, site), step, element, w);
    double u1 = (double)((w[0] >> 8) + 1) * 0x1p-24;
    double u2 = (double)(w[1] >> 8) * 0x1p-24;
    return sqrt(-2.0 * log(u1)) * cos(two_pi * u2);
}
