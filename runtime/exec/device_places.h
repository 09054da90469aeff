/*
 * device_places.h - where the buffers of a program are on a device, and how
 * their values get there and back. Private to exec/.
 *
 * A buffer that lies in a block of the device (device/block.h) is its piece
 * there, one of the arena is in the device's arena. Every other has memory of
 * the run's own: constants, filled once; what the caller binds is copied before
 * each execution, data even ahead of it (device_data.h). Scalars, data and
 * outputs go by way of pinned memory, so copies are under way while the host
 * goes on, and the caller may bind anew as soon as an execution has begun.
 */
#ifndef PTL_EXEC_DEVICE_PLACES_H
#define PTL_EXEC_DEVICE_PLACES_H

#include "device/block.h"
#include "exec/device_data.h"
#include "runtime/run.h"

typedef struct device_places {
    const ptl_program *program;
    ptl_device *device;
    /* by buffer */
    CUdeviceptr *at;     /* where it is in this execution */
    CUdeviceptr *own;    /* its place in `memory`, or 0 */
    block_place *blocks; /* or its place in a block */
    void **host;         /* what the caller had bound when it began */
    size_t *pinned_at;   /* of scalars and outputs */
    bool *left;          /* of outputs: the host does not get it */

    device_data data;
    CUdeviceptr memory;
    CUdeviceptr scalars; /* in it, to the end */
    size_t scalar_bytes; /* and as many at the beginning of `pinned` */
    char *pinned;
    bool filled;        /* constants are there */
    bool changes_block; /* this execution does */
} device_places;

ptl_status device_places_open(device_places *p, const ptl_program *program,
                              ptl_device *device, ptl_error *err);
void device_places_close(device_places *p);

/* Finds every buffer and asks for the copies the program needs first. `data` is
 * the host's memory of each; the first time takes memory. */
ptl_status device_places_give(device_places *p, void *const *data,
                              ptl_error *err);
/* Of the execution after that: asks for copies of its data. Does nothing before
 * the first one. */
ptl_status device_places_ahead(device_places *p, void *const *data,
                               ptl_error *err);
/* After the steps: asks for the outputs. */
ptl_status device_places_take(device_places *p, ptl_error *err);
/* All of that is over: the host has what it gets. */
ptl_status device_places_end(device_places *p, ptl_error *err);

#endif
