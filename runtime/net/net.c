/*
 * net.c - see net/net.h: opening, closing, and whose turn it is.
 */
#include "net/net.h"
#include "base/clock.h"
#include "net_priv.h"
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    HANDSHAKE_MS = 5000,
    BURST = 32,    /* messages of one socket, while others wait */
    UNASKED = 128, /* messages, until monitors and the wake-up are looked at */
    DESCRIPTORS = 64 /* beside those of peers */
};

/* ---------- what the other files use ---------- */

void net_log(net_transport *n, const char *format, ...)
{
    char line[1200];
    va_list args;
    if (!n->options.log)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    n->options.log(n->options.ctx, line);
}

int net_number(net_transport *n)
{
    int i = 0;
    while (i < n->connection_count && n->connections[i].kind != NET_FREE)
        i++;
    if (i < n->connection_count)
        return i;
    size_t count = (size_t)n->connection_count + 16;
    n->connections = realloc(n->connections, count * sizeof *n->connections);
    PTL_ASSERT(n->connections);
    memset(n->connections + i, 0, 16 * sizeof *n->connections);
    n->connection_count = (int)count;
    return i;
}

void net_connection_end(net_connection *c)
{
    share_forget(&c->share);
    *c = (net_connection){0};
}

void net_event(net_transport *n, transport_kind kind, int connection,
               const net_line *l)
{
    if (n->event_count == n->event_room) {
        n->event_room = n->event_room ? 2 * n->event_room : 16;
        n->events =
            realloc(n->events, (size_t)n->event_room * sizeof *n->events);
        PTL_ASSERT(n->events);
    }
    n->events[n->event_count++] = (transport_event){.kind = kind,
                                                    .connection = connection,
                                                    .from = l ? l->from : 0,
                                                    .node = l ? l->node : 0};
}

/* ---------- next ---------- */

static bool give_event(net_transport *n, transport_event *out)
{
    if (n->event_at == n->event_count) {
        n->event_at = n->event_count = 0;
        return false;
    }
    *out = n->events[n->event_at++];
    return true;
}

/* Socket i: the ROUTER, then lines; NULL: nothing there to read from. */
static net_socket *socket_at(net_transport *n, int i, int *connection)
{
    net_socket *s = i == 0 ? &n->router : &n->lines[i - 1]->s;
    *connection = i == 0 ? NO_CONNECTION : n->lines[i - 1]->connection;
    bool open = s->socket && (i == 0 || *connection != NO_CONNECTION);
    return open ? s : NULL;
}

static bool give_message(net_transport *n, transport_event *out)
{
    int connection, count = n->line_count + 1;
    if (n->since == UNASKED)
        return false;
    for (int asked = 0; asked < count;) {
        net_socket *s = socket_at(n, n->turn % count, &connection);
        if (s && s->ready && n->burst < BURST) {
            n->burst++;
            n->since++;
            if (message_receive(n, s, connection, out))
                return true;
            continue;
        }
        n->turn = (n->turn + 1) % count;
        n->burst = 0;
        asked++;
    }
    return false;
}

static int add_item(net_transport *n, int count, void *socket, int fd)
{
    n->items[count] =
        (zmq_pollitem_t){.socket = socket, .fd = fd, .events = ZMQ_POLLIN};
    return count + 1;
}

static int list_items(net_transport *n)
{
    size_t most = 3 + 2 * (size_t)n->line_count;
    n->items = realloc(n->items, most * sizeof *n->items);
    PTL_ASSERT(n->items);
    int count = add_item(n, 0, NULL, n->wake);
    if (n->router.socket) {
        count = add_item(n, count, n->router.socket, 0);
        count = add_item(n, count, n->router.monitor, 0);
    }
    for (int i = 0; i < n->line_count; i++) {
        const net_socket *s = &n->lines[i]->s;
        if (!s->socket)
            continue;
        count = add_item(n, count, s->socket, 0);
        count = add_item(n, count, s->monitor, 0);
    }
    return count;
}

