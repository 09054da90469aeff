/*
 * compiled_test.h - what `ptlc test` found right by the oracle, once more
 * through compiled kernels.
 *
 * Checks wait until compiled_test_run(), which compiles all of them as one
 * program, carries it out and judges every number by the oracle's bounds.
 */
#ifndef PTL_DRIVER_COMPILED_TEST_H
#define PTL_DRIVER_COMPILED_TEST_H

#include "driver.h"
#include "ir/eval.h"
#include "lang/ast.h"

/* What an output of a graph says, for messages. */
typedef struct compiled_claim {
    src_range at;
    const char *what; /* "the left side"; NULL: that it is true */
} compiled_claim;

/* One graph; those that follow each other and are of one declaration are one
 * check. */
typedef struct compiled_check {
    const ast_decl *decl;         /* a test, a layer, a function */
    diag_code code;               /* what it is to be wrong */
    const compiled_claim *claims; /* of each output of `graph` */
    ir_graph *graph;
    ir_values *values; /* of the oracle, with compiled_test_eps() */
} compiled_check;

typedef struct compiled_test compiled_test;

/* Does the command line ask for anything that only a compiled program has? */
bool compiled_test_wanted(const driver_options *o);
ptl_status compiled_test_open(driver *d, compiled_test **out, ptl_error *err);
void compiled_test_close(compiled_test *t); /* accepts NULL */

/* Of the precision that is compiled for; 0 where `t` is NULL. */
double compiled_test_eps(const compiled_test *t);
/* Takes graph and values. False, and takes nothing, where there is no compiled
 * form of them, since integers take more than 32 bits: that is counted. */
bool compiled_test_add(compiled_test *t, compiled_check check);
/* Forgets what waits of `decl`, which was added last. Accepts NULL. */
void compiled_test_drop(compiled_test *t, const ast_decl *decl);
/* All that waits as one graph, which is the caller's. */
ir_graph *compiled_test_graph(const compiled_test *t);
/* What is wrong goes to the driver's diags; `done` is called for each
 * declaration. A failure of the world ends it. */
ptl_status compiled_test_run(compiled_test *t,
                             void (*done)(void *ctx, const ast_decl *decl,
                                          bool passed),
                             void *ctx, ptl_error *err);
/* Lines: for what was compiled, how much was compared. */
void compiled_test_summary(const compiled_test *t, ptl_str *out);

#endif
