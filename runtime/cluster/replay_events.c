/*
 * replay_events.c - who does what next in a replay.
 *
 * Each bucket's events are carried out in their order, as far as they can be:
 * a gradient is applied once it is computed, a value read once the worker has
 * given all before. A worker computes when an event waits for it and it has
 * read what its step begins with. Since the job went this way, one of these is
 * always possible; where none is, the schedule is of no job.
 */
#include "cluster/replay_priv.h"
#include "train/shards.h"
#include <math.h>
#include <string.h>

static const schedule_event *next_event(const replay *r, int bucket)
{
    const schedule_events *e = &r->schedule.buckets[bucket];
    int at = r->buckets[bucket].at;
    return at < e->count ? &e->data[at] : NULL;
}

static replay_gradient *gradient_of(const replay *r, const replay_worker *w,
                                    uint64_t round, int bucket, uint8_t **bytes)
{
    size_t slot = (size_t)(round % (uint64_t)r->window);
    *bytes = w->gradients + slot * r->plan.block_bytes + r->plan.at[bucket];
    return &w->given[slot * (size_t)replay_buckets(r) + (size_t)bucket];
}

/* ---------- what a worker gives ---------- */

/* Rounded as it is sent, and over its weight where means are added up. */
static void pack(const replay *r, int b, uint8_t *to, const char *from,
                 double by)
{
    ptl_dtype type = r->plan.types[b];
    size_t size = r->plan.bytes[b];
    bool rounds = r->plan.codecs[b] == WIRE_CODEC_BF16;
    if (rounds || by == 1)
        memcpy(to, from, size);
    else
        sums_span(type, SUM_SET_OVER, to, from,
                  (int64_t)size / dtype_size(type), by);
    if (rounds)
        sums_round(r->s->pool, &r->buckets[b].whole, to, by);
}

static ptl_status give(replay *r, int worker, int b, const char *from,
                       double weight, ptl_error *err)
{
    const replay_worker *w = &r->workers[worker];
    bool sum = r->plan.buckets[b].rules.aggregate == DIST_SUM;
    uint64_t round = replay_round(r, b, w);
    uint8_t *to;
    replay_gradient *g = gradient_of(r, w, round, b, &to);
    if (g->there)
        return ptl_fail(err, PTL_E_DATA,
                        "the schedule \"%s\" leads worker %d to step %lld "
                        "before its gradient of bucket %d and exchange %llu is "
                        "applied, further ahead than `stale` lets it",
                        r->schedule.path, worker, (long long)w->step + 1, b,
                        (unsigned long long)g->round);
    if (weight != 0)
        pack(r, b, to, from, sum ? weight : 1);
    *g = (replay_gradient){true, round, sum ? weight != 0 : weight};
    return PTL_OK;
}

ptl_status replay_give(replay *r, int worker, const peers_own *own,
                       ptl_error *err)
{
    int loose = r->plan.state_bucket[STATE_GROUP_LOOSE];
    ptl_status st = PTL_OK;
    for (int b = 0; b < replay_buckets(r) && st == PTL_OK; b++) {
        if (b == loose && own->copies)
            st = give(r, worker, b, own->copies, (double)own->copy_rows, err);
        else if (b != loose && own->exchanged)
            st = give(r, worker, b, own->gradients + r->plan.at[b], own->weight,
                      err);
    }
    r->workers[worker].step++;
    return st;
}

/* ---------- a worker computes ---------- */

static bool may_compute(const replay *r, const replay_worker *w)
{
    if (!w->batches || w->step >= r->last)
        return false;
    for (int b = 0; b < replay_buckets(r); b++)
        if (!w->has_read[b] || w->reads[b] != replay_round(r, b, w))
            return false;
    return true;
}

static ptl_status put_values(replay *r, const replay_worker *w, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int b = 0; b < r->plan.layout->plan->bucket_count && st == PTL_OK; b++)
        st = layout_give_value(&r->plan.layout->buckets[b],
                               w->values + r->plan.at[b], &r->s->store, err);
    session_changed(r->s);
    return st;
}

/* Where the states were made one after the step before. */
static void put_states(const replay *r, int worker)
{
    const replay_worker *w = &r->workers[worker];
    int b = r->plan.state_bucket[STATE_GROUP_LOOSE];
    if (b == NO_BUCKET || w->step == r->plan.run.first)
        return;
    uint64_t step = (uint64_t)w->step;
    if (machine_rounds(&r->plan.job, (uint32_t)b, step) >
        machine_rounds(&r->plan.job, (uint32_t)b, step - 1))
        shards_take_copies(r->shards, worker, w->values + r->plan.at[b]);
}

