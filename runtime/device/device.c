/*
 * device.c - opening a GPU; its memory, copies and code.
 */
#include "device/device.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------- opening ---------- */

static ptl_status parse_name(const char *name, int *ordinal, ptl_error *err)
{
    char *end;
    *ordinal = 0;
    if (strcmp(name, "cuda") == 0)
        return PTL_OK;
    if (strncmp(name, "cuda:", 5) == 0 && name[5] >= '0' && name[5] <= '9') {
        long number = strtol(name + 5, &end, 10);
        if (*end == '\0' && number < 1024) {
            *ordinal = (int)number;
            return PTL_OK;
        }
    }
    return ptl_fail(err, PTL_E_USAGE,
                    "\"%s\" is no device: cpu, cuda or cuda:N is wanted", name);
}

static ptl_status find_device(ptl_device *d, int ordinal, ptl_error *err)
{
    int count = 0, major = 0, minor = 0;
    const cuda_driver *driver = d->driver;
    CUresult result = driver->cuDeviceGetCount(&count);
    if (result != CUDA_SUCCESS)
        return cuda_fail(err, d->name, "count devices", result);
    if (ordinal >= count)
        return ptl_fail(err, PTL_E_DEVICE,
                        "there is no device %s: the CUDA driver has %d",
                        d->name, count);
    result = driver->cuDeviceGet(&d->handle, ordinal);
    if (result == CUDA_SUCCESS)
        result = driver->cuDeviceGetAttribute(
            &major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, d->handle);
    if (result == CUDA_SUCCESS)
        result = driver->cuDeviceGetAttribute(
            &minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, d->handle);
    d->arch = major * 10 + minor;
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, d->name, "ask what it is", result);
}

static ptl_status open_context(ptl_device *d, ptl_error *err)
{
    CUresult result =
        d->driver->cuDevicePrimaryCtxRetain(&d->context, d->handle);
    if (result == CUDA_SUCCESS)
        result = d->driver->cuCtxSetCurrent(d->context);
    if (result == CUDA_SUCCESS)
        result = d->driver->cuStreamCreate(&d->stream, CU_STREAM_NON_BLOCKING);
    return result == CUDA_SUCCESS ? PTL_OK
                                  : cuda_fail(err, d->name, "open it", result);
}

ptl_status device_open(const char *name, ptl_device **out, ptl_error *err)
{
    int ordinal;
    *out = NULL;
    ptl_status st = parse_name(name, &ordinal, err);
    if (st != PTL_OK)
        return st;
    const cuda_driver *driver = cuda_driver_get(err);
    if (!driver)
        return PTL_E_DEVICE;
    ptl_device *d = calloc(1, sizeof *d);
    if (!d)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a device");
    d->driver = driver;
    snprintf(d->name, sizeof d->name, "cuda:%d", ordinal);
    st = find_device(d, ordinal, err);
    if (st == PTL_OK)
        st = open_context(d, err);
    if (st != PTL_OK) {
        device_close(d);
        return st;
    }
    *out = d;
    return PTL_OK;
}

void device_close(ptl_device *d)
{
    if (!d)
        return;
    device_block_remove(d);
    device_free(d, d->arena);
    if (d->stream)
        d->driver->cuStreamDestroy_v2(d->stream);
    if (d->context)
        d->driver->cuDevicePrimaryCtxRelease_v2(d->handle);
    free(d);
}

const char *device_name(const ptl_device *d)
{
    return d->name;
}

int device_arch(const ptl_device *d)
{
    return d->arch;
}

bool device_wants_text(const ptl_device *d)
{
    const char *wish = getenv("PTL_CUDA_PTX");
    (void)d;
    return wish && strcmp(wish, "1") == 0;
}

/* ---------- memory ---------- */

ptl_status device_alloc(ptl_device *d, size_t bytes, const char *what,
                        CUdeviceptr *out, ptl_error *err)
{
    size_t left = 0, total = 0;
    *out = 0;
    CUresult result = d->driver->cuCtxSetCurrent(d->context);
    if (result == CUDA_SUCCESS)
        result = d->driver->cuMemAlloc_v2(out, bytes ? bytes : 1);
    if (result != CUDA_ERROR_OUT_OF_MEMORY)
        return result == CUDA_SUCCESS
                   ? PTL_OK
                   : cuda_fail(err, d->name, "take memory", result);
    d->driver->cuMemGetInfo_v2(&left, &total);
    return ptl_fail(err, PTL_E_MEMORY,
                    "%s has no memory for the %zu bytes of %s: %zu of %zu "
                    "bytes are free",
                    d->name, bytes, what, left, total);
}

void device_free(ptl_device *d, CUdeviceptr at)
{
    if (at)
        d->driver->cuMemFree_v2(at);
}

ptl_status device_need_arena(ptl_device *d, size_t bytes, ptl_error *err)
{
    if (bytes <= d->arena_bytes)
        return PTL_OK;
    ptl_status st = device_wait(d, err);
    if (st != PTL_OK)
        return st;
    device_free(d, d->arena);
    d->arena_bytes = 0;
    st = device_alloc(d, bytes, "what lives within a step", &d->arena, err);
    if (st == PTL_OK)
        d->arena_bytes = bytes;
    return st;
}

ptl_status device_upload(ptl_device *d, CUdeviceptr to, const void *from,
                         size_t bytes, ptl_error *err)
{
    CUresult result =
        bytes ? d->driver->cuMemcpyHtoDAsync_v2(to, from, bytes, d->stream)
              : CUDA_SUCCESS;
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, d->name, "copy to it", result);
}

ptl_status device_download(ptl_device *d, void *to, CUdeviceptr from,
                           size_t bytes, ptl_error *err)
{
    CUresult result =
        bytes ? d->driver->cuMemcpyDtoHAsync_v2(to, from, bytes, d->stream)
              : CUDA_SUCCESS;
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, d->name, "copy from it", result);
}

ptl_status device_wait(ptl_device *d, ptl_error *err)
{
    CUresult result = d->driver->cuStreamSynchronize(d->stream);
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, d->name, "finish its work", result);
}

/* ---------- code ---------- */

ptl_status device_load(ptl_device *d, const char *ptx, const void *image,
                       CUmodule *out, ptl_error *err)
{
    CUresult result = d->driver->cuCtxSetCurrent(d->context);
    if (result == CUDA_SUCCESS && image &&
        d->driver->cuModuleLoadDataEx(out, image, 0, NULL, NULL) ==
            CUDA_SUCCESS)
        return PTL_OK;
    if (result == CUDA_SUCCESS)
        result = d->driver->cuModuleLoadDataEx(out, ptx, 0, NULL, NULL);
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, d->name, "load a program's code", result);
}
