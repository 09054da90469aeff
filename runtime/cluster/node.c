/*
 * node.c - see node.h.
 */
#include "cluster/node.h"
#include "base/clock.h"
#include "base/thread.h"
#include "base/trace.h"
#include "net/reactor.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    ROLES = WIRE_WORKER + 1,
    LINGER_MS = 1000 /* for the last words */
};

struct cluster_node {
    node_options o;
    dist_transport *transport;
    net_reactor *reactor;
    char endpoint[NET_ENDPOINT_BYTES]; /* told by JOIN */
    dist_coordinator *coordinator;
    dist_ps *ps;
    dist_worker *worker;
    struct machine_end {
        cluster_node *node;
        int role;
        bool here, ended;
    } ends[ROLES];
    bool drained;
    bool orderly; /* the process's own machine ended well */
    pthread_t thread;
    bool started;
};

/* ---------- the end ---------- */

/* The others may still need what this process's server or coordinator has. */
static bool all_ended(const cluster_node *n)
{
    for (int r = 0; r < ROLES; r++)
        if (n->ends[r].here && !n->ends[r].ended)
            return false;
    return true;
}

/* The worker's end is the process's; without one, the server's. */
static void machine_ended(void *ctx, ptl_status status, const char *text)
{
    struct machine_end *e = ctx;
    cluster_node *n = e->node;
    int main_role = n->o.worker >= 0 ? WIRE_WORKER : WIRE_PS;
    e->ended = true;
    n->orderly = n->orderly || (e->role == main_role && status == PTL_OK);
    if (e->role == main_role)
        n->o.ended(n->o.ctx, status, text);
    if (all_ended(n))
        reactor_stop(n->reactor, LINGER_MS);
}

static void log_line(void *ctx, const char *line)
{
    const struct machine_end *e = ctx;
    e->node->o.log(e->node->o.ctx, line);
}

static void *run_thread(void *arg)
{
    trace_thread("network");
    reactor_run(((cluster_node *)arg)->reactor);
    return NULL;
}

ptl_status node_start(cluster_node *n, ptl_error *err)
{
    if (thread_start(&n->thread, run_thread, n) != 0)
        return ptl_fail(err, PTL_E_MEMORY, "could not start a thread");
    n->started = true;
    return PTL_OK;
}

bool node_await(cluster_node *n, int ms)
{
    struct timespec until = clock_in(CLOCK_REALTIME, ms);
    if (n->started && pthread_timedjoin_np(n->thread, NULL, &until) == 0)
        n->started = false;
    return !n->started;
}

void node_post(cluster_node *n, void (*run)(void *ctx), void *ctx)
{
    reactor_post(n->reactor, run, ctx);
}

static dist_blob *blob_for(void *ctx, size_t size)
{
    return net_blob(((cluster_node *)ctx)->transport, size);
}

blob_source node_memory(cluster_node *n)
{
    return (blob_source){n, blob_for};
}

dist_worker *node_worker(cluster_node *n)
{
    return n->ends[WIRE_WORKER].ended ? NULL : n->worker;
}

static void drain(void *ctx)
{
    cluster_node *n = ctx;
    if (n->drained)
        return;
    n->drained = true;
    if (n->worker)
        worker_drain(n->worker, clock_ms());
    else if (n->coordinator)
        coordinator_drain(n->coordinator, clock_ms());
    else if (n->ps)
        ps_drain(n->ps, clock_ms());
}

void node_drain(cluster_node *n)
{
    reactor_post(n->reactor, drain, n);
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

static machine_out outside(cluster_node *n, int role, int index)
{
    struct machine_end *e = &n->ends[role];
    reactor_owner owner = {e, machine_ended, log_line};
    *e = (struct machine_end){n, role, true, false};
    return reactor_outside(n->reactor, wire_node(role, index), &owner);
}

static void make_machines(cluster_node *n)
{
    const node_options *o = &n->o;
    uint64_t own = draw_incarnation(), now = clock_ms();
    if (role_coordinates(o->role)) {
        machine_out out = outside(n, WIRE_COORDINATOR, 0);
        n->coordinator = coordinator_new(o->job, own, &out, now);
        reactor_add_coordinator(n->reactor, n->coordinator);
    }
    if (o->server >= 0) {
        machine_out out = outside(n, WIRE_PS, o->server);
        out.notice = o->notice;
        n->ps =
            ps_new(o->job, o->server, own, n->endpoint, o->store, &out, now);
        reactor_add_ps(n->reactor, n->ps);
    }
    if (o->worker >= 0) {
        machine_out out = outside(n, WIRE_WORKER, o->worker);
        n->worker = worker_new(o->job, o->worker, own, o->owner, &out, now);
        reactor_add_worker(n->reactor, n->worker);
    }
}

static uint64_t bytes_of(const machine_job *job, int owner)
{
    uint64_t bytes = 0;
    for (int b = 0; b < job->limits->bucket_count; b++)
        if (owner < 0 || job->buckets[b].owner == owner)
            bytes += job->limits->bucket_bytes[b];
    return bytes;
}

/* What may be under way at once: of a worker the gradients that no server has
 * acknowledged; of a server two versions of each value, and as much again that
 * is still on its way to somebody slow. Twice, for what lies between. */
static size_t pool_bytes(const node_options *o)
{
    const machine_job *job = o->job;
    uint64_t window = 1, bytes = 0;
    for (int b = 0; b < job->limits->bucket_count; b++)
        if ((uint64_t)shard_window(&job->buckets[b].rules) > window)
            window = (uint64_t)shard_window(&job->buckets[b].rules);
    if (o->worker >= 0)
        bytes += (window + 1) * bytes_of(job, -1);
    if (o->server >= 0)
        bytes += 4 * bytes_of(job, o->server);
    return (size_t)(2 * bytes);
}

static ptl_status open_transport(cluster_node *n, ptl_error *err)
{
    const launch_role *role = n->o.role;
    bool listens = n->o.server >= 0 || role_coordinates(role);
    net_options o = {.bind = listens ? role->bind : NULL,
                     .listen_fd =
                         listens && role->listen_fd > 0 ? role->listen_fd : 0,
                     .peers = n->o.job->servers + n->o.job->workers + 1,
                     .insecure = role->insecure,
                     .keys = role->keys,
                     .server = role->index,
                     .pool = pool_bytes(&n->o),
                     .share = !n->o.sockets,
                     .log = n->o.log,
                     .ctx = n->o.ctx};
    ptl_status st = net_security(n->o.cluster->security, role->coordinator,
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
    ptl_status st = open_transport(n, err);
    if (st != PTL_OK)
        return st;
    name_endpoint(n);
    n->reactor = reactor_new(n->transport, options->role->coordinator);
    make_machines(n);
    return PTL_OK;
}

void node_close(cluster_node *n)
{
    if (!n)
        return;
    if (n->started) {
        /* What others wait for may have been said this very moment: a socket
         * that is closed takes along what its peer has not read yet. */
        reactor_stop(n->reactor, n->orderly ? LINGER_MS : 0);
        pthread_join(n->thread, NULL);
    }
    worker_free(n->worker);
    ps_free(n->ps);
    coordinator_free(n->coordinator);
    reactor_free(n->reactor);
    net_close(n->transport, LINGER_MS);
    free(n);
}
