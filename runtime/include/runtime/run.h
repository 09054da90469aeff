/*
 * run.h - memory for a program, and its steps carried out in order.
 *
 *   ptl_run *run;
 *   st = run_open(program, pool, &run, &err);      checks, takes the arena
 *   run_bind(run, program_find(program, "net.w"), w);
 *   run_set(run, "step", 7);
 *   st = run_execute(run, &err);
 *   float *loss = run_data(run, program_find(program, "loss"));
 *   run_close(run);
 *
 * Constants, scalars, outputs and transients have their memory from run_open;
 * parameters, states, slots and data are bound by the caller and stay bound.
 * Executing allocates nothing. A run belongs to one thread at a time.
 */
#ifndef PTL_RUNTIME_RUN_H
#define PTL_RUNTIME_RUN_H

#include "runtime/pool.h"
#include <stddef.h>

typedef struct ptl_run ptl_run;

/*
 * Borrows program and pool, both of which outlive the run. Fails with
 * E_INTERNAL when the program breaks its contract, E_MEMORY when the arena
 * cannot be had (the message has the largest buffers).
 */
ptl_status run_open(const ptl_program *program, ptl_pool *pool, ptl_run **out,
                    ptl_error *err);
/*
 * The same in an arena of the caller's, who keeps program->arena_bytes there
 * (from memory_map()) from before the first execution to after the last, and may
 * give another between two. Runs that are never executed at the same time may
 * share one: then outputs can be read until any of them is executed.
 */
ptl_status run_open_without(const ptl_program *program, ptl_pool *pool,
                            ptl_run **out, ptl_error *err);
void run_give_arena(ptl_run *run, void *arena);
/* E_MEMORY, with the largest buffers. */
ptl_status run_no_arena(const ptl_program *program, ptl_error *err);
void run_close(ptl_run *run); /* accepts NULL */

/*
 * `memory` is aligned to PTL_BUFFER_ALIGN, readable up to the next multiple of
 * it past the buffer's size, and borrowed until bound anew or closed.
 */
void run_bind(ptl_run *run, int buffer, void *memory);
/* Binds the buffer of that name; false: the program has none. */
bool run_bind_name(ptl_run *run, const char *name, void *memory);
/* Sets a scalar for the next execution; without effect where the program does
 * not ask for it. */
void run_set(ptl_run *run, const char *scalar, int64_t value);

/* Fails with E_INTERNAL when a buffer of the caller's was never bound. */
ptl_status run_execute(ptl_run *run, ptl_error *err);
/* The same; `after` is called, in this thread, with the index of each step that
 * is over. NULL: nobody asks. */
ptl_status run_execute_watched(ptl_run *run, void (*after)(void *ctx, int step),
                               void *ctx, ptl_error *err);

/*
 * The same in two halves, on a device of the program's: after run_begin() it
 * computes and the caller may bind and set anew, begin on other devices, and
 * read no output; run_finish() waits for the end. run_execute() is both, on the
 * first device. A run that reads no data or scalars of the host's and gives it
 * nothing may begin again before it is finished, or never be.
 */
ptl_status run_begin(ptl_run *run, int device, ptl_error *err);
ptl_status run_finish(ptl_run *run, int device, ptl_error *err);
/* After run_begin(): what is bound as data now is what the next execution there
 * reads, and is copied while the present one computes. That memory stays as it
 * is until the next has begun; should other memory be bound by then, that is
 * read. Does nothing where there has been no execution, or no memory for it. */
ptl_status run_ahead(ptl_run *run, int device, ptl_error *err);
/* From now on the output stays on the device that made it, until the next
 * execution there; its memory here is not written. */
void run_leave(ptl_run *run, int output);
/* Copies bytes of outputs that are on `device`, from `at` of its arena, to
 * where the first device has `to`, which lies in a resident block (device.h).
 * Asks for it: what either device is asked for later comes after it. */
ptl_status run_copy(ptl_run *run, int device, size_t at, size_t bytes, void *to,
                    ptl_error *err);

/* The memory of a buffer, NULL while nothing is bound. */
void *run_data(const ptl_run *run, int buffer);
const ptl_program *run_program(const ptl_run *run);

/* How step `index` is carried out: its entry or launch; on a device by the
 * library of products; or, since that refuses its product, by its launch. */
typedef enum run_by {
    RUN_BY_LAUNCH,
    RUN_BY_LIBRARY,
    RUN_REFUSED,
} run_by;
run_by run_step_by(const ptl_run *run, int index);

/* Seconds spent in step `index` since run_profile(run, true). */
void run_profile(ptl_run *run, bool on);
double run_step_seconds(const ptl_run *run, int index);
int64_t run_profiled(const ptl_run *run); /* executions since then */

/*
 * Zeroed memory of the system, aligned to PTL_BUFFER_ALIGN and padded to a
 * multiple of it; blocks of 2 MiB and more ask for huge pages, whose first
 * touch is far cheaper. NULL: not to be had. Size 0 gives one unit.
 */
void *memory_map(size_t size_bytes);
void memory_unmap(void *memory, size_t size_bytes); /* accepts NULL */
/* `size` rounded up to PTL_BUFFER_ALIGN. */
size_t memory_padded(size_t size_bytes);

/* Bytes of all blocks that are mapped, padded; and the most there were since
 * memory_peak_begin(). Any thread. */
size_t memory_in_use(void);
size_t memory_peak(void);
void memory_peak_begin(void);

/* What a program needs, padded as it is allocated. */
typedef struct program_memory {
    size_t arena;      /* outputs and what lives within a run */
    size_t persistent; /* parameters, states, slots */
    size_t data;       /* one batch */
    size_t fixed;      /* scalars and constants */
} program_memory;
program_memory program_memory_of(const ptl_program *program);

#endif
