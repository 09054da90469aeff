/*
 * hub.c - see hub.h. The handshake is in greeting.c.
 */
#include "base/status.h"
#include "dist/hub_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VIOLATIONS = 3 }; /* in a row, then the peer is disconnected */

/* ---------- life ---------- */

dist_hub *hub_new(const hub_config *config, const hub_owner *owner,
                  const hub_out *out, uint64_t now)
{
    dist_hub *h = calloc(1, sizeof *h);
    PTL_ASSERT(h);
    h->c = *config;
    h->owner = *owner;
    h->out = *out;
    h->now = now;
    return h;
}

void hub_free(dist_hub *h)
{
    if (!h)
        return;
    for (int i = 0; i < h->peer_count; i++) {
        link_free(h->peers[i]->link);
        free(h->peers[i]);
    }
    free(h->peers);
    free(h->connections);
    free(h);
}

/* ---------- who ---------- */

hub_peer *hub_find(const dist_hub *h, uint32_t node)
{
    for (int i = 0; i < h->peer_count; i++)
        if (link_peer(h->peers[i]->link) == node)
            return h->peers[i];
    return NULL;
}

hub_peer *hub_make(dist_hub *h, uint32_t node)
{
    hub_peer *p = hub_find(h, node);
    if (p)
        return p;
    link_config c = {
        .self = h->c.self,
        .peer = node,
        .job = h->c.job,
        .incarnation = h->c.incarnation,
        .window = h->c.window,
        .retry = h->c.retry,
        .agreement = {(const uint8_t *)h->c.agreement, strlen(h->c.agreement)},
        .send = h->out.send,
        .places = h->out.places,
        .ctx = h->out.ctx};
    p = calloc(1, sizeof *p);
    h->peers =
        realloc(h->peers, (size_t)(h->peer_count + 1) * sizeof(hub_peer *));
    PTL_ASSERT(p && h->peers);
    p->link = link_new(&c);
    liveness_begin(&p->pulse, h->now);
    h->peers[h->peer_count++] = p;
    return p;
}

hub_connection *hub_connection_at(dist_hub *h, int connection)
{
    if (connection >= h->connection_count) {
        int count = connection + 16;
        h->connections =
            realloc(h->connections, (size_t)count * sizeof(hub_connection));
        PTL_ASSERT(h->connections);
        memset(h->connections + h->connection_count, 0,
               (size_t)(count - h->connection_count) * sizeof(hub_connection));
        h->connection_count = count;
    }
    return &h->connections[connection];
}

bool hub_is_up(const dist_hub *h, uint32_t node)
{
    const hub_peer *p = hub_find(h, node);
    return p && link_is_up(p->link);
}

uint64_t hub_incarnation(const dist_hub *h, uint32_t node)
{
    const hub_peer *p = hub_find(h, node);
    return p ? link_peer_incarnation(p->link) : 0;
}

const dist_pulse *hub_pulse(const dist_hub *h, uint32_t node)
{
    const hub_peer *p = hub_find(h, node);
    return p ? &p->pulse : NULL;
}

bool hub_owes(const dist_hub *h, uint32_t node)
{
    const hub_peer *p = hub_find(h, node);
    return !p || link_owes(p->link);
}

size_t hub_waiting(const dist_hub *h)
{
    size_t all = 0;
    for (int i = 0; i < h->peer_count; i++)
        if (!h->peers[i]->pulse.told_unreachable)
            all += link_waiting(h->peers[i]->link);
    return all;
}

uint64_t hub_now(const dist_hub *h)
{
    return h->now;
}

void hub_progress(dist_hub *h, const dist_progress *at)
{
    h->at = *at;
}

/* ---------- out ---------- */

void hub_say(dist_hub *h, uint32_t node, const wire_header *head,
             const wire_fields *fields, dist_blob *payload, size_t at,
             size_t size)
{
    hub_peer *p = hub_find(h, node);
    if (p && link_peer_incarnation(p->link) != 0)
        link_say(p->link, head, fields, payload, at, size);
}

void hub_say_plain(dist_hub *h, uint32_t node, const wire_header *head)
{
    hub_say(h, node, head, NULL, NULL, 0, 0);
}

void hub_reply(dist_hub *h, int connection, wire_type type,
               const wire_fault *fault)
{
    uint8_t head[WIRE_HEADER_BYTES], fields[300];
    wire_header hd = {.type = (uint16_t)type,
                      .job = h->c.job,
                      .incarnation = h->c.incarnation,
                      .sender = h->c.self};
    wire_frame frames[3] = {{head, sizeof head}, {0}, {0}};
    if (fault) {
        wire_fields f = {
            .present = 1u << WIRE_FIELD_CODE | 1u << WIRE_FIELD_TEXT,
            .code = fault->code,
            .text = {(const uint8_t *)fault->text, strlen(fault->text)}};
        frames[2] =
            (wire_frame){fields, wire_write_fields(&f, fields, sizeof fields)};
    }
    wire_write(&hd, frames[1], frames[2], head);
    h->out.send(h->out.ctx, connection, frames, fault ? 3 : 2, NULL);
}

static void say_where(dist_hub *h, hub_peer *p, wire_type type)
{
    wire_header head = {
        .type = (uint16_t)type, .id = h->at.bucket, .step = h->at.step};
    wire_fields f = {.present = 1u << WIRE_FIELD_PHASE, .phase = h->at.phase};
    link_say(p->link, &head, &f, NULL, 0, 0);
}

void hub_flush(dist_hub *h, uint64_t now)
{
    h->now = now;
    for (int i = 0; i < h->peer_count; i++)
        link_flush(h->peers[i]->link, now);
}

