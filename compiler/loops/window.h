/*
 * window.h - maps that are stored through a scatter. Private to loops/.
 */
#ifndef PTL_LOOPS_WINDOW_H
#define PTL_LOOPS_WINDOW_H

#include "loops/build.h"

typedef struct window {
    ir_node *node;
    int out;                       /* the kernel's buffer */
    sched_loop loops[IR_MAX_VARS]; /* the places of the window */
    int count;
    int phases; /* of the last loop, stored together; below 2: one by one */
    int value_count;
    kern_value *values[4];
    emit_place place; /* of the first phase */
} window;

/* Takes the short inner loops out of `space` where `n` is stored through a
 * scatter; none where it is not. */
void window_take(window *w, const sched_scope *scope, const ir_node *n,
                 sched_space *space, int lane_var);
/* Evaluates and stores all places for the lanes at hand. */
void window_run(window *w, nest *outer);

#endif
