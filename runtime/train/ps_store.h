/*
 * ps_store.h - what a parameter server does with numbers: values, sums of
 * gradients and slots of its buckets, and the program that updates each.
 *
 *   st = ps_store_open(session, &clock, layout, totals, index, NULL, 0, &store,
 *                      &err);
 *   st = ps_store_start(store, checkpoint or NULL, &err);
 *   ps_new(job, index, ..., ps_store_shard(store), ...)
 *
 * All of it is one allocation; adding and updating allocate nothing. Belongs to
 * one thread at a time, the one whose pool the session's is.
 */
#ifndef PTL_TRAIN_PS_STORE_H
#define PTL_TRAIN_PS_STORE_H

#include "dist/shard.h"
#include "train/bucket_layout.h"
#include "train/session.h"
#include "train/totals.h"

typedef struct ps_store ps_store;

/* What updates ask for beside the gradients, counted in updates. */
typedef struct ps_clock {
    int64_t total_updates; /* `total_steps` of the update */
    int64_t average_from;  /* where the mean of the weights begins */
} ps_clock;

/*
 * Buckets of ps `index`. Builds their programs; `raw`: shapes of the data's
 * fields where it is known (0: as the file declares them). Everything given is
 * borrowed and outlives the store.
 */
ptl_status ps_store_open(session *s, const ps_clock *clock,
                         const cluster_layout *layout,
                         const totals_layout *totals, int index,
                         const ptl_job_tensor *raw, int raw_count,
                         ps_store **out, ptl_error *err);
void ps_store_close(ps_store *p); /* accepts NULL */

/*
 * Values and slots as the job begins, or (not NULL) as the checkpoint folder
 * has them: of one process, of shards or of a cluster, tensors whole under
 * their paths. For so long, and no longer, all tensors of the job are in
 * memory.
 */
ptl_status ps_store_start(ps_store *p, const char *checkpoint, ptl_error *err);
/* The same from tensors that are there. */
ptl_status ps_store_fill(ps_store *p, const ptl_store *tensors, ptl_error *err);

/* Updates by single gradients may meet from now on: so many at a time.
 * `waits`: whoever asks for a value gets one that no update is under way to. */
ptl_status ps_store_meet(ps_store *p, int count, bool waits, ptl_error *err);

/* For dist/ps.h. `ctx` is the store. Slots lie as layout_give_slots() takes
 * them. */
const shard_store *ps_store_shard(const ps_store *p);
/* The rate of the last update; NaN: there was none, or they meet. */
double ps_store_rate(const ps_store *p);

#endif
