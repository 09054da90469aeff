/*
 * device.c - opening a GPU; its memory, copies and code.
 */
#include "device/device.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEVICES = 16 };

/* ---------- opening ---------- */

/* The next number of a list "N,M,..."; false: it is none. */
static bool next_number(const char **at, int *number)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    long value = strtol(*at, &end, 10);
    if (value >= 1024 || (*end != '\0' && *end != ','))
        return false;
    *number = (int)value;
    *at = *end ? end + 1 : end;
    return true;
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
    d->ordinal = ordinal;
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
    if (result == CUDA_SUCCESS)
        result = d->driver->cuStreamCreate(&d->copies, CU_STREAM_NON_BLOCKING);
    if (result == CUDA_SUCCESS)
        result = d->driver->cuEventCreate(&d->changed, CU_EVENT_DISABLE_TIMING);
    return result == CUDA_SUCCESS ? PTL_OK
                                  : cuda_fail(err, d->name, "open it", result);
}

static ptl_status open_one(int ordinal, ptl_device **out, ptl_error *err)
{
    const cuda_driver *driver = cuda_driver_get(err);
    *out = NULL;
    if (!driver)
        return PTL_E_DEVICE;
    ptl_device *d = calloc(1, sizeof *d);
    if (!d)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a device");
    d->driver = driver;
    d->first = d;
    snprintf(d->name, sizeof d->name, "cuda:%d", ordinal);
    ptl_status st = find_device(d, ordinal, err);
    if (st == PTL_OK)
        st = open_context(d, err);
    if (st == PTL_OK)
        *out = d;
    else
        device_close(d);
    return st;
}

/* Adds one behind those that are there. */
static ptl_status open_next(int ordinal, ptl_device **first, ptl_error *err)
{
    ptl_device *d, **last = first;
    int number = 0;
    for (; *last; last = &(*last)->next, number++)
        if ((*last)->ordinal == ordinal)
            return ptl_fail(err, PTL_E_USAGE, "cuda:%d stands there twice",
                            ordinal);
    if (number == MOST_DEVICES)
        return ptl_fail(err, PTL_E_USAGE,
                        "a process uses no more than %d devices", MOST_DEVICES);
    ptl_status st = open_one(ordinal, &d, err);
    if (st != PTL_OK)
        return st;
    *last = d;
    d->first = *first;
    d->number = number;
    if (d->arch != (*first)->arch)
        return ptl_fail(err, PTL_E_DEVICE,
                        "%s is sm_%d and %s is sm_%d: devices used together "
                        "are of one architecture",
                        (*first)->name, (*first)->arch, d->name, d->arch);
    return PTL_OK;
}

ptl_status device_open(const char *name, ptl_device **out, ptl_error *err)
{
    const char *at = strcmp(name, "cuda") == 0        ? "0"
                     : strncmp(name, "cuda:", 5) == 0 ? name + 5
                                                      : "";
    ptl_device *first = NULL;
    ptl_status st = PTL_OK;
    *out = NULL;
    do {
        int ordinal;
        st = next_number(&at, &ordinal)
                 ? open_next(ordinal, &first, err)
                 : ptl_fail(err, PTL_E_USAGE,
                            "\"%s\" is no device: cpu, cuda, cuda:N or "
                            "cuda:N,M is wanted",
                            name);
    } while (st == PTL_OK && *at);
    if (st == PTL_OK && first->next)
        first->names = strdup(name);
    if (st != PTL_OK) {
        device_close(first);
        return st;
    }
    *out = first;
    return PTL_OK;
}

void device_close(ptl_device *d)
{
    if (!d)
        return;
    device_close(d->next);
    d->driver->cuCtxSetCurrent(d->context);
    device_cublas_close(d);
    device_free(d, d->arena);
    if (d->changed)
        d->driver->cuEventDestroy_v2(d->changed);
    if (d->stream)
        d->driver->cuStreamDestroy_v2(d->stream);
    if (d->copies)
        d->driver->cuStreamDestroy_v2(d->copies);
    if (d->context)
        d->driver->cuDevicePrimaryCtxRelease_v2(d->handle);
    free(d->names);
    free(d);
}

const char *device_name(const ptl_device *d)
{
    return d->names ? d->names : d->name;
}

int device_count(const ptl_device *d)
{
    return d ? 1 + device_count(d->next) : 0;
}

ptl_device *device_member(ptl_device *d, int which)
{
    for (; which > 0; which--)
        d = d->next;
    return d;
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

ptl_status device_use(ptl_device *d, ptl_error *err)
{
    CUresult result = d->driver->cuCtxSetCurrent(d->context);
    return result == CUDA_SUCCESS ? PTL_OK
                                  : cuda_fail(err, d->name, "use it", result);
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

ptl_status device_pin(ptl_device *d, size_t bytes, void **out, ptl_error *err)
{
    *out = NULL;
    ptl_status st = device_use(d, err);
    if (st != PTL_OK)
        return st;
    CUresult result = d->driver->cuMemAllocHost_v2(out, bytes ? bytes : 1);
    if (result == CUDA_ERROR_OUT_OF_MEMORY)
        return ptl_fail(err, PTL_E_MEMORY,
                        "the host has no memory for the %zu bytes that are "
                        "copied to %s and from it",
                        bytes, d->name);
    return result == CUDA_SUCCESS
               ? PTL_OK
               : cuda_fail(err, d->name, "pin memory of the host", result);
}

void device_unpin(ptl_device *d, void *memory)
{
    if (memory)
        d->driver->cuMemFreeHost(memory);
}

/* What is there of `have` bytes, or new memory of more; nothing is copied. */
static ptl_status need(ptl_device *d, size_t bytes, const char *what,
                       CUdeviceptr *at, size_t *have, ptl_error *err)
{
    if (bytes <= *have)
        return PTL_OK;
    ptl_status st = device_wait(d, err);
    if (st != PTL_OK)
        return st;
    device_free(d, *at);
    *have = 0;
    st = device_alloc(d, bytes, what, at, err);
    if (st == PTL_OK)
        *have = bytes;
    return st;
}

ptl_status device_need_arena(ptl_device *d, size_t bytes, ptl_error *err)
{
    return need(d, bytes, "what lives within a step", &d->arena,
                &d->arena_bytes, err);
}

ptl_status device_need_workspace(ptl_device *d, size_t bytes, ptl_error *err)
{
    return need(d, bytes, "what cuBLASLt works in", &d->workspace,
                &d->workspace_bytes, err);
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
