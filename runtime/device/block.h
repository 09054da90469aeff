/*
 * block.h - blocks of the host's memory that devices have copies of. Private to
 * the runtime.
 *
 * Each piece is known to be right in some places, the host and devices, and
 * comes to where it is wanted from one that has it: from the host (by way of
 * the device that is its home), or else from the device that changed it last,
 * past the host. A piece is changed, by the host or a run, while no other
 * device has work under way that reads it.
 */
#ifndef PTL_DEVICE_BLOCK_H
#define PTL_DEVICE_BLOCK_H

#include "device/device.h"

typedef struct block_piece {
    size_t at, bytes;
    uint32_t where; /* BLOCK_HOST and block_on() of each that has it */
    int home;       /* or DEVICE_ANY */
    int changer;    /* the device that has it where the host has not */
} block_piece;

struct device_block {
    ptl_device *device; /* the first of those opened together */
    char *host;
    size_t bytes;
    block_piece *pieces; /* ascending */
    int piece_count;
    CUdeviceptr *copies; /* by device */
    bool resident;
    device_block *next;
};

/* Where a device has a tensor of the host. */
typedef struct block_place {
    device_block *block; /* NULL: it lies in none */
    block_piece *piece;
    CUdeviceptr at;
} block_place;

block_place block_find(const ptl_device *d, const void *host, size_t bytes);
/* Has the piece brought to `d` before what is asked of it from now on. */
ptl_status block_bring(ptl_device *d, const block_place *place,
                       ptl_error *err);
/* Work of `d` that changed pieces was asked for: who takes them from it waits
 * for that. Then, for each of these: */
ptl_status block_mark(ptl_device *d, ptl_error *err);
void block_changed_by(const ptl_device *d, const block_place *place);

#endif
