/*
 * test_sums.c - sums of gradients: each operation, from scattered buffers into
 * one block, and the same bits on any number of threads.
 */
#include "runtime/sums.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 50000 };

static void every_operation_rounds_as_it_says(void **state)
{
    (void)state;
    const float x = 1.1f, by = 3;
    const double y = 1.1;
    const struct {
        sum_op op;
        float narrow;
        double wide;
    } cases[] = {{SUM_SET, x, y},
                 {SUM_ADD, 0.7f + x, 0.7 + y},
                 {SUM_SET_TIMES, x * by, y * 3},
                 {SUM_ADD_TIMES, 0.7f + (float)(x * by), 0.7 + y * 3},
                 {SUM_SET_OVER, x / by, y / 3},
                 {SUM_ADD_OVER, 0.7f + (float)(x / by), 0.7 + y / 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float to = 0.7f;
        double wide = 0.7;
        sums_span(PTL_F32, cases[i].op, &to, &x, 1, 3);
        assert_true(to == cases[i].narrow);
        sums_span(PTL_F64, cases[i].op, &wide, &y, 1, 3);
        assert_true(wide == cases[i].wide);
    }
}

/* Two tensors that lie in the other order and with a gap in the block. */
static void add_on(int threads, float *block)
{
    ptl_error err;
    ptl_pool *pool;
    sum_list list = {.dtype = PTL_F32};
    float *from = calloc(COUNT, sizeof *from);
    assert_non_null(from);
    for (int i = 0; i < COUNT; i++)
        from[i] = 1.0f / (float)(i + 1);
    assert_int_equal(pool_open(threads, &pool, &err), PTL_OK);
    assert_int_equal(sums_list_add(&list, 0, 64, COUNT - 16, &err), PTL_OK);
    assert_int_equal(
        sums_list_add(&list, (COUNT + 16) * sizeof(float), 0, 16, &err),
        PTL_OK);
    sums_run(pool, &list, SUM_SET, block, from, 0);
    sums_run(pool, &list, SUM_ADD_OVER, block, from, 7);
    sums_list_fini(&list);
    pool_close(pool);
    free(from);
}

static void what_is_added_does_not_depend_on_threads(void **state)
{
    (void)state;
    float *one = calloc(COUNT + 32, sizeof *one);
    float *three = calloc(COUNT + 32, sizeof *three);
    assert_non_null(one);
    assert_non_null(three);
    add_on(1, one);
    add_on(3, three);
    assert_memory_equal(one, three, (COUNT + 32) * sizeof *one);
    assert_true(one[0] == 1.0f / 17 + 1.0f / 17 / 7);
    assert_true(one[COUNT - 17] != 0 && one[COUNT - 16] == 0);
    assert_true(one[COUNT + 16] == 1.0f + 1.0f / 7);
    free(one);
    free(three);
}

/* Seventeen blocks: more than are taken at once. */
static void all_at_once_are_the_bits_of_one_after_another(void **state)
{
    (void)state;
    enum { BLOCKS = 17 };
    float *sums[2] = {calloc(COUNT, sizeof(float)),
                      calloc(COUNT, sizeof(float))};
    float *blocks = calloc((size_t)BLOCKS * COUNT, sizeof *blocks);
    const void *from[BLOCKS];
    ptl_pool *pool;
    ptl_error err;
    sum_list list = {.dtype = PTL_F32};
    assert_true(sums[0] && sums[1] && blocks);
    for (int i = 0; i < BLOCKS * COUNT; i++)
        blocks[i] = 1.0f / (float)(i % 1013 + 1);
    assert_int_equal(pool_open(2, &pool, &err), PTL_OK);
    assert_int_equal(sums_list_add(&list, 0, 0, COUNT, &err), PTL_OK);
    for (int k = 0; k < BLOCKS; k++) {
        from[k] = blocks + (size_t)k * COUNT;
        sums_run(pool, &list, k ? SUM_ADD : SUM_SET, sums[0], from[k], 0);
    }
    for (int i = 0; i < COUNT; i++)
        sums[1][i] = 7; /* is not in the sum */
    sums_run_all(pool, &list, sums[1], from, BLOCKS, true);
    assert_memory_equal(sums[0], sums[1], COUNT * sizeof(float));
    sums_run(pool, &list, SUM_ADD, sums[0], from[2], 0);
    sums_run_all(pool, &list, sums[1], from + 2, 1, false);
    assert_memory_equal(sums[0], sums[1], COUNT * sizeof(float));
    sums_list_fini(&list);
    pool_close(pool);
    free(sums[0]);
    free(sums[1]);
    free(blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_rounds_as_it_says),
        cmocka_unit_test(what_is_added_does_not_depend_on_threads),
        cmocka_unit_test(all_at_once_are_the_bits_of_one_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
