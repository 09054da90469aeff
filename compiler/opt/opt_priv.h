/*
 * opt_priv.h - the passes, and what they share.
 */
#ifndef PTL_OPT_PRIV_H
#define PTL_OPT_PRIV_H

#include "opt/opt.h"
#include "opt/rewrite.h"

#define PASS(name, run) void run(ir_graph *g);
PASS(fold, opt_fold)
PASS(simplify, opt_simplify)
PASS(forward, opt_forward)
PASS(reuse, opt_reuse)
PASS(quotient, opt_quotient)
PASS(split, opt_split)
PASS(cse, opt_cse)
PASS(dce, opt_dce)
PASS(fma, opt_fma)
#undef PASS

/* Calls `visit` for every comprehension, those in bodies of scans included,
 * with the graph it belongs to. Nodes that `visit` adds are not visited. */
void opt_each_comp(ir_graph *g, void (*visit)(ir_graph *g, ir_node *n));

#endif
