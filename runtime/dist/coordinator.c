/*
 * coordinator.c - see coordinator.h. Places are ps 0 .. P - 1, then workers.
 */
#include "dist/coordinator.h"
#include "dist/machine_priv.h"
#include "dist/members.h"
#include "dist/rounds.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum phase { FORMING, PS_FIRST, WORKERS_NEXT, RUNNING, ENDING } phase;

typedef struct one_seat {
    uint64_t incarnation; /* 0: nobody has joined */
    dist_blob *endpoint;
    bool gone;  /* unreachable: the place is free */
    bool ready; /* knows this epoch */
    bool bye;   /* a worker that is done */
    bool told;  /* DRAIN: how far it is */
} one_seat;

struct dist_coordinator {
    machine_job job;
    machine_out out;
    dist_hub *hub;
    dist_adder *adder;
    phase phase;
    uint32_t epoch;
    one_seat *seats;
    int count;
    uint64_t step;      /* where who is new begins */
    uint64_t deadline;  /* of FORMING and the two after it */
    bool drain, agreed; /* to be ended early; all told how far they are */
    uint64_t drain_step;
    ptl_status status;
    char why[200];
    bool over;
};

/* ---------- seats ---------- */

static uint32_t node_of(const dist_coordinator *c, int seat)
{
    return seat < c->job.servers
               ? wire_node(WIRE_PS, seat)
               : wire_node(WIRE_WORKER, seat - c->job.servers);
}

/* -1: there is no such place. */
static int seat_of(const dist_coordinator *c, uint32_t node)
{
    int index = wire_index(node);
    if (wire_role(node) == WIRE_PS && index < c->job.servers)
        return index;
    if (wire_role(node) == WIRE_WORKER && index < c->job.workers)
        return c->job.servers + index;
    return -1;
}

static bool is_worker(const dist_coordinator *c, int seat)
{
    return seat >= c->job.servers;
}

/* ---------- the end ---------- */

static void end(dist_coordinator *c, ptl_status status, const char *why,
                uint64_t now)
{
    if (c->phase == ENDING)
        return;
    c->phase = ENDING;
    c->status = status;
    c->deadline = now + c->job.liveness.dead;
    snprintf(c->why, sizeof c->why, "%s", why);
    for (int i = 0; i < c->count; i++)
        machine_say_text(c->hub, node_of(c, i), WIRE_BYE, c->epoch,
                         (uint32_t)status, c->why);
}

/* ---------- a new epoch ---------- */

static dist_blob *table(const dist_coordinator *c)
{
    ptl_str text = {0};
    for (int i = 0; i < c->count; i++) {
        dist_blob *e = c->seats[i].endpoint;
        dist_member m = {.node = node_of(c, i),
                         .incarnation = c->seats[i].incarnation,
                         .endpoint = {blob_bytes(e), blob_size(e)}};
        members_write(&text, &m);
    }
    dist_blob *out = blob_copy(text.data, text.length);
    str_fini(&text);
    return out;
}

/* Not to who is up and has not joined: another epoch will be its first. */
static void say_members(dist_coordinator *c, int from, int to, uint32_t flags)
{
    wire_header h = {.type = WIRE_MEMBERS,
                     .epoch = c->epoch,
                     .id = (uint32_t)c->count,
                     .step = c->step,
                     .flags = flags};
    dist_blob *who = table(c);
    for (int i = from; i < to; i++) {
        uint32_t node = node_of(c, i);
        if (hub_incarnation(c->hub, node) == c->seats[i].incarnation)
            hub_say(c->hub, node, &h, NULL, who, 0, blob_size(who));
    }
    blob_drop(who);
}

static bool all_present(const dist_coordinator *c)
{
    for (int i = 0; i < c->count; i++)
        if (c->seats[i].incarnation == 0 || c->seats[i].gone)
            return false;
    return true;
}

static bool all_ready(const dist_coordinator *c, int from, int to)
{
    for (int i = from; i < to; i++)
        if (!c->seats[i].ready)
            return false;
    return true;
}