/* Its process ended by this, and the job with it, soon after. */
static void note_loss(const replay *r, int worker, const peers_own *own)
{
    loss_sum loss = replay_loss(r, own);
    if (loss.weight != 0 && !isfinite(loss.loss))
        fprintf(r->notes,
                "warning: the loss of worker %d became non-finite (%g) at step "
                "%lld\n",
                worker, loss.loss / loss.weight,
                (long long)r->workers[worker].step + 1);
}

/* All steps up to its next exchange. */
static ptl_status compute(replay *r, int worker, ptl_error *err)
{
    replay_worker *w = &r->workers[worker];
    peers_own own = {0};
    r->lent = true;
    put_states(r, worker);
    ptl_status st = put_values(r, w, err);
    while (st == PTL_OK && !own.exchanged && w->step < r->last) {
        const data_batch *batch;
        st = prefetch_next(w->batches, &batch, err);
        if (st == PTL_OK)
            st = shards_other(r->shards, worker, batch, w->step, &own, err);
        if (st == PTL_OK)
            note_loss(r, worker, &own);
        if (st == PTL_OK)
            st = replay_give(r, worker, &own, err);
    }
    return st;
}

/* ---------- an event ---------- */

/* What finishes a sum, as dist/shard.c has it. */
static void finish(const replay *r, int b)
{
    replay_bucket *k = &r->buckets[b];
    const shard_store *store = replay_store(r, b);
    bool one = r->plan.buckets[b].rules.aggregate == DIST_SUM;
    if (k->added > 0)
        store->update(store->ctx, (uint32_t)b, one ? 1 : k->weight, k->version);
    k->version++;
    k->absorbed = k->added = 0;
    k->weight = 0;
}

static void take(const replay *r, int b, const replay_gradient *g,
                 const uint8_t *bytes)
{
    replay_bucket *k = &r->buckets[b];
    const shard_store *store = replay_store(r, b);
    bool each = r->plan.buckets[b].rules.aggregate == DIST_APPLY_EACH;
    if (g->weight != 0)
        store->add(store->ctx, (uint32_t)b, &bytes, 1, r->plan.bytes[b],
                   each || k->added == 0);
    if (each && g->weight != 0)
        store->update(store->ctx, (uint32_t)b, g->weight, k->updates++);
    if (each)
        return;
    k->added += g->weight != 0;
    k->weight += g->weight;
    if (++k->absorbed == r->plan.job.workers)
        finish(r, b);
}

static ptl_status apply(const replay *r, int b, const schedule_event *e,
                        ptl_error *err)
{
    uint8_t *bytes;
    const replay_worker *w = &r->workers[e->worker];
    replay_gradient *g = gradient_of(r, w, e->round, b, &bytes);
    if ((g->weight == 0) != (e->what == SHARD_EVENT_EMPTY))
        return ptl_fail(err, PTL_E_DATA,
                        "the schedule \"%s\", line %d: exchange %llu of worker "
                        "%d has %s rows here",
                        r->schedule.path, e->line, (unsigned long long)e->round,
                        e->worker, g->weight == 0 ? "no" : "some");
    take(r, b, g, bytes);
    *g = (replay_gradient){0};
    return PTL_OK;
}

static void read_value(const replay *r, int b, const schedule_event *e)
{
    const shard_store *store = replay_store(r, b);
    replay_worker *w = &r->workers[e->worker];
    memcpy(w->values + r->plan.at[b], store->value(store->ctx, (uint32_t)b),
           r->plan.bytes[b]);
    w->has_read[b] = true;
    w->reads[b] = e->round;
}

static ptl_status give_slots(replay *r, int b, ptl_error *err)
{
    size_t size;
    const shard_store *store = replay_store(r, b);
    const uint8_t *bytes = store->slots(store->ctx, (uint32_t)b, &size);
    r->slots_wanted = NOBODY;
    return layout_give_slots(&r->plan.layout->buckets[b], bytes, &r->s->store,
                             err);
}