/* ---------- connections ---------- */

void hub_connected(dist_hub *h, int connection, uint32_t node, uint64_t now)
{
    h->now = now;
    hub_peer *p = hub_make(h, node);
    p->ours = true;
    *hub_connection_at(h, connection) = (hub_connection){.peer = p};
    link_connected(p->link, connection, now);
}

void hub_disconnected(dist_hub *h, int connection, uint64_t now)
{
    h->now = now;
    hub_connection *c = hub_connection_at(h, connection);
    if (c->peer && link_connection(c->peer->link) == connection)
        link_disconnected(c->peer->link);
    *c = (hub_connection){0};
}

void hub_proved(dist_hub *h, int connection, uint32_t node)
{
    hub_connection_at(h, connection)->proved = node;
}

void hub_drop(dist_hub *h, int connection)
{
    hub_disconnected(h, connection, h->now);
    h->out.close(h->out.ctx, connection);
}

/* ---------- in ---------- */

void hub_log(dist_hub *h, const char *what, const char *text)
{
    char line[400];
    snprintf(line, sizeof line, "%s: %s", what, text);
    h->out.log(h->out.ctx, line);
}

static void violation(dist_hub *h, int connection, const wire_fault *fault)
{
    hub_connection *c = hub_connection_at(h, connection);
    if (!c->logged)
        hub_log(h, "a message was dropped", fault->text);
    c->logged = true;
    hub_reply(h, connection, WIRE_ERROR, fault);
    if (++c->violations >= VIOLATIONS)
        hub_drop(h, connection);
}

static void sequenced(dist_hub *h, hub_peer *p, int connection,
                      const wire_message *m)
{
    wire_fault fault = {.code = WIRE_REASON_MALFORMED};
    switch (link_take(p->link, m, h->now)) {
    case LINK_DELIVERED:
        h->owner.message(h->owner.ctx, link_peer(p->link), m);
        break;
    case LINK_PASSED:
        break;
    case LINK_WRONG:
        snprintf(fault.text, sizeof fault.text,
                 "%s acknowledges what was not sent, or has no credit",
                 wire_type_name(m->head.type));
        violation(h, connection, &fault);
    }
}

static void say_verdict(dist_hub *h, const hub_peer *p, liveness_verdict v)
{
    char text[120];
    liveness_text(&p->pulse, link_peer(p->link), v, h->now, text);
    h->owner.verdict(h->owner.ctx, link_peer(p->link), v, text);
}

/* From a peer whose link is up. */
static void from_peer(dist_hub *h, hub_peer *p, int connection,
                      const wire_message *m)
{
    dist_progress at = {.phase = (wire_phase)m->fields.phase,
                        .step = m->head.step,
                        .bucket = m->head.id};
    bool says_where = m->head.type == WIRE_PING || m->head.type == WIRE_PONG;
    if (liveness_heard(&p->pulse, h->now) == LIVENESS_BACK)
        say_verdict(h, p, LIVENESS_BACK);
    if (says_where)
        liveness_progress(&p->pulse, &at, h->now);
    if (m->head.type == WIRE_PING)
        say_where(h, p, WIRE_PONG);
    sequenced(h, p, connection, m);
}

static void good(dist_hub *h, int connection, const wire_message *m)
{
    hub_connection *c = hub_connection_at(h, connection);
    hub_peer *p = c->peer;
    c->violations = 0;
    if (p && p->ours && m->head.sender == link_peer(p->link))
        liveness_heard(&p->pulse, h->now);
    if (hub_greeting(h, connection, m))
        return;
    if (!p || !link_is_up(p->link) || m->head.sender != link_peer(p->link) ||
        m->head.incarnation != link_peer_incarnation(p->link)) {
        if (!p || !p->ours)
            hub_reply(h, connection, WIRE_WHO, NULL);
        return;
    }
    from_peer(h, p, connection, m);
}

void hub_placed(dist_hub *h, dist_blob *holder)
{
    h->holder = holder;
}

void hub_receive(dist_hub *h, int connection, const wire_frame *frames,
                 int count, uint64_t now)
{
    wire_message m;
    wire_fault fault;
    wire_limits limits = *h->c.limits;
    dist_blob *holder = h->holder;
    limits.placed = holder != NULL;
    h->holder = NULL;
    h->now = now;
    switch (wire_read(frames, count, &limits, &m, &fault)) {
    case WIRE_GOOD:
        m.holder = holder;
        good(h, connection, &m);
        break;
    case WIRE_PASS_OVER:
        break;
    case WIRE_BAD:
        violation(h, connection, &fault);
        break;
    case WIRE_REFUSED:
        hub_log(h, "refused", fault.text);
        if (wire_role(h->c.self) != WIRE_WORKER)
            hub_reply(h, connection, WIRE_REJECT, &fault);
    }
    hub_flush(h, now);
}

/* ---------- time ---------- */

static void tick_peer(dist_hub *h, hub_peer *p)
{
    link_tick(p->link, h->now);
    if (link_is_up(p->link) && h->now - p->pinged >= h->c.liveness.heartbeat) {
        p->pinged = h->now;
        say_where(h, p, WIRE_PING);
    }
    if (link_peer_incarnation(p->link) == 0)
        return; /* never heard of: whoever waits for it has a deadline */
    liveness_verdict v = liveness_check(&p->pulse, &h->c.liveness, h->now);
    if (v != LIVENESS_WELL)
        say_verdict(h, p, v);
}

void hub_tick(dist_hub *h, uint64_t now)
{
    h->now = now;
    for (int i = 0; i < h->peer_count; i++)
        tick_peer(h, h->peers[i]);
    hub_flush(h, now);
}