/* What the poll found: in the order of list_items(). */
static bool take_items(net_transport *n)
{
    const zmq_pollitem_t *at = n->items;
    uint64_t wakes;
    bool woken = (at++)->revents && read(n->wake, &wakes, sizeof wakes) > 0;
    if (n->router.socket) {
        n->router.ready = (at++)->revents;
        if ((at++)->revents)
            peers_hear(n);
    }
    for (int i = 0; i < n->line_count; i++) {
        net_line *l = n->lines[i];
        if (!l->s.socket)
            continue;
        l->s.ready = (at++)->revents;
        if ((at++)->revents)
            lines_hear(n, l);
    }
    return woken;
}

static long time_to(uint64_t deadline, uint64_t now)
{
    if (deadline <= now)
        return 0;
    return deadline - now < INT32_MAX ? (long)(deadline - now) : INT32_MAX;
}

/* False: the deadline passed, or it was woken. */
static bool wait_for(net_transport *n, uint64_t deadline)
{
    peers_judge(n);
    uint64_t now = clock_ms(), again = lines_renew(n, now);
    int count = list_items(n);
    long ms = time_to(again < deadline ? again : deadline, now);
    int ready = zmq_poll(n->items, count, ms);
    n->since = 0;
    if (ready > 0)
        return !take_items(n);
    return clock_ms() < deadline;
}

static void do_next(dist_transport *t, uint64_t deadline, transport_event *out)
{
    net_transport *n = (net_transport *)t;
    PTL_DEBUG_ASSERT(n->held == 0);
    while (!give_event(n, out) && !give_message(n, out))
        if (!wait_for(n, deadline)) {
            *out = (transport_event){.kind = TRANSPORT_NOTHING,
                                     .connection = NO_CONNECTION};
            return;
        }
}

static void do_done(dist_transport *t, transport_event *event)
{
    (void)event;
    message_done((net_transport *)t);
}

static void do_close(dist_transport *t, int connection)
{
    net_transport *n = (net_transport *)t;
    if (connection < 0 || connection >= n->connection_count)
        return;
    net_connection *c = &n->connections[connection];
    if (c->kind == NET_LINE)
        line_end(n, c->line);
    else if (c->kind == NET_PEER)
        peers_close(n, connection);
}

dist_blob *net_blob(dist_transport *t, size_t size)
{
    return pool_blob(((net_transport *)t)->pool, size);
}

static const transport_ops ops = {lines_connect, do_close, message_send,
                                  do_next,       do_done,  net_blob,
                                  message_places};

void net_wake(dist_transport *t)
{
    uint64_t one = 1;
    ssize_t written = write(((net_transport *)t)->wake, &one, sizeof one);
    (void)written; /* full: it is awake as it is */
}

/* ---------- life ---------- */

static int open_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

/* ZeroMQ stops the process where it gets no descriptor it needs. */
static ptl_status check_descriptors(const net_transport *n, ptl_error *err)
{
    struct rlimit limit;
    uint64_t needed = (uint64_t)(DESCRIPTORS + 4 * n->options.peers);
    uint64_t all = needed + (uint64_t)open_descriptors();
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= all)
        return PTL_OK;
    return ptl_fail(err, PTL_E_IO,
                    "\"%s\" may need %llu descriptors for %d peers, and this "
                    "process may have %llu in all: `ulimit -n %llu`",
                    n->endpoint[0] ? n->endpoint : "connecting",
                    (unsigned long long)needed, n->options.peers,
                    (unsigned long long)limit.rlim_cur,
                    (unsigned long long)all);
}

/* Where it will listen, as a descriptor; 0: nowhere. */
static ptl_status find_listener(net_transport *n, int *fd, ptl_error *err)
{
    ptl_status st = PTL_OK;
    if (*fd <= 0 && n->options.bind)
        st = net_listen(n->options.bind, fd, err);
    if (st == PTL_OK && *fd > 0)
        st = net_listening_at(*fd, n->endpoint, err);
    return st;
}

static ptl_status check_security(const net_transport *n, ptl_error *err)
{
    bool curve;
    if (n->options.curve && !(n->options.keys && *n->options.keys))
        return ptl_fail(err, PTL_E_USAGE,
                        "\"%s\" is to be used with keys, and there are none",
                        n->endpoint[0] ? n->endpoint : "connecting");
    if (n->options.curve || !n->endpoint[0])
        return PTL_OK;
    return net_security(PTL_SECURITY_NONE, n->endpoint, n->options.insecure,
                        &curve, err);
}

