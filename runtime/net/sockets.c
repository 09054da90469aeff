/*
 * sockets.c - sockets of ZeroMQ with their options, and what their monitors
 * say. Options: runtime/README.md, "Sockets".
 */
#include "base/map.h"
#include "net_priv.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPARE_BYTES = 64 << 10, /* beside the payload */
    /* For sending within a machine: what is on its way stays in the processor's
     * caches. A buffer that the system makes grows until it does not. */
    LOCAL_BUFFER = 256 << 10,
    CONNECT_MS = 5000,
    RECONNECT_MS = 100,
    RECONNECT_MOST_MS = 5000,
    QUEUE_OUT = 1 << 17, /* messages to a peer: credit ends long before */
    QUEUE_IN = 4096,     /* from a peer: then it waits */
    TOLD = 256           /* addresses whose failures are told */
};

/* ---------- options ---------- */

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_common(const net_transport *n, void *socket)
{
    int64_t most = n->options.chunk + SPARE_BYTES;
    int handshake = (int)n->options.handshake;
    /* A domain refuses older versions of ZMTP, which know no handshake. Where
     * nobody is asked about it, all others get in. */
    return zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, "ptl", 3) == 0 &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most) == 0 &&
           set_int(socket, ZMQ_LINGER, 0) &&
           set_int(socket, ZMQ_SNDHWM, QUEUE_OUT) &&
           set_int(socket, ZMQ_RCVHWM, QUEUE_IN) &&
           set_int(socket, ZMQ_HANDSHAKE_IVL, handshake) &&
           set_int(socket, ZMQ_TCP_KEEPALIVE, 1);
}

static bool set_text(void *socket, int option, const char *text)
{
    return zmq_setsockopt(socket, option, text, strlen(text) + 1) == 0;
}

static bool set_server_keys(const net_transport *n, void *socket,
                            ptl_error *err)
{
    key_pair own;
    if (!n->options.curve)
        return true;
    if (keys_of_server(n->options.keys, n->options.server, &own, err) != PTL_OK)
        return false;
    bool good = set_int(socket, ZMQ_CURVE_SERVER, 1) &&
                set_text(socket, ZMQ_CURVE_SECRETKEY, own.secret);
    explicit_bzero(&own, sizeof own);
    if (!good)
        ptl_fail(err, PTL_E_DATA, "\"%s\": key %d is none", n->options.keys,
                 n->options.server);
    return good;
}

static bool set_line_keys(const net_transport *n, const net_line *l,
                          void *socket)
{
    return !n->options.curve ||
           (set_text(socket, ZMQ_CURVE_SERVERKEY, l->server) &&
            set_text(socket, ZMQ_CURVE_PUBLICKEY, l->own.public) &&
            set_text(socket, ZMQ_CURVE_SECRETKEY, l->own.secret));
}

/* ---------- life ---------- */

static bool watch(net_transport *n, net_socket *s, int events)
{
    char name[40];
    snprintf(name, sizeof name, "inproc://monitor-%d", n->monitors++);
    if (zmq_socket_monitor(s->socket, name, events) != 0)
        return false;
    s->monitor = zmq_socket(n->context, ZMQ_PAIR);
    /* Without a limit, else ZeroMQ's thread would wait for us to read. */
    return s->monitor && set_int(s->monitor, ZMQ_LINGER, 0) &&
           set_int(s->monitor, ZMQ_RCVHWM, 0) &&
           zmq_connect(s->monitor, name) == 0;
}

void socket_close(net_socket *s, int linger)
{
    if (s->socket) {
        zmq_socket_monitor(s->socket, NULL, 0);
        set_int(s->socket, ZMQ_LINGER, linger);
        zmq_close(s->socket);
    }
    if (s->monitor)
        zmq_close(s->monitor);
    *s = (net_socket){0};
}

enum {
    FAILURES = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
               ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
               ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED
};

bool socket_open_router(net_transport *n, int fd, ptl_error *err)
{
    net_socket *s = &n->router;
    s->socket = zmq_socket(n->context, ZMQ_ROUTER);
    bool good = s->socket && set_common(n, s->socket) &&
                set_int(s->socket, ZMQ_ROUTER_MANDATORY, 1) &&
                set_int(s->socket, ZMQ_USE_FD, fd) &&
                watch(n, s, FAILURES | ZMQ_EVENT_ACCEPTED);
    if (good && !set_server_keys(n, s->socket, err))
        return false;
    if (good && zmq_bind(s->socket, n->endpoint) == 0)
        return true;
    ptl_fail(err, PTL_E_IO, "could not listen at \"%s\": %s", n->endpoint,
             zmq_strerror(zmq_errno()));
    return false;
}

