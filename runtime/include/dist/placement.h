/*
 * placement.h - what lies where in a cluster: pure functions of the list of
 * parameters and the cluster block, so every process works out the same.
 *
 * A parameter is cut into pieces (slices), each piece has an owner, and the
 * pieces of one owner and one type are put together in buckets, which are what
 * is sent and what has a version.
 */
#ifndef PTL_DIST_PLACEMENT_H
#define PTL_DIST_PLACEMENT_H

#include "base/arena.h"
#include "base/dtype.h"
#include <stdbool.h>
#include <stdint.h>

/* Slices are whole blocks of so many elements: partial results over a whole
 * tensor are per block (semantics: optimizers with a reduction). */
enum { PLACE_BLOCK = 65536 };

typedef enum place_balance {
    PLACE_GREEDY_BYTES, /* the owner with the fewest bytes, the lowest of equals
                         */
    PLACE_ROUND_ROBIN   /* one after another */
} place_balance;

/* In the order in which the program creates them. */
typedef struct place_variable {
    int64_t elements;
    ptl_dtype dtype;
    bool whole; /* never cut: its update needs all of it */
} place_variable;

typedef struct place_options {
    int owners; /* parameter servers; under `allreduce` workers */
    place_balance balance;
    int64_t slice, bucket; /* bytes */
    /* Variables in the order in which their gradients are complete; NULL: the
     * last created first. */
    const int *completion;
} place_options;

/* Elements [first, first + count) of a variable. */
typedef struct place_piece {
    int variable, owner, bucket;
    int64_t first, count;
    int64_t offset; /* bytes, in its bucket */
} place_piece;

typedef struct place_bucket {
    int owner;
    ptl_dtype dtype;
    int64_t bytes;
    /* Its pieces, one after another, in the order of completion. */
    VEC(int) pieces;
} place_bucket;

typedef struct place_plan {
    int piece_count, bucket_count;
    place_piece *pieces;   /* in the order of variables, slices ascending */
    place_bucket *buckets; /* in the order in which they are complete */
    int64_t *owner_bytes;  /* by owner */
} place_plan;

/*
 * Pieces of at most `slice` bytes (but never less than a block, and of what is
 * `whole` all), owners in the order of creation, then buckets in the order of
 * completion: a piece goes into the open bucket of its owner and type, or where
 * that would grow over `bucket` bytes, or, but for 1 MiB in any case, over what
 * the owner had of the type before it or over half of what was left, into a new
 * one. The plan lives in `arena`.
 */
place_plan *place_make(ptl_arena *arena, const place_variable *variables,
                       int count, const place_options *options);

/* Bytes of the fullest owner over the mean; 1 where all are equal or empty. */
double place_imbalance(const place_plan *plan, int owners);

/* ---------- smaller rules ---------- */

/* Below so many elements a variable's copy is on the CPU, whatever its type. */
enum { PLACE_CACHE_ELEMENTS = 1024 * 64, PLACE_CPU = -1 };
/*
 * `parameter_server(caching = device)`: where a worker of `devices` keeps the
 * copy it reads of each variable: PLACE_CPU, or the device with the fewest
 * elements so far, the lowest of equals.
 */
void place_caches(const place_variable *variables, int count, int devices,
                  int *device);

/* The id of the next barrier (from 1 on), and its owner: b mod `owners`. */
uint32_t place_next_barrier(uint32_t *counter);
int place_barrier_owner(uint32_t barrier, int owners);

/* The device that adds up a variable's gradients of a worker's towers: they
 * take turns from the last variable to the first. */
int place_tower(int variable, int count, int towers);

/* ---------- what a step sends ---------- */

typedef struct place_traffic {
    int64_t messages_out, messages_in; /* without CREDIT and PING */
    int64_t bytes_out, bytes_in;       /* of payload */
} place_traffic;

/* Of a worker, or of owner `ps`, in a step with an exchange; `barriers`
 * explicit ones go with it, in all (`strict`). */
place_traffic place_worker_traffic(const place_plan *plan, int64_t chunk,
                                   int barriers);
place_traffic place_ps_traffic(const place_plan *plan, int ps, int owners,
                               int64_t workers, int64_t chunk, int barriers);

#endif
