/*
 * bucket_layout.h - which elements of which tensors a bucket holds: of
 * parameters in its value, of slots beside it.
 *
 * A pure function of the job and its cluster block, so that every process
 * works out the same. The value lies as dist/placement.h says, its pieces one
 * after another. Slots lie in the order of the pieces, those of one piece in
 * the order of the job's tensors; each begins on PTL_BUFFER_ALIGN, as programs
 * want it, and is followed by zeros up to the next.
 */
#ifndef PTL_TRAIN_BUCKET_LAYOUT_H
#define PTL_TRAIN_BUCKET_LAYOUT_H

#include "dist/placement.h"
#include "runtime/job.h"
#include "train/store.h"

/* Neighbouring elements of one tensor. */
typedef struct layout_part {
    const char *path; /* of the tensor */
    const char *name; /* in the program that updates the piece */
    int64_t first, count;
    size_t from;  /* bytes from the tensor's beginning */
    size_t at;    /* bytes from the beginning of value or slots */
    size_t bytes; /* without what follows up to the next */
} layout_part;

typedef struct bucket_layout {
    int owner;
    ptl_dtype dtype;
    size_t value_bytes, slot_bytes;
    bool streams; /* all buckets are more than caches hold: base/stream.h */
    VEC(layout_part) value, slots;
} bucket_layout;

typedef struct cluster_layout {
    const place_plan *plan;
    const ptl_job_tensor **variables; /* trained parameters, by the plan's
                                         number */
    int variable_count;
    bucket_layout *buckets; /* plan->bucket_count of them */
} cluster_layout;

/* Trained parameters in the order of the job, as the rules of dist/placement.h
 * take them, and themselves. In `arena`, and so is what they point at. */
place_variable *layout_variables(ptl_arena *arena, const ptl_job *job,
                                 const ptl_job_tensor ***tensors, int *count);

/* Lives in `arena`, and so does what it points at. */
cluster_layout *layout_make(ptl_arena *arena, const ptl_job *job,
                            const place_options *options);

/* Copies between the tensors of a store, whole under their paths, and the
 * bytes of a bucket. E_INTERNAL where the store has no such tensor. */
ptl_status layout_take_value(const bucket_layout *b, const ptl_store *tensors,
                             void *value, ptl_error *err);
ptl_status layout_take_slots(const bucket_layout *b, const ptl_store *tensors,
                             void *slots, ptl_error *err);
ptl_status layout_give_value(const bucket_layout *b, const void *value,
                             ptl_store *tensors, ptl_error *err);
ptl_status layout_give_slots(const bucket_layout *b, const void *slots,
                             ptl_store *tensors, ptl_error *err);

#endif
