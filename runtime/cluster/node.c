/*
 * node.c - see node.h.
 *
 * What comes from a peer's connection goes to the machine of the role that the
 * message names; what comes by one of ours, to the machine that asked for it.
 */
#include "cluster/node.h"
#include "base/clock.h"
#include "base/thread.h"
#include "net/net.h"
#include "train/stop.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    ROLES = WIRE_WORKER + 1,
    LINGER_MS = 500 /* for the last words */
};

/* One machine. */
typedef struct one_machine {
    struct cluster_node *node;
    int role;
    dist_hub *hub; /* NULL: not in this process */
    bool ended;
} one_machine;

typedef struct posted {
    void (*run)(void *ctx);
    void *ctx;
} posted;

struct cluster_node {
    node_options o;
    dist_transport *transport;
    char endpoint[NET_ENDPOINT_BYTES]; /* told by JOIN */
    one_machine machines[ROLES];
    dist_coordinator *coordinator;
    dist_ps *ps;
    dist_worker *worker;
    one_machine **asked; /* by connection: of ours */
    int asked_room;
    uint64_t now, ticked;

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    posted *queue; /* under the lock */
    int queued, room;
    bool over, stop, drain;
};

static uint64_t milliseconds(void)
{
    return (uint64_t)(clock_seconds() * 1e3);
}

/* ---------- out ---------- */

static void send_message(void *ctx, int connection, const wire_frame *frames,
                         int count, dist_blob *payload)
{
    dist_transport *t = ((one_machine *)ctx)->node->transport;
    t->ops->send(t, connection, frames, count, payload);
}

static void close_connection(void *ctx, int connection)
{
    dist_transport *t = ((one_machine *)ctx)->node->transport;
    t->ops->close(t, connection);
}

static void log_line(void *ctx, const char *line)
{
    cluster_node *n = ((one_machine *)ctx)->node;
    n->o.log(n->o.ctx, line);
}

static void connect_to(void *ctx, uint32_t node, const char *endpoint)
{
    one_machine *m = ctx;
    cluster_node *n = m->node;
    dist_transport *t = n->transport;
    int index = m->role == WIRE_WORKER ? n->o.worker : n->o.server;
    const char *where = *endpoint ? endpoint : n->o.role->coordinator;
    char line[NET_ENDPOINT_BYTES + 32];
    if (t->ops->connect(t, where, wire_node(m->role, index), node))
        return;
    snprintf(line, sizeof line, "could not connect to \"%s\"", where);
    log_line(m, line);
}

/* The worker's end is the process's; without one, the server's. */
static void machine_ended(void *ctx, ptl_status status, const char *text)
{
    one_machine *m = ctx;
    cluster_node *n = m->node;
    int main_role = n->worker || n->o.worker >= 0 ? WIRE_WORKER : WIRE_PS;
    m->ended = true;
    if (m->role == main_role)
        n->o.ended(n->o.ctx, status, text);
}

static machine_out outside(one_machine *m)
{
    return (machine_out){.wire = {m, send_message, close_connection, log_line},
                         .ctx = m,
                         .connect = connect_to,
                         .ended = machine_ended};
}

/* ---------- in ---------- */

static bool remember(cluster_node *n, int connection, one_machine *m)
{
    if (connection >= n->asked_room) {
        int room = connection + 64;
        one_machine **more =
            realloc(n->asked, (size_t)room * sizeof(one_machine *));
        if (!more)
            return false;
        for (int i = n->asked_room; i < room; i++)
            more[i] = NULL;
        n->asked = more;
        n->asked_room = room;
    }
    n->asked[connection] = m;
    return true;
}

static one_machine *asked_by(const cluster_node *n, int connection)
{
    return connection < n->asked_room ? n->asked[connection] : NULL;
}

/* A key belongs to one node, which speaks for nobody else. */
static bool is_forged(const transport_event *e)
{
    const wire_frame *f = &e->frames[0];
    return e->node != 0 && e->count > 0 && f->size == WIRE_HEADER_BYTES &&
           wire_get(f->data + 32, 4) != e->node;
}

static void take_message(cluster_node *n, const transport_event *e)
{
    one_machine *m = asked_by(n, e->connection);
    if (!m)
        m = &n->machines[wire_receiver(e->frames, e->count)];
    if (is_forged(e)) {
        n->o.log(n->o.ctx, "a message of a node whose key another has was "
                           "dropped");
        n->transport->ops->close(n->transport, e->connection);
        return;
    }
    if (m->hub)
        hub_receive(m->hub, e->connection, e->frames, e->count, n->now);
}

