/*
 * ps.c - see ps.h. What becomes of gradients is in shard.c.
 */
#include "dist/ps.h"
#include "base/plant.h"
#include "base/stream.h"
#include "dist/barrier.h"
#include "dist/machine_priv.h"
#include "dist/members.h"
#include "dist/rounds.h"
#include <stdlib.h>
#include <string.h>

/* A PULL that is not answered yet. */
typedef struct pull {
    bool waits, exact;
    uint64_t version;
} pull;

struct dist_ps {
    machine_job job;
    machine_out out;
    int index;
    const char *endpoint;
    dist_hub *hub;
    uint32_t epoch;        /* 0: no members known */
    uint64_t *incarnation; /* by worker; 0: no member */
    dist_shard **shards;   /* by bucket; NULL: elsewhere */
    pull *pulls;           /* [bucket][worker] */
    barrier_set *barriers;
    shard_store store;
    ps_turn turn;
    bool over;
};

static const uint32_t coordinator = (uint32_t)WIRE_COORDINATOR << 24;

/* ---------- who ---------- */

static bool admit(void *ctx, const wire_header *hello, bool lives,
                  wire_fault *fault)
{
    dist_ps *ps = ctx;
    int worker = wire_index(hello->sender);
    (void)lives;
    if (wire_role(hello->sender) == WIRE_WORKER && worker < ps->job.workers &&
        ps->epoch > 0 && ps->incarnation[worker] == hello->incarnation)
        return true;
    fault->code = WIRE_REASON_STALE;
    strcpy(fault->text, "this process is no member of the job now");
    return false;
}

static bool is_member(const dist_ps *ps, uint32_t node, const wire_message *m)
{
    int worker = wire_index(node);
    return wire_role(node) == WIRE_WORKER && worker < ps->job.workers &&
           m->head.incarnation == ps->incarnation[worker];
}

static void forget_pulls(dist_ps *ps)
{
    size_t count =
        (size_t)ps->job.limits->bucket_count * (size_t)ps->job.workers;
    memset(ps->pulls, 0, count * sizeof *ps->pulls);
}

static void replaced(dist_ps *ps, int worker)
{
    barrier_replaced(ps->barriers, worker);
    for (int b = 0; b < ps->job.limits->bucket_count; b++)
        if (ps->shards[b])
            shard_replaced(ps->shards[b], worker);
}

static void take_member(dist_ps *ps, const dist_member *m)
{
    int worker = wire_index(m->node);
    if (wire_role(m->node) != WIRE_WORKER || worker >= ps->job.workers)
        return;
    uint64_t *known = &ps->incarnation[worker];
    if (*known != 0 && *known != m->incarnation)
        replaced(ps, worker);
    *known = m->incarnation;
}

/* Steps of the bucket that is furthest behind, and steps any worker has had
 * applied anywhere. */
static void find_steps(const dist_ps *ps, uint64_t *least, uint64_t *most)
{
    *least = UINT64_MAX;
    *most = 0;
    for (int b = 0; b < ps->job.limits->bucket_count; b++) {
        const dist_shard *s = ps->shards[b];
        if (!s)
            continue;
        uint64_t steps = machine_steps(&ps->job, (uint32_t)b, shard_version(s));
        if (steps < *least)
            *least = steps;
        for (int w = 0; w < ps->job.workers; w++) {
            steps = machine_steps(&ps->job, (uint32_t)b, shard_next_step(s, w));
            if (steps > *most)
                *most = steps;
        }
    }
}

static void say_ready(dist_ps *ps)
{
    uint64_t least, most;
    find_steps(ps, &least, &most);
    uint32_t ahead = most > least ? (uint32_t)(most - least) : 0;
    machine_say(ps->hub, coordinator, WIRE_READY, ps->epoch, ahead, least, 0);
}

