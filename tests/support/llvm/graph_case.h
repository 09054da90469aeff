/*
 * graph_case.h - a graph in textual form, compiled and compared with the
 * oracle. What is wrong is printed and ends the process.
 */
#ifndef PTL_TEST_GRAPH_CASE_H
#define PTL_TEST_GRAPH_CASE_H

#include "codegen/compile.h"
#include "ir/eval.h"
#include "runtime/run.h"

/* A graph with random inputs (of `seed`) and what the oracle says of it. */
typedef struct graph_case {
    ptl_arena *arena;
    ptl_diags *diags;
    ir_graph *graph;
    ir_values *values;
} graph_case;

/* What `compile_emit` prints of a graph's `stage`, verified. Freed by caller. */
void graph_emit(const char *text, const char *stage, ptl_str *out);

/* How it is compiled and run. */
typedef struct graph_way {
    bool f64, no_fuse;
    int threads;
    const char *cpu;
} graph_way;

/* Results of a run: per output its bytes, in order of the graph's outputs. */
typedef struct graph_result {
    int count;
    ptl_dtype *dtype;
    int64_t *elements;
    void **data;
} graph_result;

graph_case *graph_case_new(const char *text, uint64_t seed, bool f64);
void graph_case_free(graph_case *c);
graph_result *graph_case_run(const graph_case *c, graph_way way);
void graph_result_free(graph_result *r);

/* Stops where a result is farther from the oracle than its bound. */
void assert_near_oracle(const graph_case *c, const graph_result *r);
void assert_same_bits(const graph_result *a, const graph_result *b);

/* All of it: f32 and f64, fused and not, 1 and 2 threads; threads give the same
 * bits, and so does fusion when `pointwise`. */
void check_graph(const char *text, bool pointwise);

#endif
