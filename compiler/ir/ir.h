/*
 * ir.h - the tensor IR: a graph of index comprehensions.
 *
 * One primitive carries almost everything:
 *
 *     y[o...] = reduce(r...  if filter) body(o, r)
 *
 * with output indices o (one per axis of y, each 0..extent), reduction indices
 * r (each lo..hi) and a scalar body over reads with affine or gathered
 * subscripts. Beside it stand inputs, literals, the scatter-accumulate and the
 * scan. Random values are scalar leaves; state is an input that has an update
 * among the outputs. All sizes are concrete.
 *
 * A graph owns its nodes and expressions (one arena); pointers stay valid
 * until ir_graph_free(). Nodes are listed in an order where operands come
 * first, and nodes.data[n->id] is n. Passes make new nodes (or a new graph) and
 * ir_graph_replace() the old ones.
 */
#ifndef PTL_IR_IR_H
#define PTL_IR_IR_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/dtype.h"
#include "base/source.h"
#include "base/status.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

enum { IR_MAX_RANK = PTL_MAX_RANK, IR_MAX_VARS = 20 };

typedef enum ir_kind { IR_REAL, IR_INT, IR_BOOL } ir_kind;

typedef struct ir_type {
    ir_kind kind;
    int rank;
    int64_t dims[IR_MAX_RANK];
    int64_t bound; /* INT: values lie in [0, bound); 0: not known */
} ir_type;

typedef enum ir_scalar {
#define SCALAR(name, arity, result, text) IR_##name##_OP,
#include "lang/scalar.def"
#include "ir/scalar.def"
#undef SCALAR
    IR_SCALAR_COUNT
} ir_scalar;

typedef struct ir_scalar_info {
    const char *name, *text;
    int arity;
    char result; /* as in scalar.def */
} ir_scalar_info;
extern const ir_scalar_info ir_scalars[IR_SCALAR_COUNT];

typedef struct ir_node ir_node;
typedef struct ir_expr ir_expr;
typedef struct ir_graph ir_graph;

/* ---------- subscripts ---------- */

typedef struct ir_term {
    int var; /* index into the comprehension's variables */
    int64_t coef;
} ir_term;

/* constant + sum of coef * var; terms sorted by var, no zero coefficient. */
typedef struct ir_affine {
    int64_t constant;
    int term_count;
    const ir_term *terms;
} ir_affine;

/* What a subscript does outside [0, size). PLAIN is proven inside, or falls to
 * the read's `outside` value. The others apply to this subscript alone. */
typedef enum ir_sub_mode { IR_PLAIN, IR_CLAMP, IR_WRAP, IR_REFLECT } ir_sub_mode;

typedef struct ir_sub {
    ir_sub_mode mode;
    ir_affine affine;
    ir_expr *gather; /* INT expression added to the affine part, or NULL */
} ir_sub;

/* ---------- scalar expressions (hash-consed: equal is identical) ---------- */

typedef enum ir_expr_kind {
    IR_EXPR_CONST,  /* number */
    IR_EXPR_VAR,    /* the value of variable `var`, INT */
    IR_EXPR_READ,   /* node[subs else outside] */
    IR_EXPR_INSIDE, /* BOOL: are node's subs all inside? */
    IR_EXPR_OP,     /* op(args) */
    IR_EXPR_RANDOM, /* uniform or normal of (seed, site, step, element) */
} ir_expr_kind;

typedef enum ir_random { IR_UNIFORM, IR_NORMAL } ir_random;

struct ir_expr {
    ir_expr_kind kind;
    ir_kind type;
    int id; /* in order of creation within the graph: stable for printing */
    double number;  /* CONST: REAL value; INT and BOOL exactly */
    int var;        /* VAR */
    ir_node *node;  /* READ, INSIDE */
    const ir_sub *subs;
    int sub_count;
    ir_expr *outside; /* READ: value where a PLAIN subscript leaves, or NULL */
    ir_scalar op;     /* OP */
    ir_expr *const *args;
    int arg_count;
    ir_random random; /* RANDOM */
    uint64_t site;    /* hash of the site path */
    const char *site_name;
    ir_expr *element; /* INT: the logical element within its tensor, rows of
                         the global batch included; may exceed 32 bits */
    ir_expr *step;    /* INT */
    ir_expr *seed;    /* INT */
};

