/*
 * eval.h - the oracle: what a graph means, computed the plain way.
 *
 * Walks the graph with loops over every index, in f64 and complex128. No
 * fusion, no inversion, no vectors; it is slow and stays slow. Complex values
 * make complex-step derivatives exact: Im f(x + ih) / h. Comparisons, max and
 * argmax look at real parts; the first index wins; NaN wins.
 */
#ifndef PTL_IR_EVAL_H
#define PTL_IR_EVAL_H

#include "ir/ir.h"
#include <complex.h>

/*
 * One value per node of the graph, indexed by node->id. Heap owned.
 *
 * Where `eps` is set (FLT_EPSILON or DBL_EPSILON), every element also gets a
 * bound on how far a correct program in that precision may land from it: for
 * reductions 4 * eps * sqrt(K) * sum|terms| plus what the terms bring along,
 * for scalar functions their slopes times the operands' bounds plus a few
 * roundings. Infinite where a decision (a comparison, a position, a gather)
 * is too close to call; for INT and BOOL above 0 says "may differ".
 */
typedef struct ir_values {
    int count;
    double complex **data; /* row-major elements, NULL: not computed */
    double **error;        /* bounds; all 0 while eps is 0 */
    double eps;
} ir_values;

ir_values *ir_values_new(const ir_graph *g);
void ir_values_free(ir_values *v);
/* Copies `count` numbers in as the value of an INPUT. */
void ir_values_set(ir_values *v, const ir_node *input, const double *numbers);
void ir_values_set_complex(ir_values *v, const ir_node *input,
                           const double complex *numbers);
/*
 * Computes every node (or those `wanted[id]` asks for and what they need);
 * inputs must be set. Fails when a gathered subscript leaves its axis or a
 * division by an integer zero happens, naming node and index.
 */
ptl_status ir_eval(const ir_graph *g, ir_values *v, const bool *wanted,
                   ptl_error *err);

/* Where CLAMP, WRAP or REFLECT put position `at` of an axis of `size` > 0. */
int64_t ir_sub_fold(ir_sub_mode mode, int64_t at, int64_t size);

#endif
