/*
 * test_judge.c - what is said of a compiled program's numbers.
 */
#include "codegen/compile.h"
#include "core/ir_text.h"
#include "judge/judge.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* `y` may differ by its roundings; `c` depends on a tie of such numbers. */
static const char text[] = "input x: real[2, 2] generic f32;\n"
                           "input n: int scalar i32;\n"
                           "comp y[i:2, j:2] = exp(x[i, j]) * real(n[]);\n"
                           "comp c[] = y[0, 0] <= y[0, 1];\n"
                           "output y = y;\noutput c = c;\n";

typedef struct judged {
    ir_graph *g;
    ir_values *v;
    outcome o;
} judged;

static int set_up(void **state)
{
    static judged j;
    const double x[] = {0.5, 0.5, 0.25, 1.5}, n = 3.0;
    ptl_error err = {0};
    ptl_program *p;
    ptl_pool *pool;
    const compile_options options = {.verify = true};
    j = (judged){.g = ir_from_text(text)};
    j.v = ir_values_new(j.g);
    j.v->eps = (double)FLT_EPSILON;
    ir_values_set(j.v, ir_find(j.g, "x"), x);
    ir_values_set(j.v, ir_find(j.g, "n"), &n);
    const judge_case c = {j.g, j.v, ""};
    assert_int_equal(ir_eval(j.g, j.v, NULL, &err), PTL_OK);
    assert_int_equal(compile_graph(j.g, "judged", &options, &p, &err), PTL_OK);
    assert_int_equal(pool_open(1, &pool, &err), PTL_OK);
    assert_int_equal(outcome_take(p, pool, &c, 1, &j.o, &err), PTL_OK);
    pool_close(pool);
    p->release(p);
    *state = &j;
    return 0;
}

static int tear_down(void **state)
{
    judged *j = *state;
    outcome_fini(&j->o);
    ir_values_free(j->v);
    ir_graph_free(j->g);
    return 0;
}

static judge_verdict verdict_of(const judged *j, int output)
{
    return judge_tensor(j->g->outputs.data[output].node, j->v,
                        &j->o.tensors[output]);
}

static void what_was_compiled_right_is_right(void **state)
{
    judge_verdict verdict = verdict_of(*state, 0);
    assert_false(verdict.wrong);
    assert_int_equal(verdict.compared, 4);
    assert_int_equal(verdict.skipped, 0);
}

static void a_decision_that_roundings_may_turn_is_counted(void **state)
{
    judge_verdict verdict = verdict_of(*state, 1);
    assert_false(verdict.wrong);
    assert_int_equal(verdict.compared, 0);
    assert_int_equal(verdict.skipped, 1);
}

static void the_first_wrong_number_is_named(void **state)
{
    judged *j = *state;
    float *y = j->o.tensors[0].bytes;
    ptl_str place = {0};
    y[2] *= 1.0f + 1e-4f;
    y[3] = 0;
    judge_verdict verdict = verdict_of(j, 0);
    assert_true(verdict.wrong);
    assert_int_equal(verdict.at, 2);
    assert_true(verdict.got == (double)y[2]);
    assert_true(fabs(verdict.expected - 3 * exp(0.25)) < 1e-12);
    judge_place(&j->g->outputs.data[0].node->type, verdict.at, &place);
    assert_string_equal(str_text(&place), " at [1, 0]");
    str_fini(&place);
}

static void no_number_is_wrong_where_there_is_one(void **state)
{
    judged *j = *state;
    ((float *)j->o.tensors[0].bytes)[0] = NAN;
    assert_true(verdict_of(j, 0).wrong);
    j->v->data[j->g->outputs.data[0].node->id][0] = (double)NAN;
    assert_false(verdict_of(j, 0).wrong);
}

static void equal_outcomes_have_the_same_bits(void **state)
{
    judged *j = *state;
    outcome_tensor *y = &j->o.tensors[0];
    float other[4] = {((float *)y->bytes)[0], ((float *)y->bytes)[1],
                      ((float *)y->bytes)[2], ((float *)y->bytes)[3]};
    outcome_tensor z = *y;
    z.bytes = other;
    assert_true(outcome_equal(y, &z));
    other[3] = nextafterf(other[3], 0);
    assert_false(outcome_equal(y, &z));
}

#define JUDGE_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JUDGE_TEST(what_was_compiled_right_is_right),
        JUDGE_TEST(a_decision_that_roundings_may_turn_is_counted),
        JUDGE_TEST(the_first_wrong_number_is_named),
        JUDGE_TEST(no_number_is_wrong_where_there_is_one),
        JUDGE_TEST(equal_outcomes_have_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
