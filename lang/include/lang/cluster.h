/*
 * cluster.h - a cluster block, checked, with every default filled in.
 *
 * One field for each row of cluster.def. What a placement or a way of
 * synchronising cannot honour was refused (cluster_rules.def), so nobody who
 * reads this checks combinations again.
 */
#ifndef PTL_LANG_CLUSTER_H
#define PTL_LANG_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

/* Numbers of cluster.def's words, in their order. */
typedef enum cluster_placement {
    CLUSTER_REPLICATED,
    CLUSTER_PARAMETER_SERVER,
    CLUSTER_ALLREDUCE,
} cluster_placement;
typedef enum cluster_aggregate {
    CLUSTER_MEAN,
    CLUSTER_SUM,
    CLUSTER_APPLY_EACH,
} cluster_aggregate;
typedef enum cluster_sync {
    CLUSTER_BARRIER,
    CLUSTER_ASYNC,
    CLUSTER_STALE,
} cluster_sync;
typedef enum cluster_balance {
    CLUSTER_GREEDY_BYTES,
    CLUSTER_ROUND_ROBIN,
} cluster_balance;
typedef enum cluster_slots {
    CLUSTER_SLOTS_PS,
    CLUSTER_SLOTS_WORKER,
} cluster_slots;
typedef enum cluster_state_sync {
    CLUSTER_STATE_CHIEF,
    CLUSTER_STATE_MEAN,
    CLUSTER_STATE_NEVER,
} cluster_state_sync;
typedef enum cluster_compress {
    CLUSTER_COMPRESS_NONE,
    CLUSTER_COMPRESS_BF16,
} cluster_compress;
typedef enum cluster_resize_lr {
    CLUSTER_LR_KEEPS,
    CLUSTER_LR_LINEAR,
} cluster_resize_lr;
typedef enum cluster_security {
    CLUSTER_SECURITY_AUTO,
    CLUSTER_SECURITY_CURVE,
    CLUSTER_SECURITY_NONE,
} cluster_security;
typedef enum cluster_barrier {
    CLUSTER_BARRIER_NEVER,
    CLUSTER_BARRIER_EVERY,
} cluster_barrier;
typedef enum cluster_worker_loss {
    CLUSTER_WORKER_ABORT,
    CLUSTER_WORKER_WAIT,
    CLUSTER_WORKER_SHRINK,
} cluster_worker_loss;
typedef enum cluster_ps_loss {
    CLUSTER_PS_ABORT,
    CLUSTER_PS_ROLLBACK,
    CLUSTER_PS_REBUILD,
} cluster_ps_loss;
typedef enum cluster_cache {
    CLUSTER_CACHE_CPU,
    CLUSTER_CACHE_DEVICE
} cluster_cache;

/* Processes of one role. */
typedef struct cluster_hosts {
    int64_t least, most;      /* equal but for a range */
    const char *const *hosts; /* "host:port", `most` of them; NULL: the
                                 launcher says */
} cluster_hosts;

typedef struct cluster_devices {
    int64_t count;
    const int64_t *ids; /* NULL: 0, 1, ... */
} cluster_devices;

/* What is done first, and what then. */
typedef struct cluster_policy {
    int first, second; /* cluster_worker_loss or cluster_ps_loss; equal where
                          one word stands alone */
} cluster_policy;

typedef enum cluster_key {
#define CLUSTER_KEY(name, ...) CLUSTER_KEY_##name,
#include "lang/cluster.def"
    CLUSTER_KEY_COUNT
} cluster_key;

typedef struct typed_cluster {
    bool given; /* the file has a block */
    cluster_hosts ps, worker;
    cluster_devices towers; /* of each worker */
    int placement;          /* cluster_placement, and so on */
    cluster_cache caching;  /* of parameter_server */
    int aggregate, sync;
    int64_t stale; /* steps; of stale(k) */
    int barrier;
    int64_t barrier_steps, barrier_epochs; /* of every(k): one, the other 0 */
    bool strict;
    int64_t sync_every; /* steps */
    int balance;
    int64_t slice, bucket; /* bytes */
    bool locking;
    int slots, state_sync;
    int64_t state_steps, state_epochs; /* of state_sync: one, the other 0 */
    bool ordered;
    int compress;
    int64_t heartbeat, dead, stall; /* milliseconds */
    cluster_policy worker_loss, ps_loss;
    int64_t worker_wait; /* milliseconds; of wait(T) */
    int resize_lr, security;
    /* For each key: its value as PTL, and whether file or --set gave it. */
    const char *text[CLUSTER_KEY_COUNT];
    bool said[CLUSTER_KEY_COUNT];
} typed_cluster;

const char *cluster_key_name(cluster_key key);

#endif
