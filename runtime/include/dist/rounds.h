/*
 * rounds.h - updates that wait for totals, on both sides: a parameter server's
 * turn, and who adds up what the servers send. States and messages:
 * runtime/README.md, "Totals".
 */
#ifndef PTL_DIST_ROUNDS_H
#define PTL_DIST_ROUNDS_H

#include "dist/machine.h"

/* ---------- a parameter server ---------- */

typedef struct ps_turn {
    bool said;     /* the partials of `round` are on their way */
    int round;     /* from 0 */
    uint64_t turn; /* number of the update, of every bucket here */
} ps_turn;

/*
 * Are the updates of all buckets that take part held? Then adds up what the
 * round needs, says so in `t`, and gives the bytes; NULL: not yet, or it was
 * said. `shards`: by bucket, NULL: elsewhere.
 */
dist_blob *turn_partials(ps_turn *t, const machine_job *job,
                         dist_shard *const *shards, const shard_store *store);
/*
 * Totals of `round` of `turn` came. True: they were the last of those that were
 * waited for, and every bucket's update may be released.
 */
bool turn_totals(ps_turn *t, const machine_job *job, const shard_store *store,
                 uint64_t turn, int round, const uint8_t *bytes, size_t size);

/* ---------- who adds up ---------- */

typedef struct dist_adder dist_adder;

dist_adder *adder_new(const machine_job *job);
void adder_free(dist_adder *a); /* accepts NULL */
/* What `ps` sent. The totals, once all who take part have sent the same round
 * of the same turn; NULL: not yet. The caller drops them. */
dist_blob *adder_take(dist_adder *a, int ps, uint64_t turn, int round,
                      const uint8_t *bytes, size_t size);
bool adder_knows(const dist_adder *a, int ps); /* does it take part? */

#endif
