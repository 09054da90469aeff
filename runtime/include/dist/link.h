/*
 * link.h - one end of the connection of two processes: every sequenced message
 * is delivered once and in order, and no more payload is under way than the
 * receiver has room for.
 *
 * The rules are in runtime/README.md, "A link". A link outlives connections: it
 * stands for the peer's index, and begins anew when a new process (another
 * incarnation) has it. Times are milliseconds of a monotonic clock that the
 * owner gives. One thread.
 */
#ifndef PTL_DIST_LINK_H
#define PTL_DIST_LINK_H

#include "dist/blob.h"
#include "dist/wire.h"

typedef struct dist_link dist_link;

enum { LINK_NO_CONNECTION = -1 };

/* To the transport; what is given lives during the call only. `payload`: what
 * frame 1 lies in, to be held instead of copied; NULL: in nothing that lasts. */
typedef void link_send(void *ctx, int connection, const wire_frame *frames,
                       int count, dist_blob *payload);

typedef struct link_config {
    uint32_t self, peer; /* wire_node() */
    uint64_t job, incarnation;
    uint64_t window;      /* bytes of payload the peer may have under way */
    uint64_t retry;       /* until what is not acknowledged is sent again */
    wire_frame agreement; /* of HELLO; borrowed */
    link_send *send;
    /* Will the peer read these bytes of `payload` where they lie? NULL: never.
     */
    bool (*places)(void *ctx, int connection, const uint8_t *bytes,
                   size_t size);
    void *ctx;
} link_config;

dist_link *link_new(const link_config *config);
void link_free(dist_link *l); /* accepts NULL */

uint32_t link_peer(const dist_link *l);
uint64_t link_peer_incarnation(const dist_link *l); /* 0: never heard of */
int link_connection(const dist_link *l);
bool link_is_up(const dist_link *l);

/* ---------- connections ---------- */

/* We connected: says HELLO, and again until there is an answer. */
void link_connected(dist_link *l, int connection, uint64_t now);
void link_greet(dist_link *l, uint64_t now); /* the peer asked who we are */
void link_disconnected(dist_link *l);
/*
 * A HELLO that was found good (at a server), or the WELCOME (at who
 * connected): the link is up. True: the peer is a new process, nothing said
 * before is delivered; else what it lacks is sent again.
 */
bool link_accept(dist_link *l, int connection, const wire_message *m,
                 uint64_t now);

/* ---------- messages ---------- */

/*
 * Says `h` (type, epoch, id, step, flags, offset, dtype; the rest is filled
 * in), with `fields` (NULL: none) and bytes [at, at + size) of `payload` (NULL:
 * none), which is kept until the peer has it. Sequenced ones wait for
 * link_flush(); others go at once, or nowhere while the link is down.
 */
void link_say(dist_link *l, const wire_header *h, const wire_fields *fields,
              dist_blob *payload, size_t at, size_t size);

typedef enum link_answer {
    LINK_DELIVERED, /* the next of the sequence: act on it */
    LINK_PASSED,    /* a duplicate, behind a gap, or not sequenced */
    LINK_WRONG      /* acknowledges what was never sent, or more payload than
                       there was credit for */
} link_answer;

/* Any message from the peer of a link that is up. */
link_answer link_take(dist_link *l, const wire_message *m, uint64_t now);

/* Sends what credit allows, control first, and a CREDIT if much is owed. */
void link_flush(dist_link *l, uint64_t now);
/* Time passed: sends again, says HELLO again, tells what is owed. */
void link_tick(dist_link *l, uint64_t now);

/* Something came whose ack did not go out, or cannot: the link is down. */
bool link_owes(const dist_link *l);
size_t
link_waiting(const dist_link *l); /* messages queued or not acknowledged */

#endif
