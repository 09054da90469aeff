/*
 * device.h - what a run does with a device. Private to the runtime.
 *
 * All work of a device is in one stream: what is asked for happens in that
 * order, while other devices do theirs. Only data of executions to come are
 * copied beside it (exec/device_data.h). Errors of work already under way are
 * told by device_wait().
 */
#ifndef PTL_DEVICE_DEVICE_H
#define PTL_DEVICE_DEVICE_H

#include "device/cublas_api.h"
#include "device/cuda_load.h"
#include "runtime/device.h"
#include <stdbool.h>
#include <stdint.h>

struct ptl_device {
    const cuda_driver *driver;
    char name[24];
    int ordinal, arch;
    CUdevice handle;
    CUcontext context;
    CUstream stream;
    CUstream copies; /* beside it */
    CUevent changed; /* behind the last work that changed a block */
    CUdeviceptr arena; /* shared by all runs: outputs are fetched after each */
    size_t arena_bytes;
    cublasLtHandle_t cublas; /* NULL: products are launched like all else */
    CUdeviceptr workspace;   /* of its products, which run one at a time */
    size_t workspace_bytes;
    int number; /* among those opened together, from 0 */
    struct ptl_device *first;
    struct ptl_device *next; /* of those opened together; NULL: the last */
    char *names;             /* the first one's: of all */
    device_block *blocks;    /* the first one's: of all */
};

/* Number `which` of those opened together, from 0. */
ptl_device *device_member(ptl_device *device, int which);

/* E_MEMORY where there is not so much; `what` says what for. */
ptl_status device_alloc(ptl_device *d, size_t bytes, const char *what,
                        CUdeviceptr *out, ptl_error *err);
void device_free(ptl_device *d, CUdeviceptr at); /* accepts 0 */
/* Of at least so many bytes; may move, when nothing is under way. */
ptl_status device_need_arena(ptl_device *d, size_t bytes, ptl_error *err);

/* Likewise, for products of the library. */
ptl_status device_need_workspace(ptl_device *d, size_t bytes, ptl_error *err);
/* Ends what device_use_cublas() began, if it did (cublas.c). */
void device_cublas_close(ptl_device *d);

/* Of the host, which copies to and from a device can be under way with; every
 * device may use it. Any thread frees it. */
ptl_status device_pin(ptl_device *d, size_t bytes, void **out, ptl_error *err);
void device_unpin(ptl_device *d, void *memory); /* accepts NULL */

/* Calls of the driver are about this one from now on, in this thread. */
ptl_status device_use(ptl_device *d, ptl_error *err);
ptl_status device_upload(ptl_device *d, CUdeviceptr to, const void *from,
                         size_t bytes, ptl_error *err);
ptl_status device_download(ptl_device *d, void *to, CUdeviceptr from,
                           size_t bytes, ptl_error *err);
ptl_status device_wait(ptl_device *d, ptl_error *err);

/* Code of a program's part: machine code where there is some and the device
 * takes it, else its text. */
ptl_status device_load(ptl_device *d, const char *ptx, const void *image,
                       CUmodule *out, ptl_error *err);

#endif
