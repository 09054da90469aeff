/*
 * keys.h - the keys of a job (CurveZMQ, Curve25519): made once by whoever
 * starts it, in a folder that every process reads.
 *
 *   server-I.key            pair of server I: ps I; where there is no ps, in
 *                           worker I, since workers then serve each other
 *   ps-I.key, worker-I.key  pair of each node, when it connects; ps I is where
 *                           server I is
 *   servers, clients        public keys of all of them: NAME KEY, line by line
 *
 * A pair is two lines: public, secret. All files are for their owner alone
 * (0600). A process needs its own pairs, `servers`, and if it listens
 * `clients`: other secrets may be taken out of its copy of the folder.
 */
#ifndef PTL_NET_KEYS_H
#define PTL_NET_KEYS_H

#include "base/status.h"

/* Makes the folder (0700) if it is not there; what has these names is replaced.
 * `servers`: parameter servers. Any thread. */
ptl_status net_keys_make(const char *folder, int servers, int workers,
                         ptl_error *err);

#endif