/* ---------- nodes ---------- */

typedef enum ir_node_kind {
    IR_INPUT,   /* bound from outside */
    IR_LITERAL, /* numbers in the program */
    IR_COMP,    /* the comprehension */
    IR_SCATTER, /* zeros, then += of pieces */
    IR_SCAN,    /* a recurrence; its results are IR_SCAN_OUT nodes */
    IR_SCAN_OUT,
} ir_node_kind;

typedef enum ir_input_role {
    IR_PARAM, IR_STATE, IR_SLOT, IR_DATA, IR_SCALAR_INPUT, IR_GENERIC
} ir_input_role;

typedef enum ir_reduce {
    IR_MAP, /* no reduction */
    IR_SUM, IR_PROD, IR_MAX, IR_MIN, IR_ARGMAX, IR_ARGMIN, IR_LSE, IR_ANY,
    IR_ALL, IR_REDUCE_COUNT
} ir_reduce;

typedef struct ir_var {
    const char *name; /* for printing; need not be unique */
    int64_t lo, hi;   /* half open; output variables have lo 0 */
} ir_var;

/*
 * Variables 0..out_count-1 are the axes of the result in order, the rest are
 * reduced. Sum over nothing is 0, prod 1, max -inf, lse -inf, any false, all
 * true. Max, min, argmax take the first (lexicographic) winner; NaN wins.
 * Argmax yields the row-major position within the box of reduction ranges, 0
 * over nothing. Max and min of INT over nothing are -2^31 and 2^31 - 1. A map
 * has no reduction variables and no filter.
 */
typedef struct ir_comp {
    int out_count, var_count;
    const ir_var *vars;
    ir_reduce reduce;
    ir_expr *filter; /* BOOL over the variables, or NULL */
    ir_expr *body;
} ir_comp;

/* result[subs(v)] += source[v] for every v in source's box, in row-major order
 * of v, pieces in order. Subscripts are PLAIN and inside. */
typedef struct ir_piece {
    ir_node *source;
    const char *const *names; /* of source's axes, for printing */
    const ir_sub *subs;       /* over variables 0..source rank-1 */
} ir_piece;

/* A carried tensor: at trip 0 body input `input` is `init`, later the last
 * trip's `next`. */
typedef struct ir_carry {
    ir_node *init, *input, *next;
} ir_carry;

typedef struct ir_scan {
    int64_t trips;
    bool reversed;       /* the trip counter goes from trips-1 to 0 */
    ir_graph *body;      /* its own graph */
    ir_node *counter;    /* body INPUT, INT of rank 0, bound `trips`, or NULL */
    int bind_count;      /* outer node -> body input, the same every trip */
    ir_node *const *bind_outer;
    ir_node *const *bind_inner;
    int carry_count;
    const ir_carry *carries;
    int stack_count;     /* body nodes whose values are kept for every trip */
    ir_node *const *stacked;
} ir_scan;

struct ir_node {
    ir_node_kind kind;
    int id;           /* index in the graph's nodes; ir_prune() renumbers, and
                         sets -1 for what it drops */
    const char *name; /* unique within the graph */
    ir_type type;
    src_range at;     /* the source it came from */
    ir_input_role role;   /* INPUT */
    ptl_dtype storage;    /* INPUT, LITERAL of INT: how it is stored (U8, I32,
                             I64); REAL follows the build's real type */
    const double *values; /* LITERAL, row-major */
    ir_comp comp;
    bool ordered;           /* COMP: copies what its body reads into the order
                               in which threads fetch it (sched/relayout.c) */
    const ir_piece *pieces; /* SCATTER */
    int piece_count;
    bool disjoint; /* SCATTER: no element is hit twice (plain stores do) */
    ir_scan *scan;    /* SCAN */
    ir_node *of;      /* SCAN_OUT: the scan */
    int out_index;    /* carries first (final values), then stacked, where the
                         trip is the first axis */
};

/* ---------- outputs ---------- */

