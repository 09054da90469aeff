/*
 * device_data.h - the batch that an execution reads, on a device, and the next
 * one, which gets there while this one is computed with. Private to exec/.
 *
 * There are two rooms, each on the device and pinned on the host. What was
 * asked for ahead is copied in a stream of its own, into the room that no
 * execution under way reads; the execution it is for waits for it there, and
 * the rooms change places.
 */
#ifndef PTL_EXEC_DEVICE_DATA_H
#define PTL_EXEC_DEVICE_DATA_H

#include "device/device.h"
#include "runtime/run.h"

typedef struct data_room {
    CUdeviceptr memory;
    char *pinned;
} data_room;

typedef struct device_data {
    const ptl_program *program;
    ptl_device *device;
    data_room now, next;
    size_t *at;   /* by buffer: in a room */
    bool *inside; /* by buffer: it is in the rooms */
    size_t bytes; /* of a room */
    void **ahead; /* by buffer: the host's memory whose values are in `next` */
    bool coming;  /* copies into `next` were asked for that no execution took */
    bool alone;   /* there is no memory for a second room */
    CUevent arrived;
} device_data;

ptl_status device_data_open(device_data *d, const ptl_program *program,
                            ptl_device *device, ptl_error *err);
void device_data_close(device_data *d);

/* Makes room for the buffers that are `inside`; no execution is under way. What
 * came ahead is forgotten. */
ptl_status device_data_lay_out(device_data *d, ptl_error *err);
/* The values of `host`, by buffer, are in `now` before what is asked of the
 * device from here on: those that came ahead, or copied. */
ptl_status device_data_give(device_data *d, void *const *host, ptl_error *err);
/* Between two of device_data_give(): asks for copies for the latter. */
ptl_status device_data_ahead(device_data *d, void *const *host, ptl_error *err);

#endif
