/*
 * shards_priv.h - what a run of shards is made of, for the files that open it
 * and step it.
 */
#ifndef PTL_TRAIN_SHARDS_PRIV_H
#define PTL_TRAIN_SHARDS_PRIV_H

#include "runtime/order.h"
#include "runtime/sums.h"
#include "train/device_sums.h"
#include "train/shard_states.h"
#include "train/shards.h"

/* What was added up so far. */
typedef struct shard_sum {
    char *gradients;
    double weight; /* 0: no gradients yet */
    state_sum states;
} shard_sum;

/* Gradients that go to the peers together; without peers, all. */
typedef struct gradient_bucket {
    sum_list list; /* from the arena to a block */
    int ready;     /* the step of the program after which all are final */
    int used;      /* the first that reads a parameter; INT_MAX: none */
    int freed;     /* and after which none is read */
} gradient_bucket;

/* A SHARD program and where its outputs are added to. */
typedef struct shard_program {
    session_program *built;
    int weight; /* output */
    gradient_bucket *buckets;
    int *order;    /* of buckets, by when they are ready */
    int *by_used;  /* by when they are used */
    int *by_freed; /* and by when they are freed */
    shard_state_io *states;
} shard_program;

/* An input of UPDATE: a gradient's place in a block. */
typedef struct update_input {
    int buffer; /* -1: there is no such program here */
    peers_place place;
} update_input;

enum { MOST_PROGRAMS = 6 }; /* three sizes of part, full and last batch */

/* Rows of a shard that a program computes at once. */
typedef struct shard_part {
    int64_t shard;
    order_part rows;
} shard_part;

struct shards {
    session *s;
    const train_peers *peers; /* NULL: all workers are here */
    ptl_job_cluster rule;
    int64_t shards, workers, parts, batch;
    shard_program programs[MOST_PROGRAMS];
    int program_count;
    session_program *update; /* NULL: elsewhere */
    update_input *inputs;
    int input_count, weight_input; /* weight_input -1: not read */
    int bucket_count;
    ptl_dtype dtype;
    size_t block_bytes; /* of one sum of gradients */
    sum_list whole;     /* from block to block */
    shard_states states;
    shard_sum total, part;
    device_sums sums;  /* the total, where devices add */
    shard_sum *worker; /* of each worker, or one for all */
    bool side_by_side; /* of each */
    int worker_items;  /* in the store: sum and weight of each; -1: none */
    int updates_item;  /* in the store: updates so far; -1: not counted */
    int64_t *rows;     /* of each shard in this step */
    shard_part *work;  /* with devices: all parts of this step, in order */
    int work_count;
    loss_sum *losses; /* with peers: of each tower */
    char *packed[2];  /* with peers: by state_group; NULL: empty */
    void **fields;    /* of a part */
    int field_count;
    char *memory; /* the update's weight, then blocks, then slices */
    size_t memory_bytes;
    char *slices; /* where fields of a part are copied to */
    int64_t state_every, total_steps, total_updates;
    update_count counting;
};

/* Whose shards the next step is about, of those that this process has. */
static inline void shards_turn(shards *h, int64_t worker)
{
    h->states.first = worker * h->rule.towers;
    h->states.end = h->states.first + h->rule.towers;
}

static inline void *shards_item(const shards *h, int item)
{
    return h->s->store.items[item].memory;
}

/* `compress`: what one of several workers adds to the total is rounded first.
 */
static inline bool shards_rounds(const shards *h)
{
    return h->rule.bf16 && h->workers > 1;
}

/* Shards of one worker, or workers of one shard each under `mean`, are added to
 * the total as they come: the same order with one pass less. */
static inline bool shards_add_directly(const shards *h)
{
    return !h->side_by_side &&
           (h->workers == 1 || h->peers ||
            (h->rule.towers == 1 && h->rule.aggregate == PTL_AGGREGATE_MEAN &&
             !shards_rounds(h)));
}

/* Have the parts of a shard a sum of their own? One shard's are the total. */
static inline bool shards_parts_apart(const shards *h)
{
    return h->parts > 1 && (h->shards > 1 || h->side_by_side);
}

/* Are gradients added up where they are computed? Where there is one sum of all
 * of them. */
static inline bool shards_add_on_device(const shards *h)
{
    return h->s->job->device && shards_add_directly(h) &&
           !shards_parts_apart(h);
}

/* Does the sum of gradients lie with the peers, who send it from there? A
 * device's lies where its copies go. */
static inline bool shards_lies_with_peers(const shards *h)
{
    return h->peers && h->peers->block && !shards_add_on_device(h);
}

/* Of pieces of a block, none yet. */
sum_list shards_empty_list(const shards *h);

/*
 * Fills the buckets of a program and their orders, from `inputs`. A gradient
 * that the update does not read is not sent; none is final before its weight is.
 */
ptl_status shards_list_gradients(const shards *h, shard_program *p,
                                 ptl_error *err);

/* Exchanges in the first `steps` steps: after every `sync_every`th, and after
 * the last of all. */
int64_t shards_exchanges(const shards *h, int64_t steps);

#endif
