/*
 * greeting.c - who may be a peer: HELLO and its answers.
 */
#include "base/plant.h"
#include "dist/hub_priv.h"
#include <stdio.h>
#include <string.h>

/* ---------- the agreement ---------- */

/* The line of `text` at `at`, which moves behind it. */
static wire_frame next_line(wire_frame text, size_t *at)
{
    const uint8_t *from = text.data + *at;
    size_t left = text.size - *at;
    const uint8_t *end = left ? memchr(from, '\n', left) : NULL;
    size_t size = end ? (size_t)(end - from) : left;
    *at += size + (end != NULL);
    return (wire_frame){from, size};
}

static const char *printable(wire_frame line, char text[72])
{
    size_t size = line.size < 70 ? line.size : 70;
    for (size_t i = 0; i < size; i++)
        text[i] =
            (char)(line.data[i] < 32 || line.data[i] > 126 ? '?'
                                                           : line.data[i]);
    text[size] = '\0';
    return text;
}

bool agreement_differs(uint32_t node, wire_frame theirs, const char *ours,
                       wire_fault *fault)
{
    wire_frame own = {(const uint8_t *)ours, strlen(ours)};
    size_t at = 0, own_at = 0;
    char name[32], a[72], b[72];
    while (at < theirs.size || own_at < own.size) {
        wire_frame x = next_line(theirs, &at), y = next_line(own, &own_at);
        if ((x.size == y.size &&
             (!x.size || !memcmp(x.data, y.data, x.size))) ||
            ptl_is_planted(PTL_PLANT_NO_AGREEMENT))
            continue;
        fault->code = WIRE_REASON_AGREEMENT;
        snprintf(fault->text, sizeof fault->text,
                 "%s has `%s`, the cluster has `%s`",
                 wire_node_name(node, name), printable(x, a), printable(y, b));
        return true;
    }
    return false;
}

/* ---------- a server's side ---------- */

static bool lives(const dist_hub *h, const hub_peer *p, uint64_t incarnation)
{
    return p && link_peer_incarnation(p->link) != 0 &&
           link_peer_incarnation(p->link) != incarnation &&
           h->now - p->pulse.heard < h->c.liveness.dead;
}

/* It says to be another than its key. */
static bool is_false(dist_hub *h, int connection, uint32_t node,
                     wire_fault *fault)
{
    uint32_t proved = hub_connection_at(h, connection)->proved;
    char said[32], key[32];
    if (proved == 0 || proved == node)
        return false;
    fault->code = WIRE_REASON_IDENTITY;
    snprintf(fault->text, sizeof fault->text, "%s came with the key of %s",
             wire_node_name(node, said), wire_node_name(proved, key));
    return true;
}

static void refuse(dist_hub *h, int connection, const wire_fault *fault)
{
    hub_log(h, "refused", fault->text);
    hub_reply(h, connection, WIRE_REJECT, fault);
}

static void hello(dist_hub *h, int connection, const wire_message *m)
{
    wire_fault fault = {0};
    uint32_t node = m->head.sender;
    hub_peer *p = hub_find(h, node);
    if (is_false(h, connection, node, &fault) ||
        agreement_differs(node, m->payload, h->c.agreement, &fault) ||
        !h->owner.admit(h->owner.ctx, &m->head,
                        lives(h, p, m->head.incarnation), &fault)) {
        refuse(h, connection, &fault);
        return;
    }
    p = hub_make(h, node);
    int old = link_connection(p->link);
    if (old != LINK_NO_CONNECTION && old != connection)
        hub_drop(h, old);
    hub_connection_at(h, connection)->peer = p;
    bool fresh = link_accept(p->link, connection, m, h->now);
    if (fresh)
        liveness_begin(&p->pulse, h->now);
    liveness_heard(&p->pulse, h->now);
    h->owner.up(h->owner.ctx, node, fresh);
}

/* ---------- of who connected ---------- */

static void welcome(dist_hub *h, hub_peer *p, int connection,
                    const wire_message *m)
{
    if (!p || link_is_up(p->link) || m->head.sender != link_peer(p->link) ||
        link_connection(p->link) != connection ||
        m->fields.peer != h->c.incarnation)
        return;
    bool fresh = link_accept(p->link, connection, m, h->now);
    liveness_heard(&p->pulse, h->now);
    h->owner.up(h->owner.ctx, link_peer(p->link), fresh);
}

static void told(dist_hub *h, hub_peer *p, const wire_message *m)
{
    char text[1001];
    size_t size = m->fields.text.size;
    memcpy(text, m->fields.text.data, size);
    text[size] = '\0';
    if (m->head.type == WIRE_ERROR)
        hub_log(h, "a peer dropped a message", text);
    else if (p && !link_is_up(p->link)) /* else it comes late */
        h->owner.refused(h->owner.ctx, link_peer(p->link),
                         (wire_reason)m->fields.code, text);
}

bool hub_greeting(dist_hub *h, int connection, const wire_message *m)
{
    hub_peer *p = hub_connection_at(h, connection)->peer;
    switch (m->head.type) {
    case WIRE_HELLO:
        hello(h, connection, m);
        return true;
    case WIRE_WELCOME:
        welcome(h, p, connection, m);
        return true;
    case WIRE_WHO:
        if (p && p->ours && link_connection(p->link) == connection)
            link_greet(p->link, h->now);
        return true;
    case WIRE_REJECT:
    case WIRE_ERROR:
        told(h, p, m);
        return true;
    default:
        return false;
    }
}
