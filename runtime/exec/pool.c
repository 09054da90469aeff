/*
 * pool.c - threads that wait for the next step by spinning briefly, then by
 * sleeping; and take over from one another.
 *
 * A step's tasks are cut into one range for each thread, a range into a few
 * pieces. A thread takes the pieces of its own range in order, then those
 * nobody has taken yet of the others: on a machine busy with other work, a
 * thread that does not get a core holds up only the piece it is in. Which
 * thread runs a task changes no result (program.h).
 *
 * The caller writes the step and every range's `taken` word for the coming
 * generation, then raises `generation`. Whoever takes a piece does so by
 * raising `taken`, which holds the generation too: a thread that comes late
 * takes nothing and has read nothing of the step. `pending` counts pieces; the
 * caller returns when it is zero. Between the steps of a program a worker is
 * back within the spin; between programs it sleeps on a futex.
 */
#include "runtime/pool.h"
#include "base/thread.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    SPINS = 2000, /* some tens of microseconds: the gap between two steps */
    PIECES = 4,   /* of a range, usually */
    WAIT_MS = 500 /* no sleep is longer; a lost wake-up costs this much */
};

typedef struct worker {
    ptl_pool *pool;
    pthread_t thread;
    int index;
    /* Of this thread's range: the generation, shifted left by 32, how many
     * pieces it has, shifted by 16, and how many are taken. In a cache line of
     * its own. */
    _Alignas(64) _Atomic uint64_t taken;
} worker;

struct ptl_pool {
    int threads;     /* workers + the caller */
    int spins;       /* 0 where threads outnumber cores: spinning would block */
    worker *workers; /* the caller is number 0 */

    /* The step; read only by who has taken a piece of it. */
    ptl_entry entry;
    void *const *args;
    int64_t task_count;
    int pieces; /* of each range */
    atomic_bool stop;

    _Alignas(64) _Atomic uint32_t generation;
    _Atomic uint32_t sleepers; /* workers asleep on `generation` */
    _Alignas(64) _Atomic uint32_t pending;
    _Atomic uint32_t caller_sleeps; /* on `pending` */
};

/* Returns when woken, when *word is not `seen`, or after WAIT_MS. */
static void sleep_on(_Atomic uint32_t *word, uint32_t seen)
{
    struct timespec limit = {0, WAIT_MS * 1000000L};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, &limit, NULL, 0);
}

static void wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Cuts `count` into `parts` of sizes that differ by at most one: where does
 * part `index` begin? */
static int64_t cut(int64_t count, int parts, int index)
{
    int64_t share = count / parts, extra = count % parts;
    return share * index + (index < extra ? index : extra);
}

static void run_piece(const ptl_pool *pool, int owner, int piece)
{
    int64_t first = cut(pool->task_count, pool->threads, owner);
    int64_t count = cut(pool->task_count, pool->threads, owner + 1) - first;
    int64_t begin = first + cut(count, pool->pieces, piece);
    int64_t end = first + cut(count, pool->pieces, piece + 1);
    if (begin < end)
        pool->entry(pool->args, begin, end);
}

/* The next piece of the owner's range, -1: none is left, or the step is over.
 */
static int take_piece(worker *owner, uint32_t generation)
{
    uint64_t seen = atomic_load(&owner->taken);
    do {
        if (seen >> 32 != generation ||
            (uint16_t)seen >= (uint16_t)(seen >> 16))
            return -1;
    } while (!atomic_compare_exchange_weak(&owner->taken, &seen, seen + 1));
    return (int)(uint16_t)seen;
}

/* Runs what can be had of the step, one's own range first; how many pieces it
 * was. */
static uint32_t run_pieces(ptl_pool *pool, int self, uint32_t generation)
{
    uint32_t done = 0;
    int piece;
    for (int i = 0; i < pool->threads; i++) {
        int owner = (self + i) % pool->threads;
        while ((piece = take_piece(&pool->workers[owner], generation)) >= 0) {
            run_piece(pool, owner, piece);
            done++;
        }
    }
    return done;
}

