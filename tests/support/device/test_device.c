/*
 * test_device.c - see test_device.h.
 */
#include "device/test_device.h"
#include <stdio.h>
#include <stdlib.h>

static ptl_device *device;

static void close_device(void)
{
    device_close(device);
}

ptl_device *test_device(void)
{
    const char *name = getenv("PTL_TEST_DEVICE");
    ptl_error err = {0};
    if (!name || device)
        return device;
    if (device_open(name, &device, &err) != PTL_OK) {
        fprintf(stderr, "PTL_TEST_DEVICE: %s\n", err.text);
        exit(1);
    }
    atexit(close_device);
    if (getenv("PTL_TEST_CUBLAS") &&
        device_use_cublas(device, &err) != PTL_OK) {
        fprintf(stderr, "PTL_TEST_CUBLAS: %s\n", err.text);
        exit(1);
    }
    return device;
}
