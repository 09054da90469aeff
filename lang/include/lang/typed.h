/*
 * typed.h - the typed program: what is left of a file once functions, layers
 * and models are inlined, every size is a number and every subscript is proven
 * inside its axis.
 *
 * It is flat: tensors, each either given from outside (parameters, states,
 * slots, raw data, scalars, inputs) or defined by one comprehension
 *
 *     t[v0, v1, ...] = body
 *
 * whose body may hold nested reductions, or by pieces that accumulate
 * (`t[subs] += body`). Expressions are shared where the text shares them;
 * nothing is changed after it was made. All of it lives in one arena.
 */
#ifndef PTL_LANG_TYPED_H
#define PTL_LANG_TYPED_H

#include "base/arena.h"
#include "base/dtype.h"
#include "base/source.h"
#include "base/str.h"
#include "lang/ast.h"
#include "lang/cluster.h"
#include <stdbool.h>
#include <stdint.h>

/* Walks over expressions recurse and need no guard of their own. */
enum { TY_MAX_DEPTH = 1200 };

typedef enum ty_kind { TY_REAL, TY_INT, TY_BOOL } ty_kind;

typedef enum ty_op {
#define SCALAR(name, arity, result, text) TY_##name##_OP,
#include "lang/scalar.def"
#undef SCALAR
    TY_STOP_OP, /* the gradient barrier: its operand */
    TY_OP_COUNT
} ty_op;

typedef struct ty_tensor ty_tensor;
typedef struct ty_expr ty_expr;

/* An index: ranges over lo..hi (half open). Identity is the address. */
typedef struct ty_var {
    const char *name;
    int64_t lo, hi;
    bool batch;          /* counts rows of the batch */
    bool known;          /* false only while its statement is being read */
    bool explicit_range; /* written `in lo..hi` */
    src_range at;        /* where it was introduced */
    src_range from;      /* what gave it its range */
} ty_var;

typedef enum ty_sub_mode {
    TY_PLAIN,
    TY_CLAMP,
    TY_WRAP,
    TY_REFLECT
} ty_sub_mode;

typedef struct ty_sub {
    ty_sub_mode mode;
    ty_expr *index; /* INT */
} ty_sub;

typedef enum ty_expr_kind {
    TY_CONST,
    TY_VAR,
    TY_READ,   /* tensor[subs else outside] */
    TY_INSIDE, /* are subs inside tensor? */
    TY_OP,
    TY_RANDOM,
    TY_REDUCE,
} ty_expr_kind;

typedef enum ty_random { TY_UNIFORM, TY_NORMAL } ty_random;

struct ty_expr {
    ty_expr_kind kind;
    ty_kind type;
    src_range at;
    double number;     /* CONST */
    ty_var *var;       /* VAR */
    ty_tensor *tensor; /* READ, INSIDE */
    ty_sub *subs;
    ty_expr *outside; /* READ, may be NULL */
    ty_op op;
    ty_expr **args;
    int count; /* subs, args or vars */
    /* RANDOM: the logical element is the row-major position over `vars` (the
     * batch's row first, counted in the global batch). */
    ty_random random;
    const char *site;
    ty_var **vars; /* RANDOM, REDUCE */
    bool sealed;   /* RANDOM: vars are set */
    ast_reduction reduction;
    ty_expr *filter, *body; /* REDUCE; filter may be NULL */
    int depth;              /* 1 for a leaf; at most TY_MAX_DEPTH */
};

typedef enum ty_role {
    TY_VALUE,   /* defined */
    TY_LITERAL, /* numbers in the text */
    TY_PARAM,
    TY_STATE,
    TY_SLOT,
    TY_GRAD,   /* the loss's derivative by parameter `of` */
    TY_RAW,    /* a field of the data files; axis 0 is the batch */
    TY_SCALAR, /* step, total_steps, ... */
    TY_INPUT,  /* bound by a caller: gradient checks */
    TY_ADJOINT, /* what a result with a gradient of its own receives */
} ty_role;

/* t[subs] += body for every value of vars. */
typedef struct ty_piece {
    ty_var **vars;
    int var_count;
    ty_sub *subs;
    ty_expr *body;
    src_range at;
} ty_piece;

/*
 * A recurrence. Its index `var` runs from 0; what is computed in it has one
 * axis over `var`. Carried tensors are read in the scan's own definitions at
 * `var` - d as well, which at the first steps is what `before` holds.
 */
