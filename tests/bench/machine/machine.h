/*
 * machine.h - what this machine can do: the two rates everything is held
 * against. Both run on PTL's own pool of threads.
 */
#ifndef PTL_BENCH_MACHINE_H
#define PTL_BENCH_MACHINE_H

#include "worker/worker.h"

/* open fma: fused multiply-adds of f32 on registers alone. */
ptl_status fma_open(const work_request *r, work *w, ptl_error *err);

/* open copy|add|triad: STREAM (McCalpin), arrays far larger than any cache.
 * Variants: plain stores, and where the machine has them, streaming ones. */
ptl_status stream_open(const work_request *r, work *w, ptl_error *err);

#endif
