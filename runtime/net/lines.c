/*
 * lines.c - connections that we make. A DEALER serves for one connection only:
 * when it ends, or its handshake fails, the socket is closed with all that was
 * still in it, and after a pause another begins. So nothing of an old
 * connection comes out of a new one. While nobody answers at all, ZeroMQ itself
 * tries again.
 */
#include "base/clock.h"
#include "net_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAUSE_MS = 100, PAUSE_MOST_MS = 5000 };

/* ---------- life ---------- */

static bool may_connect(net_transport *n, const char *endpoint)
{
    net_endpoint e;
    ptl_error err;
    if (net_endpoint_read(endpoint, &e, &err) != PTL_OK) {
        net_log(n, "%s", err.text);
        return false;
    }
    if (n->options.curve || n->options.insecure || net_endpoint_is_local(&e))
        return true;
    net_log(n,
            "\"%s\" is not connected to: it is reached over a network, and "
            "this job has no keys",
            endpoint);
    return false;
}

static bool take_keys(net_transport *n, net_line *l)
{
    ptl_error err;
    const char *keys = n->options.keys;
    if (!n->options.curve ||
        (keys_of_node(keys, l->from, &l->own, &err) == PTL_OK &&
         keys_public(keys, l->node, l->server, &err) == PTL_OK))
        return true;
    net_log(n, "\"%s\" is not connected to: %s", l->endpoint, err.text);
    return false;
}

static void free_line(net_line *l, int linger)
{
    socket_close(&l->s, linger);
    explicit_bzero(&l->own, sizeof l->own);
    free(l->told.hashes);
    free(l);
}

/* One that is there already goes where its peer is now. */
static bool redirect(net_transport *n, const char *endpoint, uint32_t from,
                     uint32_t node)
{
    for (int i = 0; i < n->line_count; i++) {
        net_line *l = n->lines[i];
        if (l->from != from || l->node != node)
            continue;
        if (strcmp(l->endpoint, endpoint) != 0) {
            snprintf(l->endpoint, sizeof l->endpoint, "%s", endpoint);
            line_end(n, l);
        }
        return true;
    }
    return false;
}

bool lines_connect(dist_transport *t, const char *endpoint, uint32_t from,
                   uint32_t node)
{
    net_transport *n = (net_transport *)t;
    if (!may_connect(n, endpoint))
        return false;
    if (redirect(n, endpoint, from, node))
        return true;
    net_line *l = calloc(1, sizeof *l);
    size_t count = (size_t)n->line_count + 1;
    n->lines = realloc(n->lines, count * sizeof(net_line *));
    PTL_ASSERT(l && n->lines);
    *l = (net_line){.from = from, .node = node, .connection = NO_CONNECTION};
    snprintf(l->endpoint, sizeof l->endpoint, "%s", endpoint);
    if (!take_keys(n, l)) {
        free_line(l, 0);
        return false;
    }
    n->lines[n->line_count++] = l;
    socket_open_line(n, l); /* else it is tried again */
    return true;
}

void lines_free(net_transport *n, int linger)
{
    for (int i = 0; i < n->line_count; i++)
        free_line(n->lines[i], linger);
    free(n->lines);
}

/* ---------- what becomes of them ---------- */

static uint64_t pause_after(int failures)
{
    uint64_t ms = PAUSE_MS;
    for (int i = 1; i < failures && ms < PAUSE_MOST_MS; i++)
        ms *= 2;
    return ms < PAUSE_MOST_MS ? ms : PAUSE_MOST_MS;
}

void line_end(net_transport *n, net_line *l)
{
    socket_close(&l->s, 0);
    l->failures++;
    l->again = clock_ms() + pause_after(l->failures);
    if (l->connection == NO_CONNECTION)
        return;
    net_connection_end(&n->connections[l->connection]);
    net_event(n, TRANSPORT_DOWN, l->connection, NULL);
    l->connection = NO_CONNECTION;
}

static bool is_local(const net_line *l)
{
    net_endpoint e;
    return net_endpoint_read(l->endpoint, &e, NULL) == PTL_OK &&
           net_endpoint_is_local(&e);
}

static void begin(net_transport *n, net_line *l)
{
    l->failures = 0;
    l->told.count = 0;
    l->connection = net_number(n);
    n->connections[l->connection] =
        (net_connection){.kind = NET_LINE, .line = l};
    net_event(n, TRANSPORT_UP, l->connection, l);
    if (is_local(l))
        message_offer(n, l->connection);
}

static void report(net_transport *n, net_line *l)
{
    n->counts.refused++;
    if (socket_tell(&l->told, l->endpoint, l->reason))
        net_log(n, "could not connect to \"%s\": %s", l->endpoint, l->reason);
}

void lines_hear(net_transport *n, net_line *l)
{
    socket_fact f;
    while (socket_fact_next(&l->s, &f)) {
        if (f.event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            begin(n, l);
        else if (socket_fact_reason(&f, false, l->reason)) {
            report(n, l);
            line_end(n, l);
        } else if (f.event == ZMQ_EVENT_DISCONNECTED)
            line_end(n, l);
    }
}

uint64_t lines_renew(net_transport *n, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    for (int i = 0; i < n->line_count; i++) {
        net_line *l = n->lines[i];
        if (!l->s.socket && l->again <= now && !socket_open_line(n, l))
            l->again = now + pause_after(++l->failures);
        if (!l->s.socket && l->again < next)
            next = l->again;
    }
    return next;
}
