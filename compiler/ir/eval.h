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

/* One value per node of the graph, indexed by node->id. Heap owned. */
typedef struct ir_values {
    int count;
    double complex **data; /* row-major elements, NULL: not computed */
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

#endif
