/*
 * device_sums.h - gradients that are added up on the first of a job's devices.
 *
 * Parts are added in their order, wherever they were computed: the first is
 * copied into the total, each other one into a second vector, from device to
 * device, and added. The host's total is up to date after device_sums_fetch().
 */
#ifndef PTL_TRAIN_DEVICE_SUMS_H
#define PTL_TRAIN_DEVICE_SUMS_H

#include "runtime/device.h"
#include "runtime/sums.h"
#include "train/session.h"

typedef struct device_sums {
    device_block *block; /* NULL: the host adds */
    ptl_program *program;
    ptl_run *run;
    char *total, *addend;
} device_sums; /* zero-initialise */

/* `total`: the host's, `bytes` of them and as many behind them that nobody
 * uses. */
ptl_status device_sums_open(device_sums *d, session *s, void *total,
                            size_t bytes, ptl_error *err);
void device_sums_close(device_sums *d);
/* Where what follows from the part on `device` goes; then, after all of its
 * lists: device_sums_add(). `first`: the total begins with it. */
ptl_status device_sums_take(device_sums *d, ptl_run *run, int device,
                            const sum_list *list, bool first, ptl_error *err);
ptl_status device_sums_add(device_sums *d, bool first, ptl_error *err);
ptl_status device_sums_fetch(device_sums *d, ptl_error *err);

#endif
