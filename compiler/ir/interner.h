/*
 * interner.h - what a graph keeps beside its nodes: the table of expressions,
 * names, and the scan bodies it owns. Private to compiler/ir.
 */
#ifndef PTL_IR_INTERNER_H
#define PTL_IR_INTERNER_H

#include "base/map.h"
#include "ir/ir.h"

struct ir_interner {
    ir_expr **slots; /* open addressing; NULL: free */
    int slot_count, count;
    ptl_map *names; /* name -> the last node given it, which may be gone */
    VEC(ir_graph *) bodies;
};

void ir_interner_init(ir_graph *g);
void ir_interner_fini(ir_graph *g);

/*
 * The expression equal to `key`, made when there is none. `key` is borrowed
 * with everything it points to, except child expressions, which are shared.
 */
ir_expr *ir_intern(ir_graph *g, const ir_expr *key);

/* NULL where op(args) has no simpler form with the same bits in f32 and f64,
 * NaN, infinities and signed zeros included. */
ir_expr *ir_fold(ir_graph *g, ir_scalar op, ir_expr *const *args);

#endif
