/*
 * block.c - the tensors that outlive a step, on the host and on the device.
 */
#include "device/device.h"

static ptl_status add_one(ptl_device *d, void *host, size_t bytes,
                          ptl_error *err)
{
    device_block *b = &d->block;
    PTL_ASSERT(!b->host);
    ptl_status st =
        device_alloc(d, bytes, "parameters, states and slots", &b->at, err);
    if (st == PTL_OK)
        *b = (device_block){.host = host, .bytes = bytes, .at = b->at};
    return st;
}

ptl_status device_block_add(ptl_device *device, void *host, size_t bytes,
                            ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (ptl_device *d = device; d && st == PTL_OK; d = d->next)
        st = add_one(d, host, bytes, err);
    if (st != PTL_OK)
        device_block_remove(device);
    return st;
}

void device_block_free(ptl_device *d)
{
    device_free(d, d->block.at);
    d->block = (device_block){0};
}

void device_block_remove(ptl_device *device)
{
    for (ptl_device *d = device; d; d = d->next)
        device_block_free(d);
}

void device_block_keep(ptl_device *d)
{
    PTL_ASSERT(!d->next); /* one of several would not see the others' */
    d->block.resident = true;
}

CUdeviceptr device_in_block(const ptl_device *d, const void *host, size_t bytes)
{
    const device_block *b = &d->block;
    const char *at = host;
    if (!b->host || at < b->host || at + bytes > b->host + b->bytes)
        return 0;
    return b->at + (CUdeviceptr)(at - b->host);
}

ptl_status device_block_begin(ptl_device *d, ptl_error *err)
{
    device_block *b = &d->block;
    if (!b->host || b->state != BLOCK_HOST)
        return PTL_OK;
    b->state = BLOCK_EQUAL;
    return device_upload(d, b->at, b->host, b->bytes, err);
}

ptl_status device_block_end(ptl_device *d, bool changed, ptl_error *err)
{
    device_block *b = &d->block;
    if (!b->host)
        return PTL_OK;
    if (changed)
        b->state = BLOCK_DEVICE;
    if (b->resident)
        return PTL_OK;
    ptl_status st = device_block_fetch(d, err);
    b->state = BLOCK_HOST;
    return st;
}

ptl_status device_block_fetch(ptl_device *d, ptl_error *err)
{
    device_block *b = &d->block;
    if (!b->host || b->state != BLOCK_DEVICE)
        return PTL_OK;
    ptl_status st = device_download(d, b->host, b->at, b->bytes, err);
    if (st == PTL_OK)
        st = device_wait(d, err);
    if (st == PTL_OK)
        b->state = BLOCK_EQUAL;
    return st;
}

void device_block_changed(ptl_device *d)
{
    d->block.state = BLOCK_HOST;
}
