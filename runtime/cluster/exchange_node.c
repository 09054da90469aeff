/*
 * exchange_node.c - the node's thread's side of an exchange: what the machine
 * says goes into the exchange, what the loop posted goes to the machine.
 */
#include "base/clock.h"
#include "cluster/exchange_priv.h"
#include <stdio.h>
#include <string.h>

/* ---------- the node's thread ---------- */

/* Values of one step wait where they lie until they are put into the store:
 * their server has them until everybody has given the next gradients. States
 * are read later. */
static bool may_stay(const cluster_exchange *x, uint32_t bucket)
{
    return x->plan->buckets[bucket].rules.sync == DIST_BARRIER &&
           (int)bucket < exchange_adopted(x);
}

/* Said again, it may be with the loop by now. */
static void begin_value(cluster_exchange *x, uint32_t bucket,
                        const uint8_t *bytes, dist_blob *holder)
{
    next_value *v = &x->next[bucket];
    pthread_mutex_lock(&x->lock);
    blob_drop(v->holder);
    *v = (next_value){.there = bytes, .freed = v->freed};
    if (may_stay(x, bucket))
        v->holder = blob_keep(holder);
    pthread_mutex_unlock(&x->lock);
}

/* While the rest of the step computes. */
static void adopt_if_freed(cluster_exchange *x, int bucket)
{
    next_value v;
    ptl_error err;
    pthread_mutex_lock(&x->lock);
    bool ours = x->next[bucket].freed && bucket < exchange_adopted(x) &&
                exchange_claim(x, bucket, &v);
    pthread_mutex_unlock(&x->lock);
    if (!ours)
        return;
    ptl_status st = exchange_adopt(x, bucket, &v, &err);
    PTL_ASSERT(st == PTL_OK); /* every tensor of a bucket is in the store */
}

void exchange_adopt_early(void *ctx)
{
    const early_bucket *e = ctx;
    adopt_if_freed(e->x, e->bucket);
}

static void end_value(cluster_exchange *x, int bucket)
{
    pthread_mutex_lock(&x->lock);
    x->next[bucket].whole = true;
    pthread_cond_broadcast(&x->moved);
    pthread_mutex_unlock(&x->lock);
    adopt_if_freed(x, bucket);
}

/* With all that came before, if that lies with its sender. */
static void copy_chunk(cluster_exchange *x, uint32_t bucket, size_t offset,
                       const uint8_t *bytes, size_t size)
{
    next_value *v = &x->next[bucket];
    uint8_t *here = x->incoming + x->plan->at[bucket];
    if (v->holder) {
        memcpy(here, v->there, offset);
        blob_drop(v->holder);
        v->holder = NULL;
    }
    memcpy(here + offset, bytes, size);
}

/* Chunks come in order; all lie in one piece, or here. */
static void take_value(void *ctx, uint32_t bucket, uint64_t version,
                       size_t offset, const uint8_t *bytes, size_t size,
                       dist_blob *holder)
{
    cluster_exchange *x = ctx;
    const next_value *v = &x->next[bucket];
    (void)version;
    if (offset == 0)
        begin_value(x, bucket, bytes, holder);
    if (!v->holder || holder != v->holder || bytes != v->there + offset)
        copy_chunk(x, bucket, offset, bytes, size);
    if (offset + size == x->plan->bytes[bucket] && may_stay(x, bucket))
        end_value(x, (int)bucket);
}

static void step_begins(void *ctx, uint64_t step, bool end)
{
    cluster_exchange *x = ctx;
    pthread_mutex_lock(&x->lock);
    x->begun = true;
    x->step = (int64_t)step;
    x->end = end;
    pthread_cond_broadcast(&x->moved);
    pthread_mutex_unlock(&x->lock);
}

static void barrier_passed(void *ctx, uint32_t barrier, uint64_t generation)
{
    cluster_exchange *x = ctx;
    pthread_mutex_lock(&x->lock);
    x->passed |= barrier == x->barrier && generation == x->generation;
    pthread_cond_broadcast(&x->moved);
    pthread_mutex_unlock(&x->lock);
}

