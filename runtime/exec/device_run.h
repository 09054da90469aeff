/*
 * device_run.h - the device's side of a run. Private to exec/.
 *
 * The host's memory stays what callers bind and read: before the steps the
 * device gets what it reads of it, after them the host gets the outputs and
 * what was updated, if no block keeps it there.
 */
#ifndef PTL_EXEC_DEVICE_RUN_H
#define PTL_EXEC_DEVICE_RUN_H

#include "runtime/run.h"

typedef struct device_run device_run;

/* Loads the program's code onto device `which` of its own. */
ptl_status device_run_open(const ptl_program *program, int which,
                           device_run **out, ptl_error *err);
void device_run_close(device_run *run); /* accepts NULL */
/* `data` is the host's memory of each buffer, as it is now. Between the two the
 * device computes; one execution at a time. */
ptl_status device_run_begin(device_run *run, void *const *data, ptl_error *err);
ptl_status device_run_finish(device_run *run, ptl_error *err);
/* After device_run_begin(): data of the next execution; see run_ahead(). */
ptl_status device_run_ahead(device_run *run, void *const *data, ptl_error *err);
/* The output stays on the device: the host's memory does not get it. */
void device_run_leave(device_run *run, int output);
ptl_status device_run_copy(device_run *run, size_t at, size_t bytes, void *to,
                           ptl_error *err); /* run_copy() */
run_by device_run_by(const device_run *run, int step);
/* Seconds of each step are added to `seconds`; NULL: not measured. */
void device_run_measure(device_run *run, double *seconds);

#endif
