/*
 * exec_memory.c - loads and stores of whole warps.
 *
 * at[0] is the address, at[1] to at[4] (more[0] on) the items. Global and
 * shared memory are checked for all lanes together: within the region, aligned,
 * allocated, written. Where that fails, or lanes go to another device, each
 * lane is looked at alone (access.c), which finds out what is wrong.
 */
#include "access.h"
#include "handlers.h"
#include "order.h"
#include "race.h"
#include "traffic.h"

#define INLINE static inline __attribute__((always_inline))

typedef struct {
    u8 *data, *shadow;
    u64 base, bytes;
} window;

INLINE window window_of(const warp *w, ptx_space space)
{
    const block *b = w->block;
    if (space == PTX_SHARED)
        return (window){b->shared.data, b->shared.shadow, 0, b->shared.bytes};
    const device_memory *d = b->launch->device;
    return (window){d->host, d->shadow, d->base, d->end};
}

/* Offsets in the window. Lanes that do not take part repeat the first. */
INLINE void offsets(const warp *w, const insn *i, u32 m, u64 base, u64 *at)
{
    u64 shift = (u64)i->imm - base;
    if (i->wide_address) {
        const u64 *a = AT(w, i->at[0], u64);
        EACH_LANE (l)
            at[l] = a[l] + shift;
    } else {
        const u32 *a = AT(w, i->at[0], u32);
        EACH_LANE (l)
            at[l] = a[l] + shift;
    }
    if (m != ALL_LANES) {
        u64 first = at[__builtin_ctz(m)];
        EACH_LANE (l)
            at[l] = m >> l & 1 ? at[l] : first;
    }
}

/* All within the window and aligned? */
INLINE bool in_place(const u64 *at, u64 bytes, unsigned size)
{
    u64 bad = 0, low = 0, last = bytes - size;
    EACH_LANE (l) {
        bad |= at[l] | (last - at[l]);
        low |= at[l];
    }
    return !(bad >> 63) && !(low & (size - 1));
}

INLINE pattern pattern_of(const u64 *at, u32 m, unsigned size)
{
    u64 apart = 0, gaps = 0, first = at[0];
    EACH_LANE (l) {
        apart |= at[l] ^ first;
        gaps |= at[l] ^ (first + (u64)l * size);
    }
    if (!apart)
        return UNIFORM;
    return !gaps && m == ALL_LANES ? IN_ORDER : SCATTERED;
}

/* Lanes of which no other just before, or half a warp before, is in the same
 * place: looking at those is enough. */
INLINE u32 distinct(const u64 *at, pattern p)
{
    s32 same[LANES] = {0};
    if (p != SCATTERED)
        return p == UNIFORM ? 1 : ALL_LANES;
    for (int l = 1; l < LANES; l++)
        same[l] = -(s32)(at[l] == at[l - 1]);
    for (int l = LANES / 2; l < LANES; l++)
        same[l] |= -(s32)(at[l] == at[l - LANES / 2]);
    return ~mask_of(same);
}

INLINE u8 shadow_mask(u64 at, unsigned size, u8 bits)
{
    unsigned bytes = size >= 4 ? 0xf : (1u << size) - 1;
    return (u8)((bytes << (at & 3)) * 0x11 & bits);
}

/* Whether the shadow of all that is accessed has `bits`. */
INLINE bool shadow_all(const u8 *shadow, const u64 *at, pattern p,
                       u32 looked_at, unsigned size, u8 bits)
{
    u32 lacking = 0, each = bits * UINT32_C(0x01010101);
    if (p == IN_ORDER && size >= 4) {
        const u8 *s = shadow + (at[0] >> 2);
        for (unsigned k = 0; k < LANES * size / 4; k++)
            lacking |= (u8)~s[k];
        return !(lacking & bits);
    }
    EACH_OF (l, looked_at) {
        u32 has = each;
        memcpy(&has, shadow + (at[l] >> 2), size >= 16 ? 4 : (size + 3) / 4);
        if (size == 32) {
            u32 more;
            memcpy(&more, shadow + (at[l] >> 2) + 4, 4);
            has &= more;
        }
        lacking |= ~has & (size >= 4 ? each : shadow_mask(at[l], size, bits));
    }
    return !lacking;
}

INLINE void shadow_write(u8 *shadow, const u64 *at, pattern p, unsigned size)
{
    if (p == IN_ORDER && size >= 4) {
        memset(shadow + (at[0] >> 2), SHADOW_BOTH, LANES * size / 4);
        return;
    }
    for (int l = 0; l < (p == UNIFORM ? 1 : LANES); l++) {
        u8 *s = shadow + (at[l] >> 2);
        if (size < 4)
            __atomic_fetch_or(s, shadow_mask(at[l], size, SHADOW_WRITTEN),
                              __ATOMIC_RELAXED);
        else
            for (unsigned k = 0; k < size / 4; k++)
                s[k] = SHADOW_BOTH;
    }
}

