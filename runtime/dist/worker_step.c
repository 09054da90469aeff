/*
 * worker_step.c - gradients out, values in.
 */
#include "base/plant.h"
#include "dist/machine_priv.h"
#include "dist/worker_priv.h"

static uint32_t server_of(const dist_worker *w, uint32_t bucket)
{
    return wire_node(WIRE_PS, w->job.buckets[bucket].owner);
}

static bool is_with(const dist_worker *w, uint32_t bucket, int server)
{
    return server < 0 || w->job.buckets[bucket].owner == server;
}

static contribution *slot(const dist_worker *w, uint32_t bucket, uint64_t round)
{
    const worker_bucket *b = &w->buckets[bucket];
    return &b->sent[round % (uint64_t)b->window];
}

static bool is_exact(const dist_worker *w, uint32_t bucket)
{
    return w->job.buckets[bucket].rules.sync == DIST_BARRIER;
}

/* ---------- out ---------- */

static void push(dist_worker *w, uint32_t bucket, const contribution *c)
{
    const wire_limits *l = w->job.limits;
    wire_header h = {.type = WIRE_PUSH,
                     .epoch = w->epoch,
                     .id = bucket,
                     .step = c->round,
                     .dtype = (uint8_t)(1 + l->bucket_types[bucket]),
                     .codec = wire_push_codec(l, bucket)};
    wire_fields f = {.present = 1u << WIRE_FIELD_WEIGHT, .weight = c->weight};
    uint32_t to = server_of(w, bucket);
    if (c->bytes) {
        machine_say_bytes(w->hub, to, &h, &f, c->bytes, l->chunk);
        return;
    }
    h.flags = WIRE_LAST | WIRE_EMPTY;
    hub_say(w->hub, to, &h, &f, NULL, 0, 0);
}

static void say_pull(dist_worker *w, uint32_t bucket)
{
    const worker_bucket *b = &w->buckets[bucket];
    machine_say(w->hub, server_of(w, bucket), WIRE_PULL, w->epoch, bucket,
                b->wanted, b->exact ? WIRE_EXACT : 0);
}

static void pull(dist_worker *w, uint32_t bucket, uint64_t version, bool exact)
{
    worker_bucket *b = &w->buckets[bucket];
    b->asked = true;
    b->exact = exact;
    b->wanted = version;
    b->got = 0;
    for (int i = 0; i <= ptl_is_planted(PTL_PLANT_PULL_TWICE); i++)
        say_pull(w, bucket);
}

/* The version of a bucket that is needed at least once `rounds` exchanges are
 * begun. */
static uint64_t needed(const dist_worker *w, uint32_t bucket, uint64_t rounds)
{
    const shard_rules *r = &w->job.buckets[bucket].rules;
    uint64_t k = (uint64_t)r->stale;
    if (machine_waits(&w->job, bucket, rounds))
        return rounds;
    switch (r->sync) {
    case DIST_BARRIER:
        return rounds;
    case DIST_STALE:
        return rounds > k ? rounds - k : 0;
    case DIST_ASYNC:
        break;
    }
    return 0;
}

bool worker_exchanges(const dist_worker *w, uint32_t bucket, uint64_t step)
{
    return machine_rounds(&w->job, bucket, step + 1) >
           machine_rounds(&w->job, bucket, step);
}

/* Of what this step computes from. */
static bool has_all(const dist_worker *w)
{
    for (int b = 0; b < w->job.limits->bucket_count; b++)
        if (w->job.buckets[b].late && w->buckets[b].asked)
            return false;
    return true;
}

void worker_gradient(dist_worker *w, uint32_t bucket, dist_blob *bytes,
                     double weight, uint64_t now)
{
    worker_bucket *b = &w->buckets[bucket];
    contribution *c = slot(w, bucket, b->round);
    PTL_ASSERT(w->in_step && !b->given && !c->there &&
               worker_exchanges(w, bucket, w->step));
    PTL_ASSERT(w->gave || has_all(w));
    w->gave = true;
    *c = (contribution){.there = true,
                        .round = b->round++,
                        .weight = weight,
                        .bytes = blob_keep(bytes)};
    b->given = true;
    push(w, bucket, c);
    pull(w, bucket, needed(w, bucket, b->round), is_exact(w, bucket));
    hub_flush(w->hub, now);
}

void worker_done(dist_worker *w, uint64_t now)
{
    PTL_ASSERT(w->in_step);
    w->computed = true;
    worker_show_progress(w);
    worker_advance(w);
    hub_flush(w->hub, now);
}

/* ---------- slots ---------- */

static void ask_slots(dist_worker *w)
{
    uint32_t bucket = (uint32_t)w->slots_of;
    w->slots_got = 0;
    machine_say(w->hub, server_of(w, bucket), WIRE_PULL, w->epoch, bucket,
                w->buckets[bucket].round,
                WIRE_SLOTS | (is_exact(w, bucket) ? WIRE_EXACT : 0));
}

void worker_slots(dist_worker *w, uint32_t bucket, uint64_t now)
{
    PTL_ASSERT(w->slots_of < 0 && w->in_step && !w->buckets[bucket].given);
    w->slots_of = (int)bucket;
    ask_slots(w);
    hub_flush(w->hub, now);
}

