/*
 * worker.c - see worker.h: who it is, when it begins and ends.
 */
#include "base/plant.h"
#include "dist/machine_priv.h"
#include "dist/members.h"
#include "dist/placement.h"
#include "dist/worker_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t coordinator = (uint32_t)WIRE_COORDINATOR << 24;

static void end(dist_worker *w, ptl_status status, const char *text)
{
    if (!w->over)
        w->out.ended(w->out.ctx, status, text);
    w->over = true;
}

static void say_coordinator(dist_worker *w, wire_type type, uint64_t step)
{
    machine_say(w->hub, coordinator, type, w->epoch, 0, step, 0);
}

void worker_show_progress(dist_worker *w)
{
    bool waits = w->state == WORKER_DONE || (w->in_step && w->computed);
    dist_progress at = {.phase = waits ? WIRE_PHASE_WAITING
                                 : w->state == WORKER_TRAINING
                                     ? w->busy
                                     : WIRE_PHASE_LOADING,
                        .step = w->step};
    hub_progress(w->hub, &at);
}

/* ---------- steps ---------- */

/* Once the owner is done and every gradient is with its ps. */
static void say_bye(dist_worker *w)
{
    if (!w->in_step || !w->computed || w->step < w->last || worker_owes(w))
        return;
    w->in_step = false;
    w->state = WORKER_DONE;
    say_coordinator(w, WIRE_BYE, w->step);
}

static void begin_step(dist_worker *w)
{
    if (w->draining && !w->agreed && w->step < w->last)
        return;
    w->in_step = true;
    w->gave = false;
    w->computed = false;
    w->busy = WIRE_PHASE_TRAINING;
    for (int b = 0; b < w->job.limits->bucket_count; b++)
        w->buckets[b].given = false;
    worker_show_progress(w);
    w->owner.step(w->owner.ctx, w->step, w->step >= w->last);
}

static void next_step(dist_worker *w)
{
    w->in_step = false;
    w->step++;
    begin_step(w);
}

void worker_advance(dist_worker *w)
{
    bool loaded = worker_is_loaded(w) || ptl_is_planted(PTL_PLANT_NO_LOADING);
    if (w->state == WORKER_LOADING && loaded) {
        w->state = WORKER_READY;
        say_coordinator(w, WIRE_READY, w->step);
    }
    if (w->state == WORKER_TRAINING && worker_step_is_over(w))
        next_step(w);
    else if (w->state == WORKER_TRAINING)
        say_bye(w);
}

/* ---------- membership ---------- */

static void connect_servers(dist_worker *w, const wire_message *m)
{
    size_t at = 0;
    dist_member one;
    char endpoint[256];
    while (members_next(m->payload, &at, &one)) {
        size_t size = one.endpoint.size;
        if (wire_role(one.node) != WIRE_PS || size >= sizeof endpoint)
            continue;
        memcpy(endpoint, one.endpoint.data, size);
        endpoint[size] = '\0';
        w->out.connect(w->out.ctx, one.node, endpoint);
    }
}

/* A coordinator of the same job tells of one of its steps, or its end. */
static bool is_of_the_job(dist_worker *w, uint64_t step)
{
    char text[MACHINE_TEXT_BYTES];
    if (step >= w->job.first_step && step <= w->job.steps)
        return true;
    snprintf(text, sizeof text,
             "the coordinator is at step %llu, and this job has %llu to %llu",
             (unsigned long long)step, (unsigned long long)w->job.first_step,
             (unsigned long long)w->job.steps);
    end(w, PTL_E_INTERNAL, text);
    return false;
}

static void members(dist_worker *w, const wire_message *m)
{
    bool known = w->state == WORKER_TRAINING || w->state == WORKER_DONE;
    if (m->head.epoch <= w->epoch || !members_check(m->payload, m->head.id) ||
        !is_of_the_job(w, m->head.step))
        return;
    if (w->epoch == 0)
        connect_servers(w, m);
    w->epoch = m->head.epoch;
    if (known) {
        worker_say_again(w, -1);
        say_coordinator(w, WIRE_READY, w->step);
        if (w->wait.barrier)
            worker_enter(w, w->wait.barrier, w->wait.generation,
                         hub_now(w->hub));
        return;
    }
    w->step = m->head.step;
    w->in_step = false;
    w->state = WORKER_LOADING;
    worker_load(w, -1);
    worker_advance(w);
}

