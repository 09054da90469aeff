/*
 * test_math.c - the elementary functions as kernel form, carried out by the
 * interpreter. tests/unit/llvm/test_math.c asks the same of machine code, and
 * of more inputs.
 */
#include "core/kern_run.h"
#include "core/math_cases.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void interpret(void *context, void *const *buffers)
{
    const kern_module *m = context;
    kern_run(m->kernels.data[0], buffers, NULL, 0, 1);
}

static void each_form_is_well_formed(void **state)
{
    (void)state;
    for (int i = 0; i < math_case_count; i++)
        for (int type = KERN_F32; type <= KERN_F64; type++) {
            kern_module *m = math_module(&math_cases[i], (kern_type)type, 8);
            ptl_error err = {0};
            if (!kern_verify(m, &err))
                fail_msg("%s: %s", math_cases[i].name, err.text);
            kern_module_free(m);
        }
}

static void f32_stays_within_its_bounds(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < math_case_count; i++) {
        const math_case *c = &math_cases[i];
        kern_module *m = math_module(c, KERN_F32, MATH_BLOCK);
        math_worst w = math_sweep_f32(c, interpret, m, 0, UINT64_C(1) << 32,
                                      UINT64_C(1) << 14);
        math_report(c, KERN_F32, &w);
        failures += !(w.ulp <= c->bound_f32);
        kern_module_free(m);
    }
    assert_int_equal(failures, 0);
}

static void f64_stays_within_its_bounds(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < math_case_count; i++) {
        const math_case *c = &math_cases[i];
        kern_module *m = math_module(c, KERN_F64, MATH_BLOCK);
        math_worst w = math_sample_f64(c, interpret, m, 1 << 18);
        math_report(c, KERN_F64, &w);
        failures += !(w.ulp <= c->bound_f64);
        kern_module_free(m);
    }
    assert_int_equal(failures, 0);
}

static void special_values_follow_annex_f(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < math_case_count; i++)
        for (int type = KERN_F32; type <= KERN_F64; type++) {
            const math_case *c = &math_cases[i];
            kern_module *m = math_module(c, (kern_type)type, MATH_BLOCK);
            failures += math_special_failures(c, (kern_type)type, interpret, m);
            kern_module_free(m);
        }
    assert_int_equal(failures, 0);
}

int main(void)
{
    /* The interpreter takes and returns the same memory with every call. */
    mallopt(M_TRIM_THRESHOLD, 1 << 28);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_well_formed),
        cmocka_unit_test(f32_stays_within_its_bounds),
        cmocka_unit_test(f64_stays_within_its_bounds),
        cmocka_unit_test(special_values_follow_annex_f),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
