/*
 * parcel.c - see parcel.h.
 */
#include "dist/parcel.h"
#include "base/status.h"
#include <stdlib.h>

void parcel_append(parcel_queue *q, parcel *p)
{
    p->next = NULL;
    if (q->last)
        q->last->next = p;
    else
        q->first = p;
    q->last = p;
    q->count++;
}

void parcel_insert(parcel_queue *q, parcel *p)
{
    parcel **at = &q->first;
    if (!q->last || q->last->head.id >= p->head.id) {
        parcel_append(q, p);
        return;
    }
    while ((*at)->head.id >= p->head.id)
        at = &(*at)->next;
    p->next = *at;
    *at = p;
    q->count++;
}

parcel *parcel_shift(parcel_queue *q)
{
    parcel *p = q->first;
    if (!p)
        return NULL;
    q->first = p->next;
    if (!q->first)
        q->last = NULL;
    q->count--;
    return p;
}

parcel *parcel_new(parcel_queue *spare)
{
    parcel *p = parcel_shift(spare);
    if (!p)
        p = malloc(sizeof *p);
    PTL_ASSERT(p);
    *p = (parcel){0};
    return p;
}

void parcel_done(parcel_queue *spare, parcel *p)
{
    blob_drop(p->payload);
    blob_drop(p->long_fields);
    p->payload = p->long_fields = NULL;
    parcel_append(spare, p);
}

void parcel_set_fields(parcel *p, const wire_fields *f)
{
    p->field_bytes = f ? wire_write_fields(f, p->fields, PARCEL_FIELDS) : 0;
    if (p->field_bytes <= PARCEL_FIELDS)
        return;
    p->long_fields = blob_new(p->field_bytes);
    wire_write_fields(f, blob_bytes(p->long_fields), p->field_bytes);
}

wire_frame parcel_fields(const parcel *p)
{
    const uint8_t *at = p->long_fields ? blob_bytes(p->long_fields) : p->fields;
    return (wire_frame){at, p->field_bytes};
}

wire_frame parcel_payload(const parcel *p)
{
    if (!p->payload)
        return (wire_frame){0};
    return (wire_frame){blob_bytes(p->payload) + p->at, p->size};
}

void parcel_clear(parcel_queue *q, parcel_queue *spare)
{
    for (parcel *p; (p = parcel_shift(q)) != NULL;)
        parcel_done(spare, p);
}

void parcel_free_all(parcel_queue *q)
{
    for (parcel *p; (p = parcel_shift(q)) != NULL;) {
        blob_drop(p->payload);
        blob_drop(p->long_fields);
        free(p);
    }
}
