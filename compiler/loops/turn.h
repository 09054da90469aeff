/*
 * turn.h - maps with operands that lie across the result. Private to loops/.
 */
#ifndef PTL_LOOPS_TURN_H
#define PTL_LOOPS_TURN_H

#include "loops/build.h"

enum { TURN_MOST_READS = 4, TURN_MOST_LANES = 16 };

typedef struct turn {
    ir_node *const *nodes; /* over one domain */
    const int *outs;       /* the kernel's buffer of each */
    int count;             /* 0: nothing is turned */
    int across;            /* operands are contiguous along it */
    int64_t across_extent;
    sched_loop along; /* the result is contiguous along it */
    int64_t *ahead; /* by node id, as in emit */
    int read_count;
    ir_expr *reads[TURN_MOST_READS]; /* what lies across */
    kern_value *block[TURN_MOST_READS][TURN_MOST_LANES];
} turn;

/* Takes the loop along the results' lines out of `space` where one of the nodes
 * reads something that lies across them, and returns the variable that goes
 * along the nest's lanes; -1: nothing to turn, `space` is as it was. `outs`:
 * the kernel's buffer of each node; both lists stay the caller's. */
int turn_take(turn *t, build *k, ir_node *const *nodes, const int *outs,
              int count, sched_space *space);
/* Evaluates and stores the lines of the lanes at hand. */
void turn_run(turn *t, nest *outer);

#endif
