/*
 * grad_priv.h - what the files of compiler/grad share.
 *
 * One comprehension is differentiated in four steps: seed (reduce.c), reverse
 * mode over the scalar body (body.c, rules.c), inversion of each read (solve.c,
 * regions.c), and the comprehensions that come out of it (emit.c).
 */
#ifndef PTL_GRAD_PRIV_H
#define PTL_GRAD_PRIV_H

#include "grad/grad.h"

/*
 * An adjoint: `value` where `guard` holds (NULL: everywhere), else 0. The value
 * is never computed with where the guard fails, so what the untaken side of a
 * branch makes of it (NaN, infinity) cannot leak.
 */
typedef struct grad_adj {
    ir_expr *guard, *value; /* value NULL: no adjoint */
} grad_adj;

ir_expr *grad_and(ir_graph *g, ir_expr *a, ir_expr *b); /* NULL: true */

/* ---------- body.c ---------- */

typedef struct grad_tape grad_tape;

typedef struct grad_read {
    ir_expr *read;
    grad_adj adj;
} grad_read;

typedef VEC(grad_read) grad_reads;

/*
 * Reverse mode over one body: what each READ of an active node (`active[id]`)
 * receives when the body itself receives `seed`. Reads come in order of id.
 */
void grad_body(ir_graph *g, const bool *active, ir_expr *body, grad_adj seed,
               grad_reads *reads);

/* For rules: adds `value` where `guard` holds to the adjoint of `e`. */
void grad_push(grad_tape *tape, ir_expr *e, ir_expr *guard, ir_expr *value);
bool grad_is_active(const grad_tape *tape, const ir_expr *e);
ir_graph *grad_graph(const grad_tape *tape);

/* ---------- rules.c ---------- */

/* Passes the adjoint `a` of the operation `e` on to its operands. */
typedef void grad_rule(grad_tape *tape, ir_expr *e, grad_adj a);
extern grad_rule *const grad_rules[IR_SCALAR_COUNT];

/* ---------- reduce.c ---------- */

/* The adjoint of y's body, over y's variables, when y[o] receives `dy` (over
 * the output variables). May add nodes. No adjoint where y has none. */
grad_adj grad_seed(ir_graph *g, ir_node *y, ir_expr *dy);

/* ---------- solve.c ---------- */

enum { GRAD_SLOTS = 40, GRAD_WINDOWS = 32 };

/* constant + sum of coef * slot */
typedef struct grad_lin {
    int64_t constant, coef[GRAD_SLOTS];
} grad_lin;

/* lo <= value < hi must hold, or the term does not count. */
typedef struct grad_window {
    grad_lin value;
    int64_t lo, hi;
} grad_window;

/*
 * The equations a(v) = u of one read, and what is known of them. Slots: the
 * comprehension's variables v, then the axes u of what is read, then residues
 * of phases. Every step of solving is a substitution of slots, applied to all
 * that is kept here.
 */
typedef struct grad_system {
    int var_count, rank, slot_count;
    int64_t lo[GRAD_SLOTS], hi[GRAD_SLOTS];
    bool solved[GRAD_SLOTS];         /* eliminated variables */
    bool cut[IR_MAX_RANK];           /* the axis is not written as a whole */
    ir_expr *gather[IR_MAX_RANK];    /* rows that cannot be solved */
    grad_lin row[IR_MAX_RANK];       /* a(v) - u, affine part */
    grad_lin target[IR_MAX_RANK];    /* u */
    grad_lin var[IR_MAX_VARS];       /* v */
    grad_window windows[GRAD_WINDOWS];
    int window_count;
    int residue_slots;
} grad_system;

typedef VEC(grad_system *) grad_pieces;

/* `subs` are PLAIN subscripts into the box `dims`, over `vars`. */
void grad_system_init(grad_system *s, const ir_var *vars, int var_count,
                      const ir_sub *subs, int rank, const int64_t *dims);
void grad_window_add(grad_system *s, const grad_lin *value, int64_t lo,
                     int64_t hi);
grad_lin grad_lin_of(ir_affine a);

/*
 * Solves by eliminating the variables with the largest product of extents;
 * one piece for each phase. Returns false where substitution cannot do it.
 * `cut_tails` leaves out parts of an axis that are never read. `*overlap`:
 * pieces may meet.
 */
bool grad_invert(ir_graph *g, const grad_system *s, bool cut_tails,
                 grad_pieces *pieces, bool *overlap);

/* Do the affine subscripts tell apart all values of the variables they use? */
bool grad_is_injective(const grad_system *s);
/* Narrows the ranges of slots marked in `may` to what windows allow. */
void grad_tighten(grad_system *s, const bool *may);
/* Smallest and largest value over the ranges. */
void grad_lin_range(const grad_system *s, const grad_lin *a, int64_t *low,
                    int64_t *high);
