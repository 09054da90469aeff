/*
 * plan_priv.h - the halves of `ptlc check --plan`.
 */
#ifndef PTL_DRIVER_PLAN_PRIV_H
#define PTL_DRIVER_PLAN_PRIV_H

#include "plan.h"

/* Owners, buckets, messages and bytes; reals are f32, as `ptlc run` has them
 * unless told otherwise. */
void print_placement(driver *d, const typed_program *program, ptl_str *out);

#endif
