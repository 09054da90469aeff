/*
 * scan_priv.h - what the files of the derivative of a scan share.
 */
#ifndef PTL_GRAD_SCAN_PRIV_H
#define PTL_GRAD_SCAN_PRIV_H

#include "grad/grad_priv.h"

typedef struct scan_reverse {
    grad_reverse *c;
    ir_node *node;
    ir_scan *scan;
    ir_graph *body, *made; /* F, and the reversed scan's body */
    int count;             /* nodes of F */
    bool *active;          /* by node of F */
    ir_node **bound;       /* by node of F: what it is bound to outside */
    ir_node **copy;        /* by node of F: the same in `made` */
    ir_node **kept;        /* by node of F: all steps' values, outside */
    ir_node **unrolled;    /* by node of F: computed outside, for all steps */
    ir_node *counter;
    VEC(ir_node *) outer; /* what inputs of `made` are bound to */
    VEC(ir_node *) inner;
    VEC(ir_node *) loads;    /* inputs of `made` that hold all steps' values */
    VEC(ir_node *) loaded;   /* of which node of F */
    VEC(ir_node *) received; /* nodes of F that read something bound */
    VEC(ir_node *) their;    /* and their adjoints, in `made` */
    ir_node **carried, **next; /* by carry: adjoint at a step, and before it */
} scan_reverse;

/* ---------- scan_steps.c ---------- */

bool scan_is_map(const ir_node *n);
/* What result `index` received; NULL: nothing. */
ir_node *scan_result_adjoint(scan_reverse *s, int index);
/* What `n` of the body was at each step; the step is the first axis. */
ir_node *scan_all_steps(scan_reverse *s, ir_node *n);
/* The same comprehension over all steps: the step is variable 0. */
ir_comp scan_unrolled_comp(scan_reverse *s, const ir_comp *from);
bool scan_fits_unrolled(const ir_node *n);

/* ---------- scan_copy.c ---------- */

/* An input of the new body that is `outer` in every step. */
ir_node *scan_bind(scan_reverse *s, ir_node *outer, const char *name);
void scan_copy_body(scan_reverse *s);
/* The part of `all`, an input that has the steps in front, of this step. */
ir_comp scan_at_step(scan_reverse *s, const ir_node *n, ir_node *all);
/* Reads of what was kept in place of computing it again. */
void scan_load_kept(scan_reverse *s);

/* ---------- scan_reverse.c ---------- */

/* The reversed scan's body, up to what it carries; false: reported. */
bool scan_build_step(scan_reverse *s);
/* Adds the scan to the graph. */
ir_node *scan_close(scan_reverse *s);

#endif
