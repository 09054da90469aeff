/*
 * reactor.c - see net/reactor.h.
 */
#include "net/reactor.h"
#include "base/clock.h"
#include "base/trace.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROLES = WIRE_WORKER + 1, NOBODY = 0 };

/* A machine, by its role. */
typedef struct seat {
    net_reactor *reactor;
    uint32_t self;
    reactor_owner owner;
    dist_hub *hub; /* NULL: there is none (yet) */
    void *machine;
    void (*tick)(void *machine, uint64_t now);
} seat;

typedef struct errand {
    void (*run)(void *ctx);
    void *ctx;
} errand;

typedef struct errand_list {
    errand *first;
    int count, room;
} errand_list;

struct net_reactor {
    dist_transport *transport;
    char coordinator[NET_ENDPOINT_BYTES];
    seat seats[ROLES];
    int *callers; /* by connection of ours: the role that connected */
    int caller_count;
    uint64_t next_tick;
    pthread_mutex_t lock; /* of the three below */
    errand_list posted;
    bool stopping;
    uint64_t stop_by;
    atomic_bool asked; /* one of them changed */
    errand_list running;
};

/* ---------- the timeline ---------- */

/* "sent PUSH"; `type` of what cannot be read is 0. */
static const char *message_name(char text[40], const char *what,
                                const wire_frame *frames, int count)
{
    const char *type = wire_type_name(wire_peek_type(frames, count));
    snprintf(text, 40, "%s %s", what, type ? type : "what has no type");
    return text;
}

/* ---------- the outside of machines ---------- */

static void out_send(void *ctx, int connection, const wire_frame *frames,
                     int count, dist_blob *payload)
{
    dist_transport *t = ((seat *)ctx)->reactor->transport;
    char text[40];
    double began = trace_now();
    t->ops->send(t, connection, frames, count, payload);
    if (trace_is_open())
        trace_span("message", message_name(text, "send", frames, count), began);
}

static void out_close(void *ctx, int connection)
{
    dist_transport *t = ((seat *)ctx)->reactor->transport;
    t->ops->close(t, connection);
}

static void out_log(void *ctx, const char *line)
{
    const reactor_owner *o = &((seat *)ctx)->owner;
    if (o->log)
        o->log(o->ctx, line);
}

static void out_connect(void *ctx, uint32_t node, const char *endpoint)
{
    const seat *s = ctx;
    dist_transport *t = s->reactor->transport;
    bool coordinator = wire_role(node) == WIRE_COORDINATOR;
    t->ops->connect(t, coordinator ? s->reactor->coordinator : endpoint,
                    s->self, node);
}

static bool out_places(void *ctx, int connection, const uint8_t *bytes,
                       size_t size)
{
    dist_transport *t = ((seat *)ctx)->reactor->transport;
    return t->ops->places && t->ops->places(t, connection, bytes, size);
}

static dist_blob *out_blob(void *ctx, size_t size)
{
    dist_transport *t = ((seat *)ctx)->reactor->transport;
    return t->ops->blob ? t->ops->blob(t, size) : NULL;
}

static void out_ended(void *ctx, ptl_status status, const char *text)
{
    const reactor_owner *o = &((seat *)ctx)->owner;
    o->ended(o->ctx, status, text);
}

machine_out reactor_outside(net_reactor *r, uint32_t self,
                            const reactor_owner *owner)
{
    seat *s = &r->seats[wire_role(self)];
    *s = (seat){.reactor = r, .self = self, .owner = *owner};
    return (machine_out){.wire = {s, out_send, out_close, out_log, out_places},
                         .ctx = s,
                         .connect = out_connect,
                         .ended = out_ended,
                         .memory = {s, out_blob}};
}

/* ---------- machines ---------- */

static void tick_coordinator(void *machine, uint64_t now)
{
    coordinator_tick(machine, now);
}

static void tick_ps(void *machine, uint64_t now)
{
    ps_tick(machine, now);
}

static void tick_worker(void *machine, uint64_t now)
{
    worker_tick(machine, now);
}

static void add(net_reactor *r, int role, void *machine, dist_hub *hub,
                void (*tick)(void *machine, uint64_t now))
{
    seat *s = &r->seats[role];
    PTL_ASSERT(s->reactor); /* reactor_outside() came before */
    s->machine = machine;
    s->tick = tick;
    s->hub = hub;
}

void reactor_add_coordinator(net_reactor *r, dist_coordinator *c)
{
    add(r, WIRE_COORDINATOR, c, coordinator_hub(c), tick_coordinator);
}

void reactor_add_ps(net_reactor *r, dist_ps *ps)
{
    add(r, WIRE_PS, ps, ps_hub(ps), tick_ps);
}

void reactor_add_worker(net_reactor *r, dist_worker *w)
{
    add(r, WIRE_WORKER, w, worker_hub(w), tick_worker);
}

void reactor_remove(net_reactor *r, int role)
{
    r->seats[role].hub = NULL;
}

/* ---------- events ---------- */

static int *caller_of(net_reactor *r, int connection)
{
    if (connection >= r->caller_count) {
        size_t count = (size_t)connection + 16;
        r->callers = realloc(r->callers, count * sizeof(int));
        PTL_ASSERT(r->callers);
        memset(r->callers + r->caller_count, 0,
               (count - (size_t)r->caller_count) * sizeof(int));
        r->caller_count = (int)count;
    }
    return &r->callers[connection];
}

