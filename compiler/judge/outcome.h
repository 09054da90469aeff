/*
 * outcome.h - what a compiled program computes of graphs the oracle has
 * evaluated.
 *
 *   ir_merge(merged, a, "a/");  ir_merge(merged, b, "b/");
 *   compile_graph(merged, ...,  &program, &err);
 *   const judge_case cases[] = {{a, va, "a/"}, {b, vb, "b/"}};
 *   st = outcome_take(program, pool, cases, 2, &outcome, &err);
 *   judge_tensor(a->outputs.data[0].node, va, &outcome.tensors[0], &verdict);
 */
#ifndef PTL_JUDGE_OUTCOME_H
#define PTL_JUDGE_OUTCOME_H

#include "ir/eval.h"
#include "runtime/pool.h"

/* One of the graphs a program was compiled from. */
typedef struct judge_case {
    const ir_graph *g;
    const ir_values *v; /* at least of its inputs */
    const char *prefix; /* of its names in the program */
} judge_case;

typedef struct outcome_tensor {
    ptl_dtype dtype;
    int64_t count;
    void *bytes;
} outcome_tensor;

/* The outputs of all cases, one case after the other. */
typedef struct outcome {
    outcome_tensor *tensors;
    int count;
} outcome;

/* Carries the program out once, with the cases' inputs. On failure `out` is
 * empty. */
ptl_status outcome_take(const ptl_program *program, ptl_pool *pool,
                        const judge_case *cases, int count, outcome *out,
                        ptl_error *err);
void outcome_fini(outcome *o);
/* Is every bit of two tensors the same? */
bool outcome_equal(const outcome_tensor *a, const outcome_tensor *b);

#endif
