/*
 * bf16.h - the upper half of an F32, and back.
 */
#ifndef PTL_BASE_BF16_H
#define PTL_BASE_BF16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* To the nearest, ties to even; what is no number stays none. */
static inline uint16_t bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float bf16_wide(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* As bytes, two for each, in the machine's order; `by` 1 leaves them alone. */
void bf16_pack(void *to, const float *from, size_t count, float by);
void bf16_unpack(float *to, const void *from, size_t count);
/* In place: of `x[i] / by` the nearest. */
void bf16_round(float *x, size_t count, float by);

#endif
