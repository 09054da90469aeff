/*
 * launch.c - the blocks of a grid, on the host's threads.
 *
 * Blocks begin in a random order and each runs to its end. Those of a
 * cooperative launch are all there from the beginning and take turns.
 */
#include "lanes.h"
#include "random.h"
#include "settings.h"
#include <pthread.h>
#include <stdlib.h>

enum { TURN = 20000 };

static u64 block_count(const launch *l)
{
    return (u64)l->grid[0] * l->grid[1] * l->grid[2];
}

static u64 common_divisor(u64 a, u64 b)
{
    return b ? common_divisor(b, a % b) : a;
}

/* The n-th block to begin: n * step + first, where step reaches all. */
static u64 nth_block(const launch *l, u64 n)
{
    u64 count = block_count(l), step = random_mix(l->seed) % count | 1;
    while (common_divisor(step, count) != 1)
        step++;
    return (u64)(((u128)n * step + random_mix(l->seed + 1)) % count);
}

static void report_hang(block *b)
{
    for (unsigned n = 0; n < b->warp_count; n++) {
        warp *w = &b->warps[n];
        if (!w->group_count)
            continue;
        fault_at(w, &b->launch->kernel->code[w->groups[0].pc],
                 __builtin_ctz(w->groups[0].mask), CUDA_ERROR_LAUNCH_TIMEOUT,
                 "still running after %lld instructions",
                 (long long)settings()->limit);
        return;
    }
}

static void collect(launch *l, block *b)
{
    pthread_mutex_lock(&l->lock);
    for (unsigned n = 0; n < b->warp_count; n++)
        counters_add(&l->counts, &b->warps[n].counts);
    pthread_mutex_unlock(&l->lock);
}

static void run_one_by_one(launch *l)
{
    block b;
    block_init(&b, l);
    u64 count = block_count(l), n;
    while (!l->stopped && (n = l->next_block++) < count) {
        block_begin(&b, nth_block(l, n));
        b.budget = settings()->limit;
        block_run(&b);
        if (!b.done && !l->stopped)
            report_hang(&b);
    }
    collect(l, &b);
    block_fini(&b);
}

static bool turns(launch *l, block *blocks, u64 count)
{
    bool all_done = true;
    for (u64 n = 0; n < count && !l->stopped; n++) {
        block *b = &blocks[n];
        if (b->done)
            continue;
        b->budget = TURN;
        block_run(b);
        b->spent += (u64)(TURN - b->budget);
        all_done &= b->done;
        if (!b->done && b->spent > (u64)settings()->limit)
            report_hang(b);
    }
    return all_done;
}

static void run_by_turns(launch *l)
{
    u64 count = block_count(l);
    block *blocks = calloc(count, sizeof *blocks);
    if (!blocks)
        abort();
    for (u64 n = 0; n < count; n++) {
        block_init(&blocks[n], l);
        block_begin(&blocks[n], nth_block(l, n));
    }
    while (!l->stopped && !turns(l, blocks, count))
        ;
    for (u64 n = 0; n < count; n++) {
        collect(l, &blocks[n]);
        block_fini(&blocks[n]);
    }
    free(blocks);
}

static void *work(void *l)
{
    run_one_by_one(l);
    return NULL;
}

void launch_run(launch *l)
{
    pthread_t threads[64];
    int started = 0;
    l->counts.launches = 1, l->counts.blocks = block_count(l);
    if (l->cooperative) {
        run_by_turns(l);
        return;
    }
    int wanted = settings()->threads - 1;
    /* A thread costs more than a few blocks. */
    if ((u64)wanted > block_count(l) / 4)
        wanted = (int)(block_count(l) / 4);
    while (started < wanted &&
           pthread_create(&threads[started], NULL, work, l) == 0)
        started++;
    run_one_by_one(l);
    for (int t = 0; t < started; t++)
        pthread_join(threads[t], NULL);
}