typedef struct ty_carry {
    ty_tensor *tensor;
    ty_tensor **before; /* before[d - 1]: the value at step -d, without the
                           axis of time */
    int count;
} ty_carry;

typedef struct ty_scan {
    ty_var *var;
    ty_carry *carries;
    int carry_count;
    src_range at;
} ty_scan;

struct ty_tensor {
    const char *name; /* unique in the program */
    ty_role role;
    ty_kind kind;
    int rank;
    int64_t dims[PTL_MAX_RANK];
    int64_t bound;  /* INT: values lie in [0, bound); 0: not known */
    int batch_axis; /* -1: none */
    src_range at;
    ptl_dtype storage;    /* RAW, SCALAR: how it is stored */
    ty_tensor *of;        /* GRAD: the parameter */
    const double *values; /* LITERAL */
    ty_var **vars;        /* VALUE: rank of them */
    ty_expr *body;        /* VALUE defined by a comprehension */
    ty_piece *pieces;     /* VALUE defined by accumulation: body is NULL */
    int piece_count;
    ty_scan *scan; /* VALUE computed in a scan, step by step; or NULL */
    int time;      /* the axis of its steps */
    ty_var *hidden; /* the scan's index, where the text leaves that axis out:
                       it is the first */
    int id;        /* position in typed_program.tensors */
    bool borrowed; /* named by a callee: a caller's name replaces it */
    bool read;     /* by name: what accumulates must be complete then */
};

typedef struct typed_slot {
    ty_tensor *tensor, *init, *next;
} typed_slot;

typedef struct typed_param {
    ty_tensor *tensor, *init;
    bool frozen;
    ty_tensor *grad; /* NULL when frozen or not training */
    ty_tensor *next; /* the value after the update */
    typed_slot *slots;
    int slot_count;
} typed_param;

typedef struct typed_state {
    ty_tensor *tensor, *init;
    ty_tensor *next;  /* NULL: not updated */
    const char *sync; /* mean, sum, local or NULL */
} typed_state;

typedef struct typed_value {
    const char *name;
    ty_tensor *tensor;
    bool result; /* what a model gave: an output of predict */
} typed_value;

/* An accumulator of a metric. `sum` is the INPUT that stands for `batch` added
 * up over all batches. Both are REAL. */
typedef struct typed_sum {
    const char *name; /* METRIC/ACCUMULATOR */
    ty_tensor *batch, *sum;
} typed_sum;

/* `tensor` is a scalar: of a batch, or with accumulators of their sums. */
typedef struct typed_metric {
    const char *name;
    ty_tensor *tensor;
    typed_sum *sums;
    int sum_count; /* 0: a mean over rows */
} typed_metric;

/* `expect`: `cond` must be true. close(a, b, tol) and comparisons of two
 * numbers also keep their operands. */
typedef struct typed_expect {
    src_range at;
    ty_tensor *cond;
    ty_tensor *a, *b; /* NULL: neither */
    bool compared;    /* a and b are numbers around == or its kin */
    double tolerance; /* of close() */
    const char *rounds; /* " with k = 2", of the `for` it stands in; or "" */
} typed_expect;

typedef struct typed_array {
    const char *field, *path, *options;
} typed_array;

typedef struct typed_source {
    const char *reader; /* NULL: there is none */
    typed_array *arrays;
    int array_count;
    int64_t begin, end;    /* rows, half open; end -1: to the last */
    int64_t every, except; /* of those: every k-th, or all but these; 0: all */
} typed_source;

typedef struct typed_period {
    int64_t steps, epochs; /* one of them, the other 0 */
} typed_period;

/* Of the operands of contractions; everything else is F32, or all is F64. */
typedef enum typed_precision {
#define PRECISION(name, text) TYPED_##name,
#include "lang/precision.def"
#undef PRECISION
} typed_precision;

typedef enum typed_average_kind {
    AVERAGE_NONE,
    AVERAGE_EMA, /* by `decay` */
    AVERAGE_SWA, /* over all updates after `after` */
} typed_average_kind;

/* Of the weights; kept as slots PATH/average. */
typedef struct typed_average {
    typed_average_kind kind;
    double decay;
    typed_period after;
} typed_average;

typedef struct typed_settings {
    const char *model; /* what logs call it */
    int64_t batch, epochs, steps, accumulate;
    uint64_t seed;
    typed_period eval_every, checkpoint_every;
    typed_average average;
    typed_precision precision;
    typed_source train, eval;
    const char *config_json; /* one object: key -> resolved value */
} typed_settings;

