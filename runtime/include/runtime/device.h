/*
 * device.h - a GPU that programs can be carried out on.
 *
 * The CUDA driver is opened when the first device is: libcuda.so.1, or what
 * PTL_CUDA_DRIVER names. Nothing of CUDA is needed to build this.
 *
 *   st = device_open("cuda:1", &device, &err);
 *   options.device = device;    compile for it; the program keeps it in mind
 *   device_close(device);       after all runs of such programs
 */
#ifndef PTL_RUNTIME_DEVICE_H
#define PTL_RUNTIME_DEVICE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct ptl_device ptl_device;

/* "cuda" (the first), "cuda:N", or "cuda:N,M,...": several of one architecture,
 * among which shards are dealt out. E_USAGE: no such name; E_DEVICE: no driver,
 * no such device, or it fails. One thread at a time uses a device. */
ptl_status device_open(const char *name, ptl_device **out, ptl_error *err);
void device_close(ptl_device *device); /* accepts NULL */

const char *device_name(const ptl_device *device); /* "cuda:1": as opened */
int device_count(const ptl_device *device);        /* how many it stands for */
int device_arch(const ptl_device *device);         /* 80 for sm_80 */
/* PTL_CUDA_PTX=1: it is given text alone, which the driver compiles. */
bool device_wants_text(const ptl_device *device);

/*
 * From now on cuBLASLt computes, on these devices, products of matrices in
 * programs compiled for them. The library is opened when it is first asked for:
 * PTL_CUBLASLT (a path) or what the system finds. E_DEVICE: there is none, it
 * is too old, or it fails. The results' bits are the library's.
 */
ptl_status device_use_cublas(ptl_device *device, ptl_error *err);
bool device_has_cublas(const ptl_device *device);

/*
 * A block of the host's memory that devices keep copies of: what outlives a
 * step, or is added up over devices. It is cut into pieces, tensors mostly, and
 * each piece is brought to a device when a run there reads it, from where it
 * was changed last.
 *
 * A resident block's pieces stay where runs changed them; who reads them on the
 * host calls device_block_fetch() first, and who writes them says so after:
 * device_block_changed() of all, device_block_wrote() of one. Of any other block
 * every run begins with the host's and gives back what it changed.
 */
typedef struct device_block device_block;

enum { DEVICE_ANY = -1 };

typedef struct device_block_piece {
    size_t at, bytes;
    int home; /* the device that gets it from the host, others get it from that
                 one; DEVICE_ANY: each gets it from the host */
} device_block_piece;

typedef struct device_block_desc {
    void *host; /* borrowed */
    size_t bytes;
    const device_block_piece *pieces; /* none in two; copied */
    int piece_count;
    bool resident;
    bool on_first; /* only the first device has a copy, and runs that use it */
    const char *what; /* for messages about memory */
} device_block_desc;

/* On all devices that were opened together. What `*out` is, is closed also when
 * this failed, before the devices. */
ptl_status device_block_open(ptl_device *device, const device_block_desc *desc,
                             device_block **out, ptl_error *err);
void device_block_close(device_block *block); /* accepts NULL */
ptl_status device_block_fetch(device_block *block, ptl_error *err);
void device_block_changed(device_block *block);
/* All of the piece that begins at `host`. */
void device_block_wrote(device_block *block, const void *host);

#endif