static bool is_local(const char *endpoint)
{
    net_endpoint e;
    return net_endpoint_read(endpoint, &e, NULL) == PTL_OK &&
           net_endpoint_is_local(&e);
}

void socket_tune_listener(const net_transport *n, int fd)
{
    int bytes = LOCAL_BUFFER;
    if (is_local(n->endpoint))
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

static bool tune_line(const net_line *l, void *socket)
{
    return !is_local(l->endpoint) || set_int(socket, ZMQ_SNDBUF, LOCAL_BUFFER);
}

/* ZeroMQ looks names up, again each time it tries, and takes one address: of
 * IPv6 if that is on, which who listens at a name prefers not to have. */
static bool wants_ipv6(const net_line *l)
{
    net_endpoint e;
    return net_endpoint_read(l->endpoint, &e, NULL) == PTL_OK &&
           strchr(e.host, ':') != NULL;
}

static bool connect_line(const net_line *l, void *socket)
{
    net_endpoint e;
    char at[NET_ENDPOINT_BYTES];
    snprintf(at, sizeof at, "%s", l->endpoint);
    if (net_endpoint_read(l->endpoint, &e, NULL) == PTL_OK && !e.ipc &&
        net_endpoint_address(&e) != e.host)
        snprintf(at, sizeof at, "tcp://%s:%d", net_endpoint_address(&e),
                 e.port);
    return zmq_connect(socket, at) == 0;
}

bool socket_open_line(net_transport *n, net_line *l)
{
    net_socket *s = &l->s;
    s->socket = zmq_socket(n->context, ZMQ_DEALER);
    if (s->socket && set_common(n, s->socket) &&
        set_int(s->socket, ZMQ_IMMEDIATE, 1) &&
        set_int(s->socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS) &&
        set_int(s->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
        set_int(s->socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MOST_MS) &&
        set_int(s->socket, ZMQ_IPV6, wants_ipv6(l)) &&
        tune_line(l, s->socket) && set_line_keys(n, l, s->socket) &&
        watch(n, s, FAILURES | ZMQ_EVENT_HANDSHAKE_SUCCEEDED) &&
        connect_line(l, s->socket))
        return true;
    socket_close(s, 0);
    return false;
}

/* ---------- monitors ---------- */

bool socket_fact_next(net_socket *s, socket_fact *out)
{
    uint8_t fact[6], endpoint[NET_ENDPOINT_BYTES];
    int got;
    if (!s->monitor)
        return false;
    do
        got = zmq_recv(s->monitor, fact, sizeof fact, ZMQ_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got != sizeof fact)
        return false;
    zmq_recv(s->monitor, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
    uint16_t event; /* both in the machine's byte order */
    memcpy(&event, fact, sizeof event);
    memcpy(&out->value, fact + 2, sizeof out->value);
    out->event = event;
    return true;
}

static const char *protocol_error(uint32_t value, bool served)
{
    switch (value) {
    case ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
        return served ? "it has another key of this server"
                      : "the server has another key";
    case ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
        return "one end uses curve, the other does not";
    case ZMQ_PROTOCOL_ERROR_ZAP_UNSPECIFIED:
        return "its key could not be checked";
    default:
        return "it does not speak as it should";
    }
}

bool socket_fact_reason(const socket_fact *f, bool served,
                        char text[REASON_BYTES])
{
    const char *what = NULL;
    switch (f->event) {
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        what = served ? "its key is not one of this job"
                      : "the server does not know our key";
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        what = protocol_error(f->value, served);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        what = served ? "it went away, or said nothing in time"
                      : "the other end closed, or said nothing in time: it may "
                        "expect other keys, or none";
        break;
    default:
        return false;
    }
    snprintf(text, REASON_BYTES, "%s", what);
    return true;
}

bool socket_tell(net_told *told, const char *who, const char *reason)
{
    uint64_t hash =
        ptl_hash_more(ptl_hash(who, strlen(who)), reason, strlen(reason));
    for (int i = 0; i < told->count; i++)
        if (told->hashes[i] == hash)
            return false;
    if (told->count == TOLD)
        return false;
    if (!told->hashes)
        told->hashes = calloc(TOLD, sizeof *told->hashes);
    PTL_ASSERT(told->hashes);
    told->hashes[told->count++] = hash;
    return true;
}