typedef enum ir_out_role {
    IR_OUT_VALUE,  /* readable under `name` */
    IR_OUT_UPDATE, /* new value of input `target`, in place at the end */
} ir_out_role;

typedef struct ir_output {
    const char *name;
    ir_node *node;
    ir_out_role role;
    ir_node *target;
} ir_output;

struct ir_graph {
    ptl_arena *arena;
    VEC(ir_node *) nodes; /* operands first */
    VEC(ir_output) outputs;
    struct ir_interner *interner; /* of expressions */
    struct grad_report *report;   /* volumes, of grad_build(); or NULL */
    struct grad_custom *customs;  /* for grad_build(); or NULL: see grad.h */
    int next_expr;
};

ir_graph *ir_graph_new(void);
void ir_graph_free(ir_graph *g);

/* ---------- building ---------- */

ir_affine ir_affine_const(int64_t value);
ir_affine ir_affine_var(ir_graph *g, int var);
ir_affine ir_affine_add(ir_graph *g, ir_affine a, ir_affine b);
ir_affine ir_affine_scale(ir_graph *g, ir_affine a, int64_t by);
int64_t ir_affine_coef(ir_affine a, int var);
/* Replaces variable v by map[v] (affine over new variables). */
ir_affine ir_affine_substitute(ir_graph *g, ir_affine a, const ir_affine *map);
/* Smallest and largest value over the box of `vars`; an empty range counts as
 * its `lo`. */
void ir_affine_range(ir_affine a, const ir_var *vars, int64_t *low,
                     int64_t *high);
bool ir_affine_equal(ir_affine a, ir_affine b);

ir_expr *ir_real(ir_graph *g, double value);
ir_expr *ir_int(ir_graph *g, int64_t value);
ir_expr *ir_bool(ir_graph *g, bool value);
ir_expr *ir_var_value(ir_graph *g, int var);
ir_expr *ir_affine_value(ir_graph *g, ir_affine a); /* as an INT expression */
/* Splits the INT expression `e` into affine + rest; rest NULL: nothing left. */
void ir_split_affine(ir_graph *g, ir_expr *e, ir_affine *affine,
                     ir_expr **rest);
/* Copies `subs`. */
ir_expr *ir_read(ir_graph *g, ir_node *node, const ir_sub *subs, int count,
                 ir_expr *outside);
ir_expr *ir_inside(ir_graph *g, ir_node *node, const ir_sub *subs, int count);
/* Do the operand types fit? SELECT wants (BOOL, T, T), most of REAL and INT
 * want the same twice; REAL and INT conversions take anything. */
bool ir_op_accepts(ir_scalar op, ir_expr *const *args);
/* Checks operand types (PTL_ASSERT). May return something simpler with the same
 * bits. */
ir_expr *ir_op(ir_graph *g, ir_scalar op, ir_expr *const *args);
ir_expr *ir_op1(ir_graph *g, ir_scalar op, ir_expr *a);
ir_expr *ir_op2(ir_graph *g, ir_scalar op, ir_expr *a, ir_expr *b);
ir_expr *ir_select(ir_graph *g, ir_expr *cond, ir_expr *a, ir_expr *b);
ir_expr *ir_random_value(ir_graph *g, ir_random kind, const char *site,
                         ir_expr *element, ir_expr *step, ir_expr *seed);
/* Reads `node` at the plain variables first..first+rank-1. */
ir_expr *ir_read_plain(ir_graph *g, ir_node *node, int first);
/*
 * Rebuilds `e` in `g`, variables replaced as below; `rule` makes what stands for
 * each READ and INSIDE, whose subscripts and `outside` are rebuilt already.
 */
typedef ir_expr *ir_read_rule(ir_graph *g, const ir_expr *read,
                              const ir_sub *subs, ir_expr *outside, void *ctx);
ir_expr *ir_expr_rebuild(ir_graph *g, ir_expr *e, const ir_affine *map,
                         ir_read_rule *rule, void *ctx);
/* Rebuilds `e` with variables replaced (affine over new variables; `map` NULL:
 * they stay); reads of node n become reads of node_map[n->id] where that is
 * given and not NULL. `e` may come from another graph when all its nodes are
 * mapped. */
