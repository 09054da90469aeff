/*
 * totals.h - numbers of all parameters, which an optimizer asks for by
 * across_params: a norm, for example.
 *
 * Whoever owns a piece adds up each of its blocks of 65,536 elements; one
 * process adds the blocks of each parameter in order, then parameters in
 * order. So the bits depend on no placement, and are those of one process. A
 * total may need others: they are worked out in rounds.
 *
 * What an owner sends for a round: for each of its totals, for each of the
 * owner's pieces in the order of the plan, a real for each block. What it gets
 * back: a real for each total.
 */
#ifndef PTL_TRAIN_TOTALS_H
#define PTL_TRAIN_TOTALS_H

#include "dist/machine.h"
#include "train/bucket_layout.h"

typedef struct totals_layout {
    const place_plan *plan;
    ptl_dtype dtype;
    int rounds, variables, owners;
    int *counts;     /* by round: its totals */
    int64_t *blocks; /* by owner */
    int64_t *first;  /* by piece: its first block among its owner's */
} totals_layout;

/* Lives in `arena`. */
totals_layout *totals_make(ptl_arena *arena, const ptl_job *job,
                           const cluster_layout *layout, int owners);

/* What owner `owner` sends in `round`, and what it gets back, in bytes. */
size_t totals_sent_bytes(const totals_layout *l, int round, int owner);
size_t totals_bytes(const totals_layout *l, int round);

/* `sent`: by owner. Both are aligned as the type is. */
void totals_add_up(const totals_layout *l, int round, const void *const *sent,
                   void *totals);

/* For who adds up (dist/rounds.h); borrows the layout. Where `rounds` is 0 no
 * job has any. */
machine_totals totals_machine(totals_layout *l);

#endif
