/*
 * ps_lanes.c - see ps_lanes.h.
 */
#include "train/ps_lanes.h"
#include "base/thread.h"
#include "base/trace.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_LANES = 64 };

/* One thread, with sums, an arena and a run of each bucket's program of its
 * own. */
typedef struct lane {
    ps_lanes *all;
    pthread_t thread;
    ptl_pool *pool; /* of this thread alone */
    ptl_run **runs; /* by bucket; NULL: another owns it */
    char *sum;
    void *weight;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool started, busy, over;
    lane_update update; /* while it is busy */
} lane;

struct ps_lanes {
    const ps_bucket *buckets;
    int bucket_count, count;
    lane lanes[MOST_LANES];
    char *memory;
    size_t bytes;
    uint8_t *snapshot;
};

/* ---------- a lane's thread ---------- */

static void carry_out(lane *l)
{
    double began = trace_now();
    const lane_update *u = &l->update;
    ptl_run *run = l->runs[u->bucket];
    ptl_error err = {0};
    sums_put(l->all->buckets[u->bucket].layout->dtype, l->weight, u->weight);
    run_set(run, "step", u->number);
    run_set(run, "total_steps", u->total_updates);
    run_set(run, "average_from", u->average_from);
    run_set(run, "seed", u->seed);
    /* Everything was bound: nothing is left to fail. */
    if (run_execute(run, &err) != PTL_OK)
        ptl_panic(__FILE__, __LINE__, "%s", err.text);
    ps_bucket_trace(u->bucket, (uint64_t)u->number, began);
}

static void *work(void *arg)
{
    lane *l = arg;
    trace_thread("updates");
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->busy && !l->over)
            pthread_cond_wait(&l->changed, &l->lock);
        if (!l->busy)
            break;
        pthread_mutex_unlock(&l->lock);
        carry_out(l);
        pthread_mutex_lock(&l->lock);
        l->busy = false;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---------- the owner's ---------- */

/* An update takes as long as it takes, and ends. */
static void await_idle(lane *l)
{
    while (l->busy)
        pthread_cond_wait(&l->changed, &l->lock);
}

