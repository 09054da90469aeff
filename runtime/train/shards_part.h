/*
 * shards_part.h - forward and backward of one part of a step, on the host or on
 * devices.
 */
#ifndef PTL_TRAIN_SHARDS_PART_H
#define PTL_TRAIN_SHARDS_PART_H

#include "train/shards_priv.h"

/* One step. */
typedef struct step_run {
    shards *h;
    const data_batch *batch, *next; /* `next` may be NULL */
    int64_t done;
    loss_sum loss;
    double lr;
    ptl_error *err;
    int64_t last_row; /* the end of the part after which all is computed, where
                         buckets are given before; -1: they are not */
    int begun, ended; /* with devices: of the parts of this step */
    bool sent_ahead;  /* with devices: what they read first of `next` */
} step_run;

/* Computes rows of a shard and adds to `to` and `loss`; devices begin those
 * that come next in h->work as well. */
ptl_status part_run(step_run *r, int64_t shard, order_part rows, shard_sum *to,
                    loss_sum *loss);
/* Waits for what an error left under way. */
void part_end_all(step_run *r);

#endif
