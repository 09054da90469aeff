/*
 * cublas_load.c - see cublas_load.h.
 */
#include "device/cublas_load.h"
#include "base/library.h"
#include <pthread.h>
#include <stdio.h>

/* As cublasLtGetVersion() counts: 120103 is 12.1.3. */
enum { LEAST_VERSION = 120000 };

static cublas_library library;
static bool usable;
static char problem[400];
static pthread_once_t opened = PTHREAD_ONCE_INIT;

static const char *const usual_names[] = {
    "libcublasLt.so.13",
    "libcublasLt.so.12",
    "libcublasLt.so",
    "/usr/local/cuda/lib64/libcublasLt.so",
    NULL,
};

static bool find_all(void *handle)
{
#define CUBLAS_FUNCTION(type, name, arguments)                                 \
    if (!library_need(handle, "cuBLASLt", #name, &library.name, problem,       \
                      sizeof problem))                                         \
        return false;
#include "device/cublas.def"
#undef CUBLAS_FUNCTION
    return true;
}

static void open_library(void)
{
    void *handle = library_open(
        "PTL_CUBLASLT", usual_names,
        "there is no cuBLASLt here (libcublasLt.so): install it, or name it by "
        "PTL_CUBLASLT; without --cublas PTL's own kernels compute everything",
        problem, sizeof problem);
    if (!handle || !find_all(handle))
        return;
    size_t version = library.cublasLtGetVersion();
    if (version < LEAST_VERSION) {
        snprintf(problem, sizeof problem,
                 "cuBLASLt %zu.%zu is too old: at least %d.%d is wanted",
                 version / 10000, version % 10000 / 100, LEAST_VERSION / 10000,
                 LEAST_VERSION % 10000 / 100);
        return;
    }
    usable = true;
}

const cublas_library *cublas_get(ptl_error *err)
{
    pthread_once(&opened, open_library);
    if (usable)
        return &library;
    ptl_fail(err, PTL_E_DEVICE, "%s", problem);
    return NULL;
}

ptl_status cublas_fail(ptl_error *err, const char *device, const char *what,
                       cublasStatus_t status)
{
    const char *text = library.cublasLtGetStatusString(status);
    return ptl_fail(err, PTL_E_DEVICE, "%s: cannot %s: cuBLASLt says %s",
                    device, what, text ? text : "nothing");
}
