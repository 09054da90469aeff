/*
 * lower_priv.h - what the files of the lowering share.
 */
#ifndef PTL_LOWER_PRIV_H
#define PTL_LOWER_PRIV_H

#include "lower/lower.h"

typedef VEC(ir_node *) lowered_nodes;

typedef struct lowering {
    const typed_program *program;
    lower_kind kind;
    ir_graph *g;
    ptl_diags *diags;
    ir_node **nodes; /* by tensor id */
    bool *needed;    /* by tensor id */
    bool *late;      /* by tensor id: worked out from adjoints */
    bool *varies;    /* by tensor id: depends on what its scan carries, */
    bool *looped;    /* and what is carried depends on it */
    ir_node *seed, *row0, *step;
    ty_expr *weight; /* SHARD: what the loss divides by; NULL: its rows */
    ir_node *weight_node;
    const ty_tensor *summed; /* the state whose new value is lowered */
    lowered_nodes lifted;    /* reductions made so far */
    bool failed;
} lowering;

/* The loop of one scan: the graph of a step, and how it hangs together with
 * what is around. */
typedef struct lower_loop {
    const ty_scan *scan;
    ir_graph *outer, *graph;
    ir_node *counter;
    ir_node **nodes;  /* by tensor id: this step's */
    ir_node ***back;  /* by carry: inputs, [d - 1] is d steps before */
    lowered_nodes bind_outer, bind_inner;
    lowered_nodes lifted;
} lower_loop;

/* The node of a VALUE tensor; its operands are lowered. In `loop`'s graph, one
 * step of it, or (NULL) all of it in the program's. */
ir_node *lower_definition(lowering *l, lower_loop *loop, const ty_tensor *t);
/* A scalar input, made on first use. */
ir_node *lower_scalar(lowering *l, ir_node **slot, const char *name,
                      ptl_dtype storage);
/* ---------- custom.c ---------- */

/* Marks what reads the adjoint of a function with its own derivative. */
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

/* ---------- untrained.c ---------- */

/* Warns of parameters that the loss does not depend on; the gradients are
 * there. */
void lower_warn_untrained(const lowering *l);

/* ---------- scan.c ---------- */

/* Finds `varies` and `looped`. */
void lower_find_loops(lowering *l);
/* Nodes of all that is computed in the loop of `scan`, and of what that reads. */
void lower_scan(lowering *l, const ty_scan *scan);
bool lower_varies(lowering *l, const ty_expr *x);
/* How many steps back the scan's own read `x` goes; 0: no such read. */
int64_t lower_steps_back(const lowering *l, const ty_expr *x);
ir_type lower_step_type(const ty_tensor *t); /* without the steps' axis */
/* The input of the step's graph that is `outer` at every step. */
ir_node *loop_bind(lower_loop *loop, ir_node *outer);
ir_node *loop_value(lower_loop *loop, const ty_tensor *t, int64_t back);

#endif
