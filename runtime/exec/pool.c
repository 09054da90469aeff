/*
 * pool.c - threads that wait for the next step by spinning briefly, then by
 * sleeping.
 *
 * The caller writes the step into the pool and raises `generation`; each
 * worker runs its range and lowers `pending`; the caller runs the first range
 * and waits for `pending` to reach zero. Between the steps of a program a
 * worker is back within the spin; between programs it sleeps on a futex and
 * costs nothing. `generation` and `pending` order all other fields: the step
 * is written before the one is raised and read after, results are written
 * before the other is lowered and read after.
 */
#include "runtime/pool.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    SPINS = 2000, /* some tens of microseconds: the gap between two steps */
    WAIT_MS = 500 /* no sleep is longer; a lost wake-up costs this much */
};

typedef struct worker {
    ptl_pool *pool;
    pthread_t thread;
    int index;
} worker;

struct ptl_pool {
    int threads; /* workers + the caller */
    int spins;   /* 0 where threads outnumber cores: spinning would block */
    worker *workers;

    /* The step; written by the caller before it raises `generation`. */
    ptl_entry entry;
    void *const *args;
    int64_t task_count;
    bool stop;

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

/* The range of thread `index`: sizes differ by at most one task. */
static void run_range(const ptl_pool *pool, int index)
{
    int64_t share = pool->task_count / pool->threads;
    int64_t extra = pool->task_count % pool->threads;
    int64_t begin = share * index + (index < extra ? index : extra);
    int64_t end = begin + share + (index < extra ? 1 : 0);
    if (begin < end)
        pool->entry(pool->args, begin, end);
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
        if (pool->stop)
            return NULL;
        run_range(pool, w->index);
        if (atomic_fetch_sub(&pool->pending, 1) == 1 &&
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
              int64_t task_count)
{
    if (task_count < 2 || pool->threads == 1) {
        if (task_count > 0)
            entry(args, 0, task_count);
        return;
    }
    pool->entry = entry;
    pool->args = args;
    pool->task_count = task_count;
    atomic_store(&pool->pending, (uint32_t)(pool->threads - 1));
    raise_generation(pool);
    run_range(pool, 0);
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

/* Signals are the main thread's business: workers start with all blocked. */
static int start_worker(worker *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&w->thread, NULL, work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

ptl_status pool_open(int threads, ptl_pool **out, ptl_error *err)
{
    int count = threads > 0 ? threads : pool_cores();
    ptl_pool *pool = aligned_alloc(64, sizeof *pool);
    worker *workers = calloc((size_t)count, sizeof *workers);
    if (!pool || !workers) {
        free(pool);
        free(workers);
        return ptl_fail(err, PTL_E_MEMORY, "no memory for %d threads", count);
    }
    memset(pool, 0, sizeof *pool);
    pool->threads = 1;
    pool->spins = count <= pool_cores() ? SPINS : 0;
    pool->workers = workers;
    for (int i = 1; i < count; i++) {
        workers[i] = (worker){.pool = pool, .index = i};
        int failure = start_worker(&workers[i]);
        if (failure) {
            pool_close(pool);
            return ptl_fail(err, PTL_E_MEMORY, "could not start thread %d: %s",
                            i, strerror(failure));
        }
        pool->threads = i + 1;
    }
    *out = pool;
    return PTL_OK;
}

void pool_close(ptl_pool *pool)
{
    if (!pool)
        return;
    pool->stop = true;
    raise_generation(pool);
    for (int i = 1; i < pool->threads; i++)
        pthread_join(pool->workers[i].thread, NULL);
    free(pool->workers);
    free(pool);
}
