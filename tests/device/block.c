/*
 * block.c - a block of threads: its warps in turn, its barriers.
 */
#include "lanes.h"
#include "race.h"
#include "random.h"
#include "special.h"
#include "traffic.h"
#include <stdlib.h>

static void *aligned(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!p)
        abort();
    return p;
}

/* Each variable and the dynamic part are allocated; the gaps are not. */
static void lay_out_shared(shared_memory *s, const kernel *k, size_t dynamic)
{
    s->bytes = k->shared_placed + dynamic;
    size_t room = s->bytes + 256;
    s->data = aligned(room);
    s->shadow = calloc(room / 4 + 1, 2);
    s->writers = calloc(room / 4 + 1, sizeof *s->writers);
    s->readers = calloc(room / 4 + 1, sizeof *s->readers);
    if (!s->shadow || !s->writers || !s->readers)
        abort();
    for (int v = 0; v < k->shared.count; v++)
        shadow_set(s->shadow, k->shared.data[v].offset, k->shared.data[v].bytes,
                   SHADOW_ALLOCATED);
    shadow_set(s->shadow, k->shared_placed, dynamic, SHADOW_ALLOCATED);
    s->interval = 1;
}

static void fill_constants(const warp *w, const kernel *k)
{
    for (int c = 0; c < k->constants.count; c++) {
        const constant *value = &k->constants.data[c];
        if (value->bytes == 1) {
            *AT(w, value->at, u32) = (u32)value->bits;
            continue;
        }
        for (int l = 0; l < LANES; l++)
            if (value->bytes == 8)
                AT(w, value->at, u64)[l] = value->bits;
            else
                AT(w, value->at, u32)[l] = (u32)value->bits;
    }
}

void block_init(block *b, launch *l)
{
    const kernel *k = l->kernel;
    *b = (block){.launch = l};
    b->threads = l->shape[0] * l->shape[1] * l->shape[2];
    b->warp_count = (b->threads + LANES - 1) / LANES;
    b->warps = calloc(b->warp_count, sizeof *b->warps);
    b->local =
        k->local_bytes ? aligned(b->warp_count * LANES * k->local_bytes) : NULL;
    b->memos = calloc(k->length, sizeof *b->memos);
    if (!b->warps || !b->memos)
        abort();
    for (unsigned n = 0; n < b->warp_count; n++) {
        warp *w = &b->warps[n];
        w->registers = aligned(k->register_bytes);
        memset(w->registers, POISON, k->register_bytes);
        w->index = n, w->block = b;
        fill_constants(w, k);
        special_fill_launch(w);
    }
    lay_out_shared(&b->shared, k, l->dynamic_shared);
}

void block_fini(block *b)
{
    for (unsigned n = 0; n < b->warp_count; n++)
        free(b->warps[n].registers);
    free(b->warps);
    free(b->local);
    free(b->memos);
    free(b->shared.data);
    free(b->shared.shadow);
    free(b->shared.writers);
    free(b->shared.readers);
}

/* Nothing is written yet, and no thread has come before. */
static void clear_shared(shared_memory *s)
{
    memset(s->data, POISON, s->bytes);
    for (size_t k = 0; k < s->bytes / 4 + 1; k++)
        s->shadow[k] &= SHADOW_ALLOCATED;
}

static void next_interval(block *b)
{
    shared_memory *s = &b->shared;
    b->interval++;
    s->interval = (s->interval + 1) % RACE_SHARED_INTERVALS;
    if (s->interval)
        return;
    memset(s->writers, 0, s->bytes);
    memset(s->readers, 0, s->bytes);
    s->interval = 1;
}

