/*
 * link.c - see link.h.
 *
 * Sequence numbers are given when a message is first sent. What is sent again
 * goes in order, all of it from the first that is not acknowledged on: on a TCP
 * connection nothing is lost but what a lost connection or a wrong checksum
 * took, so it is rare, and the receiver needs no memory for what came too
 * early.
 */
#include "dist/link.h"
#include "base/plant.h"
#include "base/status.h"
#include "dist/parcel.h"
#include <stdlib.h>
#include <string.h>

enum { OWED_ACKS = 16 };

typedef enum link_state { DOWN, GREETING, UP } link_state;

struct dist_link {
    link_config c;
    link_state state;
    int connection;
    uint64_t peer_incarnation;
    /* Out. */
    parcel_queue control, data, sent, spare;
    uint64_t next_sequence;
    uint64_t used, limit; /* bytes of payload: sent, and allowed */
    uint64_t moved;       /* when the peer last acknowledged something new, or
                             when all was sent again */
    /* In. */
    uint64_t received; /* sequence up to which everything came */
    uint64_t taken;    /* bytes of payload */
    uint64_t told_ack, told_credit;
    bool tell; /* a duplicate came: the ack was lost */
};

/* ---------- life ---------- */

dist_link *link_new(const link_config *config)
{
    dist_link *l = calloc(1, sizeof *l);
    PTL_ASSERT(l);
    l->c = *config;
    l->connection = LINK_NO_CONNECTION;
    l->next_sequence = 1;
    return l;
}

void link_free(dist_link *l)
{
    if (!l)
        return;
    parcel_free_all(&l->control);
    parcel_free_all(&l->data);
    parcel_free_all(&l->sent);
    parcel_free_all(&l->spare);
    free(l);
}

uint32_t link_peer(const dist_link *l)
{
    return l->c.peer;
}

uint64_t link_peer_incarnation(const dist_link *l)
{
    return l->peer_incarnation;
}

int link_connection(const dist_link *l)
{
    return l->connection;
}

bool link_is_up(const dist_link *l)
{
    return l->state == UP;
}

bool link_owes(const dist_link *l)
{
    return l->state != UP || l->told_ack != l->received;
}

size_t link_waiting(const dist_link *l)
{
    return l->control.count + l->data.count + l->sent.count;
}

/* ---------- out ---------- */

static uint64_t credit_of(const dist_link *l)
{
    return l->taken + l->c.window;
}

/* What the checksum is of. */
static wire_frame checked(const dist_link *l, wire_frame payload)
{
    if (payload.size && l->c.places &&
        l->c.places(l->c.ctx, l->connection, payload.data, payload.size))
        payload.data = NULL;
    return payload;
}

static void transmit(dist_link *l, parcel *p)
{
    uint8_t head[WIRE_HEADER_BYTES];
    wire_header *h = &p->head;
    wire_frame fields = parcel_fields(p), payload = parcel_payload(p);
    h->job = l->c.job;
    h->incarnation = l->c.incarnation;
    h->sender = l->c.self;
    h->to = (uint8_t)wire_role(l->c.peer);
    h->ack = l->received;
    h->credit = credit_of(l);
    wire_write(h, checked(l, payload), fields, head);
    wire_frame frames[3] = {{head, sizeof head}, payload, fields};
    l->c.send(l->c.ctx, l->connection, frames, fields.size ? 3 : 2,
              p->payload);
    l->told_ack = l->received;
    l->told_credit = h->credit;
    l->tell = false;
}

static void say_now(dist_link *l, const wire_header *h, const wire_fields *f,
                    dist_blob *payload, size_t size)
{
    parcel *p = parcel_new(&l->spare);
    p->head = *h;
    p->payload = blob_keep(payload);
    p->size = size;
    parcel_set_fields(p, f);
    transmit(l, p);
    parcel_done(&l->spare, p);
}

void link_say(dist_link *l, const wire_header *h, const wire_fields *fields,
              dist_blob *payload, size_t at, size_t size)
{
    wire_class class = wire_class_of(h->type);
    if (class == WIRE_LINK) {
        if (l->state != DOWN)
            say_now(l, h, fields, payload, size);
        return;
    }
    parcel *p = parcel_new(&l->spare);
    p->head = *h;
    p->payload = blob_keep(payload);
    p->at = at;
    p->size = payload ? size : 0;
    parcel_set_fields(p, fields);
    if (class == WIRE_CONTROL)
        parcel_append(&l->control, p);
    else
        parcel_insert(&l->data, p);
}

static void send_first(dist_link *l, parcel_queue *q, uint64_t now)
{
    parcel *p = parcel_shift(q);
    p->head.sequence = l->next_sequence++;
    if (q == &l->data)
        l->used += p->size;
    if (!l->sent.first)
        l->moved = now;
    transmit(l, p);
    p->head.flags |= WIRE_RETRANSMIT;
    parcel_append(&l->sent, p);
}

