/*
 * test_ir_build.c - building a graph: sharing, folding, order, replacement.
 */
#include "ir/ir.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static ir_type real_type(int rank, int64_t a, int64_t b)
{
    return (ir_type){.kind = IR_REAL, .rank = rank, .dims = {a, b}};
}

static ir_node *matrix(ir_graph *g, const char *name, int64_t a, int64_t b)
{
    return ir_input(g, name, real_type(2, a, b), IR_GENERIC, PTL_F32);
}

/* y[i, j] = x[i, j] + 1 */
static ir_node *plus_one(ir_graph *g, const char *name, ir_node *x)
{
    ir_var vars[] = {{"i", 0, x->type.dims[0]}, {"j", 0, x->type.dims[1]}};
    ir_comp comp = {.out_count = 2, .var_count = 2, .vars = vars};
    comp.body = ir_op2(g, IR_ADD_OP, ir_read_plain(g, x, 0), ir_real(g, 1.0));
    return ir_comprehend(g, name, &comp, (src_range){0});
}

static void equal_expressions_are_identical(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_node *x = matrix(g, "x", 3, 4);
    assert_ptr_equal(ir_read_plain(g, x, 0), ir_read_plain(g, x, 0));
    assert_ptr_not_equal(ir_read_plain(g, x, 0), ir_read_plain(g, x, 1));
    assert_ptr_equal(ir_real(g, NAN), ir_real(g, NAN));
    assert_ptr_not_equal(ir_real(g, 0.0), ir_real(g, -0.0));
    assert_ptr_not_equal(ir_real(g, 1.0), ir_int(g, 1));
    ir_graph_free(g);
}

static void a_thousand_expressions_stay_shared(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_expr *first[1000];
    for (int i = 0; i < 1000; i++)
        first[i] = ir_real(g, (double)i);
    for (int i = 0; i < 1000; i++)
        assert_ptr_equal(first[i], ir_real(g, (double)i));
    assert_int_equal(g->next_expr, 1000);
    ir_graph_free(g);
}

static void affine_gathers_join_the_affine_part(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_node *v = ir_input(g, "v", real_type(1, 9, 0), IR_GENERIC, PTL_F32);
    ir_sub plain = {.affine = ir_affine_add(g, ir_affine_var(g, 0),
                                            ir_affine_const(2))};
    ir_sub written = {.gather = ir_op2(g, IR_ADD_OP, ir_var_value(g, 0),
                                       ir_int(g, 2))};
    assert_ptr_equal(ir_read(g, v, &plain, 1, NULL),
                     ir_read(g, v, &written, 1, NULL));
    ir_graph_free(g);
}

static void folding_respects_zero_signs_and_nan(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_node *x = matrix(g, "x", 3, 4);
    ir_expr *e = ir_read_plain(g, x, 0);
    assert_ptr_not_equal(ir_op2(g, IR_ADD_OP, e, ir_real(g, 0.0)), e);
    assert_ptr_equal(ir_op2(g, IR_ADD_OP, e, ir_real(g, -0.0)), e);
    assert_ptr_equal(ir_op2(g, IR_SUB_OP, e, ir_real(g, 0.0)), e);
    assert_ptr_equal(ir_op2(g, IR_MUL_OP, e, ir_real(g, 1.0)), e);
    assert_int_equal(ir_op2(g, IR_MUL_OP, e, ir_real(g, 0.0))->kind,
                     IR_EXPR_OP);
    ir_expr *tenth = ir_real(g, 0.1); /* differs in f32 and f64 */
    assert_int_equal(ir_op2(g, IR_ADD_OP, tenth, tenth)->kind, IR_EXPR_OP);
    assert_ptr_equal(ir_op2(g, IR_ADD_OP, ir_real(g, 0.5), ir_real(g, 0.25)),
                     ir_real(g, 0.75));
    ir_graph_free(g);
}

static void integers_divide_towards_minus_infinity(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_expr *a = ir_int(g, -7), *b = ir_int(g, 2);
    assert_ptr_equal(ir_op2(g, IR_IDIV_OP, a, b), ir_int(g, -4));
    assert_ptr_equal(ir_op2(g, IR_MOD_OP, a, b), ir_int(g, 1));
    assert_ptr_equal(ir_op2(g, IR_MOD_OP, ir_int(g, 7), ir_int(g, -2)),
                     ir_int(g, -1));
    ir_graph_free(g);
}