static void tell(const dist_coordinator *c, const char *what, int seat)
{
    char line[120], name[32];
    snprintf(line, sizeof line, "epoch %u: %s %s", (unsigned)c->epoch,
             seat < 0 ? "all" : wire_node_name(node_of(c, seat), name), what);
    c->out.wire.log(c->out.wire.ctx, line);
}

static void begin_epoch(dist_coordinator *c, uint64_t now)
{
    c->epoch++;
    tell(c, "are here", -1);
    c->phase = PS_FIRST;
    c->step = UINT64_MAX;
    c->deadline = now + c->job.liveness.stall;
    for (int i = 0; i < c->count; i++)
        c->seats[i].ready = false;
    say_members(c, 0, c->job.servers, 0);
}

/* Who took a place since is asked, or told, like the others. */
static void say_drain(dist_coordinator *c)
{
    for (int i = c->job.servers; i < c->count; i++)
        machine_say(c->hub, node_of(c, i), WIRE_DRAIN, c->epoch, 0,
                    c->drain_step, c->agreed ? WIRE_GO : 0);
}

static void go(dist_coordinator *c)
{
    c->phase = RUNNING;
    tell(c, "go", -1);
    if (c->drain)
        say_drain(c); /* before: nobody may begin a step too many */
    say_members(c, 0, c->count, WIRE_GO);
}

/* Of a ps: who is new begins with the least; nobody may end before the most,
 * which is in some values already. A ps without buckets says UINT64_MAX. */
static void note_steps(dist_coordinator *c, uint64_t least, uint64_t most)
{
    if (least < c->step)
        c->step = least;
    if (least != UINT64_MAX && most > c->drain_step)
        c->drain_step = most;
}

static void ready(dist_coordinator *c, int seat, const wire_message *m)
{
    if (m->head.epoch != c->epoch)
        return;
    c->seats[seat].ready = true;
    tell(c, "is ready", seat);
    if (!is_worker(c, seat))
        note_steps(c, m->head.step, m->head.step + m->head.id);
    if (c->phase == PS_FIRST && all_ready(c, 0, c->job.servers)) {
        c->phase = WORKERS_NEXT;
        say_members(c, c->job.servers, c->count, 0);
    } else if (c->phase == WORKERS_NEXT && all_ready(c, 0, c->count)) {
        go(c);
    }
}

static void join(dist_coordinator *c, int seat, const wire_message *m,
                 uint64_t now)
{
    one_seat *s = &c->seats[seat];
    if (c->phase == ENDING || s->incarnation == m->head.incarnation)
        return;
    blob_drop(s->endpoint);
    *s = (one_seat){.incarnation = m->head.incarnation,
                    .endpoint = blob_copy(m->payload.data, m->payload.size)};
    tell(c, "joined", seat);
    if (all_present(c))
        begin_epoch(c, now);
}

/* ---------- draining ---------- */

static void drained(dist_coordinator *c, int seat, const wire_message *m)
{
    c->seats[seat].told = true;
    if (m->head.step > c->drain_step)
        c->drain_step = m->head.step;
    for (int i = c->job.servers; i < c->count; i++)
        if (!c->seats[i].told && !c->seats[i].bye)
            return;
    c->agreed = true;
    say_drain(c);
}

void coordinator_drain(dist_coordinator *c, uint64_t now)
{
    if (c->drain)
        return;
    c->drain = true;
    if (c->phase == FORMING && c->epoch == 0)
        end(c, PTL_OK, "ended before it began", now);
    else if (c->phase == RUNNING)
        say_drain(c);
    hub_flush(c->hub, now);
}

static void bye(dist_coordinator *c, int seat, uint64_t now)
{
    c->seats[seat].bye = true;
    for (int i = c->job.servers; i < c->count; i++)
        if (!c->seats[i].bye)
            return;
    end(c, PTL_OK, "all workers are done", now);
}

/* ---------- events ---------- */

static uint64_t now_of(const dist_coordinator *c)
{
    return hub_now(c->hub);
}