void lanes_begin(ps_lanes *all, int number, const lane_update *update,
                 const void *part)
{
    lane *l = &all->lanes[number % all->count];
    pthread_mutex_lock(&l->lock);
    await_idle(l);
    sums_run(l->pool, &all->buckets[update->bucket].incoming, SUM_SET, l->sum,
             part, 0);
    l->update = *update;
    l->busy = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

void lanes_await(ps_lanes *all, int bucket)
{
    for (int i = 0; i < all->count; i++) {
        lane *l = &all->lanes[i];
        pthread_mutex_lock(&l->lock);
        if (l->busy && l->update.bucket == bucket)
            await_idle(l);
        pthread_mutex_unlock(&l->lock);
    }
}

/* Elements are of 4 or of 8 bytes, and so are these. */
static void copy_relaxed(void *to, const void *from, size_t bytes, ptl_dtype d)
{
    const uint64_t *long_from = from;
    const uint32_t *short_from = from;
    uint8_t *at = to; /* in a message pieces begin anywhere */
    size_t size = (size_t)dtype_size(d);
    for (size_t i = 0; i < bytes / size; i++, at += size) {
        uint64_t x = size == 8
                         ? __atomic_load_n(&long_from[i], __ATOMIC_RELAXED)
                         : __atomic_load_n(&short_from[i], __ATOMIC_RELAXED);
        memcpy(at, &x, size);
    }
}

const uint8_t *lanes_value(ps_lanes *all, int bucket)
{
    const ps_bucket *b = &all->buckets[bucket];
    const bucket_layout *l = b->layout;
    for (int i = 0; i < l->value.count; i++)
        copy_relaxed(all->snapshot + l->value.data[i].at, b->value + b->at[i],
                     l->value.data[i].bytes, l->dtype);
    return all->snapshot;
}

/* ---------- life ---------- */

static ptl_status no_memory(ptl_error *err)
{
    return ptl_fail(err, PTL_E_MEMORY,
                    "no memory for updates that meet (`locking = false`)");
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Each lane: a weight, sums, an arena; then what values are copied to. */
static ptl_status take_memory(ps_lanes *all, ptl_error *err)
{
    size_t sum = 0, arena = 0, value = 0;
    for (int i = 0; i < all->bucket_count; i++) {
        if (!all->buckets[i].layout)
            continue;
        sum = larger(sum, memory_padded(all->buckets[i].bytes));
        arena = larger(arena, memory_padded(ps_bucket_arena(&all->buckets[i])));
        value = larger(value, all->buckets[i].layout->value_bytes);
    }
    size_t one = PTL_BUFFER_ALIGN + sum + arena;
    all->bytes = (size_t)all->count * one + memory_padded(value);
    all->memory = memory_map(all->bytes);
    if (!all->memory)
        return no_memory(err);
    for (int i = 0; i < all->count; i++) {
        lane *l = &all->lanes[i];
        l->weight = all->memory + (size_t)i * one;
        l->sum = (char *)l->weight + PTL_BUFFER_ALIGN;
    }
    all->snapshot = (uint8_t *)all->memory + (size_t)all->count * one;
    for (int i = 0; i < all->count; i++)
        for (int b = 0; b < all->bucket_count; b++)
            if (all->lanes[i].runs[b])
                run_give_arena(all->lanes[i].runs[b], all->lanes[i].sum + sum);
    return PTL_OK;
}

static ptl_status open_runs(ps_lanes *all, lane *l, ptl_error *err)
{
    ptl_status st = pool_open(1, &l->pool, err);
    l->runs = calloc((size_t)all->bucket_count + 1, sizeof(ptl_run *));
    if (!l->runs)
        return no_memory(err);
    for (int i = 0; i < all->bucket_count && st == PTL_OK; i++)
        if (all->buckets[i].layout)
            st = run_open_without(all->buckets[i].programs[0].program, l->pool,
                                  &l->runs[i], err);
    return st;
}

static ptl_status start(ps_lanes *all, lane *l, ptl_error *err)
{
    for (int i = 0; i < all->bucket_count; i++)
        if (l->runs[i])
            ps_bucket_bind_update(&all->buckets[i], l->runs[i], l->sum,
                                  l->weight);
    l->all = all;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    if (thread_start(&l->thread, work, l) != 0)
        return ptl_fail(err, PTL_E_MEMORY, "could not start a thread");
    l->started = true;
    return PTL_OK;
}

ptl_status lanes_open(const ps_bucket *buckets, int bucket_count, int count,
                      ps_lanes **out, ptl_error *err)
{
    ps_lanes *all = *out = calloc(1, sizeof *all);
    ptl_status st = PTL_OK;
    if (!all)
        return no_memory(err);
    all->buckets = buckets;
    all->bucket_count = bucket_count;
    all->count = count < MOST_LANES ? count : MOST_LANES;
    for (int i = 0; i < all->count && st == PTL_OK; i++)
        st = open_runs(all, &all->lanes[i], err);
    if (st == PTL_OK)
        st = take_memory(all, err);
    for (int i = 0; i < all->count && st == PTL_OK; i++)
        st = start(all, &all->lanes[i], err);
    return st;
}

static void close_lane(const ps_lanes *all, lane *l)
{
    if (l->started) {
        pthread_mutex_lock(&l->lock);
        l->over = true;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
        pthread_cond_destroy(&l->changed);
        pthread_mutex_destroy(&l->lock);
    }
    for (int i = 0; l->runs && i < all->bucket_count; i++)
        run_close(l->runs[i]);
    free(l->runs);
    pool_close(l->pool);
}

void lanes_close(ps_lanes *all)
{
    if (!all)
        return;
    for (int i = 0; i < all->count; i++)
        close_lane(all, &all->lanes[i]);
    memory_unmap(all->memory, all->bytes);
    free(all);
}
