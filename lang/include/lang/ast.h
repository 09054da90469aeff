/*
 * ast.h - the syntax tree: what the text says, with nothing looked up.
 *
 * Three structs (expression, statement, declaration) tell their variants apart
 * by `kind`; ast.def says which fields each kind fills, all others are zero.
 * Every node carries the range of text it came from. A tree lives in the arena
 * it was parsed into and keeps pointing at its src_file.
 *
 * Parentheses leave no node. Nesting is limited by the parser (AST_MAX_DEPTH),
 * so a recursive walk needs no guard of its own: no expression is deeper, and
 * neither are blocks, else-if chains included.
 */
#ifndef PTL_LANG_AST_H
#define PTL_LANG_AST_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/map.h"
#include "base/source.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

enum { AST_MAX_DEPTH = 500, AST_MAX_SOURCE_BYTES = 4 << 20 };

typedef enum ast_expr_kind {
#define EXPR(name, text) EXPR_##name,
#include "lang/ast.def"
    EXPR_COUNT
} ast_expr_kind;

typedef enum ast_stmt_kind {
#define STMT(name, text) STMT_##name,
#include "lang/ast.def"
    STMT_COUNT
} ast_stmt_kind;

typedef enum ast_decl_kind {
#define DECL(name, text) DECL_##name,
#include "lang/ast.def"
    DECL_COUNT
} ast_decl_kind;

typedef enum ast_op {
#define OP(name, text, level) OP_##name,
#include "lang/ast.def"
    OP_COUNT
} ast_op;

typedef enum ast_reduction {
#define REDUCTION(name, text) RED_##name,
#include "lang/ast.def"
    RED_COUNT
} ast_reduction;

const char *ast_expr_kind_text(ast_expr_kind kind);
const char *ast_stmt_kind_text(ast_stmt_kind kind);
const char *ast_decl_kind_text(ast_decl_kind kind);
const char *ast_op_text(ast_op op);
int ast_op_level(ast_op op);
const char *ast_reduction_text(ast_reduction reduction);

typedef struct ast_expr ast_expr;
typedef struct ast_stmt ast_stmt;
typedef struct ast_decl ast_decl;

/* A word and where it stands. */
typedef struct ast_name {
    const char *text;
    src_range at;
} ast_name;

/*
 * One subscript, or one dimension of a type: an expression, or a pack. `..b`
 * has name "b", `..` has the name "".
 */
typedef struct ast_sub {
    bool is_pack;
    const char *name; /* packs only */
    ast_expr *expr;   /* NULL for a pack */
    src_range at;
} ast_sub;

/* An argument; `name` is NULL where it is positional. */
typedef struct ast_arg {
    const char *name;
    src_range name_at;
    ast_expr *expr;
} ast_arg;

/* `k`, `k in lo..hi` (lo and hi NULL without a range), or `..s`. */
typedef struct ast_binder {
    const char *name;
    bool is_pack;
    ast_expr *lo, *hi;
    src_range at;
} ast_binder;

struct ast_expr {
    ast_expr_kind kind;
    ast_op op;
    ast_reduction reduction;
    int depth;      /* 1 for a leaf; at most AST_MAX_DEPTH */
    src_range at;   /* all of it */
    src_range mark; /* the operator, member name, reduction word; else = at */
    const char *name;
    int64_t integer;
    double real; /* also of an INT */
    ast_expr *a, *b, *c;
    union {                  /* by kind; `count` of them */
        ast_arg *args;       /* CALL */
        ast_sub *subs;       /* INDEX */
        ast_binder *binders; /* REDUCE */
        ast_expr **items;    /* LIST */
    };
    int count;
};

/* `real[N, ..s]`, `idx(10)`, `schedule`, `lib.thing`. */
typedef struct ast_type {
    const char *name; /* dotted as written */
    ast_expr *arg;    /* the V of idx(V), or NULL */
    bool has_dims;
    ast_sub *dims;
    int dim_count;
    src_range at, name_at;
} ast_type;

/* `in [1, 7]`, `in (0, 10]`: an open end leaves its bound out. */
typedef struct ast_interval {
    ast_expr *lo, *hi;
    bool lo_open, hi_open;
    src_range at;
} ast_interval;

/* A parameter or result; `type`, `value` and `interval` may be NULL. */
typedef struct ast_param {
    const char *name;
    src_range name_at, at;
    ast_type *type;
    ast_expr *value; /* default */
    ast_interval *interval;
} ast_param;

