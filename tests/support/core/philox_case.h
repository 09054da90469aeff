/*
 * philox_case.h - random numbers in kernel form against base/philox.h.
 *
 * Shared by the interpreter's test and the machine code's, as math_cases.h is.
 */
#ifndef PTL_TEST_PHILOX_CASE_H
#define PTL_TEST_PHILOX_CASE_H

#include "core/math_cases.h"

/* A module of one kernel: buffers seed, step (one i64 each) and out; element
 * MATH_BLOCK * task + i of `site`, as a uniform or normal number. */
kern_module *philox_module(kern_type type, bool normal, uint64_t site,
                           int lanes);

/* Runs task `task` of it. */
typedef void philox_run(void *context, void *const *buffers, int64_t task);

/* How many of the kernel's numbers are not those of base/philox.h, over some
 * seeds, steps and tasks: bits for uniform, a few ulp for normal. */
int philox_failures(kern_type type, bool normal, uint64_t site, philox_run *run,
                    void *context);

#endif
