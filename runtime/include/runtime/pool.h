/*
 * pool.h - the threads that carry out the tasks of a step.
 *
 * Tasks [0, n) are cut into one contiguous range for each thread, by number
 * alone. A thread that is done takes over what others have not begun. Results
 * do not depend on who runs what (program.h). The calling thread has the first
 * range. One caller at a time.
 */
#ifndef PTL_RUNTIME_POOL_H
#define PTL_RUNTIME_POOL_H

#include "runtime/program.h"

typedef struct ptl_pool ptl_pool;

/* `threads` counts the caller; 0: as many as the process may use cores. */
ptl_status pool_open(int threads, ptl_pool **out, ptl_error *err);
void pool_close(ptl_pool *pool); /* accepts NULL; ends the threads */
int pool_threads(const ptl_pool *pool);

/* Runs all tasks and returns when every one has ended. Allocates nothing. A
 * thread's range is taken in at most `pieces`; 0: as many as are usual. */
void pool_run(ptl_pool *pool, ptl_entry entry, void *const *args,
              int64_t task_count, int pieces);

/* Cores the process may run on. */
int pool_cores(void);

#endif
