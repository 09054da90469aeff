/*
 * test_bf16.c - halves of F32: the nearest one, ties to even.
 */
#include "base/bf16.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void every_half_is_itself(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float x = bf16_wide((uint16_t)h);
        if (isnan(x))
            assert_true(isnan(bf16_wide(bf16_of(x))));
        else
            assert_int_equal(bf16_of(x), h);
    }
}

/* Between two neighbours: the nearer one, at the middle the even one. */
static void the_nearest_is_taken_and_ties_go_to_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7f80; h += 7)
        for (uint32_t sign = 0; sign <= 0x8000; sign += 0x8000) {
            uint32_t half = h | sign, next = half + 1, low = half << 16;
            assert_int_equal(bf16_of(of_bits(low | 0x7fff)), half);
            assert_int_equal(bf16_of(of_bits(low | 0x8001)), next);
            assert_int_equal(bf16_of(of_bits(low | 0x8000)),
                             half % 2 ? next : half);
        }
}

static void what_is_too_large_is_infinite(void **state)
{
    (void)state;
    assert_int_equal(bf16_of(of_bits(0x7f7fffff)), 0x7f80);
    assert_int_equal(bf16_of(of_bits(0xff7fffff)), 0xff80);
    assert_int_equal(bf16_of(INFINITY), 0x7f80);
}

/* Its upper half alone might be that of infinity. */
static void no_number_stays_none(void **state)
{
    (void)state;
    static const uint32_t some[] = {0x7f800001, 0x7fc00000, 0x7fffffff,
                                    0xff800001, 0xffffffff};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        assert_true(isnan(bf16_wide(bf16_of(of_bits(some[i])))));
}

static void packing_is_rounding(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    float from[COUNT], rounded[COUNT], wide[COUNT];
    uint8_t bytes[2 * COUNT + 1];
    for (int i = 0; i < COUNT; i++)
        rounded[i] = from[i] = of_bits(0x3c000000u + (uint32_t)i * 0x2345u);
    bf16_pack(bytes + 1, from, COUNT, 3); /* wherever the bytes begin */
    bf16_unpack(wide, bytes + 1, COUNT);
    bf16_round(rounded, COUNT, 3);
    assert_memory_equal(wide, rounded, sizeof wide);
    for (int i = 0; i < COUNT; i++)
        assert_true(wide[i] == bf16_wide(bf16_of(from[i] / 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_is_itself),
        cmocka_unit_test(the_nearest_is_taken_and_ties_go_to_even),
        cmocka_unit_test(what_is_too_large_is_infinite),
        cmocka_unit_test(no_number_stays_none),
        cmocka_unit_test(packing_is_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