ir_expr *ir_expr_substitute(ir_graph *g, ir_expr *e, const ir_affine *map,
                            ir_node *const *node_map);

ir_node *ir_input(ir_graph *g, const char *name, ir_type type,
                  ir_input_role role, ptl_dtype storage);
ir_node *ir_literal(ir_graph *g, const char *name, ir_type type,
                    const double *values);
/*
 * Copies what `comp` points to. The result's dims are the output ranges; its
 * kind is the body's (INT for argmax, BOOL for any and all). `name` is made
 * unique by a suffix. The caller has proven every PLAIN subscript without
 * `outside` to stay inside; the verifier proves it again.
 */
ir_node *ir_comprehend(ir_graph *g, const char *name, const ir_comp *comp,
                       src_range at);
/* The type ir_comprehend() gives; `bound` is set where it can be proven. */
ir_type ir_comp_type(const ir_comp *comp);
ir_node *ir_scatter(ir_graph *g, const char *name, ir_type type,
                    const ir_piece *pieces, int count, src_range at);
/* Takes `scan->body`, which belongs to one graph only; copies the rest. */
ir_node *ir_scan_new(ir_graph *g, const char *name, const ir_scan *scan,
                     src_range at);
ir_node *ir_scan_out(ir_graph *g, const char *name, ir_node *scan, int index);
ir_type ir_scan_out_type(const ir_scan *scan, int index);
void ir_output_add(ir_graph *g, const char *name, ir_node *node,
                   ir_out_role role, ir_node *target);

/* ---------- looking ---------- */

int64_t ir_element_count(const ir_type *type);
ir_node *ir_find(const ir_graph *g, const char *name); /* NULL: none */
/* No other node of the graph may keep that name. `name` lives as long as `g`. */
void ir_rename(ir_graph *g, ir_node *n, const char *name);
/* Calls `visit` for every READ and INSIDE below `e` (also in subscripts). */
void ir_visit_reads(ir_expr *e, void (*visit)(ir_expr *read, void *ctx),
                    void *ctx);
/* Calls `visit` once for every distinct expression below and including `e`,
 * children first, subscripts included. */
void ir_visit(ir_expr *e, void (*visit)(ir_expr *e, void *ctx), void *ctx);
/* Between which values (both included) an INT expression, or a whole subscript,
 * stays while `vars` run; false: not known. */
bool ir_expr_bounds(const ir_expr *e, const ir_var *vars, int64_t *low,
                    int64_t *high);
bool ir_sub_bounds(const ir_sub *sub, const ir_var *vars, int64_t *low,
                   int64_t *high);
/* Nodes `n` reads, each once, in order of first use. Returned array lives in
 * the graph's arena. */
int ir_operands(ir_graph *g, const ir_node *n, ir_node ***out);
/* Product of all ranges of a comprehension: its iteration volume. */
int64_t ir_volume(const ir_comp *comp);
/* Keeps only what outputs need, in a fresh topological order, and renumbers. */
void ir_prune(ir_graph *g);
/* Users of node n use map[n->id] in its place where that is not NULL (`known`
 * entries; the same type, and not itself a user of n), outputs included; then
 * ir_prune(). */
void ir_graph_replace(ir_graph *g, ir_node *const *map, int known);

/* ---------- text ---------- */

/* The textual form: stable, complete, read back by ir_parse(). See
 * compiler/README.md for the grammar. */
void ir_print(const ir_graph *g, ptl_str *out);
/* NULL: errors. Places of its nodes are in `file`, which lives as long. */
ir_graph *ir_parse(const src_file *file, ptl_diags *diags);

/*
 * Checks every rule of this header: types, operand order, subscript counts,
 * PLAIN subscripts without `outside` inside their axis (affine part by
 * interval, gathers by `bound`), filters BOOL, unique names, scatter pieces
 * inside and `disjoint` true only when provable. Returns false with one
 * sentence that names node and rule. Run after every pass in debug builds and
 * tests.
 */
bool ir_verify(const ir_graph *g, ptl_error *err);
/* Can it be proven that no element is hit twice? */
bool ir_scatter_is_disjoint(const ir_node *scatter);
bool ir_same_shape(const ir_type *a, const ir_type *b);

#endif