/* `h[n, -1, j] = 0` after `from`. */
typedef struct ast_carry {
    const char *name;
    src_range name_at, at;
    ast_sub *subs;
    int sub_count;
    ast_expr *value;
} ast_carry;

typedef struct ast_block {
    ast_stmt **stmts;
    int count;
    src_range at; /* braces included */
} ast_block;

typedef enum ast_policy {
    POLICY_ONE,  /* value */
    POLICY_THEN, /* value then other */
    POLICY_ELSE, /* value else other */
} ast_policy;

struct ast_stmt {
    ast_stmt_kind kind;
    int depth; /* 1 without a body; at most AST_MAX_DEPTH */
    src_range at;
    const char *name; /* left side, loop variable, what is declared */
    src_range name_at;
    bool has_subs; /* `x[...] =`, as opposed to `x =` */
    ast_sub *subs;
    int sub_count;
    ast_type *type;
    ast_expr *value;
    ast_expr *other; /* ON: the second policy, or NULL */
    ast_policy policy;
    ast_expr **values; /* RETURN */
    int value_count;
    ast_name *names; /* UNPACK, SET, FREEZE */
    int name_count;
    ast_expr *lo, *hi; /* FOR_RANGE, SCAN */
    ast_carry *carries;
    int carry_count;
    ast_block body;
    bool has_else; /* `else if` is an else_body of one IF */
    ast_block else_body;
    bool has_body; /* METRIC with accumulators */
    ast_decl *decl;
};

/* A static `if` around members of a layer, or its `else`. */
typedef struct ast_when {
    const struct ast_when *outer; /* or NULL */
    ast_expr *cond;
    bool is_else;
    int depth; /* 1 for the outermost */
} ast_when;

struct ast_decl {
    ast_decl_kind kind;
    bool wrong; /* what is wrong in it was said: uses of it say no more */
    ptl_map *lost; /* words of what could not be read in it, or NULL */
    src_range at;
    const char *name;
    src_range name_at;
    const char *doc; /* the `///` lines before it, without slashes; or NULL */
    bool has_params; /* `model net { }` has none */
    ast_param *params;
    int param_count;
    ast_param *results;
    int result_count;
    ast_block body;
    bool has_grad; /* grad(grad_names) { ... } */
    ast_name *grad_names;
    int grad_name_count;
    ast_block grad_body;
    ast_decl **members; /* LAYER, MODEL: USE PARAM STATE HYPER ASSERT FN */
    int member_count;
    const ast_when *when; /* USE PARAM STATE ASSERT: the innermost `if` */
    bool has_dims;
    ast_sub *dims;
    int dim_count;
    ast_expr *count;   /* USE of several, or NULL */
    const char *index; /* USE name[index in begin..count], or NULL */
    ast_expr *begin;
    ast_type *type;
    ast_expr *value;
    ast_interval *interval;
    const char *sync; /* STATE: "mean", "sum", "local", or NULL */
    src_range sync_at;
    const char *message; /* ASSERT */
    src_range message_at;
    ast_name *path; /* IMPORT std.nn: two names */
    int path_count;
    const char *file; /* IMPORT "x.ptl" */
    src_range file_at;
    const char *alias;
    src_range alias_at;
};

typedef struct ast_file {
    const src_file *source;
    ptl_map *lost; /* what declarations that could not be read may declare */
    ast_decl **decls;
    int decl_count;
} ast_file;

/*
 * Parses one file. What is wrong goes to `diags`; the result then holds the
 * declarations and statements that could be read (a caller that goes on
 * checking reports more, but must not run it). NULL only where nothing was
 * read: too large, not UTF-8, nested too deeply.
 */
ast_file *ptl_parse(ptl_arena *arena, const src_file *source, ptl_diags *diags);

/* One token a line: position, kind, text. The text of `emit tokens`. */
void ast_print_tokens(const src_file *source, ptl_diags *diags, ptl_str *out);

/*
 * Prints as PTL again, one form for one tree: four spaces, every reduction and
 * every nested operation in parentheses of its own. Parsing the result gives
 * an equal tree.
 */
void ast_print(const ast_file *file, ptl_str *out);
void ast_print_expr(const ast_expr *expr, ptl_str *out);
void ast_print_type(const ast_type *type, ptl_str *out);

#endif
