/*
 * message.c - messages out and in. Bytes of any size go out from where they
 * lie, held until ZeroMQ has written them; small ones are copied, which is
 * cheaper.
 */
#include "net_priv.h"
#include <errno.h>
#include <string.h>

enum { COPIED_BYTES = 4096 }; /* up to here a copy is cheaper */

/* ---------- out ---------- */

/* In a thread of ZeroMQ's. */
static void let_go(void *data, void *hint)
{
    (void)data;
    blob_drop(hint);
}

static void make_frame(zmq_msg_t *m, const wire_frame *f, dist_blob *holder)
{
    int wrong;
    if (holder && f->size > COPIED_BYTES) {
        /* Nobody writes to it: sending reads. */
        wrong = zmq_msg_init_data(m, (void *)(uintptr_t)f->data, f->size,
                                  let_go, blob_keep(holder));
        PTL_ASSERT(wrong == 0);
        return;
    }
    wrong = zmq_msg_init_size(m, f->size);
    PTL_ASSERT(wrong == 0);
    if (f->size)
        memcpy(zmq_msg_data(m), f->data, f->size);
}

/* False: ZeroMQ did not take it. */
static bool send_frame(void *socket, zmq_msg_t *m, bool more)
{
    int sent;
    do
        sent = zmq_msg_send(m, socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    while (sent < 0 && errno == EINTR);
    int why = errno;
    if (sent < 0)
        zmq_msg_close(m);
    errno = why;
    return sent >= 0;
}

/* True: what follows goes to this peer. */
static bool address_peer(net_transport *n, int connection)
{
    const net_connection *c = &n->connections[connection];
    zmq_msg_t id;
    wire_frame f = {c->id, c->id_size};
    make_frame(&id, &f, NULL);
    if (send_frame(n->router.socket, &id, true))
        return true;
    if (errno == EHOSTUNREACH)
        peers_gone(n, connection);
    else
        n->counts.full++;
    return false;
}

bool message_send(dist_transport *t, int connection, const wire_frame *frames,
                  int count, dist_blob *payload)
{
    net_transport *n = (net_transport *)t;
    if (connection < 0 || connection >= n->connection_count)
        return false;
    const net_connection *c = &n->connections[connection];
    bool peer = c->kind == NET_PEER;
    if (!peer && c->kind != NET_LINE)
        return false;
    void *socket = peer ? n->router.socket : c->line->s.socket;
    if (peer && !address_peer(n, connection))
        return false;
    for (int i = 0; i < count; i++) {
        zmq_msg_t m;
        make_frame(&m, &frames[i], i == 1 ? payload : NULL);
        /* Where the connection ends within a message, ZeroMQ wants the rest of
         * it all the same. */
        if (!send_frame(socket, &m, i + 1 < count) && i == 0) {
            n->counts.full += !peer;
            return false;
        }
    }
    n->counts.sent++;
    return true;
}

/* ---------- in ---------- */

static bool receive_frame(void *socket, zmq_msg_t *m)
{
    int got;
    zmq_msg_init(m);
    do
        got = zmq_msg_recv(m, socket, ZMQ_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        zmq_msg_close(m);
    return got >= 0;
}

/* The rest of a message whose first frame is held; returns how many there
 * were. */
static int receive_rest(net_transport *n, void *socket)
{
    int count = 1;
    bool more = zmq_msg_more(&n->frames[0]);
    for (n->held = 1; more; count++) {
        zmq_msg_t m;
        if (!receive_frame(socket, &m))
            break;
        more = zmq_msg_more(&m);
        if (n->held == TRANSPORT_FRAMES) {
            zmq_msg_close(&m);
            continue;
        }
        zmq_msg_init(&n->frames[n->held]);
        zmq_msg_move(&n->frames[n->held++], &m);
        zmq_msg_close(&m);
    }
    return count;
}

void message_done(net_transport *n)
{
    for (int i = 0; i < n->held; i++)
        zmq_msg_close(&n->frames[i]);
    n->held = 0;
}

bool message_receive(net_transport *n, net_socket *s, int connection,
                     transport_event *out)
{
    zmq_msg_t id;
    bool routed = s == &n->router;
    if ((routed && !receive_frame(s->socket, &id)) ||
        !receive_frame(s->socket, &n->frames[0])) {
        s->ready = false;
        return false;
    }
    int count = receive_rest(n, s->socket);
    if (routed) {
        connection = peers_find(n, &id, &n->frames[0]);
        zmq_msg_close(&id);
    }
    if (connection == NO_CONNECTION) {
        message_done(n);
        return false;
    }
    *out = (transport_event){.kind = TRANSPORT_MESSAGE,
                             .connection = connection,
                             .node = n->connections[connection].node,
                             .count = count};
    for (int i = 0; i < n->held; i++)
        out->frames[i] = (wire_frame){zmq_msg_data(&n->frames[i]),
                                      zmq_msg_size(&n->frames[i])};
    n->counts.received++;
    return true;
}
