/*
 * driver_device.c - the driver's functions for devices, contexts and errors.
 */
#include "driver.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRIVER_VERSION = 13000 };

static void report_at_exit(void)
{
    module_report(settings()->report);
}

CUresult cuInit(unsigned flags)
{
    bool first = driver_enter_any() != CUDA_SUCCESS;
    CUresult r = flags ? CUDA_ERROR_INVALID_VALUE : device_init();
    if (r == CUDA_SUCCESS && first && settings()->report)
        atexit(report_at_exit);
    return driver_leave(r);
}

CUresult cuDriverGetVersion(int *version)
{
    if (!version)
        return CUDA_ERROR_INVALID_VALUE;
    *version = DRIVER_VERSION;
    return CUDA_SUCCESS;
}

static const struct {
    CUresult error;
    const char *name, *text;
} errors[] = {
#define CUDA_ERROR_ROW(name, number, text) {name, #name, text},
#include "device/cuda_errors.def"
#undef CUDA_ERROR_ROW
};

static int find_error(CUresult error)
{
    for (int e = 0; e < (int)(sizeof errors / sizeof *errors); e++)
        if (errors[e].error == error)
            return e;
    return -1;
}

CUresult cuGetErrorName(CUresult error, const char **name)
{
    int e = find_error(error);
    *name = e < 0 ? NULL : errors[e].name;
    return e < 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char **text)
{
    int e = find_error(error);
    *text = e < 0 ? NULL : errors[e].text;
    return e < 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count)
{
    CUresult r = driver_enter_any();
    if (r == CUDA_SUCCESS)
        *count = settings()->devices;
    return driver_leave(r);
}

CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
    CUresult r = driver_enter_any();
    if (r == CUDA_SUCCESS && !device_context(ordinal))
        r = CUDA_ERROR_INVALID_DEVICE;
    if (r == CUDA_SUCCESS)
        *device = ordinal;
    return driver_leave(r);
}

/* The lock, when `device` is one. */
static CUresult enter_device(CUdevice device, struct CUctx_st **context)
{
    CUresult r = driver_enter_any();
    *context = r == CUDA_SUCCESS ? device_context(device) : NULL;
    return r == CUDA_SUCCESS && !*context ? CUDA_ERROR_INVALID_DEVICE : r;
}

CUresult cuDeviceGetName(char *name, int size, CUdevice device)
{
    struct CUctx_st *c;
    CUresult r = enter_device(device, &c);
    if (r == CUDA_SUCCESS && (!name || size <= 0))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS)
        snprintf(name, (size_t)size, "PTL virtual device sm_%d",
                 settings()->arch);
    return driver_leave(r);
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
    struct CUctx_st *c;
    CUresult r = enter_device(device, &c);
    if (r == CUDA_SUCCESS)
        *bytes = c->memory.bytes;
    return driver_leave(r);
}

static CUresult attribute_value(int *value, CUdevice_attribute attribute,
                                int ordinal)
{
    const arch_limits *a = device_limits();
    int arch = settings()->arch;
    switch (attribute) {
#define DEVICE_ATTRIBUTE(name, is)                                             \
    case CU_DEVICE_ATTRIBUTE_##name:                                           \
        *value = is;                                                           \
        return CUDA_SUCCESS;
#include "attribute.def"
#undef DEVICE_ATTRIBUTE
    }
    return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute,
                              CUdevice device)
{
    struct CUctx_st *c;
    CUresult r = enter_device(device, &c);
    if (r == CUDA_SUCCESS)
        r = attribute_value(value, attribute, device);
    return driver_leave(r);
}

CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer)
{
    struct CUctx_st *c, *p = device_context(peer);
    CUresult r = enter_device(device, &c);
    if (r == CUDA_SUCCESS && !p)
        r = CUDA_ERROR_INVALID_DEVICE;
    if (r == CUDA_SUCCESS)
        *can = device != peer;
    return driver_leave(r);
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
    CUresult r = enter_device(device, context);
    if (r == CUDA_SUCCESS && !(*context)->retained++ &&
        !(*context)->null_stream)
        (*context)->null_stream = stream_new(*context, false);
    return driver_leave(r);
}

/* The last release ends what a kernel's fault left behind. */
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
    struct CUctx_st *c;
    CUresult r = enter_device(device, &c);
    if (r == CUDA_SUCCESS && !c->retained)
        r = CUDA_ERROR_INVALID_CONTEXT;
    if (r == CUDA_SUCCESS && --c->retained == 0) {
        stream_drain(c, NULL);
        c->sticky = CUDA_SUCCESS;
        c->peers = 0;
    }
    return driver_leave(r);
}

CUresult cuCtxSetCurrent(CUcontext context)
{
    CUresult r = driver_enter_any();
    if (r == CUDA_SUCCESS)
        driver_set_current(context);
    return driver_leave(r);
}

CUresult cuCtxGetCurrent(CUcontext *context)
{
    CUresult r = driver_enter_any();
    if (r == CUDA_SUCCESS)
        *context = driver_current();
    return driver_leave(r);
}

CUresult cuCtxSynchronize(void)
{
    struct CUctx_st *c;
    CUresult r = driver_enter(&c);
    if (r == CUDA_SUCCESS)
        r = stream_drain(c, NULL);
    return driver_leave(r);
}

CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags)
{
    struct CUctx_st *c;
    CUresult r = driver_enter(&c);
    if (r == CUDA_SUCCESS && (!peer || !peer->retained))
        r = CUDA_ERROR_INVALID_CONTEXT;
    if (r == CUDA_SUCCESS && (flags || peer == c))
        r = flags ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_DEVICE;
    if (r == CUDA_SUCCESS && c->peers >> peer->ordinal & 1)
        r = CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
    if (r == CUDA_SUCCESS)
        c->peers |= UINT32_C(1) << peer->ordinal;
    return driver_leave(r);
}
