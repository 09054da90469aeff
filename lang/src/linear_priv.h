/*
 * linear_priv.h - an integer expression as a number and factors of variables
 * and of pieces that are no sums.
 */
#ifndef PTL_LANG_LINEAR_PRIV_H
#define PTL_LANG_LINEAR_PRIV_H

#include "base/memo.h"
#include "lang/typed.h"

typedef struct term {
    ty_var *var; /* or, where it is NULL, */
    ty_expr *piece;
    int64_t coef;
} term;

typedef struct form {
    int64_t constant;
    VEC(term) terms;
} form;

/* Of one walk; the owner ends `forms`. */
typedef struct linear_walk {
    ptl_arena *arena;
    ptl_memo forms;
} linear_walk;

/* What would not fit into 64 bits is one piece: the expression itself. */
const form *linear_form(linear_walk *w, ty_expr *x);

#endif