static void tell_again(const dist_ps *ps, uint32_t epoch)
{
    for (int b = 0; b < ps->job.limits->bucket_count; b++)
        if (ps->shards[b])
            shard_tell(ps->shards[b], SHARD_EVENT_AGAIN, 0, epoch);
}

static void members(dist_ps *ps, const wire_message *m)
{
    size_t at = 0;
    dist_member one;
    if (m->head.epoch <= ps->epoch || !members_check(m->payload, m->head.id))
        return;
    if (ps->epoch > 0)
        tell_again(ps, m->head.epoch);
    ps->epoch = m->head.epoch;
    while (members_next(m->payload, &at, &one))
        take_member(ps, &one);
    forget_pulls(ps);
    say_ready(ps);
}

/* ---------- values ---------- */

static void send_value(dist_ps *ps, uint32_t node, uint32_t bucket,
                       uint64_t version, dist_blob *value)
{
    const wire_limits *l = ps->job.limits;
    wire_header h = {.type = WIRE_DATA,
                     .epoch = ps->epoch,
                     .id = bucket,
                     .step = version,
                     .dtype = (uint8_t)(1 + l->bucket_types[bucket])};
    machine_say_bytes(ps->hub, node, &h, NULL, value, l->chunk);
}

/* Answered, or refused for good? */
static bool answer(dist_ps *ps, int worker, uint32_t bucket, const pull *p)
{
    dist_shard *s = ps->shards[bucket];
    dist_blob *value = shard_value(s, p->version, p->exact);
    if (!value)
        return false;
    uint64_t version = p->exact ? p->version : shard_version(s);
    send_value(ps, wire_node(WIRE_WORKER, worker), bucket, version, value);
    shard_tell(s, SHARD_EVENT_READ, worker, 0);
    blob_drop(value);
    return true;
}

static void answer_waiting(dist_ps *ps, uint32_t bucket)
{
    for (int w = 0; w < ps->job.workers; w++) {
        pull *p = &ps->pulls[(int)bucket * ps->job.workers + w];
        if (p->waits && answer(ps, w, bucket, p))
            p->waits = false;
    }
}

static void acknowledge(dist_ps *ps, uint32_t bucket)
{
    uint64_t step;
    for (int w = 0; w < ps->job.workers; w++)
        if (shard_acknowledges(ps->shards[bucket], w, &step))
            machine_say(ps->hub, wire_node(WIRE_WORKER, w), WIRE_PUSH_ACK,
                        ps->epoch, bucket, step, 0);
}

static void gradient_came(dist_ps *ps, uint32_t bucket)
{
    acknowledge(ps, bucket);
    uint64_t version = shard_version(ps->shards[bucket]);
    dist_progress at = {.phase = WIRE_PHASE_WAITING,
                        .step = machine_steps(&ps->job, bucket, version),
                        .bucket = bucket};
    hub_progress(ps->hub, &at);
    answer_waiting(ps, bucket);
}

/* ---------- totals ---------- */

static void say_partials(dist_ps *ps)
{
    dist_blob *bytes = ps->job.totals ? turn_partials(&ps->turn, &ps->job,
                                                      ps->shards, &ps->store)
                                      : NULL;
    if (!bytes)
        return;
    wire_header h = {.type = WIRE_PARTIALS,
                     .epoch = ps->epoch,
                     .id = (uint32_t)ps->turn.round,
                     .step = ps->turn.turn};
    hub_say(ps->hub, coordinator, &h, NULL, bytes, 0, blob_size(bytes));
    blob_drop(bytes);
}

/* The rest of the turn, or all updates; the next may be waiting already. */
static void take_totals(dist_ps *ps, const wire_message *m)
{
    if (!ps->job.totals)
        return;
    bool last = turn_totals(&ps->turn, &ps->job, &ps->store, m->head.step,
                            (int)m->head.id, m->payload.data, m->payload.size);
    for (int b = 0; last && b < ps->job.limits->bucket_count; b++)
        if (ps->shards[b] && ps->job.buckets[b].rules.hold) {
            shard_release(ps->shards[b]);
            gradient_came(ps, (uint32_t)b);
        }
    say_partials(ps);
}

