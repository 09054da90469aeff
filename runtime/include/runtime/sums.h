/*
 * sums.h - vectors of reals added up in a fixed order.
 *
 * What a shard gives lies in many buffers; what it is added to is one block.
 * A list says which elements go where, in pieces small enough to be tasks of
 * their own. Every operation is elementwise, so the bits depend on the order
 * of the calls alone.
 */
#ifndef PTL_RUNTIME_SUMS_H
#define PTL_RUNTIME_SUMS_H

#include "runtime/run.h"

typedef enum sum_op {
    SUM_SET,       /* to  = from */
    SUM_ADD,       /* to += from */
    SUM_SET_TIMES, /* to  = from * by */
    SUM_ADD_TIMES, /* to += from * by, rounded twice */
    SUM_SET_OVER,  /* to  = from / by */
    SUM_ADD_OVER,  /* to += from / by, rounded twice */
} sum_op;

typedef struct sum_piece {
    size_t to, from; /* bytes from the beginnings of the two blocks */
    int64_t count;   /* elements */
} sum_piece;

typedef struct sum_list {
    ptl_dtype dtype; /* F32 or F64 */
    sum_piece *pieces;
    int count, room;
    bool streams; /* what is set is more than caches hold: base/stream.h */
} sum_list;       /* zero-initialise */

/* Adds `count` elements that begin at these bytes. */
ptl_status sums_list_add(sum_list *list, size_t to, size_t from, int64_t count,
                         ptl_error *err);
void sums_list_fini(sum_list *list);

/* Carries `op` out over the list. `by` is rounded to the type first; the two
 * blocks do not overlap. */
void sums_run(ptl_pool *pool, const sum_list *list, sum_op op, void *to,
              const void *from, double by);
/* `to`, nothing yet where `first`, has `count` blocks added to it, one after
 * another: as by SUM_SET and SUM_ADD, but each element is written to memory
 * once. */
void sums_run_all(ptl_pool *pool, const sum_list *list, void *to,
                  const void *const *from, int count, bool first);
/* `block` over `by`, each element rounded to bf16; of F32 alone. */
void sums_round(ptl_pool *pool, const sum_list *list, void *block, double by);
/* sums_run() over `count` elements, by the calling thread. */
void sums_span(ptl_dtype dtype, sum_op op, void *to, const void *from,
               int64_t count, double by);
/* sums_run_all() over `elements`, by the calling thread. */
void sums_span_all(ptl_dtype dtype, void *to, const void *const *from,
                   int count, int64_t elements, bool first);
/* Writes one value. */
void sums_put(ptl_dtype dtype, void *to, double value);

#endif
