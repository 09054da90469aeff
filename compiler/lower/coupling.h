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

typedef struct coupling_place {
    src_range at;
    const char *why;        /* "adds up over rows", ... */
    const ty_tensor *where; /* the value that is worked out there */
} coupling_place;

typedef struct coupling {
    /* The sum over rows that the loss divides by, where it is no constant: a
     * weighted mean, `sum(n) w[n] * l[n] / sum(n) w[n]`, or a mean with a
     * filter. NULL: its rows, or it is no such mean. */
    ty_expr *weight;
    /* In the order of definitions; each place once for each value. Only what the
     * loss and the states' new values need is looked at. */
    VEC(coupling_place) places;
} coupling;

/* What is made for the answer lives in `arena`. */
coupling coupling_find(ptl_arena *arena, const typed_program *program);

#endif
