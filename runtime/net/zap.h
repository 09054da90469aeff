/*
 * zap.h - who may connect (ZeroMQ's authentication protocol, RFC 27): answers
 * in a thread of its own, from a list that does not change.
 */
#ifndef PTL_NET_ZAP_H
#define PTL_NET_ZAP_H

#include "keys_priv.h"

typedef struct net_zap net_zap;

/* Answers for every socket of the ZeroMQ context `context` from here on; takes
 * `list`. */
ptl_status zap_start(void *context, key_allowed *list, int count, net_zap **out,
                     ptl_error *err);
/* Once the context was shut down. Accepts NULL. */
void zap_end(net_zap *z);
/* The node that a User-Id names; 0: none. */
uint32_t zap_node(const char *user);

#endif
