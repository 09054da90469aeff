/*
 * lower_priv.h - what the files of the lowering share.
 */
#ifndef PTL_LOWER_PRIV_H
#define PTL_LOWER_PRIV_H

#include "lower/lower.h"

typedef struct lowering {
    const typed_program *program;
    lower_kind kind;
    ir_graph *g;
    ptl_diags *diags;
    ir_node **nodes; /* by tensor id */
    bool *needed;    /* by tensor id */
    ir_node *seed, *row0, *step;
    VEC(ir_node *) lifted; /* reductions made so far */
    bool failed;
} lowering;

/* The node of a VALUE tensor; its operands are lowered. */
ir_node *lower_definition(lowering *l, const ty_tensor *t);
/* A scalar input, made on first use. */
ir_node *lower_scalar(lowering *l, ir_node **slot, const char *name,
                      ptl_dtype storage);
ir_type lower_type(const ty_tensor *t);

#endif
