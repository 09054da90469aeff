/*
 * judge.c - see judge.h.
 */
#include "judge/judge.h"
#include <math.h>

static bool is_right(double got, double expected, double bound)
{
    return got == expected || (isnan(got) && isnan(expected)) ||
           fabs(got - expected) <= bound;
}

judge_verdict judge_tensor(const ir_node *n, const ir_values *v,
                           const outcome_tensor *t)
{
    judge_verdict verdict = {0};
    PTL_ASSERT(t->count == ir_element_count(&n->type));
    for (int64_t i = 0; i < t->count && !verdict.wrong; i++) {
        double got = dtype_get(t->dtype, t->bytes, i);
        double expected = creal(v->data[n->id][i]);
        double bound = v->error[n->id][i];
        if (isinf(bound) || (n->type.kind != IR_REAL && bound > 0.0)) {
            verdict.skipped++;
            continue;
        }
        verdict.compared++;
        if (is_right(got, expected, bound))
            continue;
        verdict.wrong = true;
        verdict.at = i;
        verdict.got = got;
        verdict.expected = expected;
        verdict.bound = bound;
    }
    return verdict;
}

void judge_place(const ir_type *type, int64_t flat, ptl_str *out)
{
    int64_t at[IR_MAX_RANK];
    if (type->rank == 0)
        return;
    for (int i = type->rank - 1; i >= 0; i--) {
        at[i] = flat % type->dims[i];
        flat /= type->dims[i];
    }
    str_add(out, " at [");
    for (int i = 0; i < type->rank; i++)
        str_printf(out, "%s%lld", i ? ", " : "", (long long)at[i]);
    str_addc(out, ']');
}