/* ---------- slots ---------- */

static void is_gone(dist_ps *ps, uint32_t node, const wire_message *m)
{
    machine_refuse(ps->hub, m, node, ps->epoch, WIRE_REASON_GONE,
                   "version %llu of bucket %u is gone, this is %llu",
                   (unsigned long long)m->head.step, (unsigned)m->head.id,
                   (unsigned long long)shard_version(ps->shards[m->head.id]));
}

/* The slots as they are: whoever wants those of a version asks while no update
 * can come. `step`: updates the bucket had. */
static void send_slots(dist_ps *ps, uint32_t node, const wire_message *m)
{
    const wire_limits *l = ps->job.limits;
    uint32_t bucket = m->head.id;
    size_t all;
    if (m->head.flags & WIRE_EXACT &&
        !shard_is_at(ps->shards[bucket], m->head.step)) {
        is_gone(ps, node, m);
        return;
    }
    const shard_store *store = shard_store_of(ps->shards[bucket]);
    const uint8_t *bytes = store->slots(store->ctx, bucket, &all);
    PTL_ASSERT(all == l->slot_bytes[bucket]);
    dist_blob *copy = blob_copy(bytes, all);
    wire_header h = {.type = WIRE_SNAP_CHUNK,
                     .epoch = ps->epoch,
                     .id = bucket,
                     .step = shard_updates(ps->shards[bucket]),
                     .dtype = (uint8_t)(1 + l->bucket_types[bucket])};
    machine_say_bytes(ps->hub, node, &h, NULL, copy, l->chunk);
    shard_tell(ps->shards[bucket], SHARD_EVENT_SLOTS, wire_index(node), 0);
    blob_drop(copy);
}

static void take_pull(dist_ps *ps, uint32_t node, const wire_message *m)
{
    int worker = wire_index(node);
    uint32_t bucket = m->head.id;
    pull p = {.waits = true,
              .exact = (m->head.flags & WIRE_EXACT) != 0,
              .version = m->head.step};
    if (m->head.flags & WIRE_SLOTS) {
        send_slots(ps, node, m);
        return;
    }
    if (answer(ps, worker, bucket, &p))
        return;
    if (p.version < shard_version(ps->shards[bucket]))
        is_gone(ps, node, m);
    else
        ps->pulls[(int)bucket * ps->job.workers + worker] = p;
}

/* ---------- gradients ---------- */

static void take_push(dist_ps *ps, uint32_t node, const wire_message *m)
{
    const wire_header *h = &m->head;
    shard_chunk c = {.worker = wire_index(node),
                     .step = h->step,
                     .offset = h->offset,
                     .bytes = m->payload.size,
                     .data = m->payload.data,
                     .weight = m->fields.weight,
                     .last = (h->flags & WIRE_LAST) != 0,
                     .empty = (h->flags & WIRE_EMPTY) != 0,
                     .bf16 = h->codec == WIRE_CODEC_BF16,
                     .holder = m->holder};
    shard_answer a = shard_push(ps->shards[h->id], &c);
    if (a == SHARD_BEFORE && c.last)
        machine_say(ps->hub, node, WIRE_PUSH_ACK, ps->epoch, h->id, h->step, 0);
    if (a == SHARD_WHOLE) {
        gradient_came(ps, h->id);
        say_partials(ps);
    }
    if (a == SHARD_AHEAD)
        machine_refuse(ps->hub, m, node, ps->epoch, WIRE_REASON_AHEAD,
                       "step %llu of bucket %u, whose version is %llu",
                       (unsigned long long)h->step, (unsigned)h->id,
                       (unsigned long long)shard_version(ps->shards[h->id]));
    if (a == SHARD_UNLIKE)
        machine_refuse(ps->hub, m, node, ps->epoch, WIRE_REASON_MALFORMED,
                       "step %llu of bucket %u has another weight than before",
                       (unsigned long long)h->step, (unsigned)h->id);
}

