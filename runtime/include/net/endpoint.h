/*
 * endpoint.h - where a process listens: "tcp://HOST:PORT" or "ipc://PATH"; what
 * may go there in the clear; and the listening socket itself, which can be
 * opened before the transport is, in another process even.
 *
 * Pure but for net_listen() and net_listening_at(). Any thread. Failures name
 * the endpoint.
 */
#ifndef PTL_NET_ENDPOINT_H
#define PTL_NET_ENDPOINT_H

#include "base/security.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

enum { NET_ENDPOINT_BYTES = 320 }; /* room for every endpoint's text */

typedef struct net_endpoint {
    bool ipc;
    char host[256]; /* without brackets; "*": every address */
    int port;       /* 0 or "*": any */
    char path[108]; /* ipc: of the socket */
} net_endpoint;

/* E_IO: it is none, or the path is longer than the system takes. */
ptl_status net_endpoint_read(const char *text, net_endpoint *out,
                             ptl_error *err);
/* Nobody else's machine is between: loopback, by its number or "localhost", or
 * ipc. Other names are not looked up. */
bool net_endpoint_is_local(const net_endpoint *e);
/* What is looked up for a tcp host. "localhost" is 127.0.0.1, whatever the
 * system makes of it (RFC 6761): it may be in the clear, and some systems have
 * no such name. */
const char *net_endpoint_address(const net_endpoint *e);

/*
 * Whether a job whose coordinator is at `endpoint` uses curve; all of a job
 * decide alike, since all know this endpoint. E_USAGE: it would go over a
 * network in the clear, and nobody said `insecure`.
 */
ptl_status net_security(ptl_security mode, const char *endpoint, bool insecure,
                        bool *curve, ptl_error *err);

/*
 * Listens there; names are looked up. *fd is the caller's (close-on-exec; an
 * ipc path stays until it is removed). E_IO: it is in use, or not to be had.
 */
ptl_status net_listen(const char *endpoint, int *fd, ptl_error *err);
/* The endpoint of a socket that listens: with its port, where "*" was asked
 * for. E_IO: it is no such socket. */
ptl_status net_listening_at(int fd, char text[NET_ENDPOINT_BYTES],
                            ptl_error *err);

#endif
