/*
 * reactor.h - runs the machines of a process over one transport, in one
 * thread: gives them messages and time, and runs what other threads post.
 *
 * A process has at most one machine of each role. A message on a connection of
 * ours goes to who connected; another to the role its header names, or to the
 * only machine there is.
 *
 *     machine_out out = reactor_outside(r, self, &owner);
 *     reactor_add_worker(r, worker = worker_new(..., &out, clock_ms()));
 *     reactor_run(r);
 *
 * Times are of clock_ms(). All but reactor_post() and reactor_stop() belongs to
 * the thread that runs it, or comes before.
 */
#ifndef PTL_NET_REACTOR_H
#define PTL_NET_REACTOR_H

#include "dist/coordinator.h"
#include "dist/ps.h"
#include "dist/worker.h"
#include "net/net.h"

typedef struct net_reactor net_reactor;

typedef struct reactor_owner {
    void *ctx;
    void (*ended)(void *ctx, ptl_status status, const char *text);
    void (*log)(void *ctx, const char *line);
} reactor_owner;

/* Borrows the transport. `coordinator`: its endpoint, copied. */
net_reactor *reactor_new(dist_transport *transport, const char *coordinator);
void reactor_free(net_reactor *r); /* frees no machine; accepts NULL */

/* What the machine that will be `self` reaches the outside by, as long as the
 * reactor lives. */
machine_out reactor_outside(net_reactor *r, uint32_t self,
                            const reactor_owner *owner);
/* From here on it gets messages and time. Borrowed. */
void reactor_add_coordinator(net_reactor *r, dist_coordinator *c);
void reactor_add_ps(net_reactor *r, dist_ps *ps);
void reactor_add_worker(net_reactor *r, dist_worker *w);
/* No more; the machine may be freed. */
void reactor_remove(net_reactor *r, int role);

/* Until reactor_stop(). */
void reactor_run(net_reactor *r);
/*
 * Any thread: reactor_run() ends when everything said is acknowledged, and
 * the coordinator was told what came of it, or after `linger` milliseconds.
 * What was posted before has been run by then.
 */
void reactor_stop(net_reactor *r, uint64_t linger);
/* Any thread: `run` is called soon, in the reactor's thread, in the order of
 * posting. */
void reactor_post(net_reactor *r, void (*run)(void *ctx), void *ctx);

#endif