static void take_slots(void *ctx, uint32_t bucket, uint64_t updates,
                       size_t offset, const uint8_t *bytes, size_t size,
                       bool last)
{
    cluster_exchange *x = ctx;
    (void)bucket, (void)updates;
    pthread_mutex_lock(&x->lock);
    if (bytes)
        memcpy(x->slots + offset, bytes, size);
    x->slots_gone |= !bytes;
    x->slots_here |= last;
    pthread_cond_broadcast(&x->moved);
    pthread_mutex_unlock(&x->lock);
}

static void clear_table(const cluster_exchange *x, metric_table *t,
                        int64_t step)
{
    t->step = step;
    t->count = 0;
    memset(t->there, 0, (size_t)x->plan->job.workers * sizeof *t->there);
}

static bool has_rows(const loss_sum *losses, int towers)
{
    for (int i = 0; i < towers; i++)
        if (losses[i].weight != 0)
            return true;
    return false;
}

void exchange_put_losses(cluster_exchange *x, int worker, int64_t step,
                         const loss_sum *losses)
{
    metric_table *t = &x->metrics[step % METRIC_STEPS];
    x->gradients += has_rows(losses, x->towers);
    if (t->step > step)
        return; /* of a step the chief is done with */
    if (t->step < step)
        clear_table(x, t, step);
    if (!t->there[worker])
        t->count++;
    t->there[worker] = true;
    t->latest = worker;
    t->latest_at = clock_seconds();
    memcpy(t->losses + worker * x->towers, losses,
           (size_t)x->towers * sizeof *losses);
}

static void take_metrics(void *ctx, int worker, uint64_t step,
                         const uint8_t *bytes, size_t size)
{
    cluster_exchange *x = ctx;
    loss_sum losses[64]; /* towers, at most */
    bool fits = worker < x->plan->job.workers && x->towers <= 64 &&
                size == (size_t)x->towers * sizeof *losses;
    if (!fits || x->worker != 0)
        return;
    memcpy(losses, bytes, size);
    pthread_mutex_lock(&x->lock);
    exchange_put_losses(x, worker, (int64_t)step, losses);
    pthread_cond_broadcast(&x->moved);
    pthread_mutex_unlock(&x->lock);
}

worker_owner exchange_owner(cluster_exchange *x)
{
    return (worker_owner){.ctx = x,
                          .value = take_value,
                          .step = step_begins,
                          .passed = barrier_passed,
                          .slots = take_slots,
                          .metrics = take_metrics};
}

void exchange_ended(cluster_exchange *x, ptl_status status, const char *text)
{
    pthread_mutex_lock(&x->lock);
    x->ended = true;
    x->status = status;
    snprintf(x->why, sizeof x->why, "%s", text);
    pthread_cond_broadcast(&x->moved);
    pthread_mutex_unlock(&x->lock);
}

static void give(cluster_exchange *x, int b)
{
    order *o = &x->order;
    dist_worker *w = node_worker(x->node);
    if (w)
        worker_gradient(w, (uint32_t)b, o->gradients[b], o->weights[b],
                        clock_ms());
    blob_drop(o->gradients[b]);
    o->gradients[b] = NULL;
}

void exchange_give_early(void *ctx)
{
    const early_bucket *e = ctx;
    give(e->x, e->bucket);
}

/* Posted: all of the step that was not given. */
void exchange_give(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    for (int b = 0; b < exchange_buckets(x); b++)
        if (x->order.due[b] && !x->order.given[b])
            give(x, b);
    if (w)
        worker_done(w, clock_ms());
}

void exchange_give_metrics(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    const metric_table *t = &x->metrics[0];
    if (w)
        worker_metrics(w, t->losses, (size_t)x->towers * sizeof *t->losses,
                       clock_ms());
}

void exchange_leave(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    if (w)
        worker_done(w, clock_ms());
}

void exchange_tell_busy(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    pthread_mutex_lock(&x->lock);
    wire_phase phase = x->phase;
    pthread_mutex_unlock(&x->lock);
    if (w)
        worker_is_busy(w, phase);
}

void exchange_ask_slots(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    if (w)
        worker_slots(w, x->slots_of, clock_ms());
}

void exchange_enter_barrier(void *ctx)
{
    cluster_exchange *x = ctx;
    dist_worker *w = node_worker(x->node);
    if (w)
        worker_enter(w, x->barrier, x->generation, clock_ms());
}
