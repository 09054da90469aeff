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
    int64_t first, end; /* shards that run in this process */
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

/* States that `program` updates; adds replicas to the store. `st` has shards,
 * first and end. */
ptl_status states_open(shard_states *st, session *s, const ptl_program *program,
                       ptl_error *err);
void states_fini(shard_states *st);
/* A table of st->count rows, the caller's to free; NULL: no memory. */
shard_state_io *states_io(const shard_states *st, const ptl_store *store,
                          const ptl_program *program);
/* Replicas begin with what is saved. */
void states_spread(const shard_states *st, const ptl_store *store);
/* All of them may have been written here: devices have none any more. */
void states_wrote(const shard_states *st, session *s);
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
/* What `state_sync` does when it is due and all shards are here; `rows` of each
 * shard, `towers` shards a worker, a block for each of two sums. */
void states_exchange(const shard_states *st, const ptl_store *store,
                     ptl_state_sync how, const int64_t *rows, int64_t towers,
                     state_sum sums[2]);

/* ---------- in a cluster ---------- */

/*
 * Vectors that workers add up: all states of the job that have the word mean or
 * sum, or all that have none, one after another in the job's order.
 */
typedef enum state_group {
    STATE_GROUP_SYNCED, /* in each step */
    STATE_GROUP_LOOSE   /* when state_sync = mean is due */
} state_group;

bool state_is_in(state_group group, const ptl_job_tensor *t);
/* Elements of the group's vector. */
int64_t states_group_count(const ptl_job *job, state_group group);
/* What this process's shards add to it. LOOSE: their copies times their `rows`,
 * by way of `scratch`, a block; the result's rows are returned. */
void states_pack(const shard_states *st, const session *s, const state_sum *sum,
                 void *to);
int64_t states_pack_copies(const shard_states *st, const session *s,
                           const int64_t *rows, state_sum *scratch, void *to);
/* The values all shards have from now on. */
void states_unpack(const shard_states *st, const session *s, state_group group,
                   const void *from);
/* `state_sync = chief`: the saved copy is shard 0's. */
void states_chief(const shard_states *st, const ptl_store *store);

#endif