static void go(dist_worker *w, const wire_message *m)
{
    if (w->state != WORKER_READY || m->head.epoch != w->epoch)
        return;
    w->state = WORKER_TRAINING;
    begin_step(w);
}

static void drain(dist_worker *w, const wire_message *m)
{
    bool holds = w->draining && !w->agreed && !w->in_step;
    if (m->head.flags & WIRE_GO) {
        w->agreed = true;
        if (m->head.step < w->last)
            w->last = m->head.step;
        if (w->state == WORKER_TRAINING && holds)
            begin_step(w);
        return;
    }
    w->draining = true;
    uint64_t steps = w->step + (w->in_step && w->step < w->last);
    machine_say(w->hub, coordinator, WIRE_DRAIN, w->epoch, 0, steps, WIRE_GO);
}

/* ---------- messages ---------- */

static void nack(dist_worker *w, const wire_message *m)
{
    char text[MACHINE_TEXT_BYTES];
    if (m->fields.code == WIRE_REASON_STALE || worker_slots_gone(w, m))
        return; /* if stale, MEMBERS will come, or has; all is said again */
    end(w, PTL_E_INTERNAL, machine_text(m, "a request was refused", text));
}

static void released(dist_worker *w, const wire_message *m)
{
    if (w->wait.barrier != m->head.id || w->wait.generation != m->head.step)
        return;
    w->wait.barrier = 0;
    w->owner.passed(w->owner.ctx, m->head.id, m->head.step);
}

static void from_coordinator(dist_worker *w, const wire_message *m)
{
    char text[MACHINE_TEXT_BYTES];
    switch (m->head.type) {
    case WIRE_MEMBERS:
        if (m->head.flags & WIRE_GO)
            go(w, m);
        else
            members(w, m);
        break;
    case WIRE_DRAIN:
        drain(w, m);
        break;
    case WIRE_BYE:
        end(w, (ptl_status)m->head.id,
            machine_text(m, "the job has ended", text));
        break;
    case WIRE_METRICS:
        w->owner.metrics(w->owner.ctx, (int)m->head.id, m->head.step,
                         m->payload.data, m->payload.size);
        break;
    default:
        break;
    }
}

static void message(void *ctx, uint32_t node, const wire_message *m)
{
    dist_worker *w = ctx;
    if (node == coordinator) {
        from_coordinator(w, m);
        return;
    }
    switch (m->head.type) {
    case WIRE_DATA:
        worker_data(w, m);
        break;
    case WIRE_SNAP_CHUNK:
        worker_slots_came(w, m);
        break;
    case WIRE_PUSH_ACK:
        worker_acknowledged(w, m);
        break;
    case WIRE_BAR_RELEASE:
        released(w, m);
        break;
    case WIRE_NACK:
        nack(w, m);
        break;
    default:
        break;
    }
    worker_advance(w);
}

/* ---------- links ---------- */

static void up(void *ctx, uint32_t node, bool fresh)
{
    dist_worker *w = ctx;
    if (!fresh)
        return;
    if (node == coordinator)
        say_coordinator(w, WIRE_JOIN, 0);
    else if (w->state == WORKER_LOADING)
        worker_load(w, wire_index(node));
    else
        worker_say_again(w, wire_index(node));
    worker_advance(w);
}

static bool admit(void *ctx, const wire_header *hello, bool lives,
                  wire_fault *fault)
{
    (void)ctx, (void)hello, (void)lives;
    fault->code = WIRE_REASON_INDEX;
    strcpy(fault->text, "a worker serves nobody");
    return ptl_is_planted(PTL_PLANT_WORKER_SERVES);
}

static void refused(void *ctx, uint32_t node, wire_reason code,
                    const char *text)
{
    dist_worker *w = ctx;
    bool taken = code == WIRE_REASON_TAKEN;
    if (taken && w->epoch == 0)
        w->out.wire.log(w->out.wire.ctx, text); /* until the other is dead */
    else if (taken || node != coordinator)
        end(w, PTL_E_PEER_LOST, text); /* it took our place */
    else
        end(w, PTL_E_REFUSED, text);
}