static bool may_send_data(const dist_link *l)
{
    const parcel *p = l->data.first;
    return p && (l->used + p->size <= l->limit ||
                 ptl_is_planted(PTL_PLANT_NO_CREDIT));
}

static void tell(dist_link *l)
{
    wire_header h = {.type = WIRE_CREDIT};
    say_now(l, &h, NULL, NULL, 0);
}

void link_flush(dist_link *l, uint64_t now)
{
    if (l->state != UP)
        return;
    while (l->control.first)
        send_first(l, &l->control, now);
    while (may_send_data(l))
        send_first(l, &l->data, now);
    if (credit_of(l) - l->told_credit >= l->c.window / 4 ||
        l->received - l->told_ack >= OWED_ACKS)
        tell(l);
}

static void send_again(dist_link *l, uint64_t now)
{
    l->moved = now;
    for (parcel *p = l->sent.first; p; p = p->next)
        transmit(l, p);
}

/* ---------- connections ---------- */

void link_greet(dist_link *l, uint64_t now)
{
    wire_header h = {.type = WIRE_HELLO};
    wire_fields f = {.present =
                         1u << WIRE_FIELD_VERSIONS | 1u << WIRE_FIELD_PEER,
                     .versions = {WIRE_MAJOR, 0, WIRE_MAJOR, WIRE_MINOR},
                     .peer = l->peer_incarnation};
    dist_blob *text = blob_copy(l->c.agreement.data, l->c.agreement.size);
    l->state = GREETING;
    l->moved = now;
    say_now(l, &h, &f, text, l->c.agreement.size);
    blob_drop(text);
}

void link_connected(dist_link *l, int connection, uint64_t now)
{
    l->connection = connection;
    link_greet(l, now);
}

void link_disconnected(dist_link *l)
{
    l->state = DOWN;
    l->connection = LINK_NO_CONNECTION;
}

static void begin_anew(dist_link *l, uint64_t incarnation)
{
    parcel_clear(&l->control, &l->spare);
    parcel_clear(&l->data, &l->spare);
    parcel_clear(&l->sent, &l->spare);
    l->peer_incarnation = incarnation;
    if (ptl_is_planted(PTL_PLANT_OLD_SEQUENCES))
        return;
    l->next_sequence = 1;
    l->used = l->limit = l->received = l->taken = 0;
    l->told_ack = l->told_credit = 0;
}

/* False: it acknowledges what was never sent. */
static bool take_ack(dist_link *l, uint64_t ack, uint64_t now)
{
    if (ack >= l->next_sequence)
        return false;
    while (l->sent.first && l->sent.first->head.sequence <= ack) {
        parcel_done(&l->spare, parcel_shift(&l->sent));
        l->moved = now;
    }
    return true;
}

static void take_credit(dist_link *l, uint64_t credit)
{
    if (credit > l->limit)
        l->limit = credit;
}

bool link_accept(dist_link *l, int connection, const wire_message *m,
                 uint64_t now)
{
    bool fresh = m->head.incarnation != l->peer_incarnation;
    bool about_us = m->fields.peer == l->c.incarnation;
    if (fresh)
        begin_anew(l, m->head.incarnation);
    else if (about_us)
        take_ack(l, m->head.ack, now);
    l->connection = connection;
    l->state = UP;
    if (about_us) /* else it counts what another process sent */
        take_credit(l, m->head.credit);
    if (m->head.type == WIRE_HELLO) {
        wire_header h = {.type = WIRE_WELCOME};
        wire_fields f = {.present = 1u << WIRE_FIELD_PEER,
                         .peer = l->peer_incarnation};
        say_now(l, &h, &f, NULL, 0);
    }
    send_again(l, now);
    return fresh;
}

/* ---------- in ---------- */

link_answer link_take(dist_link *l, const wire_message *m, uint64_t now)
{
    const wire_header *h = &m->head;
    if (!take_ack(l, h->ack, now))
        return LINK_WRONG;
    take_credit(l, h->credit);
    if (h->sequence == 0)
        return LINK_PASSED;
    bool next = h->sequence == l->received + 1;
    if (!next && ptl_is_planted(PTL_PLANT_NO_SEQUENCE))
        next = true;
    if (!next) {
        l->tell |= h->sequence <= l->received;
        return LINK_PASSED;
    }
    bool data = wire_class_of(h->type) == WIRE_DATA_CLASS;
    uint64_t taken = l->taken + (data ? m->payload.size : 0);
    if (taken > l->told_credit)
        return LINK_WRONG;
    l->received = h->sequence;
    l->taken = taken;
    return LINK_DELIVERED;
}

void link_tick(dist_link *l, uint64_t now)
{
    bool late = now - l->moved >= l->c.retry;
    if (l->state == GREETING && late)
        link_greet(l, now);
    if (l->state != UP)
        return;
    if (late && l->sent.first)
        send_again(l, now);
    if (l->tell || l->received != l->told_ack || credit_of(l) != l->told_credit)
        tell(l);
    link_flush(l, now);
}
