/*
 * cublas.c - cuBLASLt for devices: its handles, one for each.
 */
#include "device/cublas_load.h"
#include "device/device.h"

static ptl_status open_handle(ptl_device *d, const cublas_library *lt,
                              ptl_error *err)
{
    ptl_status st = device_use(d, err);
    if (st != PTL_OK)
        return st;
    cublasStatus_t result = lt->cublasLtCreate(&d->cublas);
    return result == CUBLAS_STATUS_SUCCESS
               ? PTL_OK
               : cublas_fail(err, d->name, "begin", result);
}

ptl_status device_use_cublas(ptl_device *device, ptl_error *err)
{
    const cublas_library *lt = cublas_get(err);
    ptl_status st = lt ? PTL_OK : PTL_E_DEVICE;
    for (ptl_device *d = device; d && st == PTL_OK; d = d->next)
        if (!d->cublas)
            st = open_handle(d, lt, err);
    return st;
}

bool device_has_cublas(const ptl_device *d)
{
    return d->cublas != NULL;
}

void device_cublas_close(ptl_device *d)
{
    device_free(d, d->workspace);
    if (d->cublas)
        cublas_get(NULL)->cublasLtDestroy(d->cublas);
}
