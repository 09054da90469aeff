/*
 * device.h - what a run does with a device. Private to the runtime.
 *
 * All work of a device is in one stream: what is asked for happens in that
 * order. Errors of work already under way are told by device_wait().
 */
#ifndef PTL_DEVICE_DEVICE_H
#define PTL_DEVICE_DEVICE_H

#include "device/cuda_load.h"
#include "runtime/device.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * One block of the host's memory that has a copy on the device. Whoever
 * changes one side says so (state); the other side follows when it is asked
 * for.
 */
typedef enum block_state {
    BLOCK_HOST, /* the host's is newer */
    BLOCK_EQUAL,
    BLOCK_DEVICE, /* the device's is newer */
} block_state;

typedef struct device_block {
    char *host; /* NULL: there is none */
    size_t bytes;
    CUdeviceptr at;
    block_state state;
    bool resident; /* else the host gets what changed after every run, and may
                      change anything in between */
} device_block;

struct ptl_device {
    const cuda_driver *driver;
    char name[24];
    int ordinal, arch;
    CUdevice handle;
    CUcontext context;
    CUstream stream;
    CUdeviceptr arena; /* shared by all runs: outputs are fetched after each */
    size_t arena_bytes;
    device_block block; /* of the tensors that outlive a step */
    struct ptl_device *next; /* of those opened together; NULL: the last */
    char *names;             /* the first one's: of all */
};

/* Number `which` of those opened together, from 0. */
ptl_device *device_member(ptl_device *device, int which);

/* E_MEMORY where there is not so much; `what` says what for. */
ptl_status device_alloc(ptl_device *d, size_t bytes, const char *what,
                        CUdeviceptr *out, ptl_error *err);
void device_free(ptl_device *d, CUdeviceptr at); /* accepts 0 */
/* Of at least so many bytes; may move, when nothing is under way. */
ptl_status device_need_arena(ptl_device *d, size_t bytes, ptl_error *err);

void device_block_free(ptl_device *d); /* of this one alone */
/* The address of the block's copy of `host`; 0: it is not in the block. */
CUdeviceptr device_in_block(const ptl_device *d, const void *host,
                            size_t bytes);
/* Before and after a run that uses the block. */
ptl_status device_block_begin(ptl_device *d, ptl_error *err);
ptl_status device_block_end(ptl_device *d, bool changed, ptl_error *err);

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
