/*
 * kern_run.h - carries out the kernel form as written, one operation at a time.
 *
 * The second judge of the code generators, and the first of whoever builds
 * kernels. Slow per call, but one call may work on thousands of lanes.
 */
#ifndef PTL_TEST_KERN_RUN_H
#define PTL_TEST_KERN_RUN_H

#include "kernel/kernel.h"

/*
 * Runs tasks [begin, end) of `k`; `buffers[i]` is the memory of buffer i.
 * `sizes` (in elements, may be NULL) bounds every access: one outside stops
 * the process. What the kernel form leaves open (a conversion out of range, a
 * shift by the width or more) yields a recognisable wrong number.
 */
void kern_run(const kern_kernel *k, void *const *buffers, const int64_t *sizes,
              int64_t begin, int64_t end);

#endif
