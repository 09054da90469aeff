/*
 * crc32c.c - CRC-32C by tables, eight bytes at a time (Kounavis and Berry: A
 * systematic approach to building high performance software-based CRC
 * generators, 2005), or by the instruction of SSE 4.2. That takes three cycles
 * and begins another each cycle, so long texts go in three lanes side by side,
 * joined as in Gopal et al.: Fast CRC computation for iSCSI polynomial using
 * CRC32 instruction, 2011, but by tables.
 */
#include "dist/crc32c.h"
#include <pthread.h>
#include <string.h>

enum { POLYNOMIAL = (int)0x82f63b78 }; /* bits from low to high */

static uint32_t tables[8][256]; /* [k]: the byte is followed by k others */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_tables(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? (uint32_t)POLYNOMIAL : 0);
        tables[0][b] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            tables[k][b] =
                tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 255];
}

uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    pthread_once(&once, fill_tables);
    crc = ~crc;
    for (; size >= 8; size -= 8, at += 8) {
        uint32_t next = 0;
        for (int i = 0; i < 4; i++)
            next ^= tables[7 - i][at[i] ^ (crc >> 8 * i & 255)] ^
                    tables[3 - i][at[4 + i]];
        crc = next;
    }
    for (; size > 0; size--, at++)
        crc = crc >> 8 ^ tables[0][(crc ^ *at) & 255];
    return ~crc;
}

#ifdef __x86_64__
#include <nmmintrin.h>

/* Bytes, and the register after so many zeros, by each byte of it before. Long
 * lanes are read from memory faster, short ones leave less at the end. */
typedef struct lanes {
    size_t bytes;
    uint32_t zeros[4][256];
} lanes;

static lanes long_lanes = {.bytes = 64 << 10}, short_lanes = {.bytes = 2 << 10};
static pthread_once_t lanes_once = PTHREAD_ONCE_INIT;

static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

__attribute__((target("sse4.2"))) static uint32_t after_zeros(uint32_t crc,
                                                              size_t bytes)
{
    uint64_t wide = crc;
    for (size_t i = 0; i < bytes; i += 8)
        wide = _mm_crc32_u64(wide, 0);
    return (uint32_t)wide;
}

/* It is linear: what bits become, added up. */
static void fill_zeros(lanes *l)
{
    for (int k = 0; k < 4; k++)
        for (uint32_t bit = 0; bit < 8; bit++) {
            uint32_t half = 1u << bit;
            uint32_t value = after_zeros(half << 8 * k, l->bytes);
            for (uint32_t b = 0; b < half; b++)
                l->zeros[k][half + b] = l->zeros[k][b] ^ value;
        }
}

static void fill_lanes(void)
{
    fill_zeros(&long_lanes);
    fill_zeros(&short_lanes);
}

static uint32_t skip_lane(const lanes *l, uint32_t crc)
{
    return l->zeros[0][crc & 255] ^ l->zeros[1][crc >> 8 & 255] ^
           l->zeros[2][crc >> 16 & 255] ^ l->zeros[3][crc >> 24];
}

/* Of three lanes, which lie one after another. */
__attribute__((target("sse4.2"))) static uint32_t
three_lanes(const lanes *l, uint32_t crc, const uint8_t *at)
{
    uint64_t a = crc, b = 0, c = 0;
    const uint8_t *end = at + l->bytes;
    size_t lane = l->bytes;
    for (; at < end; at += 8) {
        a = _mm_crc32_u64(a, word_at(at));
        b = _mm_crc32_u64(b, word_at(at + lane));
        c = _mm_crc32_u64(c, word_at(at + 2 * lane));
    }
    crc = skip_lane(l, (uint32_t)a) ^ (uint32_t)b;
    return skip_lane(l, crc) ^ (uint32_t)c;
}

__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *at, size_t size)
{
    crc = ~crc;
    if (size >= 3 * short_lanes.bytes)
        pthread_once(&lanes_once, fill_lanes);
    while (size >= 3 * short_lanes.bytes) {
        const lanes *l =
            size >= 3 * long_lanes.bytes ? &long_lanes : &short_lanes;
        crc = three_lanes(l, crc, at);
        at += 3 * l->bytes;
        size -= 3 * l->bytes;
    }
    uint64_t wide = crc;
    for (; size >= 8; size -= 8, at += 8)
        wide = _mm_crc32_u64(wide, word_at(at));
    crc = (uint32_t)wide;
    for (; size > 0; size--, at++)
        crc = _mm_crc32_u8(crc, *at);
    return ~crc;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size)
{
    if (__builtin_cpu_supports("sse4.2"))
        return by_instruction(crc, bytes, size);
    return crc32c_portable(crc, bytes, size);
}
#else
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size)
{
    return crc32c_portable(crc, bytes, size);
}
#endif
