/*
 * merge.h - several graphs as one, so that they compile together.
 */
#ifndef PTL_IR_MERGE_H
#define PTL_IR_MERGE_H

#include "ir/ir.h"

/* Adds nodes and outputs of `from` to `to`, every name behind `prefix`; bodies
 * of scans are copied. A `grad` of a function's own (grad.h) stays behind. */
void ir_merge(ir_graph *to, const ir_graph *from, const char *prefix);
ir_graph *ir_copy(const ir_graph *g);

#endif
