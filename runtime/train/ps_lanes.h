/*
 * ps_lanes.h - updates that meet (`locking = false`): threads that each update
 * values and slots by one gradient, and know nothing of each other.
 *
 * As the original's optimizers without a lock: where two update the same
 * element at the same time, one of the two may be lost. An element is written
 * whole, so what is there is always what one of them made of it. What updates
 * is machine code of ours, with no data race for the C compiler to reason
 * about; C reads what may change meanwhile by relaxed atomic loads alone.
 */
#ifndef PTL_TRAIN_PS_LANES_H
#define PTL_TRAIN_PS_LANES_H

#include "train/ps_bucket.h"

typedef struct ps_lanes ps_lanes;

/* What an update is told. */
typedef struct lane_update {
    int bucket;
    double weight;
    int64_t number, total_updates, average_from, seed;
} lane_update;

/* Buckets are borrowed, and bound. `count`: threads, at most 64. */
ptl_status lanes_open(const ps_bucket *buckets, int bucket_count, int count,
                      ps_lanes **out, ptl_error *err);
void lanes_close(ps_lanes *l); /* accepts NULL */

/* Begins an update by a gradient as it lies in a message, which may go
 * afterwards; `lane` counts round and round. Waits where the update of this
 * lane before it is not done. */
void lanes_begin(ps_lanes *l, int lane, const lane_update *update,
                 const void *part);
/* Until no update of the bucket is under way. */
void lanes_await(ps_lanes *l, int bucket);
/* The bucket's value as it is sent, updates under way or not, until this is
 * asked again. */
const uint8_t *lanes_value(ps_lanes *l, int bucket);

#endif
