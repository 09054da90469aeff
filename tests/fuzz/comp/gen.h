/*
 * gen.h - what the parts of the generator share: gen_expr.c makes reads and
 * expressions, generate.c statements.
 */
#ifndef PTL_FUZZ_GEN_H
#define PTL_FUZZ_GEN_H

#include "generate.h"

typedef struct gen {
    chooser *c;
    ir_graph *g;
    int new_operands; /* made so far for the current statement */
    int sites;
    bool large; /* a contraction the tile template should take */
    bool windows; /* and one whose left factor is read through a window, with
                     the packed axes to itself */
    const ir_node *infinite; /* may hold infinities: read by one node only */
} gen;

/* The variables of a statement; first an index group, then the rest. */
typedef struct scope {
    ir_var vars[IR_MAX_VARS];
    int count, out_count, pack;
} scope;

int pick_var(gen *x, const scope *s);
int64_t var_extent(const scope *s, int v);
/* An INT input of the extent of variable `v`, read there: [0, bound). */
ir_expr *table_read(gen *x, const scope *s, int v, int64_t bound);

/* Reads a new operand so that the subscripts are those of cell `aim`. */
ir_expr *aimed_read(gen *x, const scope *s, const cell *aim);
/* In a large contraction, what stands beside the aimed read: everything but its
 * first variable of the result. */
ir_expr *right_factor(gen *x, const scope *s);
/* Some read, of a new operand or an older node. */
ir_expr *some_read(gen *x, const scope *s);
/* A smooth enough expression of moderate size. */
ir_expr *real_expr(gen *x, const scope *s, int depth);
ir_expr *bool_expr(gen *x, const scope *s, bool with_data);

ir_expr *gen_mul(gen *x, ir_expr *a, ir_expr *b);
ir_expr *gen_add(gen *x, ir_expr *a, ir_expr *b);
ir_expr *gen_num(gen *x, double value);

#endif
