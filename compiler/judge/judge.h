/*
 * judge.h - a compiled program's numbers against the oracle's.
 *
 * A number is right when it lies within the oracle's bound (ir/eval.h, `eps`
 * set for the program's precision). Where the bound is infinite, or above 0 for
 * what is no REAL, a correct program may decide otherwise: nothing is said
 * there, and it is counted.
 */
#ifndef PTL_JUDGE_JUDGE_H
#define PTL_JUDGE_JUDGE_H

#include "judge/outcome.h"

typedef struct judge_verdict {
    int64_t compared, skipped; /* elements judged, elements too close to call */
    bool wrong;
    int64_t at; /* the first that is wrong, row-major */
    double got, expected, bound;
} judge_verdict;

judge_verdict judge_tensor(const ir_node *n, const ir_values *v,
                           const outcome_tensor *t);

/* " at [1, 2]": where element `flat` lies; nothing for a single number. */
void judge_place(const ir_type *type, int64_t flat, ptl_str *out);

#endif
