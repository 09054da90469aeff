/*
 * cuda_load.h - the CUDA driver, opened at run time.
 */
#ifndef PTL_DEVICE_CUDA_LOAD_H
#define PTL_DEVICE_CUDA_LOAD_H

#include "base/status.h"
#include "device/cuda_api.h"

typedef struct cuda_driver {
#define CUDA_DRIVER(name, arguments) CUresult(*name) arguments;
#include "device/cuda_driver.def"
#undef CUDA_DRIVER
} cuda_driver;

/* Opened once, with cuInit() done, for the life of the process; NULL with
 * E_DEVICE: there is none, or none that works. Thread: any. */
const cuda_driver *cuda_driver_get(ptl_error *err);

/* E_DEVICE: "cuda:0: cannot <what>: <the driver's own words>". */
ptl_status cuda_fail(ptl_error *err, const char *device, const char *what,
                     CUresult result);

#endif
