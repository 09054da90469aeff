/*
 * ir_text.h - graphs for tests, written in the textual form.
 */
#ifndef PTL_TESTS_IR_TEXT_H
#define PTL_TESTS_IR_TEXT_H

#include "ir/eval.h"

/* Parses `text`; prints the diagnostics and stops the process when it is
 * wrong, or (ir_from_text) breaks a rule of the verifier. */
ir_graph *ir_from_text(const char *text);
ir_graph *ir_from_unverified_text(const char *text);
/* NULL when the text is wrong; reports nowhere. */
ir_graph *ir_try_text(const char *text, size_t size);
/* The printed form; the caller frees it. */
char *ir_to_text(const ir_graph *g);

/* Evaluates all of `g`; prints the reason and stops the process on failure. */
void ir_eval_or_stop(const ir_graph *g, ir_values *v);

/*
 * d node / d input along `direction` (one number per element of the input,
 * NULL: none), by one complex step: h = 1e-30. `node` is REAL of rank 0;
 * `inputs` and `directions` run in parallel; `v` holds all inputs' values as
 * reals and keeps them. Other nodes are recomputed.
 */
double ir_complex_step(const ir_graph *g, const ir_values *v,
                       const ir_node *node, ir_node *const *inputs,
                       const double *const *directions, int count);

#endif