/* One call of a function with a gradient of its own. When results[i] receives
 * dys[i], inputs[k] receives grads[k], and nothing else of the call is
 * differentiated. All are REAL; grads[k] has the shape of inputs[k]. */
typedef struct typed_custom {
    const char *name; /* of the function */
    src_range at;     /* of the call */
    ty_tensor **results, **dys;
    int result_count;
    ty_tensor **inputs, **grads;
    int input_count;
} typed_custom;

/*
 * What one parameter adds to a total: `each` for each element, added up by
 * blocks of 65,536 (`blocks`, a vector of those that are full, and `last`, what
 * is left; NULL: there is none), then block by block.
 */
typedef struct typed_part {
    const ty_tensor *param;
    ty_tensor *each, *blocks, *last, *sum;
} typed_part;

/* What an across_params() of the optimizer gives: a number, parameter by
 * parameter. */
typedef struct typed_total {
    ty_tensor *tensor;
    typed_part *parts;
    int part_count;
    int round; /* 0: it needs no other total; else one of the round before */
} typed_total;

#define TYPED_TOTAL_PREFIX "total/"

typedef struct typed_program {
    ptl_arena *arena;
    VEC(ty_tensor *) tensors; /* what a definition reads comes before it, but
                                 for what a scan carries */
    VEC(typed_param) params;
    VEC(typed_state) states;
    VEC(typed_value) values; /* named in the train or test block */
    VEC(typed_metric) metrics;
    VEC(typed_expect) expects;
    VEC(typed_custom) customs; /* in the order of the calls */
    VEC(typed_total) totals;   /* in the order they are worked out */
    /* Of slices (slices.h): their blocks' sums, of the totals of one round. */
    VEC(typed_value) partials;
    ty_tensor *loss, *lr;      /* NULL: none */
    src_range loss_at;         /* which statement gives it */
    int64_t rows;         /* of the batch it was made for */
    typed_settings settings;
    typed_cluster cluster; /* of a train block's file; defaults without one */
} typed_program;

/* ---------- helpers ---------- */

/* index = constant + sum of coef * var + rest (rest NULL: nothing left). */
typedef struct ty_linear {
    int64_t constant;
    int count;
    ty_var **vars;
    int64_t *coefs;
    ty_expr *rest;
} ty_linear;

/* Splits an INT expression; arrays live in `arena`. */
ty_linear ty_linearise(ptl_arena *arena, ty_expr *index);

/* Smallest and largest value of an INT expression over its variables' ranges.
 * False where nothing bounds it. */
bool ty_interval(ptl_arena *arena, ty_expr *e, int64_t *low, int64_t *high);
/* The n of `uniform() * n`, `n * uniform()` and their floor; NULL: `x` is
 * something else. And that n where int(x) is known to lie in [0, n); else 0. */
const ty_expr *ty_drawn_below(const ty_expr *x);
int64_t ty_drawn_count(const ty_expr *x);

/* Expressions are shared: each part is visited once, what holds it first. */
typedef void ty_visitor(void *ctx, const ty_expr *x);
void ty_visit_expr(const ty_expr *x, ty_visitor *visit, void *ctx);
/* All that defines `t`: its body, or its pieces with their subscripts. */
void ty_visit_tensor(const ty_tensor *t, ty_visitor *visit, void *ctx);
/* Marks in `needed`, by tensor's id, all that what is marked is computed from.
 * Gradients are leaves. */
void ty_need_operands(const typed_program *program, ptl_arena *arena,
                      bool *needed);
/* What `x` itself reads, or asks the size of; NULL: nothing. */
ty_tensor *ty_read_of(const ty_expr *x);

int64_t ty_element_count(const ty_tensor *t);
/* What `scan` carries of `t`, or NULL. */
const ty_carry *ty_carry_of(const ty_tensor *t);
/* `index` as scan's index minus a constant: the constant; -1: it is not. */
int64_t ty_steps_back(ptl_arena *arena, const ty_scan *scan, ty_expr *index);
const char *ty_kind_text(ty_kind kind);
const char *ty_op_text(ty_op op);
int ty_op_arity(ty_op op);

/* Tensors, updates and settings, one a line, stable: `emit typed`. */
void typed_print(const typed_program *program, ptl_str *out);
void typed_print_expr(const ty_expr *e, ptl_str *out);

#endif