/* The chief hears of every worker's step. */
static void pass_on(dist_coordinator *c, const wire_message *m)
{
    wire_header h = {.type = WIRE_METRICS,
                     .epoch = c->epoch,
                     .id = (uint32_t)wire_index(m->head.sender),
                     .step = m->head.step};
    dist_blob *payload = blob_copy(m->payload.data, m->payload.size);
    hub_say(c->hub, wire_node(WIRE_WORKER, 0), &h, NULL, payload, 0,
            m->payload.size);
    blob_drop(payload);
}

static void partials(dist_coordinator *c, int seat, const wire_message *m)
{
    dist_blob *totals =
        adder_take(c->adder, seat, m->head.step, (int)m->head.id,
                   m->payload.data, m->payload.size);
    if (!totals)
        return;
    wire_header h = {.type = WIRE_TOTALS,
                     .epoch = c->epoch,
                     .id = m->head.id,
                     .step = m->head.step};
    for (int i = 0; i < c->job.servers; i++)
        if (adder_knows(c->adder, i))
            hub_say(c->hub, wire_node(WIRE_PS, i), &h, NULL, totals, 0,
                    blob_size(totals));
    blob_drop(totals);
}

static void message(void *ctx, uint32_t node, const wire_message *m)
{
    dist_coordinator *c = ctx;
    int seat = seat_of(c, node);
    switch (m->head.type) {
    case WIRE_JOIN:
        join(c, seat, m, now_of(c));
        break;
    case WIRE_READY:
        ready(c, seat, m);
        break;
    case WIRE_DRAIN:
        if (m->head.flags & WIRE_GO)
            drained(c, seat, m);
        else
            coordinator_drain(c, now_of(c));
        break;
    case WIRE_BYE:
        bye(c, seat, now_of(c));
        break;
    case WIRE_METRICS:
        pass_on(c, m);
        break;
    case WIRE_PARTIALS:
        partials(c, seat, m);
        break;
    default:
        break;
    }
}

static bool wrong(wire_fault *fault, wire_reason code, const char *text)
{
    fault->code = code;
    snprintf(fault->text, sizeof fault->text, "%s", text);
    return false;
}

static bool admit(void *ctx, const wire_header *hello, bool lives,
                  wire_fault *fault)
{
    dist_coordinator *c = ctx;
    char name[32], text[120];
    int seat = seat_of(c, hello->sender);
    wire_node_name(hello->sender, name);
    bool again = seat >= 0 && c->seats[seat].incarnation == hello->incarnation;
    if (seat < 0) {
        snprintf(text, sizeof text,
                 "there is no %s: the cluster has %d ps, %d "
                 "workers",
                 name, c->job.servers, c->job.workers);
        return wrong(fault, WIRE_REASON_INDEX, text);
    }
    if (c->phase == ENDING && !again)
        return wrong(fault, WIRE_REASON_ENDED, "the job has ended");
    snprintf(text, sizeof text, "%s is here already and answers", name);
    if (lives || (!again && !is_worker(c, seat) && c->epoch > 0))
        return wrong(fault, WIRE_REASON_TAKEN, text);
    return true;
}

/* The process that was lost lives, and nobody has taken its place. */
static void back(dist_coordinator *c, int seat)
{
    if (!c->seats[seat].gone || c->phase == ENDING)
        return;
    c->seats[seat].gone = false;
    tell(c, "is back", seat);
    if (all_present(c))
        begin_epoch(c, now_of(c));
}

static void up(void *ctx, uint32_t node, bool fresh)
{
    if (!fresh)
        back(ctx, seat_of(ctx, node));
}

static void lost(dist_coordinator *c, int seat, const char *text)
{
    one_seat *s = &c->seats[seat];
    if (s->bye || c->phase == ENDING)
        return;
    s->gone = true;
    tell(c, "is lost", seat);
    if (!is_worker(c, seat)) {
        end(c, PTL_E_PEER_LOST, text, now_of(c));
        return;
    }
    c->phase = FORMING;
    c->deadline = now_of(c) + c->job.worker_wait;
}