/* ---------- barriers ---------- */

static void release(dist_ps *ps, uint32_t node, const wire_message *m)
{
    machine_say(ps->hub, node, WIRE_BAR_RELEASE, ps->epoch, m->head.id,
                m->head.step, 0);
}

static void take_enter(dist_ps *ps, uint32_t node, const wire_message *m)
{
    switch (barrier_enter(ps->barriers, m->head.id, m->head.step,
                          wire_index(node))) {
    case BARRIER_WAITS:
        break;
    case BARRIER_OVER:
        for (int w = 0; w < ps->job.workers; w++)
            release(ps, wire_node(WIRE_WORKER, w), m);
        break;
    case BARRIER_WAS_OVER:
        release(ps, node, m);
        break;
    case BARRIER_OLD:
        machine_refuse(ps->hub, m, node, ps->epoch, WIRE_REASON_OLD,
                       "generation %llu of barrier %u is over",
                       (unsigned long long)m->head.step, (unsigned)m->head.id);
        break;
    case BARRIER_AHEAD:
    case BARRIER_UNKNOWN:
        machine_refuse(ps->hub, m, node, ps->epoch, WIRE_REASON_AHEAD,
                       "there is no generation %llu of barrier %u yet",
                       (unsigned long long)m->head.step, (unsigned)m->head.id);
    }
}

/* ---------- messages ---------- */

static bool has_bucket(const dist_ps *ps, const wire_message *m)
{
    return m->head.id < (uint32_t)ps->job.limits->bucket_count &&
           ps->shards[m->head.id];
}

static void from_worker(dist_ps *ps, uint32_t node, const wire_message *m)
{
    bool fenced = m->head.epoch != ps->epoch || !is_member(ps, node, m);
    if (fenced && !ptl_is_planted(PTL_PLANT_NO_FENCE)) {
        machine_refuse(ps->hub, m, node, ps->epoch, WIRE_REASON_STALE,
                       "epoch %u is over, this is %u", (unsigned)m->head.epoch,
                       (unsigned)ps->epoch);
        return;
    }
    bool bucket = m->head.type == WIRE_PUSH || m->head.type == WIRE_PULL;
    if (bucket && !has_bucket(ps, m))
        machine_refuse(ps->hub, m, node, ps->epoch, WIRE_REASON_MALFORMED,
                       "bucket %u is not here", (unsigned)m->head.id);
    else if (m->head.type == WIRE_PUSH)
        take_push(ps, node, m);
    else if (m->head.type == WIRE_PULL)
        take_pull(ps, node, m);
    else if (m->head.type == WIRE_BAR_ENTER)
        take_enter(ps, node, m);
}

static void message(void *ctx, uint32_t node, const wire_message *m)
{
    dist_ps *ps = ctx;
    if (ps->over)
        return;
    if (node != coordinator) {
        from_worker(ps, node, m);
    } else if (m->head.type == WIRE_MEMBERS) {
        members(ps, m);
    } else if (m->head.type == WIRE_TOTALS) {
        take_totals(ps, m);
    } else if (m->head.type == WIRE_BYE) {
        char text[MACHINE_TEXT_BYTES];
        ps->over = true;
        ps->out.ended(ps->out.ctx, (ptl_status)m->head.id,
                      machine_text(m, "the job has ended", text));
    }
}

static void up(void *ctx, uint32_t node, bool fresh)
{
    dist_ps *ps = ctx;
    if (node != coordinator || !fresh)
        return;
    wire_header h = {.type = WIRE_JOIN};
    dist_blob *text = blob_copy(ps->endpoint, strlen(ps->endpoint));
    hub_say(ps->hub, node, &h, NULL, text, 0, blob_size(text));
    blob_drop(text);
}

