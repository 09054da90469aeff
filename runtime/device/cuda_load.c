/*
 * cuda_load.c - see cuda_load.h.
 */
#include "device/cuda_load.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cuda_driver driver;
static bool usable;
static char problem[400];
static pthread_once_t opened = PTHREAD_ONCE_INIT;

/* A function's address to a pointer of its type. */
static bool find(void *handle, const char *name, void *pointer)
{
    void *symbol = dlsym(handle, name);
    memcpy(pointer, &symbol, sizeof symbol);
    if (!symbol)
        snprintf(problem, sizeof problem,
                 "the CUDA driver is too old: it has no %s()", name);
    return symbol != NULL;
}

static bool find_all(void *handle)
{
#define CUDA_DRIVER(name, arguments)                                           \
    if (!find(handle, #name, &driver.name))                                    \
        return false;
#include "device/cuda_driver.def"
#undef CUDA_DRIVER
    return true;
}

static void open_driver(void)
{
    const char *path = getenv("PTL_CUDA_DRIVER");
    void *handle = dlopen(path ? path : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        if (path)
            snprintf(problem, sizeof problem,
                     "PTL_CUDA_DRIVER names \"%s\", which cannot be opened",
                     path);
        else
            snprintf(problem, sizeof problem,
                     "there is no CUDA driver here (libcuda.so.1); without one "
                     "programs run with --device cpu");
        return;
    }
    if (!find_all(handle))
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
