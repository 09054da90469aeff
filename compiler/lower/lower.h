/*
 * lower.h - the typed program becomes a tensor IR graph.
 *
 * Nested reductions are lifted to nodes of their own over the indices they
 * leave free (the same reduction twice is one node), a mean becomes a sum and a
 * division, whole definitions become comprehensions.
 */
#ifndef PTL_LOWER_LOWER_H
#define PTL_LOWER_LOWER_H

#include "ir/ir.h"
#include "lang/typed.h"

/* Names of the runtime's contract (job.h): sums of gradients, new states, what
 * a state with `sync sum` counts of its old value. */
#define LOWER_SUM_PREFIX "sum/"
#define LOWER_NEXT_PREFIX "next/"
#define LOWER_OWN_PREFIX "own/"
#define LOWER_TOTAL "total"
#define LOWER_ADDEND "addend"

typedef enum lower_kind {
    LOWER_INIT,    /* updates every parameter, state and slot */
    LOWER_TRAIN,   /* "loss", "lr"; updates */
    LOWER_EVAL,    /* "loss", each metric; of those with accumulators, these */
    LOWER_METRICS, /* metrics with accumulators, of their sums as inputs */
    LOWER_PREDICT, /* what models gave */
    LOWER_GRAD,    /* "loss", each value, "grad/PATH" */
    LOWER_FORWARD, /* "loss" and each value: `emit ir` */
    LOWER_CHECK,   /* as FORWARD, for grad_build(): not pruned, and `program`
                      must outlive that */
    LOWER_TEST,    /* "expectK", and for close() "gotK", "wantK" */
    /* The two halves of TRAIN. */
    LOWER_SHARD,  /* "loss", "weight", "sum/PATH", "next/PATH" of states */
    LOWER_UPDATE, /* "lr"; updates, from "sum/PATH" and "weight" */
    LOWER_PARTIALS, /* of slices: the program's `partials`, from the same */
} lower_kind;

/*
 * A new graph, pruned to its outputs. TRAIN, SHARD and GRAD build derivatives;
 * what has none goes to `diags`, and the result is NULL. Inputs: parameters,
 * states and slots under their paths, raw fields under their names, scalars
 * "step", "total_steps", "seed", "row0".
 */
ir_graph *lower_program(const typed_program *program, lower_kind kind,
                        ptl_diags *diags);

/* A vector of `count` reals, the slot "total", gets the input "addend" added.
 */
ir_graph *lower_add(int64_t count);

#endif
