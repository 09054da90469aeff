/*
 * share.h - payloads of processes of one machine are read where they lie: a
 * message has their place instead of them.
 *
 * What is said about it are messages of the transport's own, whose first frame
 * begins otherwise than a header (dist/wire.h). Formats: runtime/README.md,
 * "Shared memory". Nothing of them is believed that was not checked.
 */
#ifndef PTL_NET_SHARE_H
#define PTL_NET_SHARE_H

#include "dist/wire.h"
#include "pool.h"

enum { SHARE_BYTES = 40 }; /* of such a frame */

/* What is so of one connection. */
typedef struct net_share {
    bool offered;      /* our pool was named to the peer */
    bool taken;        /* and it reads there */
    dist_blob *pool;   /* the peer's; NULL: not read */
} net_share;

void share_forget(net_share *s); /* the connection ends */

typedef enum share_kind {
    SHARE_NOTHING, /* no such frame, or a wrong one */
    SHARE_OFFER,   /* the sender's pool, by name */
    SHARE_TAKEN,   /* the sender reads in the receiver's */
    SHARE_PLACE    /* where a payload lies: the message's other frames follow */
} share_kind;

void share_write_offer(const net_pool *p, uint8_t out[SHARE_BYTES]);
void share_write_taken(uint8_t out[SHARE_BYTES]);
void share_write_place(uint64_t offset, size_t size, uint8_t out[SHARE_BYTES]);

share_kind share_kind_of(const uint8_t *frame, size_t size);
/* Maps the pool of an OFFER; false: it cannot be read, or one is. */
bool share_take_offer(net_share *s, const uint8_t frame[SHARE_BYTES]);
/* Of a PLACE; false: it is not in the peer's pool. */
bool share_payload(const net_share *s, const uint8_t frame[SHARE_BYTES],
                   wire_frame *out);

#endif