/* 4 words of shared memory at once, as race_shared_read does one. */
INLINE bool race_shared_read_4(u32 *writers, u32 *readers, u32 mine)
{
    const __m128i marks = _mm_set1_epi32((s32)mine), one = _mm_set1_epi32(1);
    const __m128i last = _mm_set1_epi32(62); /* record ^ mine from 1 to 63 */
    __m128i w = _mm_loadu_si128((__m128i *)(void *)writers);
    __m128i r = _mm_loadu_si128((__m128i *)(void *)readers);
    __m128i wd = _mm_sub_epi32(_mm_xor_si128(w, marks), one);
    __m128i rd = _mm_sub_epi32(_mm_xor_si128(r, marks), one);
    __m128i wm = _mm_cmpeq_epi32(_mm_min_epu32(wd, last), wd);
    __m128i rm = _mm_cmpeq_epi32(_mm_min_epu32(rd, last), rd);
    r = _mm_blendv_epi8(marks, _mm_or_si128(r, one), rm);
    _mm_storeu_si128((__m128i *)(void *)readers, r);
    return !_mm_testz_si128(wm, wm);
}

INLINE bool race_shared(warp *w, u64 word, unsigned words, bool write)
{
    shared_memory *s = &w->block->shared;
    u32 *writer = s->writers + word, *reader = s->readers + word;
    bool race = false;
    if (!write && words == 4)
        return race_shared_read_4(writer, reader, w->shared_mark);
    for (unsigned k = 0; k < words; k++)
        race |= write
                    ? race_shared_write(writer + k, reader + k, w->shared_mark)
                    : race_shared_read(writer + k, reader + k, w->shared_mark);
    return race;
}

INLINE bool race_global(warp *w, u64 word, unsigned words, bool write)
{
    const device_memory *d = w->block->launch->device;
    u64 *writer = d->writers + word, *reader = d->readers + word;
    bool race = false;
    for (unsigned k = 0; k < words; k++)
        race |= write ? race_write(writer + k, reader + k, w->race_mark)
                      : race_read(writer + k, reader + k, w->race_mark);
    return race;
}

/* Whether all is well with the words of lanes that go one behind the other. */
INLINE bool row_unraced(warp *w, ptx_space space, u64 at, unsigned size,
                        bool write)
{
    u64 word = at >> 2;
    const unsigned words = LANES * size / 4;
    if (space == PTX_SHARED) {
        shared_memory *s = &w->block->shared;
        u32 *writers = s->writers + word, *readers = s->readers + word;
        return !(write ? race_shared_row_write(writers, readers, words,
                                               w->shared_mark)
                       : race_shared_row_read(writers, readers, words,
                                              w->shared_mark));
    }
    const device_memory *d = w->block->launch->device;
    u64 *writers = d->writers + word, *readers = d->readers + word;
    return !(write ? race_row_write(writers, readers, words, w->race_mark)
                   : race_row_read(writers, readers, words, w->race_mark));
}

/* False after reporting a lane that meets other work, which nothing orders. */
static bool waited(warp *w, const insn *i, const u64 *at, u32 looked_at,
                   unsigned size, bool write)
{
    const launch *l = w->block->launch;
    EACH_OF (lane, looked_at)
        if (order_meets(l->device, at[lane] >> 2, size / 4, l->unordered,
                        write)) {
            access_unordered(w, i, (int)lane, l->device->base + at[lane]);
            return false;
        }
    return true;
}

static bool others_read(const warp *w, const u64 *at, u32 looked_at,
                        unsigned size)
{
    const launch *l = w->block->launch;
    bool others = false;
    EACH_OF (lane, looked_at)
        others |=
            order_meets(l->device, at[lane] >> 2, size / 4, l->unordered, true);
    return others;
}

/* Reports the first lane that meets another; false when there was one. */
INLINE bool unraced(warp *w, const insn *i, ptx_space space, const u64 *at,
                    pattern p, u32 looked_at, unsigned size, bool write)
{
    if (size >= 4 && space == PTX_GLOBAL && w->block->launch->unordered) {
        if (!waited(w, i, at, looked_at, size, write))
            return false;
        if (!write && others_read(w, at, looked_at, size))
            return true; /* their record stays, for who writes later */
    }
    if (size < 4 || (space == PTX_GLOBAL && !w->block->launch->races))
        return true;
    if (p == IN_ORDER && row_unraced(w, space, at[0], size, write))
        return true;
    EACH_OF (l, looked_at) {
        bool race = space == PTX_SHARED
                        ? race_shared(w, at[l] >> 2, size / 4, write)
                        : race_global(w, at[l] >> 2, size / 4, write);
        if (race) {
            access_race(w, i, (int)l, space, window_of(w, space).base + at[l]);
            return false;
        }
    }
    return true;
}

