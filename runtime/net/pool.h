/*
 * pool.h - memory that other processes of this machine may read: one sealed
 * memfd, from which blobs are cut.
 *
 * It has no name anywhere, so nothing is left of it however its process ends.
 * Any thread.
 */
#ifndef PTL_NET_POOL_H
#define PTL_NET_POOL_H

#include "dist/blob.h"
#include <stdbool.h>

enum { POOL_COOKIE = 16 }; /* bytes it begins with: which one it is */

typedef struct net_pool net_pool;

/* Room for so many bytes, which costs memory only once it is used. NULL: the
 * system has none. */
net_pool *pool_new(size_t capacity);
/* Goes with its last blob. Accepts NULL. */
void pool_free(net_pool *p);
/* NULL: there is no room, or it is too small a blob for this. */
dist_blob *pool_blob(net_pool *p, size_t size);
/* Where in the pool `bytes` lie; false: elsewhere. */
bool pool_has(const net_pool *p, const uint8_t *bytes, size_t size,
              uint64_t *offset);

/* What another process finds it by. */
typedef struct pool_name {
    uint32_t pid, fd;
    uint64_t capacity;
    uint8_t cookie[POOL_COOKIE];
} pool_name;

void pool_name_of(const net_pool *p, pool_name *out);
/* Another process's pool, to be read, as long as somebody holds it; NULL: it
 * cannot be, from here. */
dist_blob *pool_map(const pool_name *name);

#endif
