/*
 * cuda_load.c - see cuda_load.h.
 */
#include "device/cuda_load.h"
#include "base/library.h"
#include <pthread.h>
#include <stdio.h>

static cuda_driver driver;
static bool usable;
static char problem[400];
static pthread_once_t opened = PTHREAD_ONCE_INIT;

static const char *const usual_names[] = {"libcuda.so.1", NULL};

static bool find_all(void *handle)
{
#define CUDA_DRIVER(name, arguments)                                           \
    if (!library_need(handle, "the CUDA driver", #name, &driver.name, problem, \
                      sizeof problem))                                         \
        return false;
#include "device/cuda_driver.def"
#undef CUDA_DRIVER
    return true;
}

static void open_driver(void)
{
    void *handle = library_open(
        "PTL_CUDA_DRIVER", usual_names,
        "there is no CUDA driver here (libcuda.so.1); without one programs run "
        "with --device cpu",
        problem, sizeof problem);
    if (!handle || !find_all(handle))
        return;
    CUresult result = driver.cuInit(0);
    const char *text = NULL;
    if (result != CUDA_SUCCESS) {
        driver.cuGetErrorString(result, &text);
        snprintf(problem, sizeof problem, "the CUDA driver does not start: %s",
                 text ? text : "unknown error");
        return;
    }
    usable = true;
}

const cuda_driver *cuda_driver_get(ptl_error *err)
{
    pthread_once(&opened, open_driver);
    if (usable)
        return &driver;
    ptl_fail(err, PTL_E_DEVICE, "%s", problem);
    return NULL;
}

ptl_status cuda_fail(ptl_error *err, const char *device, const char *what,
                     CUresult result)
{
    const char *text = NULL;
    driver.cuGetErrorString(result, &text);
    return ptl_fail(err, PTL_E_DEVICE, "%s: cannot %s: %s", device, what,
                    text ? text : "unknown error");
}