static uint32_t await_generation(ptl_pool *pool, uint32_t seen)
{
    for (int i = 0; i < pool->spins; i++) {
        uint32_t now =
            atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (now != seen)
            return now;
        relax();
    }
    atomic_fetch_add(&pool->sleepers, 1);
    uint32_t now;
    while ((now = atomic_load(&pool->generation)) == seen)
        sleep_on(&pool->generation, seen);
    atomic_fetch_sub(&pool->sleepers, 1);
    return now;
}

static void await_workers(ptl_pool *pool)
{
    uint32_t left;
    for (int i = 0; i < pool->spins; i++) {
        if (!atomic_load_explicit(&pool->pending, memory_order_acquire))
            return;
        relax();
    }
    atomic_store(&pool->caller_sleeps, 1);
    while ((left = atomic_load(&pool->pending)) != 0)
        sleep_on(&pool->pending, left);
    atomic_store(&pool->caller_sleeps, 0);
}

static void *work(void *arg)
{
    worker *w = arg;
    ptl_pool *pool = w->pool;
    uint32_t seen = 0;
    for (;;) {
        seen = await_generation(pool, seen);
        if (atomic_load(&pool->stop))
            return NULL;
        uint32_t done = run_pieces(pool, w->index, seen);
        if (done && atomic_fetch_sub(&pool->pending, done) == done &&
            atomic_load(&pool->caller_sleeps))
            wake_all(&pool->pending);
    }
}

static void raise_generation(ptl_pool *pool)
{
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleepers))
        wake_all(&pool->generation);
}

void pool_run(ptl_pool *pool, ptl_entry entry, void *const *args,
              int64_t task_count, int pieces)
{
    if (task_count < 2 || pool->threads == 1) {
        if (task_count > 0)
            entry(args, 0, task_count);
        return;
    }
    pool->entry = entry;
    pool->args = args;
    pool->task_count = task_count;
    pool->pieces = pieces > 0 && pieces < PIECES ? pieces : PIECES;
    atomic_store(&pool->pending, (uint32_t)(pool->threads * pool->pieces));
    uint32_t next = atomic_load(&pool->generation) + 1;
    for (int i = 0; i < pool->threads; i++)
        atomic_store(&pool->workers[i].taken,
                     (uint64_t)next << 32 | (uint64_t)pool->pieces << 16);
    raise_generation(pool);
    atomic_fetch_sub(&pool->pending, run_pieces(pool, 0, next));
    await_workers(pool);
}

int pool_threads(const ptl_pool *pool)
{
    return pool->threads;
}

int pool_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

/* Ends workers 1 to `count` - 1 and frees the pool. */
static void end_workers(ptl_pool *pool, int count)
{
    atomic_store(&pool->stop, true);
    raise_generation(pool);
    for (int i = 1; i < count; i++)
        pthread_join(pool->workers[i].thread, NULL);
    free(pool->workers);
    free(pool);
}

ptl_status pool_open(int threads, ptl_pool **out, ptl_error *err)
{
    int count = threads > 0 ? threads : pool_cores();
    ptl_pool *pool = aligned_alloc(64, sizeof *pool);
    worker *workers = aligned_alloc(64, (size_t)count * sizeof *workers);
    if (!pool || !workers) {
        free(pool);
        free(workers);
        return ptl_fail(err, PTL_E_MEMORY, "no memory for %d threads", count);
    }
    memset(pool, 0, sizeof *pool);
    memset(workers, 0, (size_t)count * sizeof *workers);
    pool->threads = count;
    pool->spins = count <= pool_cores() ? SPINS : 0;
    pool->workers = workers;
    for (int i = 1; i < count; i++) {
        workers[i].pool = pool;
        workers[i].index = i;
        int failure = thread_start(&workers[i].thread, work, &workers[i]);
        if (failure) {
            end_workers(pool, i);
            return ptl_fail(err, PTL_E_MEMORY, "could not start thread %d: %s",
                            i, strerror(failure));
        }
    }
    *out = pool;
    return PTL_OK;
}

void pool_close(ptl_pool *pool)
{
    if (pool)
        end_workers(pool, pool->threads);
}