bool worker_slots_gone(dist_worker *w, const wire_message *m)
{
    if (m->fields.code != WIRE_REASON_GONE || (int)m->head.id != w->slots_of)
        return false;
    w->slots_of = -1;
    w->owner.slots(w->owner.ctx, m->head.id, 0, 0, NULL, 0, true);
    return true;
}

void worker_slots_came(dist_worker *w, const wire_message *m)
{
    if ((int)m->head.id != w->slots_of || m->head.offset != w->slots_got)
        return;
    bool last = (m->head.flags & WIRE_LAST) != 0;
    w->slots_got += m->payload.size;
    if (last)
        w->slots_of = -1;
    w->owner.slots(w->owner.ctx, m->head.id, m->head.step, m->head.offset,
                   m->payload.data, m->payload.size, last);
}

/* ---------- again ---------- */

void worker_load(dist_worker *w, int server)
{
    for (int i = 0; i < w->job.limits->bucket_count; i++) {
        uint32_t bucket = (uint32_t)i;
        uint64_t round = w->buckets[i].round =
            machine_rounds(&w->job, bucket, w->step);
        if (is_with(w, bucket, server))
            pull(w, bucket, needed(w, bucket, round), is_exact(w, bucket));
    }
}

/* Of a bucket, oldest first. */
static void push_again(dist_worker *w, uint32_t bucket)
{
    const worker_bucket *b = &w->buckets[bucket];
    for (int back = b->window; back > 0; back--) {
        uint64_t round = b->round - (uint64_t)back;
        const contribution *c = slot(w, bucket, round);
        if (c->there && c->round == round)
            push(w, bucket, c);
    }
}

void worker_say_again(dist_worker *w, int server)
{
    for (int i = 0; i < w->job.limits->bucket_count; i++) {
        uint32_t bucket = (uint32_t)i;
        if (!is_with(w, bucket, server))
            continue;
        push_again(w, bucket);
        if (!w->buckets[i].asked)
            continue;
        w->buckets[i].got = 0;
        say_pull(w, bucket);
    }
    if (w->slots_of >= 0 && is_with(w, (uint32_t)w->slots_of, server))
        ask_slots(w);
}

/* ---------- in ---------- */

static void forget(const dist_worker *w, uint32_t bucket, uint64_t round)
{
    contribution *c = slot(w, bucket, round);
    if (!c->there || c->round != round)
        return;
    blob_drop(c->bytes);
    *c = (contribution){0};
}

void worker_acknowledged(dist_worker *w, const wire_message *m)
{
    if (m->head.id < (uint32_t)w->job.limits->bucket_count)
        forget(w, m->head.id, m->head.step);
}

/* Is this what was asked for? */
static bool fits(const worker_bucket *b, uint64_t version)
{
    return b->asked && (b->exact ? version == b->wanted : version >= b->wanted);
}

void worker_data(dist_worker *w, const wire_message *m)
{
    worker_bucket *b = &w->buckets[m->head.id];
    if (!fits(b, m->head.step))
        return;
    if (m->head.offset == 0) {
        b->got = 0;
        b->coming = m->head.step;
    }
    if (m->head.step != b->coming || m->head.offset != b->got)
        return;
    w->owner.value(w->owner.ctx, m->head.id, m->head.step, b->got,
                   m->payload.data, m->payload.size, m->holder);
    b->got += m->payload.size;
    if (!(m->head.flags & WIRE_LAST))
        return;
    b->asked = false;
    if (b->exact && b->wanted > 0) /* our gradient is in it */
        forget(w, m->head.id, b->wanted - 1);
}

bool worker_is_loaded(const dist_worker *w)
{
    for (int i = 0; i < w->job.servers; i++)
        if (hub_incarnation(w->hub, wire_node(WIRE_PS, i)) == 0)
            return false;
    for (int b = 0; b < w->job.limits->bucket_count; b++)
        if (w->buckets[b].asked)
            return false;
    return true;
}

bool worker_owes(const dist_worker *w)
{
    for (int b = 0; b < w->job.limits->bucket_count; b++)
        for (int i = 0; i < w->buckets[b].window; i++)
            if (w->buckets[b].sent[i].there)
                return true;
    return false;
}

/* Is there another step, surely, that may begin without this value? */
static bool may_be_late(const dist_worker *w, uint32_t bucket)
{
    bool more = w->step + 1 < w->last && (w->agreed || !w->draining);
    return w->job.buckets[bucket].late &&
           (more || ptl_is_planted(PTL_PLANT_LATE_END));
}

bool worker_step_is_over(const dist_worker *w)
{
    for (int i = 0; i < w->job.limits->bucket_count; i++) {
        const worker_bucket *b = &w->buckets[i];
        uint32_t bucket = (uint32_t)i;
        if (!worker_exchanges(w, bucket, w->step))
            continue;
        bool there = !b->asked && !slot(w, bucket, b->round)->there;
        if (!b->given || !(there || may_be_late(w, bucket)))
            return false;
    }
    return w->in_step && w->computed && w->step < w->last;
}
