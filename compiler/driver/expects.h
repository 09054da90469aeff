/*
 * expects.h - the expects of a test block, by the values of its graph.
 */
#ifndef PTL_DRIVER_EXPECTS_H
#define PTL_DRIVER_EXPECTS_H

#include "compiled_test.h"
#include "lower/lower.h"

/* How many do not hold by the oracle's values of `g`, the test's graph
 * (LOWER_TEST); each is reported. */
int expects_check(driver *d, const typed_program *p, const ir_graph *g,
                  const ir_values *v);

/* What each output of `g` says of the expects; in the arena of `g`. */
compiled_claim *expects_claims(const typed_program *p, const ir_graph *g);

#endif
