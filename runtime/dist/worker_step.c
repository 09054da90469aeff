/*
 * worker_step.c - gradients out, values in.
 */
#include "dist/machine_priv.h"
#include "dist/worker_priv.h"

static uint32_t server_of(const dist_worker *w, uint32_t bucket)
{
    return wire_node(WIRE_PS, w->job.bucket_owner[bucket]);
}

static bool is_with(const dist_worker *w, uint32_t bucket, int server)
{
    return server < 0 || w->job.bucket_owner[bucket] == server;
}

static contribution *slot(const dist_worker *w, uint32_t bucket, uint64_t step)
{
    return &w->buckets[bucket].sent[step % (uint64_t)w->window];
}

/* ---------- out ---------- */

static void push(dist_worker *w, uint32_t bucket, const contribution *c)
{
    const wire_limits *l = w->job.limits;
    wire_header h = {.type = WIRE_PUSH,
                     .epoch = w->epoch,
                     .id = bucket,
                     .step = c->step,
                     .dtype = (uint8_t)(1 + l->bucket_types[bucket])};
    wire_fields f = {.present = 1u << WIRE_FIELD_WEIGHT, .weight = c->weight};
    size_t all = c->bytes ? blob_size(c->bytes) : 0;
    if (!c->bytes) {
        h.flags = WIRE_LAST | WIRE_EMPTY;
        hub_say(w->hub, server_of(w, bucket), &h, &f, NULL, 0, 0);
    }
    for (size_t at = 0; at < all; at += l->chunk) {
        size_t size = all - at < l->chunk ? all - at : l->chunk;
        h.offset = at;
        h.flags = at + size == all ? WIRE_LAST : 0;
        hub_say(w->hub, server_of(w, bucket), &h, &f, c->bytes, at, size);
    }
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
    say_pull(w, bucket);
}

/* The version that the step after this one needs at least. */
static uint64_t needed(const dist_worker *w)
{
    uint64_t next = w->step + 1, k = (uint64_t)w->job.rules.stale;
    switch (w->job.rules.sync) {
    case DIST_BARRIER:
        return next;
    case DIST_STALE:
        return next > k ? next - k : 0;
    case DIST_ASYNC:
        break;
    }
    return 0;
}

void worker_gradient(dist_worker *w, uint32_t bucket, dist_blob *bytes,
                     double weight, uint64_t now)
{
    contribution *c = slot(w, bucket, w->step);
    PTL_ASSERT(w->in_step && !w->buckets[bucket].given && !c->there);
    *c = (contribution){.there = true,
                        .step = w->step,
                        .weight = weight,
                        .bytes = blob_keep(bytes)};
    w->buckets[bucket].given = true;
    push(w, bucket, c);
    pull(w, bucket, needed(w), w->job.rules.sync == DIST_BARRIER);
    hub_flush(w->hub, now);
}

void worker_load(dist_worker *w, int server)
{
    bool exact = w->job.rules.sync == DIST_BARRIER;
    uint64_t k = (uint64_t)w->job.rules.stale;
    uint64_t least = exact ? w->step : w->step > k ? w->step - k : 0;
    if (w->job.rules.sync == DIST_ASYNC)
        least = 0;
    for (int b = 0; b < w->job.limits->bucket_count; b++)
        if (is_with(w, (uint32_t)b, server))
            pull(w, (uint32_t)b, least, exact);
}

/* Of a bucket, oldest first. */
static void push_again(dist_worker *w, uint32_t bucket)
{
    for (int back = w->window - 1; back >= 0; back--) {
        uint64_t step = w->step - (uint64_t)back;
        const contribution *c = slot(w, bucket, step);
        if (c->there && c->step == step)
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
}

/* ---------- in ---------- */

void worker_acknowledged(dist_worker *w, const wire_message *m)
{
    if (m->head.id >= (uint32_t)w->job.limits->bucket_count)
        return;
    contribution *c = slot(w, m->head.id, m->head.step);
    if (!c->there || c->step != m->head.step)
        return;
    blob_drop(c->bytes);
    *c = (contribution){0};
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
                   m->payload.data, m->payload.size);
    b->got += m->payload.size;
    if (m->head.flags & WIRE_LAST)
        b->asked = false;
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
        for (int i = 0; i < w->window; i++)
            if (w->buckets[b].sent[i].there)
                return true;
    return false;
}

bool worker_step_is_over(const dist_worker *w)
{
    for (int i = 0; i < w->job.limits->bucket_count; i++) {
        const worker_bucket *b = &w->buckets[i];
        if (!b->given || b->asked || slot(w, (uint32_t)i, w->step + 1)->there)
            return false;
    }
    return w->in_step;
}
