/*
 * ps_bucket.h - one bucket of a parameter server: where its pieces lie, and the
 * programs that update it.
 *
 * Programs want each buffer on PTL_BUFFER_ALIGN; in a message pieces lie one
 * after another. Where these two are the same, what is updated is what is sent.
 * Where not, pieces lie apart here and are put together when the value is asked
 * for.
 */
#ifndef PTL_TRAIN_PS_BUCKET_H
#define PTL_TRAIN_PS_BUCKET_H

#include "runtime/sums.h"
#include "train/bucket_layout.h"

/* Partial sums of a piece, and where in the owner's they go. */
typedef struct ps_output {
    int buffer;
    size_t at;
} ps_output;

typedef struct ps_program {
    ptl_program *program;
    ptl_run *run;
    ps_output *outputs; /* of a round of totals */
    int output_count;
} ps_program;

typedef struct ps_bucket {
    const bucket_layout *layout; /* NULL: another owns it */
    ps_program *programs; /* by round: the partial sums of totals; the update */
    int rounds;           /* of totals */
    size_t *at;           /* by piece: where it lies in `value` and `sum` */
    size_t bytes;         /* of these two */
    char *value, *sum, *slots;
    uint8_t *packed;   /* as it is sent; `value` itself where they are alike */
    bool stale;        /* `packed` is older than `value` */
    sum_list incoming; /* from a message to `sum` */
} ps_bucket;

/* Works out where pieces lie, and builds the programs. */
ptl_status ps_bucket_open(ps_bucket *b, ptl_job *job, ptl_pool *pool,
                          const bucket_layout *layout,
                          const ptl_job_tensor *raw, int raw_count,
                          ptl_error *err);
void ps_bucket_close(ps_bucket *b);

/* Says where the partial sums of total `total` of piece `piece` go: from byte
 * `at` on. The total is of `round`. */
ptl_status ps_bucket_send(ps_bucket *b, int round, int total, int piece,
                          size_t at, ptl_error *err);

size_t ps_bucket_arena(const ps_bucket *b); /* the largest of its programs' */
/* Memory for values, sums and slots; with `at`, they are there. */
size_t ps_bucket_memory(ps_bucket *b, char *at);
/* The rest of what programs ask for: numbers, each in a unit of
 * PTL_BUFFER_ALIGN. E_INTERNAL where they ask for more. */
ptl_status ps_bucket_bind(ps_bucket *b, void *arena, void *weight, char *totals,
                          int total_count, ptl_error *err);

/* Binds another run of the update's program, which updates the same values and
 * slots by sums and a weight of its own. Not where updates wait for totals. */
void ps_bucket_bind_update(const ps_bucket *b, ptl_run *run, char *sum,
                           void *weight);

/* The value as it is sent, put together where it is not; and taken apart. */
const uint8_t *ps_bucket_pack(ps_bucket *b);
void ps_bucket_unpack(ps_bucket *b);

/* On the timeline: update `number` of the bucket, from `began` to now. */
void ps_bucket_trace(int bucket, uint64_t number, double began);

#endif
