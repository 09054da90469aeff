/*
 * test_philox_form.c - random numbers in kernel form are those of
 * base/philox.h, by the interpreter.
 */
#include "core/kern_run.h"
#include "core/philox_case.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void interpret(void *context, void *const *buffers, int64_t task)
{
    const kern_module *m = context;
    const int64_t sizes[] = {1, 1, MATH_BLOCK};
    kern_run(m->kernels.data[0], buffers, sizes, task, task + 1);
}

static int failures_of(bool normal)
{
    const uint64_t site = UINT64_C(0xfedcba9876543210);
    int failures = 0;
    for (int type = KERN_F32; type <= KERN_F64; type++) {
        kern_module *m = philox_module((kern_type)type, normal, site, 256);
        ptl_error err = {0};
        if (!kern_verify(m, &err))
            fail_msg("%s", err.text);
        failures +=
            philox_failures((kern_type)type, normal, site, interpret, m);
        kern_module_free(m);
    }
    return failures;
}

static void uniform_numbers_are_exact(void **state)
{
    (void)state;
    assert_int_equal(failures_of(false), 0);
}

static void normal_numbers_are_near(void **state)
{
    (void)state;
    assert_int_equal(failures_of(true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform_numbers_are_exact),
        cmocka_unit_test(normal_numbers_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
