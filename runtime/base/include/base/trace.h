/*
 * trace.h - a timeline of this process, for Perfetto: spans, from any thread.
 *
 * The file is in the Trace Event Format (JSON array, one event a line),
 * readable also where the process did not come to close it. Processes of one
 * machine use the same clock, so trace_merge() makes one timeline of theirs.
 *
 * While no trace is open everything here costs a look at a flag. Nothing is
 * allocated after trace_open().
 */
#ifndef PTL_BASE_TRACE_H
#define PTL_BASE_TRACE_H

#include "base/status.h"
#include <stdbool.h>

/* One a process. `process`: what the timeline calls it. Before other threads.
 */
ptl_status trace_open(const char *path, const char *process, ptl_error *err);
/* After other threads. E_IO: not all of it could be written. */
ptl_status trace_close(ptl_error *err);
bool trace_is_open(void);

/* What the timeline calls this thread. */
void trace_thread(const char *name);
/* When a span begins; 0 where no trace is open. */
double trace_now(void);
/* From `begin` to now. Kinds group events: "step", "kernel", "wait", ... */
void trace_span(const char *kind, const char *name, double begin);

/* Writes `path` from parts that are there, in order, and removes them; what a
 * killed process left half written is left out. Without parts nothing is
 * written. */
ptl_status trace_merge(const char *path, const char *const *parts, int count,
                       ptl_error *err);

#endif
