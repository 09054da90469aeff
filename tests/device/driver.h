/*
 * driver.h - what the files that are the driver's functions share.
 */
#ifndef DEVICE_DRIVER_H
#define DEVICE_DRIVER_H

#define PTL_CUDA_PROTOTYPES
#pragma GCC visibility push(default)
#include "device/cuda_api.h"
#pragma GCC visibility pop
#include "module.h"
#include "stream.h"

/* Blocks of `k` a multiprocessor has at once (driver_module.c). */
int kernel_blocks_at_once(const kernel *k, unsigned threads, size_t dynamic);

/* Whether [memory, memory + bytes) is pinned (driver_memory.c). */
bool host_is_pinned(const void *memory, size_t bytes);

#endif
