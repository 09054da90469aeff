/*
 * test_dtype.c - elements as numbers, wherever a file has them.
 */
#include "base/dtype.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void elements_are_read_from_any_address(void **state)
{
    (void)state;
    static const float f[] = {1.5f, -2.25f};
    static const double d[] = {1.5, -2.25};
    static const int32_t i[] = {3, -7};
    static const int64_t l[] = {3, -7};
    char raw[1 + sizeof d];
    memcpy(raw + 1, f, sizeof f);
    assert_true(dtype_get(PTL_F32, raw + 1, 1) == -2.25);
    memcpy(raw + 1, d, sizeof d);
    assert_true(dtype_get(PTL_F64, raw + 1, 1) == -2.25);
    memcpy(raw + 1, i, sizeof i);
    assert_true(dtype_get(PTL_I32, raw + 1, 1) == -7);
    memcpy(raw + 1, l, sizeof l);
    assert_true(dtype_get(PTL_I64, raw + 1, 1) == -7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_read_from_any_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
