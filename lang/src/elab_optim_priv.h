/*
 * elab_optim_priv.h - the bodies of optimizers, read for all parameters side by
 * side: what crosses parameters must know all of them at one statement.
 */
#ifndef PTL_LANG_ELAB_OPTIM_PRIV_H
#define PTL_LANG_ELAB_OPTIM_PRIV_H

#include "elab_priv.h"

enum { MAX_SLOTS = 16 };

typedef struct slot_run {
    const char *name;
    value *initial, *before, *after;
} slot_run;

/* An optimizer's body being read for one parameter. */
typedef struct update_run {
    const ast_decl *decl;
    const ty_tensor *shape; /* of the parameter */
    const char *path;       /* of the parameter */
    frame *frame;
    scope *scope; /* w, g, the optimizer's own parameters */
    bool fresh;   /* slots start at their initial values */
    bool stored;  /* slots are TY_SLOT tensors */
    slot_run slots[MAX_SLOTS];
    int slot_count;
    int cursor; /* next known slot where not fresh */
} update_run;

/* ---------- elab_across.c ---------- */

/* The sums over a tensor's blocks: those of full ones in a vector, and what is
 * left, or all of it where it has no more than a block. NULL: there is none. */
typedef struct block_sums {
    ty_tensor *blocks, *last;
    int64_t full;
} block_sums;

block_sums across_blocks(elab *e, ty_tensor *t);

/* Works out every across_params() of the statement, from all `runs`; then
 * eval_across() gives its value in each. False after an error. */
bool across_prepare(elab *e, update_run *runs, int count, const ast_stmt *st);

#endif
