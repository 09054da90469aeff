/*
 * transport.h - what carries messages: whole ones, between two ends of a
 * connection, in order, until the connection breaks.
 *
 * One implementation is ZeroMQ's (net/net.h); the simulator's, in memory,
 * delays, doubles, exchanges and loses on purpose. Nothing above relies on order or on delivery. A transport belongs to
 * one thread.
 */
#ifndef PTL_DIST_TRANSPORT_H
#define PTL_DIST_TRANSPORT_H

#include "dist/blob.h"
#include "dist/wire.h"

typedef enum transport_kind {
    TRANSPORT_NOTHING, /* the deadline passed, or it was woken up */
    TRANSPORT_UP,      /* a connection of ours is there */
    TRANSPORT_DOWN,    /* a connection, of ours or of a peer, is gone */
    TRANSPORT_MESSAGE  /* also the first sign of a peer's connection */
} transport_kind;

enum { TRANSPORT_FRAMES = 4 }; /* one more than a good message has */

typedef struct transport_event {
    transport_kind kind;
    int connection; /* small numbers, used again some time after DOWN */
    /* UP: both of connect(). MESSAGE: `node` has proved to be the sender, 0:
     * nobody has, the transport knows no keys. */
    uint32_t from, node;
    /* MESSAGE: its frames, until done(); those beyond the last place are
     * counted only. */
    wire_frame frames[TRANSPORT_FRAMES];
    int count;
    /* What frame 1 lies in, which the sender shares with us; NULL: nothing that
     * lasts. Borrowed; who wants to keep the frame holds it. */
    dist_blob *holder;
    void *token; /* the transport's */
} transport_event;

typedef struct dist_transport dist_transport;

typedef struct transport_ops {
    /* `from`, of this process, begins to connect to `node`, and again whenever
     * the connection is gone; UP says what connection it is. Said again, it goes
     * to the new endpoint. False: no such endpoint. */
    bool (*connect)(dist_transport *t, const char *endpoint, uint32_t from,
                    uint32_t node);
    /* This connection ends; one of ours is made anew. */
    void (*close)(dist_transport *t, int connection);
    /* Copies the frames; frame 1 it may hold where it lies, if that is
     * `payload` (NULL: it is not); what lies in memory of blob() stays there
     * unchanged until the peer acknowledged it, or is another. False: not now;
     * the message is lost, as any may be. */
    bool (*send)(dist_transport *t, int connection, const wire_frame *frames,
                 int count, dist_blob *payload);
    /* Waits until `deadline` (milliseconds of the owner's clock) at most. What
     * it says is done() with before it is asked again. */
    void (*next)(dist_transport *t, uint64_t deadline, transport_event *out);
    void (*done)(dist_transport *t, transport_event *event);
    /* Memory that send() sends from at less cost, see blob.h. Any thread, until
     * the transport ends. NULL: none. */
    dist_blob *(*blob)(dist_transport *t, size_t size);
    /* Will send() have the peer read these bytes where they lie, if they are
     * frame 1? NULL: never. */
    bool (*places)(dist_transport *t, int connection, const uint8_t *bytes,
                   size_t size);
} transport_ops;

struct dist_transport {
    const transport_ops *ops;
};

#endif
