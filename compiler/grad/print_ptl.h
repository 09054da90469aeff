/*
 * print_ptl.h - what the files that print PTL share.
 */
#ifndef PTL_GRAD_PRINT_PTL_H
#define PTL_GRAD_PRINT_PTL_H

#include "base/map.h"
#include "base/memo.h"
#include "grad/grad.h"

/* One graph on its way to text: the program's, or the body of a scan, whose
 * names must differ from those around it. */
typedef struct printer {
    ptl_arena *scratch;
    ptl_str *out;
    const ir_graph *g;
    const char *indent; /* before each statement; NULL: none */
    const char **names; /* per node */
    const char **leads; /* per node: a subscript before all others, or NULL */
    const char **kept;  /* per SCAN_OUT: the tensor that holds its steps */
    int *uses;          /* per node: readers within the graph */
    bool *wanted;       /* per node */
    bool *inlined;      /* per node: written inside a += */
    ptl_map *taken;     /* names of nodes */
    const char *vars[IR_MAX_VARS];
    const ir_var *ranges; /* of vars, in the current statement; NULL: whole */
    ptl_memo helpers; /* expression -> helper, in the current statement */
} printer;

/* ---------- print_ptl.c ---------- */

/* Room for `g`; every node still lacks a name and is not wanted. */
void print_open(printer *p, const ir_graph *g);
/* A word like `name` that nothing is called yet. */
const char *print_word(printer *p, const char *name);
/* Names for nodes that have none. */
void print_take_names(printer *p);
/* Names index `at` of the next statement. */
void print_name_var(printer *p, int at, const char *name);
/* `n` at `subs`, which are in terms of named indices. */
void print_at(printer *p, const ir_node *n, const ir_sub *subs, int count,
              const ir_expr *outside);
void print_type(printer *p, const ir_type *t);
/* All wanted nodes, a statement or more each. */
void print_nodes(printer *p);

/* ---------- print_scan.c ---------- */

void print_scan(printer *p, const ir_node *n);
/* What is left to say of a result of a scan. */
void print_scan_out(printer *p, const ir_node *n);

#endif
