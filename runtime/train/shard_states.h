/*
 * shard_states.h - the states of shards: who reads which copy, and how copies
 * become one.
 *
 * The store's own tensor is what evaluation and checkpoints see. A state with
 * `sync mean` or `sync sum` has no other copy. Any other has one for each shard
 * in the store, under shardK/PATH and never saved; where the saved value is by
 * rule shard 0's current one, shard 0 has none of its own.
 */
#ifndef PTL_TRAIN_SHARD_STATES_H
#define PTL_TRAIN_SHARD_STATES_H

#include "train/session.h"

typedef struct shard_state {
    int saved;     /* item of the store */
    int *replicas; /* the same for each shard; NULL: all read `saved` */
    ptl_sync sync;
    size_t at; /* bytes from the beginning of a block of values */
    int64_t count;
} shard_state;

typedef struct shard_states {
    shard_state *items;
    int count;
    int64_t shards;
    size_t bytes; /* of a block that holds one value of each */
    ptl_dtype dtype;
    void *zeros; /* `bytes` of them */
} shard_states;  /* zero-initialise */

/* What a SHARD program has of each state. */
typedef struct shard_state_io {
    int input;   /* buffer, -1: not read */
    int own;     /* of `sync sum`: buffer of what it counts of the old value */
    size_t next; /* of its new value, in the arena */
} shard_state_io;

/* States that `program` updates; adds replicas to the store. */
ptl_status states_open(shard_states *st, session *s, const ptl_program *program,
                       int64_t shards, ptl_error *err);
void states_fini(shard_states *st);
/* A table of st->count rows, the caller's to free; NULL: no memory. */
shard_state_io *states_io(const shard_states *st, const ptl_store *store,
                          const ptl_program *program);
/* Replicas begin with what is saved. */
void states_spread(const shard_states *st, const ptl_store *store);
/* The copies that shard `shard` reads; `first`: of all parts of the step. */
void states_bind(const shard_states *st, const ptl_store *store,
                 const shard_state_io *io, ptl_run *run, int64_t shard,
                 bool first);

/* ---------- new values ---------- */

/* New values that are being added up: times rows where the mean is wanted. */
typedef struct state_sum {
    char *block;
    int64_t rows;
} state_sum;

/* Adds what a part of `rows` rows gave. */
void states_take(const shard_states *st, state_sum *to,
                 const shard_state_io *io, const char *arena, int64_t rows);
/* Adds another sum. */
void states_merge(const shard_states *st, state_sum *to, const state_sum *from);
/* The shard's own copies get the new values of its parts; `only` NULL: there
 * were several, their mean is taken. Otherwise there was the one of `only`. */
void states_keep(const shard_states *st, const ptl_store *store, int64_t shard,
                 const state_sum *sum, const shard_state_io *only,
                 const char *arena);
/* Saved values of synchronised states, from the sum over all shards. */
void states_sync(const shard_states *st, const ptl_store *store,
                 const state_sum *sum);
/* What `state_sync` does when it is due; `rows` of each shard, `towers` shards
 * a worker, a block for each of two sums. */
void states_exchange(const shard_states *st, const ptl_store *store,
                     ptl_state_sync how, const int64_t *rows, int64_t towers,
                     state_sum sums[2]);

#endif
