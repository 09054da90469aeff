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
    bool *late;      /* by tensor id: worked out from adjoints */
    ir_node *seed, *row0, *step;
    ty_expr *weight; /* SHARD: what the loss divides by; NULL: its rows */
    ir_node *weight_node;
    const ty_tensor *summed; /* the state whose new value is lowered */
    VEC(ir_node *) lifted;   /* reductions made so far */
    bool failed;
} lowering;

/* The node of a VALUE tensor; its operands are lowered. */
ir_node *lower_definition(lowering *l, const ty_tensor *t);
/* A scalar input, made on first use. */
ir_node *lower_scalar(lowering *l, ir_node **slot, const char *name,
                      ptl_dtype storage);
/* ---------- custom.c ---------- */

typedef void visit_read(lowering *l, const ty_tensor *read, void *ctx);
/* Calls `visit` for every tensor that the definition of `t`, or `x`, reads. */
void lower_visit_reads(lowering *l, const ty_tensor *t, visit_read *visit,
                       void *ctx);
void lower_visit_expr(lowering *l, const ty_expr *x, visit_read *visit,
                      void *ctx);
void lower_mark_late(lowering *l);
/* Functions with a derivative of their own, whose results are needed: needs
 * what their derivative reads. False: nothing that was not needed before. */
bool lower_need_customs(lowering *l);
/* Hands them to grad_build(); all their nodes are there. */
void lower_add_customs(lowering *l);

ir_type lower_type(const ty_tensor *t);

/* shard.c. Of SHARD: the weight of its rows; the loss times it. */
ir_node *lower_weight(lowering *l);
ir_node *lower_summed_loss(lowering *l, ir_node *weight);
/* Of SHARD: the new value of a state. */
ir_node *lower_next_state(lowering *l, const typed_state *state);
/* What stands for l->summed where its own new value reads it. */
ir_node *lower_own_share(lowering *l);
/* Of UPDATE: the sum that was given, divided by the weight that was given. */
ir_node *lower_given_gradient(lowering *l, const ty_tensor *grad);

#endif