static void verdict(void *ctx, uint32_t node, liveness_verdict what,
                    const char *text)
{
    dist_coordinator *c = ctx;
    c->out.wire.log(c->out.wire.ctx, text);
    if (what == LIVENESS_UNREACHABLE)
        lost(c, seat_of(c, node), text);
    else if (what == LIVENESS_BACK)
        back(c, seat_of(c, node));
    else if (c->phase == RUNNING && !c->seats[seat_of(c, node)].bye)
        end(c, PTL_E_PEER_LOST, text, now_of(c));
}

static void refused(void *ctx, uint32_t node, wire_reason code,
                    const char *text)
{
    (void)ctx, (void)node, (void)code, (void)text;
}

/* ---------- time ---------- */

/* Who is waited for. */
static void name_missing(const dist_coordinator *c, char *text, size_t size)
{
    char name[32];
    for (int i = 0; i < c->count; i++) {
        const one_seat *s = &c->seats[i];
        bool joined = s->incarnation != 0 && !s->gone;
        if (joined && (c->phase == FORMING || s->ready))
            continue;
        snprintf(text, size, "%s %s in time",
                 wire_node_name(node_of(c, i), name),
                 joined ? "was not ready" : "did not join");
        return;
    }
    snprintf(text, size, "the cluster did not form in time");
}

/* A message is missing that nobody will say: all wait who are not done, and
 * nothing moves. The first of them, or -1: it is not so. */
static int first_of_all_waiting(const dist_coordinator *c, uint64_t now)
{
    int first = -1;
    for (int i = c->count - 1; i >= c->job.servers; i--) {
        const dist_pulse *p = hub_pulse(c->hub, node_of(c, i));
        if (c->seats[i].bye)
            continue;
        if (!p || p->at.phase != WIRE_PHASE_WAITING ||
            now - p->moved < c->job.liveness.stall)
            return -1;
        first = i;
    }
    return first;
}

static void look_for_standstill(dist_coordinator *c, uint64_t now)
{
    char text[120];
    int seat = c->phase == RUNNING ? first_of_all_waiting(c, now) : -1;
    if (seat < 0)
        return;
    uint32_t node = node_of(c, seat);
    liveness_text(hub_pulse(c->hub, node), node, LIVENESS_STALLED, now, text);
    end(c, PTL_E_PEER_LOST, text, now);
    hub_flush(c->hub, now);
}

void coordinator_tick(dist_coordinator *c, uint64_t now)
{
    char text[120];
    hub_tick(c->hub, now);
    look_for_standstill(c, now);
    bool late = now >= c->deadline;
    if (c->phase == ENDING && !c->over && (late || hub_waiting(c->hub) == 0)) {
        c->over = true;
        c->out.ended(c->out.ctx, c->status, c->why);
    }
    if (c->phase == RUNNING || c->phase == ENDING || !late)
        return;
    name_missing(c, text, sizeof text);
    end(c, PTL_E_PEER_LOST, text, now);
    hub_flush(c->hub, now);
}

/* ---------- life ---------- */

dist_coordinator *coordinator_new(const machine_job *job, uint64_t incarnation,
                                  const machine_out *out, uint64_t now)
{
    dist_coordinator *c = calloc(1, sizeof *c);
    PTL_ASSERT(c);
    c->job = *job;
    c->out = *out;
    c->count = job->servers + job->workers;
    c->seats = calloc((size_t)c->count, sizeof *c->seats);
    PTL_ASSERT(c->seats);
    c->deadline = now + job->join_wait;
    c->adder = adder_new(job);
    hub_owner owner = {.ctx = c,
                       .admit = admit,
                       .up = up,
                       .message = message,
                       .refused = refused,
                       .verdict = verdict};
    c->hub = machine_hub(job, wire_node(WIRE_COORDINATOR, 0), incarnation,
                         &owner, out, now);
    return c;
}

void coordinator_free(dist_coordinator *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->count; i++)
        blob_drop(c->seats[i].endpoint);
    hub_free(c->hub);
    adder_free(c->adder);
    free(c->seats);
    free(c);
}

dist_hub *coordinator_hub(dist_coordinator *c)
{
    return c->hub;
}

uint32_t coordinator_epoch(const dist_coordinator *c)
{
    return c->epoch;
}
