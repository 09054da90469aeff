/*
 * prefetch.c - a ring of batches between the gathering thread and the loop.
 *
 * `made` counts the batches gathered, `taken` those the loop is done with; both
 * only rise. Batch i lies in slot i mod SLOTS, which the thread may fill while
 * made - taken < SLOTS. The loop holds the batch it was given last until it
 * asks for the next, so one slot is the loop's, the others run ahead.
 */
#include "runtime/prefetch.h"
#include "base/thread.h"
#include "base/trace.h"
#include "runtime/order.h"
#include "runtime/run.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLOTS = 3, WAIT_S = 1, MOST_WAITS = 60 };

typedef struct slot {
    data_batch batch;
    uint32_t *records;
    void **fields;
} slot;

struct ptl_prefetch {
    prefetch_desc desc;
    int64_t rows; /* of the data set */
    int field_count;
    slot slots[SLOTS];
    uint32_t *order; /* of epoch `order_of`; the thread's own */
    int64_t order_of;
    void *memory;
    size_t memory_bytes;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* guards the three below */
    pthread_cond_t changed;
    int64_t made, taken;
    bool stop;
};

static void deadline(struct timespec *t)
{
    clock_gettime(CLOCK_MONOTONIC, t);
    t->tv_sec += WAIT_S;
}

static void gather(ptl_prefetch *p, slot *s, int64_t step)
{
    order_place place = order_at(p->rows, p->desc.batch, step);
    if (place.epoch != p->order_of) {
        order_epoch(p->desc.seed, place.epoch, p->rows, p->order);
        p->order_of = place.epoch;
    }
    memcpy(s->records, p->order + place.first,
           (size_t)place.rows * sizeof *s->records);
    for (int i = 0; i < p->field_count; i++)
        data_gather(p->desc.data, i, s->records, 0, place.rows, s->fields[i]);
    s->batch = (data_batch){.step = step,
                            .epoch = place.epoch,
                            .rows = place.rows,
                            .records = s->records,
                            .fields = s->fields};
}

/* False: time to end. */
static bool await_slot(ptl_prefetch *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->stop && p->made - p->taken >= SLOTS) {
        struct timespec t;
        deadline(&t);
        pthread_cond_timedwait(&p->changed, &p->lock, &t);
    }
    bool go = !p->stop;
    pthread_mutex_unlock(&p->lock);
    return go;
}

static void *gather_all(void *arg)
{
    ptl_prefetch *p = arg;
    int64_t count = p->desc.end - p->desc.begin;
    trace_thread("batches");
    for (int64_t i = 0; i < count && await_slot(p); i++) {
        double began = trace_now();
        gather(p, &p->slots[i % SLOTS], p->desc.begin + i);
        trace_span("batch", "batch", began);
        pthread_mutex_lock(&p->lock);
        p->made++;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

ptl_status prefetch_next(ptl_prefetch *p, const data_batch **out,
                         ptl_error *err)
{
    int64_t count = p->desc.end - p->desc.begin;
    pthread_mutex_lock(&p->lock);
    /* `taken` starts at -1: the first call gives nothing back. */
    int64_t wanted = ++p->taken;
    pthread_cond_broadcast(&p->changed);
    int waits = 0;
    while (wanted < count && p->made <= wanted && waits < MOST_WAITS) {
        struct timespec t;
        deadline(&t);
        waits += pthread_cond_timedwait(&p->changed, &p->lock, &t) == ETIMEDOUT;
    }
    bool there = p->made > wanted;
    pthread_mutex_unlock(&p->lock);
    *out = NULL;
    if (wanted >= count)
        return PTL_OK;
    if (!there)
        return ptl_fail(err, PTL_E_INTERNAL,
                        "the data thread did not gather step %lld in time",
                        (long long)(p->desc.begin + wanted));
    *out = &p->slots[wanted % SLOTS].batch;
    return PTL_OK;
}

const data_batch *prefetch_peek(ptl_prefetch *p)
{
    pthread_mutex_lock(&p->lock);
    int64_t next = p->taken + 1;
    bool there = p->made > next;
    pthread_mutex_unlock(&p->lock);
    return there ? &p->slots[next % SLOTS].batch : NULL;
}

static size_t slot_bytes(const ptl_prefetch *p)
{
    size_t total = memory_padded((size_t)p->desc.batch * sizeof(uint32_t));
    for (int i = 0; i < p->field_count; i++)
        total += memory_padded((size_t)p->desc.batch *
                               data_array_at(p->desc.data, i)->record_bytes);
    return total;
}

static void place_slot(ptl_prefetch *p, slot *s, char *at)
{
    s->records = (uint32_t *)(void *)at;
    at += memory_padded((size_t)p->desc.batch * sizeof(uint32_t));
    for (int i = 0; i < p->field_count; i++) {
        s->fields[i] = at;
        at += memory_padded((size_t)p->desc.batch *
                            data_array_at(p->desc.data, i)->record_bytes);
    }
}

static bool take_memory(ptl_prefetch *p)
{
    size_t each = slot_bytes(p);
    p->memory_bytes = SLOTS * each;
    p->memory = memory_map(p->memory_bytes);
    p->order = malloc((size_t)p->rows * sizeof *p->order);
    bool ok = p->memory && p->order;
    for (int i = 0; i < SLOTS; i++) {
        slot *s = &p->slots[i];
        s->fields = calloc((size_t)p->field_count + 1, sizeof *s->fields);
        ok = ok && s->fields;
        if (ok)
            place_slot(p, s, (char *)p->memory + (size_t)i * each);
    }
    return ok;
}

static void init_lock(ptl_prefetch *p)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&p->lock, NULL);
}

ptl_status prefetch_open(const prefetch_desc *desc, ptl_prefetch **out,
                         ptl_error *err)
{
    ptl_prefetch *p = calloc(1, sizeof *p);
    if (!p)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for batches");
    p->desc = *desc;
    p->rows = data_rows(desc->data);
    p->order_of = -1;
    p->taken = -1;
    data_raw(desc->data, &p->field_count);
    init_lock(p);
    if (!take_memory(p)) {
        prefetch_close(p);
        return ptl_fail(err, PTL_E_MEMORY,
                        "no memory for %d batches of %lld records", SLOTS,
                        (long long)desc->batch);
    }
    int failure = thread_start(&p->thread, gather_all, p);
    if (failure) {
        prefetch_close(p);
        return ptl_fail(err, PTL_E_MEMORY,
                        "could not start the data thread: %s",
                        strerror(failure));
    }
    p->started = true;
    *out = p;
    return PTL_OK;
}

void prefetch_close(ptl_prefetch *p)
{
    if (!p)
        return;
    if (p->started) {
        pthread_mutex_lock(&p->lock);
        p->stop = true;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
    }
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    memory_unmap(p->memory, p->memory_bytes);
    for (int i = 0; i < SLOTS; i++)
        free(p->slots[i].fields);
    free(p->order);
    free(p);
}

size_t prefetch_bytes(const ptl_prefetch *p)
{
    return memory_padded(p->memory_bytes);
}

size_t prefetch_plan(int64_t batch, size_t data)
{
    return SLOTS * (memory_padded((size_t)batch * sizeof(uint32_t)) + data);
}
