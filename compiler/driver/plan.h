/*
 * plan.h - what a file means on several processes: `ptlc check --plan`.
 */
#ifndef PTL_DRIVER_PLAN_H
#define PTL_DRIVER_PLAN_H

#include "compile_file.h"

/* The cluster block with its defaults, how a batch is cut, which process owns
 * what and what a step sends, how states agree, and what couples rows.
 * `program` was elaborated for training. */
void print_plan(driver *d, const typed_program *program, ptl_str *out);

#endif
