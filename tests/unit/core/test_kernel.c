/*
 * test_kernel.c - the kernel form's builder, text and verifier.
 */
#include "kernel/kernel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* y[i] = factor * x[i] + 1, 16 elements a task. */
static kern_kernel *scaled(kern_module *m, const char *name, const char *from,
                           double factor, int64_t tasks)
{
    kern_kernel *k = kern_kernel_new(m, name, tasks);
    int x = kern_buffer_add(k, from, PTL_F32, false);
    int y = kern_buffer_add(k, "y", PTL_F32, true);
    kern_builder b = kern_begin(k);
    kern_value *at =
        kern_op2(&b, KERN_MUL, kern_task(&b), kern_int(&b, KERN_I64, 1, 16));
    kern_value *v = kern_load(
        &b, (kern_memory){.buffer = x, .offset = at, .stride = 1}, 16);
    v = kern_fma(&b, v, kern_real(&b, KERN_F32, 1, factor),
                 kern_real(&b, KERN_F32, 1, 1.0));
    k->buffers.data[y].streamed = true;
    kern_store(&b, (kern_memory){.buffer = y, .offset = at, .stride = 1}, v);
    return k;
}

static kern_module *scaled_copy(void)
{
    kern_module *m = kern_module_new();
    scaled(m, "scaled", "x", 2.0, 4);
    return m;
}

static void text_names_all_a_generator_reads(void **state)
{
    (void)state;
    kern_module *m = scaled_copy();
    ptl_str out = {0};
    kern_print(m, &out);
    assert_string_equal(str_text(&out),
                        "kernel scaled tasks 4\n"
                        "  buffer 0:x f32\n"
                        "  buffer 1:y f32 written streamed\n"
                        "  v1: i64 = task\n"
                        "  v2: i64 = mul v1, i64(16)\n"
                        "  v3: f32x16 = load 0:x[v2 + lane*1]\n"
                        "  v8: f32x16 = fma v3, f32x16(2), f32x16(1)\n"
                        "  store 1:y[v2 + lane*1] = v8\n");
    str_fini(&out);
    kern_module_free(m);
}

static void text_shows_scratch_order_and_what_lies_ahead(void **state)
{
    (void)state;
    static const uint8_t order[] = {3, 0};
    kern_module *m = kern_module_new();
    kern_kernel *k = kern_kernel_new(m, "pair", 1);
    int row = kern_scratch_add(k, "row", PTL_F32, 8);
    kern_builder b = kern_begin(k);
    kern_value *zero = kern_int(&b, KERN_I64, 1, 0);
    kern_memory at = {.buffer = row, .offset = zero, .stride = 1, .ahead = 64};
    kern_value *x = kern_load(&b, at, 2);
    at.ahead = 0;
    kern_store(&b, at, kern_shuffle(&b, x, x, order, 2));
    ptl_str out = {0};
    kern_print(m, &out);
    assert_string_equal(str_text(&out),
                        "kernel pair tasks 1\n"
                        "  scratch 0:row f32[8]\n"
                        "  v1: f32x2 = load 0:row[i64(0) + lane*1] ahead 64\n"
                        "  v2: f32x2 = shuffle v1, v1 to 3 0\n"
                        "  store 0:row[i64(0) + lane*1] = v2\n");
    str_fini(&out);
    kern_module_free(m);
}

static void verifier_accepts_what_the_builder_makes(void **state)
{
    (void)state;
    kern_module *m = scaled_copy();
    ptl_error err = {0};
    assert_true(kern_verify(m, &err));
    kern_module_free(m);
}

static void verifier_finds_a_changed_type(void **state)
{
    (void)state;
    kern_module *m = scaled_copy();
    kern_block *body = m->kernels.data[0]->body;
    for (int i = 0; i < body->stmts.count; i++)
        if (body->stmts.data[i]->kind == KERN_DO &&
            body->stmts.data[i]->value->op == KERN_FMA)
            body->stmts.data[i]->value->type = KERN_F64;
    ptl_error err = {0};
    assert_false(kern_verify(m, &err));
    assert_string_equal(
        err.text,
        "kernel \"scaled\": fma v8: operands differ in type or lanes");
    kern_module_free(m);
}

