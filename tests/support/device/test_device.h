/*
 * test_device.h - what tests of compiled programs run on: the host, or with
 * PTL_TEST_DEVICE (cuda, cuda:1) that device, whose driver PTL_CUDA_DRIVER
 * names. With PTL_TEST_CUBLAS too, cuBLASLt (PTL_CUBLASLT) computes products.
 */
#ifndef PTL_TEST_DEVICE_H
#define PTL_TEST_DEVICE_H

#include "runtime/device.h"

/* NULL: the host. Opened once for the life of the process; a device that is
 * asked for and cannot be opened ends it. */
ptl_device *test_device(void);

#endif
