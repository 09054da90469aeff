/*
 * test_ir_eval.c - the oracle against numbers computed by hand.
 */
#include "ir/eval.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void a_product_has_its_value_and_derivative(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_type type = {.kind = IR_REAL, .rank = 2, .dims = {2, 2}};
    ir_node *a = ir_input(g, "a", type, IR_GENERIC, PTL_F32);
    ir_node *b = ir_input(g, "b", type, IR_GENERIC, PTL_F32);
    ir_var vars[] = {{"i", 0, 2}, {"j", 0, 2}, {"k", 0, 2}};
    ir_sub ik[] = {{.affine = ir_affine_var(g, 0)},
                   {.affine = ir_affine_var(g, 2)}};
    ir_sub kj[] = {{.affine = ir_affine_var(g, 2)},
                   {.affine = ir_affine_var(g, 1)}};
    ir_comp comp = {2, 3, vars, IR_SUM, NULL, NULL};
    comp.body = ir_op2(g, IR_MUL_OP, ir_read(g, a, ik, 2, NULL),
                       ir_read(g, b, kj, 2, NULL));
    ir_node *c = ir_comprehend(g, "c", &comp, (src_range){0});
    const double complex av[] = {CMPLX(1, 1e-30), 2, 3, 4};
    const double bv[] = {5, 6, 7, 8};
    ir_values *v = ir_values_new(g);
    ir_values_set_complex(v, a, av);
    ir_values_set(v, b, bv);
    ptl_error err = {0};
    assert_true(ir_verify(g, &err));
    assert_int_equal(ir_eval(g, v, NULL, &err), PTL_OK);
    const double expected[] = {19, 22, 43, 50};
    for (int i = 0; i < 4; i++)
        assert_true(creal(v->data[c->id][i]) == expected[i]);
    assert_true(fabs(cimag(v->data[c->id][1]) * 1e30 - 6.0) < 1e-12);
    assert_true(cimag(v->data[c->id][2]) == 0.0);
    ir_values_free(v);
    ir_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_has_its_value_and_derivative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
