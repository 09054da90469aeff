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
 * The tensors that outlive a step are one block of the host's memory, which
 * gets a copy on the device. Unless it is made resident, every run begins with
 * the host's and gives back what it changed. Resident, the device keeps them,
 * and who reads or writes them on the host says so first: device_block_fetch()
 * brings the host up to date, device_block_changed() says that the host's are
 * the newer ones.
 */
ptl_status device_block_add(ptl_device *device, void *host, size_t bytes,
                            ptl_error *err);
void device_block_remove(ptl_device *device);
void device_block_keep(ptl_device *device); /* makes it resident */
ptl_status device_block_fetch(ptl_device *device, ptl_error *err);
void device_block_changed(ptl_device *device);

#endif