bool grad_is_empty(const grad_system *s);
/* Substitutes slot = lo + slot', so that it runs from 0. */
void grad_shift(grad_system *s, int slot);

/* ---------- regions.c ---------- */

/* A read with PLAIN subscripts only, and the windows in which it stands for
 * the clamped, wrapped or reflected one. */
typedef struct grad_region {
    ir_sub subs[IR_MAX_RANK];
    struct {
        ir_affine value;
        int64_t lo, hi;
    } windows[IR_MAX_RANK];
    int window_count;
} grad_region;

typedef VEC(grad_region) grad_regions;

/* False: too many regions, or data-dependent; use a scatter. */
bool grad_split_regions(ir_graph *g, const ir_comp *comp, const ir_expr *read,
                        grad_regions *out);
/* The same subscripts as PLAIN ones with clamping in the gathered part, always
 * inside; for scatters. */
void grad_plain_subs(ir_graph *g, const ir_comp *comp, const ir_expr *read,
                     ir_sub *out);

/* ---------- quotient.c ---------- */

/* Writes `r` over one variable more of `y`, the caller's copy of the node, so
 * that a quotient or remainder in its subscripts is gone; false: there is none
 * that could go. */
bool grad_split_quotient(ir_graph *g, ir_node *y, grad_read *r);

/* ---------- windows.c ---------- */

/* Makes `adj`, over `vars`, count only where lo <= value < hi. Reads that leave
 * their axis must get 0 there (opt_simplify_expr() with `cover`). */
void grad_apply_window(ir_graph *g, const ir_var *vars, ir_affine value,
                       int64_t lo, int64_t hi, grad_adj *adj);

/* ---------- emit.c ---------- */

/* A term as what is added to a part of the tensor, one element each: as a piece
 * of a scatter that has no source yet. */
typedef struct grad_slice {
    ir_comp comp;
    const char **names;
    ir_sub *subs;
} grad_slice;

/* What one read adds to the adjoint of the node it reads. */
typedef struct grad_term {
    ir_comp comp;  /* over the whole tensor, when node is NULL */
    ir_node *node; /* a scatter, or an adjoint passed on as it is */
    bool own;      /* the node was made for this term */
    const grad_slice *slice; /* the same; NULL: it is no part */
} grad_term;

typedef VEC(grad_term) grad_terms;

/*
 * Adds to `terms` what `y`'s read `r` contributes, and a row to the volume
 * report. `name` names new nodes; they are parts of what is called so.
 */
bool grad_emit(ir_graph *g, const ir_node *y, const grad_read *r,
               const char *name, grad_terms *terms, ptl_diags *diags);

/* ---------- apart.c ---------- */

/* `c`, or a map over a new node for its sum, called `name`. */
ir_comp grad_apart(ir_graph *g, const char *name, const ir_comp *c,
                   src_range at);

/* ---------- slices.c ---------- */

/* The adjoint of `n` as one store of all `terms`, where each is a part of it
 * apart from the others; else NULL. */
ir_node *grad_join_slices(ir_graph *g, const ir_node *n,
                          const grad_terms *terms);

/* ---------- build.c ---------- */

/* One walk back over the nodes a graph has now. */
typedef struct grad_reverse {
    ir_graph *g;
    ptl_diags *diags;
    int count;          /* nodes there were */
    bool *active;       /* depends on what is differentiated for */
    grad_terms *terms;  /* per node */
    ir_node **adjoints; /* per node, once its turn came */
    const grad_custom **customs; /* per node: whose result it is, or NULL */
} grad_reverse;

grad_reverse grad_reverse_of(ir_graph *g, ptl_diags *diags);
/* Adds up what `n` received and passes it on. */
bool grad_reverse_node(grad_reverse *c, ir_node *n);
/* Passes `adjoint` of `n` on to what it reads. */
bool grad_reverse_comp(grad_reverse *c, ir_node *n, ir_node *adjoint);
const char *grad_name(ir_graph *g, const ir_node *n); /* of its adjoint */
ir_comp grad_over_shape(ir_graph *g, const ir_node *n); /* lacks a body */
ir_node *grad_zero_like(ir_graph *g, const ir_node *n);

/* ---------- scan.c ---------- */

/* The adjoints of the results of `scan` are known. */
bool grad_reverse_scan(grad_reverse *c, ir_node *scan);

/* ---------- volume.c ---------- */

void grad_volume_add(ir_graph *g, grad_volume row);
/* Warns about the last row added where it costs too much, or where it is a
 * scatter that other subscripts would avoid. */
void grad_volume_check(ir_graph *g, bool scattered, ptl_diags *diags);

#endif