static void take_up(cluster_node *n, const transport_event *e)
{
    one_machine *m = &n->machines[wire_role(e->from)];
    if (m->hub && remember(n, e->connection, m))
        hub_connected(m->hub, e->connection, e->node, n->now);
}

static void take_down(cluster_node *n, const transport_event *e)
{
    for (int r = 0; r < ROLES; r++)
        if (n->machines[r].hub)
            hub_disconnected(n->machines[r].hub, e->connection, n->now);
    if (e->connection < n->asked_room)
        n->asked[e->connection] = NULL;
}

static void take_event(cluster_node *n, transport_event *e)
{
    switch (e->kind) {
    case TRANSPORT_NOTHING:
        break;
    case TRANSPORT_UP:
        take_up(n, e);
        break;
    case TRANSPORT_DOWN:
        take_down(n, e);
        break;
    case TRANSPORT_MESSAGE:
        take_message(n, e);
        break;
    }
}

/* ---------- the loop ---------- */

static void run_posted(cluster_node *n)
{
    for (;;) {
        posted p = {0};
        pthread_mutex_lock(&n->lock);
        if (n->queued > 0) {
            p = n->queue[0];
            memmove(n->queue, n->queue + 1,
                    (size_t)--n->queued * sizeof *n->queue);
        }
        pthread_mutex_unlock(&n->lock);
        if (!p.run)
            return;
        p.run(p.ctx);
    }
}

static void drain(cluster_node *n)
{
    if (n->drain || !stop_signal() || n->o.worker >= 0)
        return; /* a worker's loop asks for it by itself */
    n->drain = true;
    if (n->coordinator)
        coordinator_drain(n->coordinator, n->now);
    else if (n->ps)
        ps_drain(n->ps, n->now);
}

static void tick(cluster_node *n)
{
    if (n->now - n->ticked < MACHINE_TICK_MS)
        return;
    n->ticked = n->now;
    if (n->coordinator)
        coordinator_tick(n->coordinator, n->now);
    if (n->ps)
        ps_tick(n->ps, n->now);
    if (n->worker)
        worker_tick(n->worker, n->now);
}

/* The others may still need what this process's server or coordinator has. */
static bool all_ended(const cluster_node *n)
{
    for (int r = 0; r < ROLES; r++)
        if (n->machines[r].hub && !n->machines[r].ended)
            return false;
    return true;
}

static bool must_stop(cluster_node *n)
{
    pthread_mutex_lock(&n->lock);
    bool stop = n->stop;
    pthread_mutex_unlock(&n->lock);
    return stop;
}

/* Acknowledgements above all: who waits for them would wait in vain. */
static void say_last_words(cluster_node *n)
{
    for (int r = 0; r < ROLES; r++)
        if (n->machines[r].hub)
            hub_tick(n->machines[r].hub, n->now + MACHINE_TICK_MS);
}

void node_run(cluster_node *n)
{
    dist_transport *t = n->transport;
    while (!must_stop(n) && !all_ended(n)) {
        transport_event e;
        n->now = milliseconds();
        run_posted(n);
        t->ops->next(t, n->now + MACHINE_TICK_MS, &e);
        n->now = milliseconds();
        take_event(n, &e);
        if (e.kind == TRANSPORT_MESSAGE)
            t->ops->done(t, &e);
        drain(n);
        tick(n);
    }
    say_last_words(n);
    pthread_mutex_lock(&n->lock);
    n->over = true;
    pthread_mutex_unlock(&n->lock);
    net_close(t, LINGER_MS);
    n->transport = NULL;
}

static void *run_thread(void *arg)
{
    node_run(arg);
    return NULL;
}

/* ---------- from outside ---------- */

ptl_status node_start(cluster_node *n, ptl_error *err)
{
    if (thread_start(&n->thread, run_thread, n) != 0)
        return ptl_fail(err, PTL_E_MEMORY, "could not start a thread");
    n->started = true;
    return PTL_OK;
}

