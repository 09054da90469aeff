/*
 * grad_case.h - derivatives of graphs in textual form, judged by the oracle.
 *
 * The graph has an output `y` of any shape; its REAL inputs of role `param` are
 * what is differentiated for. The loss is sum(dy * y) with a further input
 * `dy`, so that derivatives print as one would write them.
 */
#ifndef PTL_TESTS_GRAD_CASE_H
#define PTL_TESTS_GRAD_CASE_H

#include "grad/grad.h"
#include "ir/eval.h"

enum { CASE_INPUTS = 8 };

typedef struct grad_case {
    ptl_arena *arena;
    ptl_diags *diags;
    ir_graph *g;
    int forward_count;
    ir_node **forward; /* nodes before differentiation */
    ir_node *loss, *y;
    int wrt_count;
    ir_node *wrt[CASE_INPUTS], *grads[CASE_INPUTS];
    int value_count; /* numbers given to inputs by name; the rest is random */
    const char *value_name[CASE_INPUTS];
    const double *values[CASE_INPUTS];
} grad_case;

/* Stops the test with a message where the text is not a verified graph. */
grad_case *grad_case_parse(const char *name, const char *text);
grad_case *grad_case_load(const char *path);
void grad_case_free(grad_case *c);
/* Numbers for input `name`; borrowed. */
void grad_case_set(grad_case *c, const char *name, const double *values);
/* Differentiates, runs the passes where `optimise`, verifies. */
void grad_case_build(grad_case *c, bool optimise);
/* Differentiates once more: the loss becomes the sum of fresh random numbers
 * times the derivatives. After grad_case_build(). */
void grad_case_again(grad_case *c, bool optimise);
/* The derivatives as PTL, without the forward pass. */
void grad_case_print(const grad_case *c, ptl_str *out);
/* Evaluates all; the caller frees. */
ir_values *grad_case_eval(const grad_case *c);
/* The largest |derivative - complex step| / max(1, |complex step|) over all
 * coordinates; NaN where one of them is. */
double grad_case_error(const grad_case *c);
/* Derivatives of wrt[i], in the order of its elements. Arena owned. */
const double *grad_case_gradient(const grad_case *c, int i);
/* Does a node that differentiation added use `op`? */
bool grad_case_uses(const grad_case *c, ir_scalar op);
/* The largest backward volume over its limit. */
double grad_case_volume(const grad_case *c);
/* Volume of what reads `operand` was made of, and of the forward. */
void grad_case_volumes(const grad_case *c, const char *operand,
                       int64_t *forward, int64_t *backward);

#endif
