/*
 * placement_priv.h - the second half of place_make().
 */
#ifndef PTL_DIST_PLACEMENT_PRIV_H
#define PTL_DIST_PLACEMENT_PRIV_H

#include "dist/placement.h"

/* Fills plan->buckets, and of each piece `bucket` and `offset`. */
void place_buckets(ptl_arena *arena, place_plan *plan,
                   const place_variable *variables, int count,
                   const place_options *options);

#endif
