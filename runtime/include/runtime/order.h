/*
 * order.h - which records make up a step: a pure function of (seed, epoch,
 * step), so that resuming needs no state and replicas agree without talking.
 *
 * Epoch e visits the records in a permutation P(seed, e) of 0..n-1, the
 * Fisher-Yates shuffle whose i-th choice is
 *
 *   j(i) = high 64 bits of (word(e, i) * (n - i)),   swap(i, i + j(i)),
 *
 * word = words 0 and 1 of Philox (base/philox.h) with site "data.order", step
 * e and element i. The bias of the multiplication is below n / 2^64. Step k of
 * the epoch takes P[k * batch ..], the last one what is left.
 */
#ifndef PTL_RUNTIME_ORDER_H
#define PTL_RUNTIME_ORDER_H

#include <stdint.h>

/* Writes the order of the epoch; rows < 2^32 - 1. */
void order_epoch(uint64_t seed, int64_t epoch, int64_t rows, uint32_t *out);

/* ceil(rows / batch) */
int64_t order_steps(int64_t rows, int64_t batch);

typedef struct order_place {
    int64_t epoch;
    int64_t first, rows; /* positions in the epoch's order */
} order_place;

/* Where the step after `done` completed ones takes its records. */
order_place order_at(int64_t rows, int64_t batch, int64_t done);

typedef struct order_part {
    int64_t first, rows;
} order_part;

/* Part `index` of `rows` rows in `count` contiguous parts whose sizes differ by
 * at most one, the larger ones first; rows 0: there is none for it. */
order_part order_cut(int64_t rows, int64_t count, int64_t index);

#endif
