/*
 * test_tile_fit.c - the micro-tile chosen for a size: the target's own where
 * it fits often, a fitting one on short sides, never more than the registers.
 */
#include "kernel/kernel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const kern_target wide = {.name = "wide",
                                 .lanes_f32 = 16,
                                 .registers = 32,
                                 .mr_f32 = 12,
                                 .nr_f32 = 32,
                                 .mr_f64 = 12,
                                 .nr_f64 = 16,
                                 .kc = 512};
static const kern_target narrow = {.name = "narrow",
                                   .lanes_f32 = 4,
                                   .registers = 16,
                                   .mr_f32 = 4,
                                   .nr_f32 = 8,
                                   .mr_f64 = 4,
                                   .nr_f64 = 4,
                                   .kc = 512};

static void large_products_take_the_targets_tile(void **state)
{
    (void)state;
    int mr, nr;
    kern_tile_fit(&wide, false, 1024, 1024, &mr, &nr);
    assert_int_equal(mr, 12);
    assert_int_equal(nr, 32);
    kern_tile_fit(&wide, true, 1024, 1024, &mr, &nr);
    assert_int_equal(mr, 12);
    assert_int_equal(nr, 16);
}

static void a_short_side_is_not_padded_much(void **state)
{
    (void)state;
    int mr, nr;
    kern_tile_fit(&wide, false, 64, 256, &mr, &nr);
    assert_int_equal(64 % mr, 0);
    assert_int_equal(256 % nr, 0);
    kern_tile_fit(&wide, false, 1024, 10, &mr, &nr);
    assert_int_equal(nr, 16);
}

static void every_tile_fits_the_registers(void **state)
{
    (void)state;
    const kern_target *const targets[] = {&wide, &narrow};
    for (int i = 0; i < 2; i++)
        for (int f64 = 0; f64 < 2; f64++)
            for (int64_t m = 1; m < 200; m += 3)
                for (int64_t n = 1; n < 200; n += 5) {
                    int mr, nr, lanes = targets[i]->lanes_f32 / (f64 ? 2 : 1);
                    kern_tile_fit(targets[i], f64, m, n, &mr, &nr);
                    assert_true(mr >= 1 && nr >= lanes && nr % lanes == 0);
                    assert_true((mr + 1) * (nr / lanes) < targets[i]->registers);
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_products_take_the_targets_tile),
        cmocka_unit_test(a_short_side_is_not_padded_much),
        cmocka_unit_test(every_tile_fits_the_registers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