INLINE void count_traffic(warp *w, const insn *i, ptx_space space,
                          const u64 *at, u32 m, pattern p, unsigned size,
                          bool write)
{
    traffic_memo *memo = w->block->memos + (i - w->block->launch->kernel->code);
    if (space == PTX_GLOBAL)
        count_global(&w->counts, memo, at, m, p, size, write);
    else
        count_shared(&w->counts, memo, at, m, p, size);
}

/* All lanes' 4 words: 4 lanes are read as rows and stored as columns. */
INLINE void read_rows_of_4(warp *w, const insn *i, const u8 *data,
                           const u64 *at)
{
    f32 *d[4];
    for (int k = 0; k < 4; k++)
        d[k] = AT(w, i->at[1 + k], f32);
    for (int l = 0; l < LANES; l += 4) {
        __m128 r[4];
        for (int k = 0; k < 4; k++)
            r[k] =
                _mm_loadu_ps((const float *)(const void *)(data + at[l + k]));
        _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]);
        for (int k = 0; k < 4; k++)
            _mm_storeu_ps(d[k] + l, r[k]);
    }
}

INLINE bool all_wanted(const insn *i, unsigned count)
{
    bool all = true;
    for (unsigned k = 0; k < count; k++)
        all &= i->at[1 + k] != NO_OPERAND;
    return all;
}

INLINE void read_items(warp *w, const insn *i, u32 m, const window *from,
                       const u64 *at, unsigned bytes, unsigned count)
{
    if (bytes == 4 && count == 4 && is_full(w, m) && all_wanted(i, 4)) {
        read_rows_of_4(w, i, from->data, at);
        return;
    }
    for (unsigned k = 0; k < count; k++) {
        int32_t place = k < 4 ? i->at[1 + k] : i->more[k - 4];
        if (place == NO_OPERAND)
            continue;
        if (bytes == 8) {
            u64 *d = AT(w, place, u64);
            EACH_OF (l, m)
                memcpy(&d[l], from->data + at[l] + k * 8, 8);
        } else {
            u32 *d = AT(w, place, u32);
            EACH_OF (l, m)
                memcpy(&d[l], from->data + at[l] + k * 4, 4);
        }
    }
}

/* Bytes and halves, and registers wider than what is loaded. */
INLINE void read_small(warp *w, const insn *i, u32 m, const window *from,
                       const u64 *at, unsigned bytes, unsigned count)
{
    int above = 64 - 8 * (int)bytes;
    for (unsigned k = 0; k < count; k++) {
        int32_t place = k < 4 ? i->at[1 + k] : i->more[k - 4];
        if (place == NO_OPERAND)
            continue;
        EACH_OF (l, m) {
            u64 bits = 0;
            memcpy(&bits, from->data + at[l] + k * bytes, bytes);
            if (i->sign)
                bits = (u64)((s64)(bits << above) >> above);
            if (i->wide == 8)
                AT(w, place, u64)[l] = bits;
            else
                AT(w, place, u32)
            [l] = (u32)(i->wide == 2 ? bits & 0xffff : bits);
        }
    }
}

INLINE void write_items(const warp *w, const insn *i, u32 m, const window *to,
                        const u64 *at, unsigned bytes, unsigned count)
{
    for (unsigned k = 0; k < count; k++) {
        int32_t place = k < 4 ? i->at[1 + k] : i->more[k - 4];
        const char *from = w->registers + place;
        unsigned step = i->wide == 8 ? 8 : 4;
        EACH_OF (l, m)
            memcpy(to->data + at[l] + k * bytes, from + l * step, bytes);
    }
}

