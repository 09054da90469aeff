/*
 * bf16.c - see base/bf16.h.
 */
#include "base/bf16.h"

void bf16_pack(void *to, const float *from, size_t count, float by)
{
    uint8_t *at = to;
    for (size_t i = 0; i < count; i++) {
        uint16_t half = bf16_of(from[i] / by);
        memcpy(at + 2 * i, &half, sizeof half);
    }
}

void bf16_unpack(float *to, const void *from, size_t count)
{
    const uint8_t *at = from;
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, at + 2 * i, sizeof half);
        to[i] = bf16_wide(half);
    }
}

void bf16_round(float *x, size_t count, float by)
{
    for (size_t i = 0; i < count; i++)
        x[i] = bf16_wide(bf16_of(x[i] / by));
}