static void end(dist_ps *ps, ptl_status status, const char *text)
{
    if (!ps->over)
        ps->out.ended(ps->out.ctx, status, text);
    ps->over = true;
}

static void refused(void *ctx, uint32_t node, wire_reason code,
                    const char *text)
{
    (void)node, (void)code;
    end(ctx, PTL_E_REFUSED, text);
}

/* Workers are the coordinator's business. */
static void verdict(void *ctx, uint32_t node, liveness_verdict what,
                    const char *text)
{
    if (node == coordinator && what == LIVENESS_UNREACHABLE)
        end(ctx, PTL_E_PEER_LOST, text);
}

/* ---------- life ---------- */

/* Of all values here. */
static uint64_t bytes_of(const dist_ps *ps)
{
    const wire_limits *l = ps->job.limits;
    uint64_t bytes = 0;
    for (int b = 0; b < l->bucket_count; b++)
        if (ps->job.buckets[b].owner == ps->index)
            bytes += l->bucket_bytes[b];
    return bytes;
}

static void make_shards(dist_ps *ps, const shard_store *store)
{
    const wire_limits *l = ps->job.limits;
    bool streams = bytes_of(ps) > STREAM_BYTES;
    for (int b = 0; b < l->bucket_count; b++) {
        if (ps->job.buckets[b].owner != ps->index)
            continue;
        ps->shards[b] = shard_new(&ps->job.buckets[b].rules, store, (uint32_t)b,
                                  (size_t)l->bucket_bytes[b], l->chunk);
        shard_copies_to(ps->shards[b], &ps->out.memory, streams);
        shard_tells(ps->shards[b], &ps->out.notice);
    }
}

dist_ps *ps_new(const machine_job *job, int index, uint64_t incarnation,
                const char *endpoint, const shard_store *store,
                const machine_out *out, uint64_t now)
{
    dist_ps *ps = calloc(1, sizeof *ps);
    size_t buckets = (size_t)job->limits->bucket_count;
    size_t workers = (size_t)job->workers;
    PTL_ASSERT(ps);
    ps->job = *job;
    ps->out = *out;
    ps->index = index;
    ps->endpoint = endpoint;
    ps->incarnation = calloc(workers, sizeof *ps->incarnation);
    ps->shards = calloc(buckets + 1, sizeof(dist_shard *));
    ps->pulls = calloc(buckets * workers + 1, sizeof *ps->pulls);
    PTL_ASSERT(ps->incarnation && ps->shards && ps->pulls);
    ps->barriers = barrier_set_new(job->barriers, job->workers);
    ps->store = *store;
    make_shards(ps, store);
    hub_owner owner = {.ctx = ps,
                       .admit = admit,
                       .up = up,
                       .message = message,
                       .refused = refused,
                       .verdict = verdict};
    ps->hub = machine_hub(job, wire_node(WIRE_PS, index), incarnation, &owner,
                          out, now);
    out->connect(out->ctx, coordinator, "");
    return ps;
}

void ps_free(dist_ps *ps)
{
    if (!ps)
        return;
    for (int b = 0; b < ps->job.limits->bucket_count; b++)
        shard_free(ps->shards[b]);
    barrier_set_free(ps->barriers);
    hub_free(ps->hub);
    free(ps->shards);
    free(ps->pulls);
    free(ps->incarnation);
    free(ps);
}

dist_hub *ps_hub(dist_ps *ps)
{
    return ps->hub;
}

void ps_drain(dist_ps *ps, uint64_t now)
{
    machine_say(ps->hub, coordinator, WIRE_DRAIN, ps->epoch, 0, 0, 0);
    hub_flush(ps->hub, now);
}

void ps_tick(dist_ps *ps, uint64_t now)
{
    hub_tick(ps->hub, now);
}

const dist_shard *ps_shard(const dist_ps *ps, uint32_t bucket)
{
    return bucket < (uint32_t)ps->job.limits->bucket_count ? ps->shards[bucket]
                                                           : NULL;
}
