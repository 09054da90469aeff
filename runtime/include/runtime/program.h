/*
 * program.h - the contract between compiler and runtime.
 *
 * A program is what one call carries out: a training step, an evaluation step,
 * an initialisation. It names its buffers and lists steps, each a function
 * made by someone the runtime does not know. The runtime binds memory to
 * buffers and runs the steps in order; every step is a barrier.
 *
 * Task counts are fixed by sizes, never by threads, and tasks of one step are
 * independent, so results do not depend on the number of threads.
 */
#ifndef PTL_RUNTIME_PROGRAM_H
#define PTL_RUNTIME_PROGRAM_H

#include "base/dtype.h"
#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

enum { PTL_BUFFER_ALIGN = 64 };

typedef enum ptl_role {
    PTL_ROLE_PARAM,     /* persistent, bound by the owner; path as name */
    PTL_ROLE_STATE,     /* persistent, not trained */
    PTL_ROLE_SLOT,      /* persistent, of the optimizer; PATH/SLOT as name */
    PTL_ROLE_DATA,      /* bound before each run: a raw field of the batch */
    PTL_ROLE_SCALAR,    /* bound before each run: see below */
    PTL_ROLE_OUTPUT,    /* in the arena, readable until the next run */
    PTL_ROLE_CONSTANT,  /* bytes owned by the program (tables, literals) */
    PTL_ROLE_TRANSIENT, /* in the arena */
} ptl_role;

/*
 * Scalars a program may ask for by name (role SCALAR):
 *   "step"         i32, updates already applied
 *   "seed"         i64
 *   "row0"         i64, global row of the batch's first row
 *   "total_steps"  i32
 *   "epoch"        i32
 */

typedef struct ptl_buffer {
    const char *name; /* unique among non-transient buffers */
    ptl_role role;
    ptl_dtype dtype;
    int rank;
    int64_t dims[PTL_MAX_RANK];
    int64_t size_bytes;   /* elements * size, not padded */
    int64_t arena_offset; /* OUTPUT and TRANSIENT; multiple of the alignment */
    const void *constant; /* CONSTANT: the bytes */
    /* PARAM, STATE, SLOT: the program writes it, in place; no step after the
     * writing one reads the old value. */
    bool updated;
    int64_t idx_bound; /* DATA: values must lie in [0, idx_bound); 0: any */
} ptl_buffer;

/* `args[i]` is the memory of buffer `step->args[i]`. Runs tasks [begin, end).
 * Buffers are readable up to the next multiple of 64 bytes. */
typedef void (*ptl_entry)(void *const *args, int64_t begin, int64_t end);

/* How a step runs on a device: a function of part `part` of the code, over
 * blocks of threads in one dimension, whose arguments are the step's. */
typedef struct ptl_launch {
    const char *function;
    int part;
    int64_t blocks; /* 0: nothing to do */
    int threads;
} ptl_launch;

/* A matrix in argument `arg` of a step: element (b, i, j) is number at +
 * b * batch + i * row + j * column. Either columns are neighbours (column 1)
 * and rows lie apart (row at least as many as there are columns), or the other
 * way round. */
typedef struct ptl_matrix {
    int arg;
    int64_t at, batch, row, column;
} ptl_matrix;

/* left (m, k) times right (k, n) is result (m, n), for each of `batch`: what a
 * device's library of products (device.h) may do in a launch's place. */
typedef struct ptl_product {
    const char *name; /* the step's */
    ptl_dtype dtype;  /* of all three: F32 or F64 */
    int64_t batch, m, n, k;
    ptl_matrix left, right, result;
} ptl_product;

/* Code for a device: text, and what was made of it for one architecture. */
typedef struct ptl_code_part {
    const char *ptx;
    const void *image; /* NULL: only the text */
} ptl_code_part;

typedef struct ptl_step {
    const char *name; /* e.g. "contract.h": names the tensor it makes */
    ptl_entry entry;  /* NULL where the program is for a device */
    ptl_launch launch; /* on the program's device */
    const ptl_product
        *product;    /* of the program's; NULL: it is only launched */
    const int *args; /* buffer indices */
    int arg_count;
    int64_t task_count;
    int pieces; /* that a thread's tasks may be cut into: those of one piece
                   share what they read. 0: as many as the pool likes */
    int64_t flops, bytes; /* estimates, for reports */
    double expected_us;   /* on one core of a nominal machine; 0: not known */
} ptl_step;

typedef struct ptl_program {
    const char *name;
    const ptl_buffer *buffers;
    int buffer_count;
    const ptl_step *steps;
    int step_count;
    int64_t arena_bytes;
    struct ptl_device *device;  /* that carries it out; NULL: the host */
    const ptl_code_part *parts; /* its code there */
    int part_count;
    const ptl_product *products;
    int product_count;
    /* Frees code, tables and this struct. No entry may be running. */
    void (*release)(struct ptl_program *program);
    void *owner; /* of whoever made it */
} ptl_program;

/* Index of the non-transient buffer called `name`, -1: none. */
int program_find(const ptl_program *program, const char *name);

/* The last step that touches memory of this OUTPUT, by whatever buffer: after
 * it the value is final. -1: none does. */
int program_last_touch(const ptl_program *program, int output);

/* The last step that is given this buffer; -1: none is. */
int program_first_use(const ptl_program *program, int buffer);
int program_last_use(const ptl_program *program, int buffer);

/* Checks what the runtime can check: offsets aligned and inside the arena,
 * arguments in range, names unique. The compiler's verifier does the rest. */
ptl_status program_check(const ptl_program *program, ptl_error *err);

#endif
