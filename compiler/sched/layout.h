/*
 * layout.h - in which order the axes of intermediate tensors lie in memory.
 *
 * layout.c decides, relayout.c builds the graph that has it so. Private to
 * sched/.
 */
#ifndef PTL_SCHED_LAYOUT_H
#define PTL_SCHED_LAYOUT_H

#include "ir/ir.h"

/* A sum of products one factor of which is read through a window: a subscript
 * such as p + r with an index of the result and a reduced one. For threads also
 * one of which `other` is a part that lies scattered. */
typedef struct sched_window {
    ir_expr *windowed, *other; /* NULL: none */
} sched_window;

/* Axis order[i] of a node comes i-th in memory. */
typedef struct sched_axes {
    bool known; /* else as it is */
    int order[IR_MAX_RANK];
} sched_axes;

typedef struct sched_layout {
    sched_window *windows; /* by node id */
    sched_axes *axes;      /* by node id */
    /* By node id: what the factors want; the other one of a copy of its own,
     * where threads fetch it. */
    sched_axes *windowed, *other;
} sched_layout;

/* False where there is no such product: the graph stays as it is.
 * `threads`: for a target whose lanes are threads, where nothing is packed. */
bool sched_choose_layout(const ir_graph *g, bool threads, ptl_arena *arena,
                         sched_layout *out);
/* A new graph in which axes are ordered as `l` says and windows read padded
 * copies, which no subscript leaves. Outputs keep their order. */
ir_graph *sched_relayout(const ir_graph *g, const sched_layout *l);

/* What `n` reads, where it is a copy that relayout made for threads of a factor
 * without a window; else NULL. */
const ir_expr *sched_ordered_source(const ir_node *n);

#endif
