/*
 * endpoint.h - addresses of processes: "tcp://HOST:PORT", "ipc://PATH".
 */
#ifndef PTL_LAUNCH_ENDPOINT_H
#define PTL_LAUNCH_ENDPOINT_H

#include "base/arena.h"
#include <stdbool.h>

typedef struct endpoint {
    const char *host; /* of tcp, without brackets; NULL: ipc */
    const char *port; /* digits, or "*" */
} endpoint;

/* False: it is neither. */
bool endpoint_read(ptl_arena *arena, const char *text, endpoint *out);

/* 127.0.0.0/8, ::1 and "localhost". */
bool host_is_loopback(const char *host);
/* An IPv4 or IPv6 address, not a name. */
bool host_is_numeric(const char *host);
/* As it stands before ":PORT": brackets around IPv6. */
const char *host_text(ptl_arena *arena, const char *host);

#endif
