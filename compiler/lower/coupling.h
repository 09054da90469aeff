/*
 * coupling.h - what couples the rows of a batch, and by what its loss divides.
 *
 * A shard sees only its rows. Where a training step is anything but the mean of
 * what each row gives by itself, its value depends on how the batch is cut;
 * these are the places.
 */
#ifndef PTL_LOWER_COUPLING_H
#define PTL_LOWER_COUPLING_H

#include "lang/typed.h"

/*
 * The sum over rows that the loss divides by, where it is no constant: a
 * weighted mean, `sum(n) w[n] * l[n] / sum(n) w[n]` or a mean with a filter.
 * NULL: the loss divides by its rows, or is no such mean. What is made for the
 * answer lives in `arena`.
 */
ty_expr *coupling_weight(ptl_arena *arena, const typed_program *program);

#endif
