/*
 * shard.h - what a parameter server does with the gradients of one bucket:
 * which are new, when they are added up, in what order, and when there is an
 * update.
 *
 * Rules in runtime/README.md, "Parameter server". A gradient is known by
 * (worker, step, offset), never by the connection it came on, so whatever is
 * said again, by the same process or by one that took its place, counts once.
 * Arithmetic is the owner's, through shard_store.
 */
#ifndef PTL_DIST_SHARD_H
#define PTL_DIST_SHARD_H

#include "dist/blob.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum dist_aggregate {
    DIST_MEAN,
    DIST_SUM,
    DIST_APPLY_EACH
} dist_aggregate;
typedef enum dist_sync { DIST_BARRIER, DIST_ASYNC, DIST_STALE } dist_sync;

typedef struct shard_rules {
    dist_aggregate aggregate;
    dist_sync sync;
    bool ordered;
    int stale;           /* k of stale(k) */
    uint64_t first_step; /* of the run: its version is there from the start */
    uint64_t first_updates; /* that the value had before the run */
    int workers;
    /* An update waits for totals: until shard_release(). Under `barrier` alone,
     * and `apply_each` in order alone. */
    bool hold;
    /* `mean`, `sum`: an exchange without rows is an update too, of weight 0. */
    bool always;
    /* `apply_each` not in order: updates may meet, and some be lost. */
    bool meet;
} shard_rules;

/* Steps of one worker that may be under way: k + 1. */
int shard_window(const shard_rules *rules);

typedef struct shard_store {
    void *ctx;
    /* The bucket's sum, empty where `first`, has `count` parts of `bytes` added
     * to it, one after another. */
    void (*add)(void *ctx, uint32_t bucket, const uint8_t *const *parts,
                int count, size_t bytes, bool first);
    /*
     * The value takes one update by the sum divided by `weight`. `number`
     * counts them from 0: exchanges, with those that had nothing to add;
     * where each gradient is an update, these.
     */
    void (*update)(void *ctx, uint32_t bucket, double weight, uint64_t number);
    /* Where updates may meet: begins one by a single gradient, a mean's sum of
     * this weight; `part` may go afterwards. */
    void (*meet)(void *ctx, uint32_t bucket, int worker, const uint8_t *part,
                 double weight, uint64_t number);
    const uint8_t *(*value)(void *ctx, uint32_t bucket);
    /* What else belongs to the bucket's parameters (slots), for a checkpoint;
     * `size`: as the limits say. */
    const uint8_t *(*slots)(void *ctx, uint32_t bucket, size_t *size);
    /*
     * Where updates wait for totals. In each round: what the update of a bucket
     * needs of it is added up; what that comes to, of all buckets here; and
     * what it came to everywhere (false: it is of another size).
     */
    void (*add_up)(void *ctx, uint32_t bucket, int round, double weight,
                   uint64_t updates);
    const uint8_t *(*partials)(void *ctx, int round, size_t *size);
    bool (*totals)(void *ctx, int round, const uint8_t *bytes, size_t size);
} shard_store;

typedef enum shard_event {
#define SHARD_EVENT(name, word) SHARD_EVENT_##name,
#include "dist/shard_events.def"
    SHARD_EVENT_COUNT
} shard_event;

/* Who wants to know what becomes of buckets, in the order in which it does.
 * `round`: the worker's exchange; 0 where only the worker knows (READ, SLOTS).
 * `tell` NULL: nobody. */
typedef struct shard_notice {
    void *ctx;
    void (*tell)(void *ctx, shard_event what, uint32_t bucket, int worker,
                 uint64_t round);
} shard_notice;

typedef struct dist_shard dist_shard;

/* `bucket`: its number, for the store. Chunks are those of the wire. */
dist_shard *shard_new(const shard_rules *rules, const shard_store *store,
                      uint32_t bucket, size_t bytes, size_t chunk);
void shard_free(dist_shard *s); /* accepts NULL */
/* Where values that are given away are copied to; borrowed. `streams`: there
 * are more of them, in all buckets, than caches hold (base/stream.h). */
void shard_copies_to(dist_shard *s, const blob_source *memory, bool streams);
void shard_tells(dist_shard *s, const shard_notice *notice); /* borrowed */
/* For those who answer for the bucket: what they did with it. */
void shard_tell(const dist_shard *s, shard_event what, int worker,
                uint64_t round);

typedef struct shard_chunk {
    int worker;
    uint64_t step;
    size_t offset, bytes;
    const uint8_t *data;
    double weight;
    bool last, empty;
    bool bf16; /* `data` is: half the bytes it stands for */
    /* What `data` lies in, and stays in until the gradient is acknowledged;
     * NULL: it lives during the call. */
    dist_blob *holder;
} shard_chunk;

typedef enum shard_answer {
    SHARD_KEPT,   /* more is to come */
    SHARD_WHOLE,  /* the gradient is here: see shard_acknowledges() */
    SHARD_BEFORE, /* it was before: acknowledge it if this is its end */
    SHARD_AHEAD,  /* of a step nobody can have begun */
    SHARD_UNLIKE  /* another weight than its first chunk had */
} shard_answer;

/* Keeps the chunk; what is complete by it is added up and applied. */
shard_answer shard_push(dist_shard *s, const shard_chunk *c);

/* Is there a gradient of this worker that its bytes are not needed of any more,
 * and that was not told before? Its step, to be acknowledged. */
bool shard_acknowledges(dist_shard *s, int worker, uint64_t *step);

/* Is an update held? Its weight, then. It is made by shard_release(). */
bool shard_holds(const dist_shard *s, double *weight);
void shard_release(dist_shard *s);

/* A new process has the worker's place, and may compute other gradients: what
 * is not whole is forgotten. */
void shard_replaced(dist_shard *s, int worker);

/* Is the store's value, now, that of this version? */
bool shard_is_at(const dist_shard *s, uint64_t version);
const shard_store *shard_store_of(const dist_shard *s);
uint64_t shard_version(const dist_shard *s);
uint64_t shard_updates(const dist_shard *s);
/* What the store is told of the next update: how many there were. */
uint64_t shard_number(const dist_shard *s);
/* The step of this worker that would be applied next. */
uint64_t shard_next_step(const dist_shard *s, int worker);

/*
 * The newest value, if `version` is there; with `exact` that version itself,
 * which under `barrier` is there until the next but one. The caller drops it.
 * NULL: it is yet to come, or gone.
 */
dist_blob *shard_value(dist_shard *s, uint64_t version, bool exact);

#endif
