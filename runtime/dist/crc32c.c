/*
 * crc32c.c - CRC-32C by tables, eight bytes at a time (Kounavis and Berry: A
 * systematic approach to building high performance software-based CRC
 * generators, 2005), or by the instruction of SSE 4.2.
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

__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *at, size_t size)
{
    uint64_t wide = ~crc;
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        wide = _mm_crc32_u64(wide, word);
    }
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
