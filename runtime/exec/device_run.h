/*
 * device_run.h - the device's side of a run. Private to exec/.
 *
 * The host's memory stays what callers bind and read: before the steps the
 * device gets what it reads of it, after them the host gets the outputs and
 * what was updated.
 */
#ifndef PTL_EXEC_DEVICE_RUN_H
#define PTL_EXEC_DEVICE_RUN_H

#include "runtime/run.h"

typedef struct device_run device_run;

/* Loads the program's code onto device `which` of its own. */
ptl_status device_run_open(const ptl_program *program, int which,
                           device_run **out, ptl_error *err);
void device_run_close(device_run *run); /* accepts NULL */
/* `data` is the host's memory of each buffer. */
ptl_status device_run_execute(device_run *run, void *const *data,
                              ptl_error *err);
/* Seconds of each step are added to `seconds`; NULL: not measured. */
void device_run_measure(device_run *run, double *seconds);

#endif
