/*
 * cases.h - random cases: made, checked in a process of their own, shrunk.
 */
#ifndef PTL_FUZZ_CASES_H
#define PTL_FUZZ_CASES_H

#include "check.h"
#include "generate.h"

typedef struct fuzz_case {
    ir_graph *g;
    uint64_t data_seed;
    int aim;
    chooser decisions;
} fuzz_case;

/* Case `number` of `seed`, aimed at the neediest cell of `table`. */
void case_make(fuzz_case *c, uint64_t seed, long number,
               const coverage *table);
void case_free(fuzz_case *c);

/*
 * Checks `count` cases in a new process, compiled together, and waits for it.
 * When the process does not end well, each is checked again on its own.
 * Results come in the order of the cases.
 */
void cases_check(const fuzz_case *cases, int count, check_result *results);

/* The same, begun and awaited apart, so that several can run. */
typedef struct batch_run {
    int pid;
    int count;
    const fuzz_case *cases;
    check_result *shared; /* filled by the process */
} batch_run;
void batch_begin(batch_run *b, const fuzz_case *cases, int count);
void batch_await(batch_run *b, check_result *results);

/* Makes the failing case smaller, checking `tries` times at most; `r` becomes
 * the smaller one's failure. */
void case_shrink(fuzz_case *c, int tries, check_result *r);

#endif
