/*
 * parcel.h - a message on its way: queued, or sent and not acknowledged.
 */
#ifndef PTL_DIST_PARCEL_H
#define PTL_DIST_PARCEL_H

#include "dist/blob.h"
#include "dist/wire.h"

enum { PARCEL_FIELDS = 48 };

typedef struct parcel {
    struct parcel *next;
    wire_header head;
    uint8_t fields[PARCEL_FIELDS];
    size_t field_bytes;
    dist_blob *long_fields; /* where they are more */
    dist_blob *payload;
    size_t at, size;
} parcel;

/* First in, first out, but for parcel_insert(). */
typedef struct parcel_queue {
    parcel *first, *last;
    size_t count;
} parcel_queue;

void parcel_append(parcel_queue *q, parcel *p);
/* Before those with lower numbers, and after all others. */
void parcel_insert(parcel_queue *q, parcel *p);
parcel *parcel_shift(parcel_queue *q); /* NULL: empty */

/* `spare`: parcels to use again, so that a steady step allocates none. */
parcel *parcel_new(parcel_queue *spare);
void parcel_done(parcel_queue *spare, parcel *p); /* lets go of its bytes */
void parcel_set_fields(parcel *p, const wire_fields *f); /* NULL: none */
wire_frame parcel_fields(const parcel *p);
wire_frame parcel_payload(const parcel *p);
void parcel_clear(parcel_queue *q, parcel_queue *spare);
void parcel_free_all(parcel_queue *q);

#endif
