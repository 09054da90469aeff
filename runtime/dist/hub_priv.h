/*
 * hub_priv.h - a hub's fields, for hub.c and greeting.c.
 */
#ifndef PTL_DIST_HUB_PRIV_H
#define PTL_DIST_HUB_PRIV_H

#include "dist/hub.h"

typedef struct hub_peer {
    dist_link *link;
    dist_pulse pulse;
    bool ours; /* we connect */
    uint64_t pinged;
} hub_peer;

typedef struct hub_connection {
    hub_peer *peer; /* NULL: not known yet */
    uint32_t proved; /* 0: nobody has proved who he is */
    int violations;  /* in a row */
    bool logged;
} hub_connection;

struct dist_hub {
    hub_config c;
    hub_owner owner;
    hub_out out;
    hub_peer **peers;
    int peer_count;
    hub_connection *connections; /* by number */
    int connection_count;
    dist_progress at;
    uint64_t now; /* of the event */
    dist_blob *holder; /* of the next payload */
};

hub_peer *hub_find(const dist_hub *h, uint32_t node); /* NULL: none */
hub_peer *hub_make(dist_hub *h, uint32_t node);
hub_connection *hub_connection_at(dist_hub *h, int connection);
void hub_reply(dist_hub *h, int connection, wire_type type,
               const wire_fault *fault);
void hub_drop(dist_hub *h, int connection);
void hub_log(dist_hub *h, const char *what, const char *text);

/* HELLO, WELCOME, REJECT, WHO, ERROR: true, and it is dealt with. */
bool hub_greeting(dist_hub *h, int connection, const wire_message *m);

/* The first difference of two agreements, in words; false: they are equal. */
bool agreement_differs(uint32_t node, wire_frame theirs, const char *ours,
                       wire_fault *fault);

#endif