static seat *any_seat(net_reactor *r)
{
    for (int role = 1; role < ROLES; role++)
        if (r->seats[role].hub)
            return &r->seats[role];
    return NULL;
}

/* NULL: nobody is there any more. */
static seat *receiver(net_reactor *r, const transport_event *e)
{
    int role = *caller_of(r, e->connection);
    if (role == NOBODY)
        role = wire_receiver(e->frames, e->count);
    return r->seats[role].hub ? &r->seats[role] : any_seat(r);
}

static void connected(net_reactor *r, const transport_event *e, uint64_t now)
{
    seat *s = &r->seats[wire_role(e->from)];
    *caller_of(r, e->connection) = wire_role(e->from);
    if (s->hub)
        hub_connected(s->hub, e->connection, e->node, now);
}

static void disconnected(net_reactor *r, int connection, uint64_t now)
{
    *caller_of(r, connection) = NOBODY;
    for (int role = 1; role < ROLES; role++)
        if (r->seats[role].hub)
            hub_disconnected(r->seats[role].hub, connection, now);
}

static void take_message(net_reactor *r, const transport_event *e, uint64_t now)
{
    seat *s = receiver(r, e);
    char text[40];
    double began = trace_now();
    if (s && e->node)
        hub_proved(s->hub, e->connection, e->node);
    if (s && e->holder)
        hub_placed(s->hub, e->holder);
    if (s)
        hub_receive(s->hub, e->connection, e->frames, e->count, now);
    if (trace_is_open())
        trace_span("message", message_name(text, "take", e->frames, e->count),
                   began);
}

static void take_event(net_reactor *r, const transport_event *e, uint64_t now)
{
    switch (e->kind) {
    case TRANSPORT_UP:
        connected(r, e, now);
        break;
    case TRANSPORT_DOWN:
        disconnected(r, e->connection, now);
        break;
    case TRANSPORT_MESSAGE:
        take_message(r, e, now);
        break;
    case TRANSPORT_NOTHING:
        break;
    }
}

static void tick(net_reactor *r, uint64_t now)
{
    r->next_tick = now + MACHINE_TICK_MS;
    for (int role = 1; role < ROLES; role++)
        if (r->seats[role].hub)
            r->seats[role].tick(r->seats[role].machine, now);
}

/* ---------- other threads ---------- */

static void ask(net_reactor *r)
{
    if (!atomic_exchange(&r->asked, true))
        net_wake(r->transport);
}

void reactor_post(net_reactor *r, void (*run)(void *ctx), void *ctx)
{
    errand_list *p = &r->posted;
    pthread_mutex_lock(&r->lock);
    if (p->count == p->room) {
        p->room = p->room ? 2 * p->room : 16;
        p->first = realloc(p->first, (size_t)p->room * sizeof *p->first);
        PTL_ASSERT(p->first);
    }
    p->first[p->count++] = (errand){run, ctx};
    pthread_mutex_unlock(&r->lock);
    ask(r);
}

void reactor_stop(net_reactor *r, uint64_t linger)
{
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    r->stop_by = clock_ms() + linger;
    pthread_mutex_unlock(&r->lock);
    ask(r);
}

/* Two lists change places, so that nobody waits while errands run. */
static void run_posted(net_reactor *r)
{
    errand_list list = r->running;
    if (!atomic_exchange(&r->asked, false))
        return;
    pthread_mutex_lock(&r->lock);
    r->running = r->posted;
    r->posted = list;
    r->posted.count = 0;
    pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < r->running.count; i++)
        r->running.first[i].run(r->running.first[i].ctx);
    r->running.count = 0;
}

/* ---------- the loop ---------- */

/* The coordinator stays until it knows that all others know of the end; others
 * may be gone already. */
static bool is_settled(const seat *s, int role)
{
    const uint32_t coordinator = wire_node(WIRE_COORDINATOR, 0);
    return !s->hub ||
           (hub_waiting(s->hub) == 0 &&
            (role == WIRE_COORDINATOR || !hub_owes(s->hub, coordinator)));
}

static bool all_settled(const net_reactor *r)
{
    for (int role = 1; role < ROLES; role++)
        if (!is_settled(&r->seats[role], role))
            return false;
    return true;
}

static bool may_end(net_reactor *r)
{
    pthread_mutex_lock(&r->lock);
    bool stopping = r->stopping;
    uint64_t stop_by = r->stop_by;
    pthread_mutex_unlock(&r->lock);
    return stopping && (clock_ms() >= stop_by || all_settled(r));
}

void reactor_run(net_reactor *r)
{
    dist_transport *t = r->transport;
    transport_event e;
    for (;;) {
        run_posted(r);
        uint64_t now = clock_ms();
        if (now >= r->next_tick) {
            tick(r, now); /* also says what is to be acknowledged */
            if (may_end(r))
                break;
        }
        t->ops->next(t, r->next_tick, &e);
        take_event(r, &e, clock_ms());
        t->ops->done(t, &e);
    }
    run_posted(r);
}

/* ---------- life ---------- */

net_reactor *reactor_new(dist_transport *transport, const char *coordinator)
{
    net_reactor *r = calloc(1, sizeof *r);
    PTL_ASSERT(r);
    r->transport = transport;
    PTL_ASSERT(strlen(coordinator) < sizeof r->coordinator);
    strcpy(r->coordinator, coordinator);
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void reactor_free(net_reactor *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r->posted.first);
    free(r->running.first);
    free(r->callers);
    free(r);
}
