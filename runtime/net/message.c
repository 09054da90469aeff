/*
 * message.c - messages out and in. Bytes of any size go out from where they
 * lie, held until ZeroMQ has written them; small ones are copied, which is
 * cheaper. Those of the pool are not even read on their way to a peer of this
 * machine: it is told where they lie (share.h).
 */
#include "net_priv.h"
#include <errno.h>
#include <string.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

enum { COPIED_BYTES = 4096 }; /* up to here a copy is cheaper */

/* ---------- out ---------- */

/* In a thread of ZeroMQ's. */
static void let_go(void *data, void *hint)
{
    (void)data;
    blob_drop(hint);
}

static void fill_frame(zmq_msg_t *m, const wire_frame *f, dist_blob *holder)
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

/* A connection that ends between two frames of a message takes those before
 * along: ZeroMQ 4.3 cannot reach them any more (its lb.cpp says so) and never
 * frees them. That leak is not ours, so what may become one is not shown to
 * the leak checker; a last frame is. */
static void make_frame(zmq_msg_t *m, const wire_frame *f, dist_blob *holder,
                       bool more)
{
#ifdef __SANITIZE_ADDRESS__
    if (more)
        __lsan_disable();
#endif
    fill_frame(m, f, holder);
#ifdef __SANITIZE_ADDRESS__
    if (more)
        __lsan_enable();
#else
    (void)more;
#endif
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
    make_frame(&id, &f, NULL, true);
    if (send_frame(n->router.socket, &id, true))
        return true;
    if (errno == EHOSTUNREACH)
        peers_gone(n, connection);
    else
        n->counts.full++;
    return false;
}

static bool send_frames(net_transport *n, int connection,
                        const wire_frame *frames, int count, dist_blob *payload)
{
    const net_connection *c = &n->connections[connection];
    bool peer = c->kind == NET_PEER;
    if (!peer && c->kind != NET_LINE)
        return false;
    void *socket = peer ? n->router.socket : c->line->s.socket;
    if (peer && !address_peer(n, connection))
        return false;
    for (int i = 0; i < count; i++) {
        zmq_msg_t m;
        bool more = i + 1 < count;
        make_frame(&m, &frames[i], i == 1 ? payload : NULL, more);
        /* Where the connection ends within a message, ZeroMQ wants the rest of
         * it all the same. */
        if (!send_frame(socket, &m, more) && i == 0) {
            n->counts.full += !peer;
            return false;
        }
    }
    n->counts.sent++;
    return true;
}

static bool send_own(net_transport *n, int connection,
                     const uint8_t frame[SHARE_BYTES])
{
    wire_frame f = {frame, SHARE_BYTES};
    return send_frames(n, connection, &f, 1, NULL);
}

void message_offer(net_transport *n, int connection)
{
    net_share *s = &n->connections[connection].share;
    uint8_t frame[SHARE_BYTES];
    if (!n->pool || !n->options.share || s->offered)
        return;
    share_write_offer(n->pool, frame);
    s->offered = send_own(n, connection, frame);
}

/* The link keeps the payload until the peer has acknowledged it. */
static bool send_place(net_transport *n, int connection,
                       const wire_frame *frames, int count, uint64_t offset)
{
    uint8_t place[SHARE_BYTES];
    share_write_place(offset, frames[1].size, place);
    wire_frame to[3] = {{place, sizeof place}, frames[0]};
    if (count == 3)
        to[2] = frames[2];
    n->counts.placed++;
    return send_frames(n, connection, to, count, NULL);
}

static bool places(const net_transport *n, int connection, wire_frame payload,
                   uint64_t *offset)
{
    return connection >= 0 && connection < n->connection_count &&
           n->connections[connection].share.taken &&
           payload.size > COPIED_BYTES &&
           pool_has(n->pool, payload.data, payload.size, offset);
}

bool message_places(dist_transport *t, int connection, const uint8_t *bytes,
                    size_t size)
{
    uint64_t offset;
    return places((net_transport *)t, connection, (wire_frame){bytes, size},
                  &offset);
}

bool message_send(dist_transport *t, int connection, const wire_frame *frames,
                  int count, dist_blob *payload)
{
    net_transport *n = (net_transport *)t;
    uint64_t offset;
    if (connection < 0 || connection >= n->connection_count)
        return false;
    if (payload && (count == 2 || count == 3) &&
        places(n, connection, frames[1], &offset))
        return send_place(n, connection, frames, count, offset);
    return send_frames(n, connection, frames, count, payload);
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

static void take_offer(net_transport *n, int connection, const uint8_t *frame)
{
    uint8_t answer[SHARE_BYTES];
    if (!n->options.share ||
        !share_take_offer(&n->connections[connection].share, frame))
        return;
    share_write_taken(answer);
    send_own(n, connection, answer);
    message_offer(n, connection);
}

/* The payload takes the place of where it lies. */
static bool take_place(const net_share *s, transport_event *out)
{
    wire_frame payload;
    if (out->count < 2 || out->count > 3 ||
        !share_payload(s, out->frames[0].data, &payload))
        return false;
    out->frames[0] = out->frames[1];
    out->frames[1] = payload;
    return true;
}

/* Was it the transport's own? What is none, or is wrong, is for those above to
 * refuse. */
static bool take_own(net_transport *n, transport_event *out)
{
    net_share *s = &n->connections[out->connection].share;
    const wire_frame *f = &out->frames[0];
    switch (share_kind_of(f->data, f->size)) {
    case SHARE_OFFER:
        take_offer(n, out->connection, f->data);
        return true;
    case SHARE_TAKEN:
        s->taken = s->offered;
        return true;
    case SHARE_PLACE:
        out->holder = take_place(s, out) ? s->pool : NULL;
        return false;
    case SHARE_NOTHING:
        break;
    }
    return false;
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
    if (take_own(n, out)) {
        message_done(n);
        return false;
    }
    n->counts.received++;
    return true;
}
