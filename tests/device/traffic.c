/*
 * traffic.c - counts sectors of global memory and conflicts of banks.
 *
 * Global memory moves in sectors of 32 bytes. Shared memory has 32 banks of 4
 * bytes; accesses of 8 and 16 bytes go in two and four parts of a warp, and
 * different words in one bank take a cycle each.
 */
#include "traffic.h"

enum { SECTOR = 32, BANKS = 32, SLOTS = 64 };

/* Adds `key` to a table of at most 32 others; false when it was there. */
static bool add_new(u64 *table, u64 key)
{
    unsigned slot = (unsigned)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 58);
    for (; table[slot]; slot = (slot + 1) % SLOTS)
        if (table[slot] == key + 1)
            return false;
    table[slot] = key + 1;
    return true;
}

static unsigned scattered_sectors(const u64 *at, u32 m, unsigned size)
{
    u64 seen[SLOTS] = {0}, last = ~UINT64_C(0);
    unsigned sectors = 0;
    EACH_OF (l, m) {
        u64 sector = at[l] / SECTOR;
        if (sector != last)
            sectors += add_new(seen, sector);
        last = sector;
    }
    return size > SECTOR ? sectors * size / SECTOR : sectors;
}

void count_global(counters *c, const u64 *at, u32 m, pattern p, unsigned size,
                  bool write)
{
    u64 first = at[0], sectors;
    unsigned bytes =
        p == UNIFORM ? size : (unsigned)__builtin_popcount(m) * size;
    if (p == IN_ORDER)
        sectors = (first + LANES * size - 1) / SECTOR - first / SECTOR + 1;
    else
        sectors = p == UNIFORM ? 1 : scattered_sectors(at, m, size);
    u64 ideal = (bytes + SECTOR - 1) / SECTOR;
    *(write ? &c->store_sectors : &c->load_sectors) += sectors;
    *(write ? &c->store_sectors_ideal : &c->load_sectors_ideal) += ideal;
}

/* The most words that lanes of `m` want of one bank. */
static unsigned worst_bank(const u64 *at, u32 m, unsigned size)
{
    u64 seen[SLOTS] = {0}; /* 32 words at most */
    unsigned wanted[BANKS] = {0}, worst = 1;
    EACH_OF (l, m)
        for (unsigned k = 0; k < (size + 3) / 4; k++) {
            u64 word = at[l] / 4 + k;
            unsigned bank = (unsigned)(word % BANKS);
            if (add_new(seen, word) && ++wanted[bank] > worst)
                worst = wanted[bank];
        }
    return worst;
}

void count_shared(counters *c, const u64 *at, u32 m, pattern p, unsigned size)
{
    unsigned lanes = size <= 4 ? 32 : size == 8 ? 16 : 8;
    c->shared_accesses++;
    if (p != SCATTERED)
        return;
    for (unsigned from = 0; from < LANES; from += lanes) {
        u32 part = m & (u32)(((UINT64_C(1) << lanes) - 1) << from);
        if (part)
            c->bank_conflicts += worst_bank(at, part, size) - 1;
    }
}
