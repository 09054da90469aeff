/*
 * store.h - the memory of parameters, states and slots, under their paths.
 *
 * Filled in two phases: store_add() collects what programs ask for, then
 * store_allocate() takes one block for all, in that order: parameters first.
 */
#ifndef PTL_TRAIN_STORE_H
#define PTL_TRAIN_STORE_H

#include "runtime/run.h"

typedef struct store_tensor {
    char *path;
    ptl_role role;
    ptl_dtype dtype;
    int rank;
    int64_t dims[PTL_MAX_RANK];
    size_t size;
    void *memory; /* zero at first */
    bool saved;   /* a checkpoint holds it */
} store_tensor;

typedef struct ptl_store {
    store_tensor *items;
    int count, room;
    void *block;
    size_t block_bytes;
} ptl_store; /* zero-initialise */

/* Adds the persistent buffers of a program that are not there yet; those that
 * are must agree in type and shape. */
ptl_status store_add(ptl_store *s, const ptl_program *program, ptl_error *err);
/* Adds one tensor that has its shape. */
ptl_status store_add_one(ptl_store *s, const ptl_buffer *b, bool saved,
                         ptl_error *err);
ptl_status store_allocate(ptl_store *s, ptl_error *err);
void store_fini(ptl_store *s);

store_tensor *store_find(const ptl_store *s, const char *path);
/* Binds every persistent buffer of the run. */
ptl_status store_bind(const ptl_store *s, ptl_run *run, ptl_error *err);
/* The first tensor that holds a NaN or an infinity, NULL: none. */
const store_tensor *store_nonfinite(const ptl_store *s);

#endif