bool node_post(cluster_node *n, void (*run)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&n->lock);
    bool taken = !n->over;
    if (taken && n->queued == n->room) {
        int room = n->room ? 2 * n->room : 16;
        posted *more = realloc(n->queue, (size_t)room * sizeof *more);
        PTL_ASSERT(more);
        n->queue = more;
        n->room = room;
    }
    if (taken) {
        n->queue[n->queued++] = (posted){run, ctx};
        net_wake(n->transport);
    }
    pthread_mutex_unlock(&n->lock);
    return taken;
}

dist_worker *node_worker(cluster_node *n)
{
    return n->machines[WIRE_WORKER].ended ? NULL : n->worker;
}

uint64_t node_now(const cluster_node *n)
{
    return n->now;
}

/* ---------- life ---------- */

static uint64_t draw_incarnation(void)
{
    uint64_t drawn = 0;
    while (drawn == 0 && getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
        drawn = 0;
    return drawn;
}

/* "tcp://HOST:PORT" with the port that was bound. */
static void name_endpoint(cluster_node *n)
{
    const char *bound = net_endpoint_of(n->transport);
    const char *port = strrchr(bound, ':');
    if (n->o.role->host && *n->o.role->host && port)
        snprintf(n->endpoint, sizeof n->endpoint, "tcp://%s%s", n->o.role->host,
                 port);
    else
        snprintf(n->endpoint, sizeof n->endpoint, "%s", bound);
}

static void make_machines(cluster_node *n)
{
    const node_options *o = &n->o;
    uint64_t own = draw_incarnation();
    for (int r = 0; r < ROLES; r++)
        n->machines[r] = (one_machine){.node = n, .role = r};
    if (role_coordinates(o->role)) {
        one_machine *m = &n->machines[WIRE_COORDINATOR];
        machine_out out = outside(m);
        n->coordinator = coordinator_new(o->job, own, &out, n->now);
        m->hub = coordinator_hub(n->coordinator);
    }
    if (o->server >= 0) {
        one_machine *m = &n->machines[WIRE_PS];
        machine_out out = outside(m);
        n->ps =
            ps_new(o->job, o->server, own, n->endpoint, o->store, &out, n->now);
        m->hub = ps_hub(n->ps);
    }
    if (o->worker >= 0) {
        one_machine *m = &n->machines[WIRE_WORKER];
        machine_out out = outside(m);
        n->worker = worker_new(o->job, o->worker, own, o->owner, &out, n->now);
        m->hub = worker_hub(n->worker);
    }
}

static ptl_status open_transport(cluster_node *n, ptl_error *err)
{
    static const net_security_mode modes[] = {
        [PTL_SECURITY_AUTO] = NET_SECURITY_AUTO,
        [PTL_SECURITY_CURVE] = NET_SECURITY_CURVE,
        [PTL_SECURITY_NONE] = NET_SECURITY_NONE};
    const launch_role *role = n->o.role;
    bool listens = n->o.server >= 0 || role_coordinates(role);
    net_options o = {.bind = listens ? role->bind : NULL,
                     .listen_fd =
                         listens && role->listen_fd > 0 ? role->listen_fd : 0,
                     .peers = n->o.job->servers + n->o.job->workers + 1,
                     .insecure = role->insecure,
                     .keys = role->keys,
                     .server = role->index,
                     .log = n->o.log,
                     .ctx = n->o.ctx};
    ptl_status st =
        net_security(modes[n->o.cluster->security], role->coordinator,
                     role->insecure, &o.curve, err);
    return st == PTL_OK ? net_open(&o, &n->transport, err) : st;
}

ptl_status node_open(const node_options *options, cluster_node **out,
                     ptl_error *err)
{
    cluster_node *n = *out = calloc(1, sizeof *n);
    if (!n)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a cluster's node");
    n->o = *options;
    n->now = milliseconds();
    pthread_mutex_init(&n->lock, NULL);
    ptl_status st = open_transport(n, err);
    if (st != PTL_OK)
        return st;
    name_endpoint(n);
    make_machines(n);
    return PTL_OK;
}

void node_close(cluster_node *n)
{
    if (!n)
        return;
    pthread_mutex_lock(&n->lock);
    n->stop = true;
    if (n->started && !n->over)
        net_wake(n->transport);
    pthread_mutex_unlock(&n->lock);
    if (n->started)
        pthread_join(n->thread, NULL);
    net_close(n->transport, 0);
    worker_free(n->worker);
    ps_free(n->ps);
    coordinator_free(n->coordinator);
    pthread_mutex_destroy(&n->lock);
    free(n->asked);
    free(n->queue);
    free(n);
}
