/*
 * traffic.c - counts sectors of global memory and conflicts of banks.
 *
 * Global memory moves in sectors of 32 bytes. Shared memory has 32 banks of 4
 * bytes; accesses of 8 and 16 bytes go in two and four parts of a warp, and
 * different words in one bank take a cycle each.
 */
#include "traffic.h"

enum { SECTOR = 32, BANKS = 32, SLOTS = 64 };

/* The same for lanes that are as far from the first as last time. */
static u64 key_of(const u64 *at, u32 m, u64 place)
{
    static const u32 odd[LANES] = {
        0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1, 0xd3a2646d,
        0xfd7046c5, 0xb55a4f09, 0x7feb352d, 0x846ca68b, 0x68bc21eb, 0x02e5be93,
        0x967a889b, 0xcc9e2d51, 0x1b873593, 0xe6546b65, 0x52dce729, 0x38495ab5,
        0x2c1b3c6d, 0x297a2d39, 0x5bd1e995, 0x7b7d159b, 0x6c50b47d, 0x1f83d9ab,
        0xa54ff53b, 0x510e527f, 0x9b05688b, 0x3c6ef373, 0xbb67ae85, 0x428a2f99,
        0x71374491, 0xb5c0fbcf,
    };
    u32 low = 0, high = 0;
    for (int l = 0; l < LANES; l++) {
        u32 apart = (u32)(at[l] - at[0]);
        low += apart * odd[l];
        high += (apart ^ apart >> 15) * odd[LANES - 1 - l];
    }
    return ((u64)high << 32 | low) + (u64)m * UINT64_C(0x9e3779b97f4a7c15) +
           place + 1;
}

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

/* Accesses of one size are aligned to it, so two of them are of the same bytes
 * or of none in common. */
static traffic_cost scattered_cost(const u64 *at, u32 m, unsigned size)
{
    u64 sectors_seen[SLOTS] = {0}, places_seen[SLOTS] = {0};
    u64 low = ~UINT64_C(0), high = 0;
    unsigned sectors = 0, places = 0;
    EACH_OF (l, m) {
        sectors += add_new(sectors_seen, at[l] / SECTOR);
        places += add_new(places_seen, at[l]);
        low = at[l] < low ? at[l] : low;
        high = at[l] > high ? at[l] : high;
    }
    unsigned bytes = places * size;
    return (traffic_cost){.cycles = sectors,
                          .ideal = (bytes + SECTOR - 1) / SECTOR,
                          .one_run = high - low + size == bytes};
}

static traffic_cost ordered_cost(u64 first, unsigned bytes)
{
    u64 sectors = (first + bytes - 1) / SECTOR - first / SECTOR + 1;
    return (traffic_cost){.cycles = (u32)sectors,
                          .ideal = (bytes + SECTOR - 1) / SECTOR,
                          .one_run = true};
}

void count_global(counters *c, traffic_memo *memo, const u64 *at, u32 m,
                  pattern p, unsigned size, bool write)
{
    traffic_cost cost = ordered_cost(at[0], p == UNIFORM ? size : LANES * size);
    if (p == SCATTERED) {
        u64 key = key_of(at, m, at[0] % SECTOR << 1);
        if (memo->key != key)
            *memo = (traffic_memo){key, scattered_cost(at, m, size)};
        cost = memo->cost;
    }
    u64 shifted = cost.one_run ? cost.cycles - cost.ideal : 0;
    *(write ? &c->store_sectors : &c->load_sectors) += cost.cycles;
    *(write ? &c->store_sectors_ideal : &c->load_sectors_ideal) += cost.ideal;
    *(write ? &c->store_sectors_shifted : &c->load_sectors_shifted) += shifted;
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

static u32 conflicts(const u64 *at, u32 m, unsigned size)
{
    unsigned lanes = size <= 4 ? 32 : size == 8 ? 16 : 8, cycles = 0;
    for (unsigned from = 0; from < LANES; from += lanes) {
        u32 part = m & (u32)(((UINT64_C(1) << lanes) - 1) << from);
        if (part)
            cycles += worst_bank(at, part, size) - 1;
    }
    return cycles;
}

void count_shared(counters *c, traffic_memo *memo, const u64 *at, u32 m,
                  pattern p, unsigned size)
{
    c->shared_accesses++;
    if (p != SCATTERED)
        return;
    u64 key = key_of(at, m, at[0] % 4);
    if (memo->key != key)
        *memo = (traffic_memo){key, {.cycles = conflicts(at, m, size)}};
    c->bank_conflicts += memo->cost.cycles;
}
