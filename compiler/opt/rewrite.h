/*
 * rewrite.h - rewriting expressions, for passes and for grad.
 */
#ifndef PTL_OPT_REWRITE_H
#define PTL_OPT_REWRITE_H

#include "ir/ir.h"

/*
 * Rebuilds `e` from its leaves up: `rule` gets each expression with its parts
 * already rewritten and returns what stands in its place (itself: no change).
 */
typedef ir_expr *opt_rule(ir_graph *g, ir_expr *e, void *ctx);
ir_expr *opt_rewrite(ir_graph *g, ir_expr *e, opt_rule *rule, void *ctx);

/*
 * What the ranges of `vars` decide: comparisons that always or never hold,
 * `inside` and `outside` that are never needed, quotients and remainders whose
 * parts are told apart. With `cover`, reads that can
 * leave their axis and have no `outside` get one (0, false): for expressions
 * whose value does not count there.
 */
ir_expr *opt_simplify_expr(ir_graph *g, ir_expr *e, const ir_var *vars,
                           bool cover);

/* Do all PLAIN subscripts stay inside while `vars` run? */
bool opt_stays_inside(const ir_expr *read, const ir_var *vars);

#endif
