/*
 * work.h - works of PTL: a program and its memory behind the worker's
 * protocol.
 */
#ifndef PTL_BENCH_WORK_H
#define PTL_BENCH_WORK_H

#include "runtime/program.h"
#include "worker/worker.h"

/* open graph file=F.ir [wrt=A,B]: the graph as it stands; with `wrt` not its
 * output "loss" but that one's derivatives, as outputs dA, dB. */
ptl_status graph_compile(const work_request *r, ptl_program **out,
                         ptl_error *err);

/* open program file=F.ptl [kind=train|grad]: its training step, on a batch
 * that lies in memory. */
ptl_status file_compile(const work_request *r, ptl_program **out,
                        ptl_error *err);

/* Gives a program its memory and makes it `w`. Takes `program`. */
ptl_status work_bind(ptl_program *program, int threads, work *w,
                     ptl_error *err);

#endif