/* The lease: who hears nothing of a server begins no step, since no value can
 * come; and ends, since nothing else can be done yet. */
static void verdict(void *ctx, uint32_t node, liveness_verdict what,
                    const char *text)
{
    dist_worker *w = ctx;
    w->out.wire.log(w->out.wire.ctx, text);
    (void)node;
    if (what == LIVENESS_UNREACHABLE)
        end(w, PTL_E_PEER_LOST, text);
}

/* ---------- the owner ---------- */

void worker_enter(dist_worker *w, uint32_t barrier, uint64_t generation,
                  uint64_t now)
{
    if (w->job.workers == 1 && !ptl_is_planted(PTL_PLANT_ENTER_ALONE)) {
        w->owner.passed(w->owner.ctx, barrier, generation);
        return;
    }
    int server = place_barrier_owner(barrier, w->job.servers);
    w->wait = (worker_wait){barrier, generation};
    machine_say(w->hub, wire_node(WIRE_PS, server), WIRE_BAR_ENTER, w->epoch,
                barrier, generation, 0);
    hub_flush(w->hub, now);
}

void worker_metrics(dist_worker *w, const void *bytes, size_t size,
                    uint64_t now)
{
    wire_header h = {.type = WIRE_METRICS,
                     .epoch = w->epoch,
                     .id = (uint32_t)w->index,
                     .step = w->step};
    dist_blob *payload = blob_copy(bytes, size);
    hub_say(w->hub, coordinator, &h, NULL, payload, 0, size);
    blob_drop(payload);
    hub_flush(w->hub, now);
}

void worker_is_busy(dist_worker *w, wire_phase phase)
{
    w->busy = phase;
    worker_show_progress(w);
}

void worker_drain(dist_worker *w, uint64_t now)
{
    say_coordinator(w, WIRE_DRAIN, w->step);
    hub_flush(w->hub, now);
}

void worker_tick(dist_worker *w, uint64_t now)
{
    bool begun = w->state == WORKER_TRAINING || w->state == WORKER_DONE;
    hub_tick(w->hub, now);
    if (!begun && now >= w->deadline)
        end(w, PTL_E_PEER_LOST, "the cluster did not form in time");
}

/* ---------- life ---------- */

dist_worker *worker_new(const machine_job *job, int index, uint64_t incarnation,
                        const worker_owner *owner, const machine_out *out,
                        uint64_t now)
{
    dist_worker *w = calloc(1, sizeof *w);
    size_t count = (size_t)job->limits->bucket_count;
    PTL_ASSERT(w);
    w->job = *job;
    w->out = *out;
    w->owner = *owner;
    w->index = index;
    w->last = job->steps;
    w->slots_of = -1;
    w->deadline = now + job->join_wait;
    w->buckets = calloc(count + 1, sizeof *w->buckets);
    PTL_ASSERT(w->buckets);
    for (size_t b = 0; b < count; b++) {
        w->buckets[b].window = shard_window(&job->buckets[b].rules);
        w->buckets[b].sent =
            calloc((size_t)w->buckets[b].window, sizeof(contribution));
        PTL_ASSERT(w->buckets[b].sent);
    }
    hub_owner machine = {.ctx = w,
                         .admit = admit,
                         .up = up,
                         .message = message,
                         .refused = refused,
                         .verdict = verdict};
    w->hub = machine_hub(job, wire_node(WIRE_WORKER, index), incarnation,
                         &machine, out, now);
    worker_show_progress(w);
    out->connect(out->ctx, coordinator, "");
    return w;
}

void worker_free(dist_worker *w)
{
    if (!w)
        return;
    for (int b = 0; b < w->job.limits->bucket_count; b++) {
        for (int i = 0; i < w->buckets[b].window; i++)
            blob_drop(w->buckets[b].sent[i].bytes);
        free(w->buckets[b].sent);
    }
    hub_free(w->hub);
    free(w->buckets);
    free(w);
}

dist_hub *worker_hub(dist_worker *w)
{
    return w->hub;
}