static bool is_possible(const replay *r, int b, const schedule_event *e)
{
    uint8_t *bytes;
    const replay_worker *w = &r->workers[e->worker];
    switch (e->what) {
    case SHARD_EVENT_READ:
        return replay_round(r, b, w) >= e->round;
    case SHARD_EVENT_APPLY:
    case SHARD_EVENT_EMPTY: {
        const replay_gradient *g = gradient_of(r, w, e->round, b, &bytes);
        return g->there && g->round == e->round;
    }
    case SHARD_EVENT_SLOTS: /* of a checkpoint; there may be none here */
        return r->slots_wanted == b || replay_round(r, b, w) > e->round;
    case SHARD_EVENT_AGAIN:
    case SHARD_EVENT_COUNT:
        break;
    }
    return false;
}

static ptl_status carry_out(replay *r, int b, const schedule_event *e,
                            ptl_error *err)
{
    r->buckets[b].at++;
    switch (e->what) {
    case SHARD_EVENT_READ:
        read_value(r, b, e);
        return PTL_OK;
    case SHARD_EVENT_APPLY:
    case SHARD_EVENT_EMPTY:
        return apply(r, b, e, err);
    case SHARD_EVENT_SLOTS:
        return r->slots_wanted == b ? give_slots(r, b, err) : PTL_OK;
    case SHARD_EVENT_AGAIN:
    case SHARD_EVENT_COUNT:
        break;
    }
    return PTL_OK;
}

/* ---------- one after another ---------- */

/* A bucket whose event comes before worker 0 goes on; NOBODY: none. */
static int lacking(const replay *r)
{
    const replay_worker *chief = &r->workers[0];
    if (r->slots_wanted != NOBODY)
        return r->slots_wanted;
    for (int b = 0; b < replay_buckets(r); b++)
        if (!chief->has_read[b] || chief->reads[b] != replay_round(r, b, chief))
            return b;
    return NOBODY;
}

/* The events of one bucket, up to one that waits. */
static ptl_status walk(replay *r, int b, bool *moved, ptl_error *err)
{
    ptl_status st = PTL_OK;
    const schedule_event *e;
    while (st == PTL_OK && (e = next_event(r, b)) && is_possible(r, b, e)) {
        st = carry_out(r, b, e, err);
        *moved = true;
    }
    if (st != PTL_OK || !e || !may_compute(r, &r->workers[e->worker]))
        return st;
    *moved = true;
    return compute(r, e->worker, err);
}

static ptl_status leads_nowhere(const replay *r, int b, ptl_error *err)
{
    const schedule_event *e = next_event(r, b);
    long long step = r->workers[0].step + 1;
    if (!e)
        return ptl_fail(
            err, PTL_E_DATA,
            "the schedule \"%s\" ends before worker 0 has the value "
            "of bucket %d for step %lld",
            r->schedule.path, b, step);
    return ptl_fail(err, PTL_E_DATA,
                    "the schedule \"%s\" does not lead to step %lld of worker "
                    "0: line %d waits for exchange %llu of worker %d and "
                    "bucket %d, which needs what comes later",
                    r->schedule.path, step, e->line,
                    (unsigned long long)e->round, e->worker, b);
}

static ptl_status go_on(replay *r, ptl_error *err)
{
    ptl_status st = PTL_OK;
    bool moved = true;
    int b;
    while (st == PTL_OK && moved && (b = lacking(r)) != NOBODY) {
        moved = false;
        for (int i = 0; i < replay_buckets(r) && st == PTL_OK; i++)
            st = walk(r, i, &moved, err);
    }
    if (st == PTL_OK && (b = lacking(r)) != NOBODY)
        st = leads_nowhere(r, b, err);
    if (st == PTL_OK && r->lent)
        st = put_values(r, &r->workers[0], err);
    r->lent = r->lent && st != PTL_OK;
    return st;
}

ptl_status replay_until_read(replay *r, ptl_error *err)
{
    r->lent = true; /* what it read is not in the store yet */
    return go_on(r, err);
}

/* Is there a checkpoint in the schedule, too, before worker 0 gives its next
 * gradient? */
static bool has_slots(const replay *r, int bucket)
{
    const schedule_events *e = &r->schedule.buckets[bucket];
    uint64_t round = replay_round(r, bucket, &r->workers[0]);
    for (int i = r->buckets[bucket].at; i < e->count; i++) {
        const schedule_event *x = &e->data[i];
        if (x->worker == 0 && x->round == round)
            return x->what == SHARD_EVENT_SLOTS;
    }
    return false;
}

ptl_status replay_until_slots(replay *r, int bucket, ptl_error *err)
{
    if (!has_slots(r, bucket))
        return give_slots(r, bucket, err);
    r->slots_wanted = bucket;
    return go_on(r, err);
}
