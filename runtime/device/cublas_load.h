/*
 * cublas_load.h - cuBLASLt, opened at run time.
 */
#ifndef PTL_DEVICE_CUBLAS_LOAD_H
#define PTL_DEVICE_CUBLAS_LOAD_H

#include "base/status.h"
#include "device/cublas_api.h"

typedef struct cublas_library {
#define CUBLAS_FUNCTION(type, name, arguments) type(*name) arguments;
#include "device/cublas.def"
#undef CUBLAS_FUNCTION
} cublas_library;

/* Opened once for the life of the process; NULL with E_DEVICE: there is none,
 * or none that will do. Thread: any. */
const cublas_library *cublas_get(ptl_error *err);

/* E_DEVICE: "cuda:0: cannot <what>: <the library's own words>". */
ptl_status cublas_fail(ptl_error *err, const char *device, const char *what,
                       cublasStatus_t status);

#endif
