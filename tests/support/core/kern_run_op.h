/*
 * kern_run_op.h - one arithmetic operation of the kernel form over its lanes.
 */
#ifndef PTL_TEST_KERN_RUN_OP_H
#define PTL_TEST_KERN_RUN_OP_H

#include "kernel/kernel.h"

/* `out` and the operands are arrays of lanes: float, double, int32_t, int64_t,
 * or uint8_t for BOOL. */
void kern_run_op(const kern_value *v, void *out, const void *x, const void *y,
                 const void *z);

#endif
