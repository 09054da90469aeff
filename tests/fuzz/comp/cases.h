/*
 * cases.h - one random case: made, checked, shrunk.
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
/* Everything this build can check. */
void case_check(const ir_graph *g, uint64_t data_seed, check_result *r);
/* Makes the failing case smaller; `r` becomes the smaller one's failure. */
void case_shrink(fuzz_case *c, check_result *r);

#endif
