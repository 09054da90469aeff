/*
 * race.h - who touched each word last, and who must not have.
 *
 * A word of shared memory has two records of 32 bits: interval between barriers
 * (26 bits), warp (5), and whether several warps read. One of global memory has
 * two of 64: launch (14), block (26), interval (17), warp (5), whether several
 * warps or several blocks read. What one warp does is ordered: its lanes are
 * compared within one instruction only. Items of less than 4 bytes are not
 * recorded: neighbours in one word would look like a race.
 */
#ifndef DEVICE_RACE_H
#define DEVICE_RACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RACE_LAUNCHES = 1 << 14,
    RACE_SHARED_INTERVALS = 1 << 26,
    RACE_LAUNCH_SHIFT = 50,
    SEVERAL_WARPS = 1,
    SEVERAL_BLOCKS = 2,
};

static inline uint32_t race_shared_mark(uint32_t interval, unsigned number)
{
    return interval << 6 | number << 1;
}

/* Whether `record` is another warp's in the same interval. */
static inline bool race_shared_meets(uint32_t record, uint32_t mine)
{
    return (record ^ mine) - 1 < 63;
}

static inline bool race_shared_read(uint32_t *writer, uint32_t *reader,
                                    uint32_t mine)
{
    uint32_t seen = *reader;
    *reader = race_shared_meets(seen, mine) ? seen | SEVERAL_WARPS : mine;
    return race_shared_meets(*writer, mine);
}

static inline bool race_shared_write(uint32_t *writer, uint32_t *reader,
                                     uint32_t mine)
{
    bool race =
        race_shared_meets(*writer, mine) || race_shared_meets(*reader, mine);
    *writer = mine;
    return race;
}

static inline uint64_t race_mark(uint64_t op, uint64_t linear_block,
                                 uint32_t interval, unsigned number)
{
    return op % RACE_LAUNCHES << 50 | (linear_block & 0x3ffffff) << 24 |
           (uint64_t)(interval & 0x1ffff) << 7 | (uint64_t)number << 2;
}

/* Whether `record` is of this launch and not before `mine` in its order. */
static inline bool race_meets(uint64_t record, uint64_t mine)
{
    uint64_t differs = record ^ mine;
    if (!differs || differs >> 50)
        return false;
    return differs >> 24 || (record & SEVERAL_BLOCKS) || !(differs >> 7);
}

static inline bool race_read(uint64_t *writer, uint64_t *reader, uint64_t mine)
{
    uint64_t seen = __atomic_load_n(reader, __ATOMIC_RELAXED);
    uint64_t differs = seen ^ mine, now = mine;
    if (!(differs >> 50) && (seen & SEVERAL_BLOCKS))
        now = seen; /* whoever writes now is too late */
    else if (differs && !(differs >> 50))
        now |= differs >> 24     ? SEVERAL_BLOCKS
               : !(differs >> 7) ? SEVERAL_WARPS
                                 : 0;
    if (seen != now)
        __atomic_store_n(reader, now, __ATOMIC_RELAXED);
    return race_meets(__atomic_load_n(writer, __ATOMIC_RELAXED), mine);
}

static inline bool race_write(uint64_t *writer, uint64_t *reader, uint64_t mine)
{
    bool race = race_meets(__atomic_load_n(writer, __ATOMIC_RELAXED), mine) ||
                race_meets(__atomic_load_n(reader, __ATOMIC_RELAXED), mine);
    __atomic_store_n(writer, mine, __ATOMIC_RELAXED);
    return race;
}

/*
 * Rows of words at once, without branches, so that they become vectors: true,
 * with nothing changed, where a word needs a closer look by itself. Threads of
 * the host may meet here; each stores whole records, and either will do.
 */
static inline bool race_row_read(uint64_t *writers, uint64_t *readers,
                                 unsigned words, uint64_t mine)
{
    uint64_t closer = 0;
    for (unsigned k = 0; k < words; k++) {
        uint64_t w = writers[k] ^ mine, r = readers[k] ^ mine;
        uint64_t several = readers[k] & SEVERAL_BLOCKS;
        closer |= (uint64_t)((w - 1) >> 50 == 0) |
                  ((uint64_t)((r - 1) >> 50 == 0) & ~(several >> 1));
    }
    if (closer & 1)
        return true;
    for (unsigned k = 0; k < words; k++)
        readers[k] = (readers[k] ^ mine) >> 50 ? mine : readers[k];
    return false;
}

static inline bool race_row_write(uint64_t *writers, const uint64_t *readers,
                                  unsigned words, uint64_t mine)
{
    uint64_t closer = 0;
    for (unsigned k = 0; k < words; k++) {
        uint64_t w = writers[k] ^ mine, r = readers[k] ^ mine;
        closer |=
            (uint64_t)((w - 1) >> 50 == 0) | (uint64_t)((r - 1) >> 50 == 0);
    }
    if (closer)
        return true;
    for (unsigned k = 0; k < words; k++)
        writers[k] = mine;
    return false;
}

static inline bool race_shared_row_read(const uint32_t *writers,
                                        uint32_t *readers, unsigned words,
                                        uint32_t mine)
{
    uint32_t races = 0;
    for (unsigned k = 0; k < words; k++)
        races |= (uint32_t)race_shared_meets(writers[k], mine);
    for (unsigned k = 0; k < words && !races; k++) {
        uint32_t seen = readers[k];
        readers[k] =
            race_shared_meets(seen, mine) ? seen | SEVERAL_WARPS : mine;
    }
    return races;
}

static inline bool race_shared_row_write(uint32_t *writers,
                                         const uint32_t *readers,
                                         unsigned words, uint32_t mine)
{
    uint32_t races = 0;
    for (unsigned k = 0; k < words; k++)
        races |= (uint32_t)race_shared_meets(writers[k], mine) |
                 (uint32_t)race_shared_meets(readers[k], mine);
    for (unsigned k = 0; k < words && !races; k++)
        writers[k] = mine;
    return races;
}

#endif
