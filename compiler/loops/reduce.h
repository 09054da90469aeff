/*
 * reduce.h - one reduction being built. Private to loops/.
 */
#ifndef PTL_LOOPS_REDUCE_H
#define PTL_LOOPS_REDUCE_H

#include "loops/build.h"

/* Vectors side by side: hides the latency of an add, and that of a maximum, a
 * comparison and a choice. */
enum { JAM = SCHED_VECTORS, WIDE_JAM = 8 };

typedef struct accumulator {
    kern_local *value;
    kern_local *index; /* of argmax and argmin */
    kern_local *total; /* of the blocks that are done */
} accumulator;

typedef struct reducer {
    build *k;
    emit *e;
    const ir_node *n;
    const sched_space *space;
    const sched_reduction *plan;
    ir_reduce op; /* LSE runs as MAX, then as SUM of exponentials */
    kern_type type;
    int lanes; /* of an accumulator */
    bool exponentials;
    kern_value *shift[JAM]; /* LSE: what is subtracted, by copy */
    int vectors;      /* side by side where the lanes split the reduction */
    bool flat;        /* the reduced box is so small that it is no loop */
    bool in_order;    /* a lane meets elements as the definition has them */
    bool fresh;       /* nothing is in the accumulators yet */
    kern_value *part; /* which chunk, NULL: not cut */
    accumulator acc[WIDE_JAM];
    int out; /* the kernel's buffer */
} reducer;

/* Reductions over one domain, in one pass. */
typedef struct joint {
    reducer *parts; /* the first one's nest and plan are all's */
    int count;
} joint;

/* ---------- tree.c ---------- */

kern_type reduce_type(const build *k, const ir_node *n);
bool reduce_has_index(const reducer *r);
kern_value *reduce_neutral(reducer *r);
/* Does y replace x, which came first? NaN wins and stays. */
kern_value *reduce_beats(reducer *r, kern_value *y, kern_value *x);
/* x came first. */
kern_value *reduce_combined(reducer *r, kern_value *x, kern_value *y);
/* Does y tie with x and stand before it? */
kern_value *reduce_is_earlier(reducer *r, kern_value *x, kern_value *x_index,
                              kern_value *y, kern_value *y_index);
void reduce_combine_indexed(reducer *r, kern_value **x, kern_value **x_index,
                            kern_value *y, kern_value *y_index);
/* One lane of all, halving. */
kern_value *reduce_across_lanes(reducer *r, kern_value *x);
kern_value *reduce_index_across_lanes(reducer *r, kern_value *x,
                                      kern_value *at);

/* ---------- accumulate.c ---------- */

/* A new accumulator that has seen nothing. */
void reduce_begin(reducer *r, accumulator *a);
/* The element at hand joins r->acc[copy]. */
void reduce_add(reducer *r, int copy);

/* ---------- reduce.c ---------- */

/* Where the result belongs: its place, or that among the partial results of
 * r->part. */
void reduce_place(reducer *r, emit_place *place);

/* ---------- columns.c ---------- */

/* The step's reductions over leading axes, with accumulators in memory. */
void reduce_columns(build *k, joint *j);

#endif
