/*
 * grad.h - reverse mode over comprehensions, by inversion.
 *
 * For y[o] = reduce(r) E(o, r) with adjoint dy and each read X[a(o, r)] in E,
 * the adjoint of X is the sum over all (o, r) with a(o, r) = u of
 * dE(o, r) * dE/dX. Solving a(v) = u for the variables with the largest
 * product of extents turns that into comprehensions over u again: see
 * compiler/README.md, "Derivatives".
 */
#ifndef PTL_GRAD_GRAD_H
#define PTL_GRAD_GRAD_H

#include "ir/ir.h"

/*
 * Adds to `g` the nodes that compute d loss / d wrt[i] for each i and stores
 * them in grads[i] (same shape as wrt[i]; a literal-zero comprehension where
 * the loss does not depend on it). `loss` is REAL of rank 0. `wrt` are any
 * REAL nodes. Integer and boolean nodes carry no derivative. Returns false
 * after reporting to `diags` where something has no derivative.
 */
bool grad_build(ir_graph *g, ir_node *loss, ir_node *const *wrt, int wrt_count,
                ir_node **grads, ptl_diags *diags);

/*
 * A part of a graph with a derivative of its own: when results[i] receives
 * dys[i], `make` adds to the graph what inputs[k] receives and stores it in
 * grads[k] (REAL, same shape); nothing else passes through the results. Inputs
 * come before the results among the graph's nodes. grad_build() takes all of
 * them off the graph; no pass may come between.
 */
typedef struct grad_custom {
    ir_node *const *results, *const *inputs;
    int result_count, input_count;
    bool (*make)(const struct grad_custom *c, ir_node *const *dys,
                 ir_node **grads);
    void *owner;
    struct grad_custom *next;
} grad_custom;

/* Copies `c` itself; the arrays live as long as the graph. */
void grad_custom_add(ir_graph *g, const grad_custom *c);

/* One row per (comprehension, read) that was differentiated. */
typedef struct grad_volume {
    const ir_node *node;    /* the forward comprehension */
    const ir_node *operand; /* what is read */
    int64_t forward, backward; /* iteration volumes */
} grad_volume;

/* The report of iteration volume; rows live in the graph's arena. */
int grad_volumes(const ir_graph *g, const grad_volume **rows);
/* Beyond this a row draws a warning [grad-volume]: 3 times the forward, or 3
 * times the elements of the operand where those are more. */
int64_t grad_volume_limit(const grad_volume *row);

/*
 * Prints nodes as PTL source: `dx[n, c, h, w] = sum(o, r, s) ...;`, scatters
 * with `+=`. `from` NULL prints every non-input node of the graph.
 */
void grad_print_ptl(const ir_graph *g, ir_node *const *from, int count,
                    ptl_str *out);

#endif
