/*
 * net.h - dist/transport.h over ZeroMQ: one ROUTER that listens, and a DEALER
 * for each connect().
 *
 * What is sent is held, not copied, from some KiB on; what is received lies
 * where ZeroMQ put it. How connections begin, end and are refused:
 * runtime/README.md, "Sockets". All but net_wake() belongs to one thread, that
 * of the reactor (net/reactor.h) where there is one; it may be another than
 * opened it, if that one lets go.
 */
#ifndef PTL_NET_NET_H
#define PTL_NET_NET_H

#include "base/status.h"
#include "dist/transport.h"
#include "net/endpoint.h"

typedef struct net_options {
    /* Where to listen; NULL, and no listen_fd: this end only connects. */
    const char *bind;
    /* A socket that listens there already; taken, after a failure too. 0 (no
     * descriptor to give away): none. */
    int listen_fd;
    int peers;      /* processes of the job, about: for what is limited */
    uint32_t chunk; /* most bytes of a payload; 0: WIRE_CHUNK_BYTES */
    /* All of a job alike, see net_security(). */
    bool curve, insecure;
    const char *keys;   /* folder (net/keys.h), with curve; NULL, "": none */
    int server;         /* index of this process's server key */
    uint64_t handshake; /* until a connection is used, ms; 0: 5000 */
    /* Bytes of payload that may be under way, see net_blob(); 0: each blob is
     * memory of its own. With `share`, peers on this machine read them where
     * they lie. */
    size_t pool;
    bool share;
    /* One line for each thing that is worth one; NULL: none. In the thread that
     * calls. */
    void (*log)(void *ctx, const char *line);
    void *ctx;
} net_options;

/* What went by; for tests and for the end's report. */
typedef struct net_counts {
    uint64_t sent, received; /* messages */
    uint64_t full;           /* not sent: the queue of the peer was full */
    uint64_t refused;        /* handshakes that failed, on either side */
    uint64_t evicted;        /* peers that were forgotten to make room */
    uint64_t placed;         /* payloads sent that were not copied: shared */
} net_counts;

/* E_IO: the world is not fit, `err` names the endpoint. Options are copied. */
ptl_status net_open(const net_options *options, dist_transport **out,
                    ptl_error *err);
/* What was sent has `linger` milliseconds to leave. Accepts NULL. */
void net_close(dist_transport *t, int linger);
/* Where others reach it: with its port. "": it does not listen. */
const char *net_endpoint_of(const dist_transport *t);
const net_counts *net_counts_of(const dist_transport *t);
/* From the transport's pool; NULL: there is no room in it, or no pool. Any
 * thread. */
dist_blob *net_blob(dist_transport *t, size_t size);
/* Any thread, and signal handlers: next() returns, now or when it is called
 * next. */
void net_wake(dist_transport *t);

#endif