void block_begin(block *b, u64 linear)
{
    const launch *l = b->launch;
    b->linear = linear;
    b->index[0] = (unsigned)(linear % l->grid[0]);
    b->index[1] = (unsigned)(linear / l->grid[0] % l->grid[1]);
    b->index[2] = (unsigned)(linear / l->grid[0] / l->grid[1]);
    b->done = false;
    b->spent = 0;
    b->interval = 0;
    memset(b->barrier_counts, 0, sizeof b->barrier_counts);
    b->vote = (barrier_vote){0};
    clear_shared(&b->shared);
    next_interval(b);
    b->interval = 0;
    for (unsigned n = 0; n < b->warp_count; n++) {
        unsigned left = b->threads - n * LANES;
        warp_begin(&b->warps[n],
                   left >= LANES ? ALL_LANES : (UINT32_C(1) << left) - 1);
        special_fill_block(&b->warps[n]);
    }
}

/* Threads at `barrier`; none when a warp is there in parts. */
static unsigned arrived(const block *b, unsigned barrier, const warp **apart)
{
    unsigned threads = 0;
    for (unsigned n = 0; n < b->warp_count; n++) {
        const warp *w = &b->warps[n];
        for (int g = 0; g < w->group_count; g++) {
            const group *at = &w->groups[g];
            if (at->state != AT_BARRIER || at->barrier != barrier)
                continue;
            threads += (unsigned)__builtin_popcount(at->mask);
            if (at->mask != w->live)
                *apart = w;
        }
    }
    return threads;
}

static void release(block *b, unsigned barrier)
{
    for (unsigned n = 0; n < b->warp_count; n++)
        for (int g = 0; g < b->warps[n].group_count; g++) {
            group *at = &b->warps[n].groups[g];
            if (at->state == AT_BARRIER && at->barrier == barrier)
                at->state = READY;
        }
    b->barrier_counts[barrier] = 0;
    b->voted = b->vote;
    b->vote = (barrier_vote){0};
    next_interval(b);
}

/* Where a thread waits at a barrier others do not come to. */
static void report_divergence(const block *b, const warp *apart)
{
    for (unsigned n = 0; n < b->warp_count; n++) {
        warp *w = &b->warps[n];
        if (!w->group_count || (apart && w != apart))
            continue;
        const group *at = &w->groups[0];
        fault_at(w, &b->launch->kernel->code[at->pc - 1],
                 __builtin_ctz(at->mask), CUDA_ERROR_LAUNCH_FAILED,
                 "divergent barrier: %u of %u threads came, others %s",
                 arrived(b, at->barrier, &apart), b->threads,
                 apart ? "of the warp are elsewhere"
                       : "have ended or wait "
                         "elsewhere");
        return;
    }
}

static bool release_barriers(block *b)
{
    bool released = false;
    const warp *apart = NULL;
    for (unsigned barrier = 0; barrier < BARRIERS; barrier++) {
        unsigned threads = arrived(b, barrier, &apart);
        unsigned expected = b->barrier_counts[barrier]
                                ? (unsigned)b->barrier_counts[barrier]
                                : b->threads;
        if (threads && threads == expected && !apart) {
            release(b, barrier);
            released = true;
        }
    }
    if (!released)
        report_divergence(b, apart);
    return released;
}

/* Each warp once, beginning with a random one; how many may go on at once. */
static unsigned run_round(block *b, bool *any_left)
{
    u64 seed = b->launch->seed ^ b->linear * 0x9e3779b9 ^ b->interval;
    unsigned first = (unsigned)(random_mix(seed) % b->warp_count), yields = 0;
    *any_left = false;
    for (unsigned k = 0; k < b->warp_count; k++) {
        warp *w = &b->warps[(first + k) % b->warp_count];
        if (!w->group_count)
            continue;
        warp_state state = warp_run(w);
        yields += state == WARP_YIELDS;
        *any_left |= state != WARP_DONE;
    }
    return yields;
}

void block_run(block *b)
{
    bool any_left = true;
    while (!b->launch->stopped && b->budget > 0) {
        unsigned yields = run_round(b, &any_left);
        if (!any_left) {
            b->done = true;
            return;
        }
        if (!yields && !b->launch->stopped && !release_barriers(b))
            return;
    }
}
