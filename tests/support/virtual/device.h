/*
 * device.h - the virtual device as tests use it: opened as PTL opens a driver,
 * PTX loaded, kernels launched, memory filled and read.
 */
#ifndef SUPPORT_VIRTUAL_DEVICE_H
#define SUPPORT_VIRTUAL_DEVICE_H

#include "device/cuda_api.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
#define CUDA_DRIVER(name, arguments) CUresult(*name) arguments;
#include "device/cuda_driver.def"
#undef CUDA_DRIVER
} virtual_driver;

/* The driver; opened, initialised and a context of device 0 made current when
 * it is asked for first. The environment is read then. */
const virtual_driver *cuda(void);
/* The context of a device, made current. */
CUcontext virtual_use(int device);
/* Ends what a fault left behind: context and all it has are new. */
void virtual_reset(int device);

/* Fails the test when the call does. */
void virtual_check(CUresult result, const char *call, const char *file,
                   int line);
#define OK(call) virtual_check(cuda()->call, #call, __FILE__, __LINE__)

CUfunction virtual_kernel(const char *ptx, const char *name);
CUdeviceptr virtual_upload(const void *data, size_t bytes);
/* Allocated, nothing written. */
CUdeviceptr virtual_room(size_t bytes);
void virtual_download(void *to, CUdeviceptr from, size_t bytes);
/* One-dimensional, in the default stream; waits. What the device says. */
CUresult virtual_launch(CUfunction f, unsigned blocks, unsigned threads,
                        unsigned shared_bytes, void **arguments);

/* What went to stderr between the two, for messages of faults. */
void virtual_listen(void);
const char *virtual_heard(void);

#endif