static void verifier_finds_a_value_from_inside_a_loop_used_outside(void **state)
{
    (void)state;
    kern_module *m = kern_module_new();
    kern_builder b = kern_begin(kern_kernel_new(m, "leak", 1));
    kern_value *zero = kern_int(&b, KERN_I64, 1, 0);
    kern_value *ten = kern_int(&b, KERN_I64, 1, 10);
    kern_value *i = kern_loop(&b, zero, ten, 1, 0);
    kern_end(&b);
    kern_op2(&b, KERN_MUL, i, ten);
    ptl_error err = {0};
    assert_false(kern_verify(m, &err));
    kern_module_free(m);
}

static void verifier_finds_a_local_unset_on_one_path(void **state)
{
    (void)state;
    for (int both = 0; both < 2; both++) {
        kern_module *m = kern_module_new();
        kern_builder b = kern_begin(kern_kernel_new(m, "paths", 1));
        kern_value *one = kern_int(&b, KERN_I64, 1, 1);
        kern_local *x = kern_local_new(&b, KERN_I64, 1, "x");
        kern_if(&b, kern_op2(&b, KERN_GT, kern_task(&b), one));
        kern_set(&b, x, one);
        if (both) {
            kern_else(&b);
            kern_set(&b, x, one);
        }
        kern_end(&b);
        kern_get(&b, x);
        ptl_error err = {0};
        assert_int_equal(kern_verify(m, &err), both);
        kern_module_free(m);
    }
}

static void integer_constants_fold(void **state)
{
    (void)state;
    kern_module *m = kern_module_new();
    kern_builder b = kern_begin(kern_kernel_new(m, "fold", 1));
    kern_value *six = kern_int(&b, KERN_I64, 1, 6);
    kern_value *seven = kern_int(&b, KERN_I64, 1, 7);
    kern_value *product = kern_op2(&b, KERN_MUL, six, seven);
    assert_int_equal(product->op, KERN_CONST);
    assert_int_equal(product->integer, 42);
    kern_value *task = kern_task(&b);
    assert_ptr_equal(kern_op2(&b, KERN_ADD, task, kern_int(&b, KERN_I64, 1, 0)),
                     task);
    kern_module_free(m);
}

static void equal_code_is_found_whatever_its_names(void **state)
{
    (void)state;
    kern_module *m = kern_module_new();
    ptl_arena *arena = arena_new();
    scaled(m, "one", "x", 2.0, 4);
    scaled(m, "two", "h", 2.0, 4);
    scaled(m, "factor", "x", 3.0, 4);
    scaled(m, "tasks", "x", 2.0, 5);
    scaled(m, "kept", "x", 2.0, 4)->buffers.data[1].streamed = false;
    scaled(m, "factor too", "z", 3.0, 4);
    const int *same = kern_find_equal(m, arena);
    const int expected[] = {0, 0, 2, 3, 4, 2};
    for (int i = 0; i < m->kernels.count; i++)
        assert_int_equal(same[i], expected[i]);
    arena_free(arena);
    kern_module_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_names_all_a_generator_reads),
        cmocka_unit_test(text_shows_scratch_order_and_what_lies_ahead),
        cmocka_unit_test(verifier_accepts_what_the_builder_makes),
        cmocka_unit_test(verifier_finds_a_changed_type),
        cmocka_unit_test(
            verifier_finds_a_value_from_inside_a_loop_used_outside),
        cmocka_unit_test(verifier_finds_a_local_unset_on_one_path),
        cmocka_unit_test(integer_constants_fold),
        cmocka_unit_test(equal_code_is_found_whatever_its_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
