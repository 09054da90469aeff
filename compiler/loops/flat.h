/*
 * flat.h - maps whose lanes go along the whole result. Private to loops/.
 */
#ifndef PTL_LOOPS_FLAT_H
#define PTL_LOOPS_FLAT_H

#include "loops/build.h"

/* Makes `space` one loop over all elements and returns its variable, where
 * lanes are threads and memory is used better so than along `lane_var`; else
 * returns `lane_var`. */
int flat_take(build *k, ir_node *const *nodes, int count, sched_space *space,
              int lane_var);
/* Sets the nodes' variables for the lanes at hand of that loop. */
void flat_enter(nest *n, const ir_node *node);

#endif
