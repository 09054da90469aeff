/*
 * check.h - what must be true of every graph the generator makes.
 */
#ifndef PTL_FUZZ_CHECK_H
#define PTL_FUZZ_CHECK_H

#include "ir/eval.h"

typedef struct check_result {
    bool failed;
    char why[1000]; /* one line */
    int compared, skipped; /* elements judged, elements too close to call */
} check_result;

/* Sets `failed`, once. */
void check_fail(check_result *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Values of all inputs of `g`, as fuzz_data() gives them. */
void check_bind(const ir_graph *g, ir_values *v, uint64_t data_seed);
/* A new graph, equal to `g` in text. */
ir_graph *check_copy(const ir_graph *g);

/*
 * The graph verifies, its text reads back, its gradient verifies and equals
 * the complex step, before and after the passes of opt/. Returns a new graph
 * with the gradients of all REAL inputs as outputs "d NAME", optimised, or NULL
 * after a failure.
 */
ir_graph *check_gradient(const ir_graph *g, uint64_t data_seed,
                         check_result *r);

/* One optimised graph to compile. */
typedef struct compiled_case {
    const ir_graph *g;
    uint64_t data_seed;
    check_result *result;
} compiled_case;

/*
 * Compiles all graphs as one program, fused and unfused, f32 and (where `f64`)
 * f64, runs it on 1 and 2 threads, and compares: with the oracle's values
 * within its bounds, 1 and 2 threads bit for bit, fused and unfused bit for bit
 * where nothing was reduced. Only in builds with a code generator
 * (PTL_FUZZ_COMPILED).
 */
void check_compiled(const compiled_case *cases, int count, bool f64);

#endif
