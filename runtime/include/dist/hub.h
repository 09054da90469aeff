/*
 * hub.h - all links of one process in one role: who is who, what is refused,
 * who lives. What is left for the role's machine is messages in order.
 *
 * Events come from the owner of the transport; each ends with everything sent
 * that can be. Callbacks may call what is for the machine, nothing else. One
 * thread; milliseconds of a monotonic clock.
 */
#ifndef PTL_DIST_HUB_H
#define PTL_DIST_HUB_H

#include "dist/link.h"
#include "dist/liveness.h"

typedef struct dist_hub dist_hub;

/* The outside. */
typedef struct hub_out {
    void *ctx;
    link_send *send;
    void (*close)(void *ctx, int connection);
    void (*log)(void *ctx, const char *line);
    /* See link_config; may be NULL. */
    bool (*places)(void *ctx, int connection, const uint8_t *bytes,
                   size_t size);
} hub_out;

/* The machine. */
typedef struct hub_owner {
    void *ctx;
    /*
     * May this process be a peer? Else `fault` says why. Asked for each HELLO
     * whose agreement is right; `lives`: another process has the place, and was
     * heard of lately.
     */
    bool (*admit)(void *ctx, const wire_header *hello, bool lives,
                  wire_fault *fault);
    /* A link is up. `fresh`: to a new process, which knows nothing of what was
     * said before. */
    void (*up)(void *ctx, uint32_t node, bool fresh);
    void (*message)(void *ctx, uint32_t node, const wire_message *m);
    /* We are refused. Of WIRE_REASON_TAKEN another process has our place: HELLO
     * is said again, so this refusal may pass. */
    void (*refused)(void *ctx, uint32_t node, wire_reason code,
                    const char *text);
    void (*verdict)(void *ctx, uint32_t node, liveness_verdict what,
                    const char *text);
} hub_owner;

typedef struct hub_config {
    uint32_t self;
    uint64_t job, incarnation;
    const char *agreement; /* lines; borrowed, as are the limits */
    const wire_limits *limits;
    uint64_t window, retry;
    liveness_rules liveness;
} hub_config;

dist_hub *hub_new(const hub_config *config, const hub_owner *owner,
                  const hub_out *out, uint64_t now);
void hub_free(dist_hub *h); /* accepts NULL */

/* ---------- events ---------- */

/* Our own connection to `node` is there. */
void hub_connected(dist_hub *h, int connection, uint32_t node, uint64_t now);
void hub_disconnected(dist_hub *h, int connection, uint64_t now);
/* Whoever is at the other end has proved to be `node`: no other is taken from
 * this connection. Of the transport, before a message. */
void hub_proved(dist_hub *h, int connection, uint32_t node);
/* The next message's payload lies in `holder`, which its sender shares with us,
 * and has no checksum. Of the transport, before the message. */
void hub_placed(dist_hub *h, dist_blob *holder);
void hub_receive(dist_hub *h, int connection, const wire_frame *frames,
                 int count, uint64_t now);
void hub_tick(dist_hub *h, uint64_t now);
/* Sends what the machine said outside of a callback. */
void hub_flush(dist_hub *h, uint64_t now);

/* ---------- for the machine ---------- */

/* See link_say(). To a node that never was up: it is lost. */
void hub_say(dist_hub *h, uint32_t node, const wire_header *head,
             const wire_fields *fields, dist_blob *payload, size_t at,
             size_t size);
void hub_say_plain(dist_hub *h, uint32_t node, const wire_header *head);
/* Where this process is: what PONG says. */
void hub_progress(dist_hub *h, const dist_progress *at);
uint64_t hub_now(const dist_hub *h); /* of the event */
bool hub_is_up(const dist_hub *h, uint32_t node);
/* 0: no process of that name was ever up. */
uint64_t hub_incarnation(const dist_hub *h, uint32_t node);
const dist_pulse *hub_pulse(const dist_hub *h, uint32_t node); /* may be NULL */
/* See link_owes(); true of a node that never was up. */
bool hub_owes(const dist_hub *h, uint32_t node);
/* Messages not yet acknowledged, by who can be reached. */
size_t hub_waiting(const dist_hub *h);

#endif
