/*
 * peers.c - connections that others make to our ROUTER.
 *
 * A monitor names descriptors, a ROUTER names routing ids, and only a message
 * has both. So a peer is there from its first message on, and gone when a
 * message cannot be sent to it any more (EHOSTUNREACH: machines above say
 * something at every heartbeat), or when it was silent longest and its place
 * is needed. What the monitor is asked for is why others did not get in.
 *
 * ZeroMQ closes no single connection of a ROUTER. Where that is wanted, the
 * descriptor is shut down, if it still is the one it was when the peer first
 * spoke; and what came from the peer before is dropped.
 */
#include "base/clock.h"
#include "base/map.h"
#include "net_priv.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------- where they come from ---------- */

static bool address_of(int fd, struct sockaddr_storage *out)
{
    socklen_t size = sizeof *out;
    memset(out, 0, sizeof *out);
    return getpeername(fd, (struct sockaddr *)out, &size) == 0;
}

/* What went away at once has no address any more. */
static const char unknown[] = "somebody";

/* Without the port, which is another one each time. */
static void origin_text(int fd, char text[ORIGIN_BYTES])
{
    struct sockaddr_storage a;
    snprintf(text, ORIGIN_BYTES, "%s", unknown);
    if (!address_of(fd, &a))
        return;
    if (a.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&a)->sin_addr, text,
                  ORIGIN_BYTES);
    else if (a.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&a)->sin6_addr, text,
                  ORIGIN_BYTES);
}

static void accepted(net_transport *n, int fd)
{
    if (fd >= n->origin_count) {
        size_t count = (size_t)fd + 64;
        n->origins = realloc(n->origins, count * sizeof *n->origins);
        PTL_ASSERT(n->origins);
        n->origin_count = (int)count;
    }
    origin_text(fd, n->origins[fd]);
}

static void refused(net_transport *n, const char *who, const char *reason)
{
    n->counts.refused++;
    bool news = socket_tell(&n->told, who, reason);
    if (news)
        net_log(n, "\"%s\": %s did not get in: %s", n->endpoint, who, reason);
    if (news && who != unknown) /* who is not known may be this one again */
        socket_tell(&n->told, unknown, reason);
}

/* A failure comes first, and at once the descriptor it was about. */
static void disconnected(net_transport *n, int fd)
{
    const char *who = fd < n->origin_count ? n->origins[fd] : unknown;
    if (n->reason[0]) {
        refused(n, who, n->reason);
    } else if (!n->silent.who[0]) {
        n->silent.fd = fd;
        snprintf(n->silent.who, sizeof n->silent.who, "%s", who);
    }
    n->reason[0] = '\0';
}

void peers_hear(net_transport *n)
{
    socket_fact f;
    while (socket_fact_next(&n->router, &f)) {
        if (f.event == ZMQ_EVENT_ACCEPTED)
            accepted(n, (int)f.value);
        else if (f.event == ZMQ_EVENT_DISCONNECTED)
            disconnected(n, (int)f.value);
        else
            socket_fact_reason(&f, true, n->reason);
    }
}

/* ZeroMQ says nothing of who greets as ZMTP 1 or 2 does, or HTTP. So who went
 * away and said nothing before did not get in. */
void peers_judge(net_transport *n)
{
    if (n->silent.who[0])
        refused(n, n->silent.who, "it said nothing of this protocol");
    n->silent.who[0] = '\0';
}

static void got_in(net_transport *n, int fd)
{
    peers_hear(n); /* of its beginning */
    if (fd >= 0 && fd < n->origin_count)
        n->origins[fd][0] = '\0';
    if (fd == n->silent.fd)
        n->silent.who[0] = '\0';
}

/* ---------- who they are ---------- */

static bool is_peer(const net_connection *c)
{
    return c->kind == NET_PEER || c->kind == NET_MUTE;
}

void peers_gone(net_transport *n, int connection)
{
    net_connection *c = &n->connections[connection];
    bool known = c->kind == NET_PEER;
    net_connection_end(c);
    n->peer_count--;
    if (known)
        net_event(n, TRANSPORT_DOWN, connection, NULL);
}

static void make_room(net_transport *n)
{
    int oldest = NO_CONNECTION;
    for (int i = 0; i < n->connection_count; i++)
        if (is_peer(&n->connections[i]) &&
            (oldest == NO_CONNECTION ||
             n->connections[i].heard < n->connections[oldest].heard))
            oldest = i;
    n->counts.evicted++;
    peers_gone(n, oldest);
}

static int add_peer(net_transport *n, const net_connection *c, int fd)
{
    if (n->peer_count >= 4 * n->options.peers + 64)
        make_room(n);
    got_in(n, fd);
    int number = net_number(n);
    n->connections[number] = *c;
    n->connections[number].kind = NET_PEER;
    n->connections[number].fd = fd;
    if (fd >= 0)
        address_of(fd, &n->connections[number].address);
    n->peer_count++;
    return number;
}

static int find(const net_transport *n, const net_connection *c)
{
    for (int i = 0; i < n->connection_count; i++) {
        const net_connection *x = &n->connections[i];
        if (x->hash == c->hash && is_peer(x) && x->id_size == c->id_size &&
            memcmp(x->id, c->id, c->id_size) == 0)
            return i;
    }
    return NO_CONNECTION;
}

int peers_find(net_transport *n, zmq_msg_t *id, zmq_msg_t *first)
{
    net_connection c = {.id_size = (uint8_t)zmq_msg_size(id),
                        .heard = clock_ms()};
    memcpy(c.id, zmq_msg_data(id), c.id_size);
    c.hash = ptl_hash(c.id, c.id_size);
    if (n->options.curve)
        c.node = zap_node(zmq_msg_gets(first, "User-Id"));
    int number = find(n, &c);
    /* Whoever has another key took a dead peer's routing id. */
    if (number != NO_CONNECTION && n->connections[number].node != c.node) {
        peers_gone(n, number);
        number = NO_CONNECTION;
    }
    if (number == NO_CONNECTION)
        return add_peer(n, &c, zmq_msg_get(first, ZMQ_SRCFD));
    n->connections[number].heard = c.heard;
    return n->connections[number].kind == NET_MUTE ? NO_CONNECTION : number;
}

void peers_close(net_transport *n, int connection)
{
    net_connection *c = &n->connections[connection];
    struct sockaddr_storage now;
    if (c->fd >= 0 && address_of(c->fd, &now) &&
        memcmp(&now, &c->address, sizeof now) == 0)
        shutdown(c->fd, SHUT_RDWR);
    c->kind = NET_MUTE;
    net_event(n, TRANSPORT_DOWN, connection, NULL);
}
