/*
 * fma_peak.h - a kernel of independent fused multiply-adds on registers: the
 * most a thread can do.
 */
#ifndef PTL_TEST_FMA_PEAK_H
#define PTL_TEST_FMA_PEAK_H

#include "runtime/program.h"

typedef struct fma_peak fma_peak;

/* Stops the process where `cpu` is not to be had. A call of the entry makes
 * `turns` steps of each sum, whatever its task. */
fma_peak *fma_peak_new(const char *cpu, bool f64, int64_t turns);
void fma_peak_free(fma_peak *p);

ptl_entry fma_peak_entry(const fma_peak *p);
void *const *fma_peak_args(fma_peak *p); /* clears the sums */
double fma_peak_flops(const fma_peak *p); /* of one task */

#endif
