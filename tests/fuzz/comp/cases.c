/*
 * cases.c - making, checking and shrinking one case.
 */
#include "cases.h"
#include <stdlib.h>

void case_make(fuzz_case *c, uint64_t seed, long number, const coverage *table)
{
    uint64_t own = seed * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)number;
    *c = (fuzz_case){.data_seed = own % 1000003};
    c->aim = coverage_neediest(table, own % 7919 * 7919);
    chooser_random(&c->decisions, own);
    c->g = generate(&c->decisions, c->aim);
}

void case_free(fuzz_case *c)
{
    ir_graph_free(c->g);
    chooser_fini(&c->decisions);
    *c = (fuzz_case){0};
}

void case_check(const ir_graph *g, uint64_t data_seed, check_result *r)
{
    ir_graph *with_gradient = check_gradient(g, data_seed, r);
    ir_graph_free(with_gradient);
}

static bool still_fails(const uint32_t *numbers, int count, void *ctx)
{
    const fuzz_case *c = ctx;
    chooser decisions;
    check_result r = {0};
    chooser_replay(&decisions, numbers, count);
    ir_graph *g = generate(&decisions, c->aim);
    case_check(g, c->data_seed, &r);
    ir_graph_free(g);
    chooser_fini(&decisions);
    return r.failed;
}

void case_shrink(fuzz_case *c, check_result *r)
{
    enum { TRIES = 600 };
    int count;
    uint32_t *numbers =
        choice_shrink(c->decisions.taken, c->decisions.taken_count, TRIES,
                      still_fails, c, &count);
    chooser smaller;
    chooser_replay(&smaller, numbers, count);
    ir_graph_free(c->g);
    c->g = generate(&smaller, c->aim);
    *r = (check_result){0};
    case_check(c->g, c->data_seed, r);
    chooser_fini(&c->decisions);
    c->decisions = smaller; /* its `given` is not used again */
    c->decisions.given = NULL;
    free(numbers);
}