static ptl_status open_context(net_transport *n, ptl_error *err)
{
    int sockets = DESCRIPTORS + 4 * n->options.peers;
    n->context = zmq_ctx_new();
    n->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!n->context || n->wake < 0)
        return ptl_fail(err, PTL_E_IO, "could not begin to connect: %s",
                        strerror(errno));
    zmq_ctx_set(n->context, ZMQ_BLOCKY, 0);
    zmq_ctx_set(n->context, ZMQ_MAX_SOCKETS, sockets);
    return PTL_OK;
}

static ptl_status open_zap(net_transport *n, ptl_error *err)
{
    key_allowed *list = NULL;
    int count;
    ptl_status st = keys_allowed(n->options.keys, &list, &count, err);
    if (st != PTL_OK) {
        free(list);
        return st;
    }
    return zap_start(n->context, list, count, &n->zap, err);
}

/* The ROUTER closes *fd when it has it, which then is 0. */
static ptl_status open_all(net_transport *n, int *fd, ptl_error *err)
{
    ptl_status st = find_listener(n, fd, err);
    if (st == PTL_OK)
        st = check_security(n, err);
    if (st == PTL_OK)
        st = check_descriptors(n, err);
    if (st == PTL_OK)
        st = open_context(n, err);
    if (st != PTL_OK || *fd <= 0)
        return st;
    if (n->options.curve)
        st = open_zap(n, err);
    if (st != PTL_OK)
        return st;
    socket_tune_listener(n, *fd);
    if (!socket_open_router(n, *fd, err))
        return err ? err->status : PTL_E_IO;
    *fd = 0;
    return PTL_OK;
}

static void free_transport(net_transport *n, int linger)
{
    message_done(n);
    lines_free(n, linger);
    socket_close(&n->router, linger);
    if (n->context)
        zmq_ctx_shutdown(n->context);
    zap_end(n->zap);
    if (n->context)
        zmq_ctx_term(n->context);
    if (n->wake >= 0)
        close(n->wake);
    for (int i = 0; i < n->connection_count; i++)
        net_connection_end(&n->connections[i]);
    pool_free(n->pool); /* ZeroMQ has let go of all that was sent */
    free(n->origins);
    free(n->told.hashes);
    free(n->connections);
    free(n->events);
    free(n->items);
    free((char *)(uintptr_t)n->options.bind);
    free((char *)(uintptr_t)n->options.keys);
    free(n);
}

static net_transport *new_transport(const net_options *options)
{
    net_transport *n = calloc(1, sizeof *n);
    PTL_ASSERT(n);
    n->base.ops = &ops;
    n->options = *options;
    n->options.bind = options->bind ? strdup(options->bind) : NULL;
    n->options.keys = options->keys ? strdup(options->keys) : NULL;
    if (!n->options.chunk)
        n->options.chunk = WIRE_CHUNK_BYTES;
    if (!n->options.handshake)
        n->options.handshake = HANDSHAKE_MS;
    n->wake = -1;
    if (options->pool)
        n->pool = pool_new(options->pool);
    return n;
}

ptl_status net_open(const net_options *options, dist_transport **out,
                    ptl_error *err)
{
    net_transport *n = new_transport(options);
    int fd = options->listen_fd;
    ptl_status st = open_all(n, &fd, err);
    if (st == PTL_OK) {
        *out = &n->base;
        return PTL_OK;
    }
    if (fd > 0)
        close(fd);
    free_transport(n, 0);
    return st;
}

/* Its path is ours to remove: we made it, or were given it. */
static void remove_path(const net_transport *n)
{
    net_endpoint e;
    if (n->router.socket &&
        net_endpoint_read(n->endpoint, &e, NULL) == PTL_OK && e.ipc)
        unlink(e.path);
}

void net_close(dist_transport *t, int linger)
{
    if (!t)
        return;
    remove_path((net_transport *)t);
    free_transport((net_transport *)t, linger);
}

const char *net_endpoint_of(const dist_transport *t)
{
    return ((const net_transport *)t)->endpoint;
}

const net_counts *net_counts_of(const dist_transport *t)
{
    return &((const net_transport *)t)->counts;
}
