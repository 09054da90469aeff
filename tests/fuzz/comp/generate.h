/*
 * generate.h - random well-typed graphs of comprehensions, with a scalar loss.
 *
 * Made from decisions (choice.h), so that a case can be replayed and shrunk.
 * Each graph holds one comprehension that aims at a cell of the coverage table
 * and statements that use it.
 */
#ifndef PTL_FUZZ_GENERATE_H
#define PTL_FUZZ_GENERATE_H

#include "choice.h"
#include "coverage.h"

/*
 * A new graph with an output "loss" (REAL, rank 0) and outputs for what ends
 * in it. `aim` is the index of a cell. Its inputs' values: fuzz_data().
 */
ir_graph *generate(chooser *c, int aim);

/* Numbers for an input: REAL in (-1.2, 1.2), all different and exact in f32;
 * INT below the bound. A function of name, seed and element. */
double *fuzz_data(const ir_node *input, uint64_t seed);

#endif
