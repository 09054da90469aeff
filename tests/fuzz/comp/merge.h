/*
 * merge.h - several graphs as one, so that they compile together.
 */
#ifndef PTL_FUZZ_MERGE_H
#define PTL_FUZZ_MERGE_H

#include "ir/ir.h"

/* Adds nodes and outputs of `from` to `to`, every name behind `prefix`.
 * `map[id]` becomes the node of `to` for node `id` of `from`. */
void merge_graph(ir_graph *to, const ir_graph *from, const char *prefix,
                 ir_node **map);

#endif
