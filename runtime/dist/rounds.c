/*
 * rounds.c - see rounds.h.
 */
#include "dist/rounds.h"
#include "base/plant.h"
#include <stdlib.h>

static bool takes_part(const machine_job *job, int bucket)
{
    return job->totals && job->buckets[bucket].rules.hold;
}

/* ---------- a parameter server ---------- */

/* All of them at the same update; there is one at least. */
static bool all_held(ps_turn *t, const machine_job *job,
                     dist_shard *const *shards)
{
    bool any = false;
    double weight;
    for (int b = 0; b < job->limits->bucket_count; b++) {
        if (!shards[b] || !takes_part(job, b))
            continue;
        if (!shard_holds(shards[b], &weight))
            return false;
        t->turn = shard_number(shards[b]);
        any = true;
    }
    return any;
}

dist_blob *turn_partials(ps_turn *t, const machine_job *job,
                         dist_shard *const *shards, const shard_store *store)
{
    size_t size;
    double weight;
    if (t->said || !all_held(t, job, shards))
        return NULL;
    for (int b = 0; b < job->limits->bucket_count; b++)
        if (shards[b] && takes_part(job, b)) {
            shard_holds(shards[b], &weight);
            store->add_up(store->ctx, (uint32_t)b, t->round, weight, t->turn);
        }
    t->said = true;
    const uint8_t *bytes = store->partials(store->ctx, t->round, &size);
    return blob_copy(bytes, size);
}

bool turn_totals(ps_turn *t, const machine_job *job, const shard_store *store,
                 uint64_t turn, int round, const uint8_t *bytes, size_t size)
{
    if (!t->said || t->turn != turn || t->round != round ||
        !store->totals(store->ctx, round, bytes, size))
        return false;
    t->said = false;
    if (++t->round < job->totals->rounds)
        return false;
    t->round = 0;
    return true;
}

/* ---------- who adds up ---------- */

struct dist_adder {
    machine_job job;
    bool *known;      /* by ps: has it a bucket that takes part? */
    dist_blob **sent; /* by ps; NULL: not yet */
    uint64_t turn;    /* of what was sent */
    int round;
};

dist_adder *adder_new(const machine_job *job)
{
    dist_adder *a = calloc(1, sizeof *a);
    PTL_ASSERT(a);
    a->job = *job;
    a->known = calloc((size_t)job->servers + 1, sizeof *a->known);
    a->sent = calloc((size_t)job->servers + 1, sizeof(dist_blob *));
    PTL_ASSERT(a->known && a->sent);
    for (int b = 0; b < job->limits->bucket_count; b++)
        if (takes_part(job, b))
            a->known[job->buckets[b].owner] = true;
    return a;
}

static void forget(dist_adder *a)
{
    for (int i = 0; i < a->job.servers; i++) {
        blob_drop(a->sent[i]);
        a->sent[i] = NULL;
    }
}

void adder_free(dist_adder *a)
{
    if (!a)
        return;
    forget(a);
    free(a->known);
    free(a->sent);
    free(a);
}

bool adder_knows(const dist_adder *a, int ps)
{
    return ps >= 0 && ps < a->job.servers && a->known[ps];
}

static bool all_sent(const dist_adder *a)
{
    for (int i = 0; i < a->job.servers; i++)
        if (a->known[i] && !a->sent[i])
            return ptl_is_planted(PTL_PLANT_EARLY_TOTALS);
    return true;
}

/* Nobody sends a round before it has the totals of the one before. */
dist_blob *adder_take(dist_adder *a, int ps, uint64_t turn, int round,
                      const uint8_t *bytes, size_t size)
{
    if (!adder_knows(a, ps) || round < 0 || round >= a->job.totals->rounds)
        return NULL;
    if (turn != a->turn || round != a->round)
        forget(a);
    a->turn = turn;
    a->round = round;
    blob_drop(a->sent[ps]);
    a->sent[ps] = blob_copy(bytes, size);
    if (!all_sent(a))
        return NULL;
    dist_blob *totals =
        a->job.totals->add_up(a->job.totals->ctx, round, a->sent);
    forget(a);
    return totals;
}