static void affine_arithmetic_is_canonical(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_affine i = ir_affine_var(g, 0), j = ir_affine_var(g, 1);
    ir_affine a = ir_affine_add(g, ir_affine_scale(g, i, 2), j);
    ir_affine b = ir_affine_add(g, j, ir_affine_add(g, i, i));
    assert_true(ir_affine_equal(a, b));
    ir_affine none = ir_affine_add(g, a, ir_affine_scale(g, b, -1));
    assert_int_equal(none.term_count, 0);
    const ir_var vars[] = {{"i", 0, 5}, {"j", -1, 3}};
    int64_t low, high;
    ir_affine_range(ir_affine_add(g, a, ir_affine_scale(g, j, -3)), vars, &low,
                    &high);
    assert_int_equal(low, -4);
    assert_int_equal(high, 10);
    const ir_affine map[] = {j, ir_affine_const(4)};
    ir_affine c = ir_affine_substitute(g, a, map); /* 2*j + 4 */
    assert_int_equal(ir_affine_coef(c, 1), 2);
    assert_int_equal(c.constant, 4);
    ir_graph_free(g);
}

static void names_become_unique(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_node *x = matrix(g, "x", 1, 1);
    ir_node *y = matrix(g, "x", 1, 1);
    assert_string_equal(x->name, "x");
    assert_string_equal(y->name, "x.2");
    assert_ptr_equal(ir_find(g, "x.2"), y);
    assert_null(ir_find(g, "z"));
    ir_graph_free(g);
}

static void pruning_drops_and_renumbers(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_node *x = matrix(g, "x", 2, 2);
    ir_node *unused = plus_one(g, "unused", x);
    ir_node *y = plus_one(g, "y", x);
    ir_output_add(g, "y", y, IR_OUT_VALUE, NULL);
    ir_prune(g);
    assert_int_equal(g->nodes.count, 2);
    assert_int_equal(unused->id, -1);
    assert_int_equal(x->id, 0);
    assert_int_equal(y->id, 1);
    ir_graph_free(g);
}

static void replacing_reaches_users_and_outputs(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_node *x = matrix(g, "x", 2, 2);
    ir_node *y = plus_one(g, "y", x);
    ir_node *z = plus_one(g, "z", y);
    ir_output_add(g, "y", y, IR_OUT_VALUE, NULL);
    ir_output_add(g, "z", z, IR_OUT_VALUE, NULL);
    ir_node *map[3] = {0};
    ir_node *fresh = plus_one(g, "fresh", x);
    map[y->id] = fresh;
    ir_graph_replace(g, map, 3);
    ir_node **operands;
    assert_int_equal(ir_operands(g, z, &operands), 1);
    assert_ptr_equal(operands[0], fresh);
    assert_ptr_equal(g->outputs.data[0].node, fresh);
    assert_true(fresh->id < z->id);
    assert_int_equal(y->id, -1);
    ir_graph_free(g);
}

static void shared_expressions_are_walked_once(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_node *x = matrix(g, "x", 2, 2);
    ir_expr *e = ir_read_plain(g, x, 0);
    for (int i = 0; i < 200; i++) /* 2^200 paths */
        e = ir_op2(g, IR_MUL_OP, e, e);
    const ir_affine map[] = {ir_affine_var(g, 1), ir_affine_var(g, 0)};
    ir_expr *turned = ir_expr_substitute(g, e, map, NULL);
    assert_ptr_not_equal(turned, e);
    assert_ptr_equal(ir_expr_substitute(g, turned, map, NULL), e);
    ir_graph_free(g);
}

static void argmax_is_bounded_by_its_box(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_node *x = matrix(g, "x", 3, 4);
    ir_var vars[] = {{"k", 0, 3}, {"l", 0, 4}};
    ir_comp comp = {.var_count = 2, .vars = vars, .reduce = IR_ARGMAX};
    comp.body = ir_read_plain(g, x, 0);
    ir_node *a = ir_comprehend(g, "a", &comp, (src_range){0});
    assert_int_equal(a->type.kind, IR_INT);
    assert_int_equal(a->type.bound, 12);
    ir_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_expressions_are_identical),
        cmocka_unit_test(a_thousand_expressions_stay_shared),
        cmocka_unit_test(affine_gathers_join_the_affine_part),
        cmocka_unit_test(folding_respects_zero_signs_and_nan),
        cmocka_unit_test(integers_divide_towards_minus_infinity),
        cmocka_unit_test(affine_arithmetic_is_canonical),
        cmocka_unit_test(names_become_unique),
        cmocka_unit_test(pruning_drops_and_renumbers),
        cmocka_unit_test(replacing_reaches_users_and_outputs),
        cmocka_unit_test(shared_expressions_are_walked_once),
        cmocka_unit_test(argmax_is_bounded_by_its_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