INLINE void load(warp *w, const insn *i, u32 m, ptx_space space, unsigned bytes,
                 unsigned count)
{
    const unsigned size = bytes * count;
    window from = window_of(w, space);
    u64 at[LANES];
    offsets(w, i, m, from.base, at);
    if (!in_place(at, from.bytes, size)) {
        run_access_each(w, i, m);
        return;
    }
    pattern p = pattern_of(at, m, size);
    if (w->block->launch->checks) {
        u32 looked_at = distinct(at, p);
        if (!shadow_all(from.shadow, at, p, looked_at, size, SHADOW_BOTH)) {
            run_access_each(w, i, m);
            return;
        }
        if (!unraced(w, i, space, at, p, looked_at, size, false))
            return;
        count_traffic(w, i, space, at, m, p, size, false);
    }
    if (bytes < 4 || i->wide != bytes)
        read_small(w, i, m, &from, at, bytes, count);
    else if (p == IN_ORDER && count == 1)
        memcpy(w->registers + i->at[1], from.data + at[0], LANES * bytes);
    else
        read_items(w, i, m, &from, at, bytes, count);
}

/* Lanes that wrote the same place must have written the same. */
INLINE bool kept(warp *w, const insn *i, u32 m, const window *in, const u64 *at,
                 ptx_space space, unsigned bytes)
{
    const char *from = w->registers + i->at[1];
    unsigned step = i->wide == 8 ? 8 : 4;
    EACH_OF (l, m)
        if (memcmp(in->data + at[l], from + l * step, bytes) != 0) {
            access_race(w, i, (int)l, space, in->base + at[l]);
            return false;
        }
    return true;
}

INLINE void store(warp *w, const insn *i, u32 m, ptx_space space,
                  unsigned bytes, unsigned count)
{
    const unsigned size = bytes * count;
    window to = window_of(w, space);
    u64 at[LANES];
    offsets(w, i, m, to.base, at);
    if (!in_place(at, to.bytes, size)) {
        run_access_each(w, i, m);
        return;
    }
    pattern p = pattern_of(at, m, size);
    if (w->block->launch->checks) {
        u32 looked_at = distinct(at, p);
        if (!shadow_all(to.shadow, at, p, looked_at, size, SHADOW_ALLOCATED)) {
            run_access_each(w, i, m);
            return;
        }
        if (!unraced(w, i, space, at, p, looked_at, size, true))
            return;
        shadow_write(to.shadow, at, p, size);
        count_traffic(w, i, space, at, m, p, size, true);
    }
    if (p == IN_ORDER && count == 1 && bytes >= 4 && i->wide == bytes) {
        memcpy(to.data + at[0], w->registers + i->at[1], LANES * bytes);
        return;
    }
    write_items(w, i, m, &to, at, bytes, count);
    if (p != IN_ORDER && w->block->launch->checks)
        kept(w, i, m, &to, at, space, bytes);
}

/* One handler for each space, size of an item and number of items. */
#define SIZES(X, space)                                                        \
    X(space, 1, 1)                                                             \
    X(space, 2, 1)                                                             \
    X(space, 4, 1)                                                             \
    X(space, 8, 1)                                                             \
    X(space, 1, 2)                                                             \
    X(space, 2, 2)                                                             \
    X(space, 4, 2)                                                             \
    X(space, 8, 2)                                                             \
    X(space, 1, 4)                                                             \
    X(space, 2, 4)                                                             \
    X(space, 4, 4)                                                             \
    X(space, 8, 4)                                                             \
    X(space, 4, 8)
#define HANDLERS(space, bytes, count)                                          \
    static void load_##space##_##bytes##_##count(warp *w, const insn *i,       \
                                                 u32 m)                        \
    {                                                                          \
        load(w, i, m, space, bytes, count);                                    \
    }                                                                          \
    static void store_##space##_##bytes##_##count(warp *w, const insn *i,      \
                                                  u32 m)                       \
    {                                                                          \
        store(w, i, m, space, bytes, count);                                   \
    }
SIZES(HANDLERS, PTX_GLOBAL)
SIZES(HANDLERS, PTX_SHARED)

static const struct {
    ptx_space space;
    int bytes, count;
    run_fn *load, *store;
} handlers[] = {
#define ROW(space, bytes, count)                                               \
    {space, bytes, count, load_##space##_##bytes##_##count,                    \
     store_##space##_##bytes##_##count},
    SIZES(ROW, PTX_GLOBAL) SIZES(ROW, PTX_SHARED)};

static int find(ptx_space space, int bytes, int count)
{
    int rows = (int)(sizeof handlers / sizeof *handlers);
    for (int h = 0; h < rows; h++)
        if (handlers[h].space == space && handlers[h].bytes == bytes &&
            handlers[h].count == count)
            return h;
    return -1;
}

run_fn *load_handler(ptx_space space, int bytes, int count)
{
    int h = find(space, bytes, count);
    return h < 0 ? run_access_each : handlers[h].load;
}

run_fn *store_handler(ptx_space space, int bytes, int count)
{
    int h = find(space, bytes, count);
    return h < 0 ? run_access_each : handlers[h].store;
}
