/*
 * test_run.c - programs run: every task once, in order of steps, with the
 * same result for any number of threads; broken programs are refused.
 */
#include "runtime/run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 1000 };

/* y[i] = x[i] * k, one element a task */
static void scale(void *const *args, int64_t begin, int64_t end)
{
    const float *x = args[0];
    float *y = args[1];
    const int32_t *k = args[2];
    for (int64_t i = begin; i < end; i++)
        y[i] = x[i] * (float)*k;
}

/* sum[0] = sum(i) y[i], one task */
static void sum_all(void *const *args, int64_t begin, int64_t end)
{
    const float *y = args[0];
    float *sum = args[1];
    assert_int_equal(begin, 0);
    assert_int_equal(end, 1);
    *sum = 0;
    for (int i = 0; i < N; i++)
        *sum += y[i];
}

static const int scale_args[] = {0, 1, 2}, sum_args[] = {1, 3};
static const ptl_buffer buffers[] = {
    {.name = "x",
     .role = PTL_ROLE_DATA,
     .dtype = PTL_F32,
     .rank = 1,
     .dims = {N},
     .size_bytes = N * 4},
    {.name = "y",
     .role = PTL_ROLE_TRANSIENT,
     .dtype = PTL_F32,
     .rank = 1,
     .dims = {N},
     .size_bytes = N * 4,
     .arena_offset = 64},
    {.name = "step",
     .role = PTL_ROLE_SCALAR,
     .dtype = PTL_I32,
     .size_bytes = 4},
    {.name = "sum",
     .role = PTL_ROLE_OUTPUT,
     .dtype = PTL_F32,
     .size_bytes = 4,
     .arena_offset = 0},
};
static const ptl_step steps[] = {
    {.name = "scale",
     .entry = scale,
     .args = scale_args,
     .arg_count = 3,
     .task_count = N},
    {.name = "sum",
     .entry = sum_all,
     .args = sum_args,
     .arg_count = 2,
     .task_count = 1},
};

static ptl_program program_of(const ptl_buffer *b)
{
    return (ptl_program){.name = "test",
                         .buffers = b,
                         .buffer_count = 4,
                         .steps = steps,
                         .step_count = 2,
                         .arena_bytes = 64 + N * 4 + 32};
}

static float run_with(int threads, int32_t k)
{
    ptl_program p = program_of(buffers);
    ptl_pool *pool;
    ptl_run *run;
    ptl_error err;
    assert_int_equal(pool_open(threads, &pool, &err), PTL_OK);
    assert_int_equal(run_open(&p, pool, &run, &err), PTL_OK);
    float *x = memory_map(N * 4);
    for (int i = 0; i < N; i++)
        x[i] = (float)(i % 7);
    assert_true(run_bind_name(run, "x", x));
    float result = 0;
    for (int round = 0; round < 200; round++) {
        run_set(run, "step", k);
        run_set(run, "no such scalar", 1);
        assert_int_equal(run_execute(run, &err), PTL_OK);
        result = *(float *)run_data(run, program_find(&p, "sum"));
    }
    run_close(run);
    pool_close(pool);
    memory_unmap(x, N * 4);
    return result;
}

static void any_number_of_threads_gives_the_same(void **state)
{
    (void)state;
    float one = run_with(1, 3);
    float expected = 0;
    for (int i = 0; i < N; i++)
        expected += (float)(i % 7) * 3;
    assert_true(one == expected);
    for (int threads = 2; threads <= 9; threads++)
        assert_true(run_with(threads, 3) == one);
}

static void note_step(void *ctx, int step)
{
    int *next = ctx;
    assert_int_equal(step, *next);
    ++*next;
}

static void who_watches_hears_of_every_step(void **state)
{
    (void)state;
    ptl_program p = program_of(buffers);
    ptl_pool *pool;
    ptl_run *run;
    ptl_error err;
    int steps_seen = 0;
    assert_int_equal(pool_open(2, &pool, &err), PTL_OK);
    assert_int_equal(run_open(&p, pool, &run, &err), PTL_OK);
    float *x = memory_map(N * 4);
    assert_true(run_bind_name(run, "x", x));
    assert_int_equal(run_execute_watched(run, note_step, &steps_seen, &err),
                     PTL_OK);
    assert_int_equal(steps_seen, 2);
    run_close(run);
    pool_close(pool);
    memory_unmap(x, N * 4);
}

/* An output is final after the last step that touches its bytes, even by
 * another buffer's name. */
static void the_last_touch_goes_by_memory(void **state)
{
    (void)state;
    enum { OUT, ALIAS, APART, LATE };
    static const int first[] = {OUT}, second[] = {APART}, third[] = {ALIAS},
                     fourth[] = {APART};
    static const ptl_buffer four[] = {
        {.name = "out",
         .role = PTL_ROLE_OUTPUT,
         .size_bytes = 128,
         .arena_offset = 64},
        {.role = PTL_ROLE_TRANSIENT, .size_bytes = 64, .arena_offset = 128},
        {.role = PTL_ROLE_TRANSIENT, .size_bytes = 64, .arena_offset = 0},
        {.name = "late",
         .role = PTL_ROLE_OUTPUT,
         .size_bytes = 64,
         .arena_offset = 192},
    };
    static const ptl_step touching[] = {{.args = first, .arg_count = 1},
                                        {.args = second, .arg_count = 1},
                                        {.args = third, .arg_count = 1},
                                        {.args = fourth, .arg_count = 1}};
    ptl_program p = {
        .buffers = four, .buffer_count = 4, .steps = touching, .step_count = 4};
    assert_int_equal(program_last_touch(&p, OUT), 2);
    assert_int_equal(program_last_touch(&p, LATE), -1);
    assert_int_equal(program_last_use(&p, OUT), 0);
    assert_int_equal(program_last_use(&p, APART), 3);
    assert_int_equal(program_last_use(&p, LATE), -1);
}

static void count_runs(void *const *args, int64_t begin, int64_t end)
{
    int32_t *runs = args[0];
    atomic_int *calls = args[1];
    atomic_fetch_add(calls, 1);
    for (int64_t i = begin; i < end; i++)
        runs[i]++;
}

static void every_task_runs_once(void **state)
{
    (void)state;
    ptl_pool *pool;
    assert_int_equal(pool_open(4, &pool, NULL), PTL_OK);
    assert_int_equal(pool_threads(pool), 4);
    for (int n = 0; n < 200; n++) {
        int32_t runs[40] = {0};
        atomic_int calls = 0;
        void *args[] = {runs, &calls};
        int tasks = n % 40, pieces = n / 40;
        pool_run(pool, count_runs, args, tasks, pieces);
        if (pieces > 0 && tasks >= 4 * pieces)
            assert_int_equal(calls, 4 * pieces);
        for (int i = 0; i < 40; i++)
            assert_int_equal(runs[i], i < tasks ? 1 : 0);
    }
    pool_close(pool);
}

static void unbound_data_is_named(void **state)
{
    (void)state;
    ptl_program p = program_of(buffers);
    ptl_pool *pool;
    ptl_run *run;
    ptl_error err;
    assert_int_equal(pool_open(1, &pool, &err), PTL_OK);
    assert_int_equal(run_open(&p, pool, &run, &err), PTL_OK);
    assert_int_equal(run_execute(run, &err), PTL_E_INTERNAL);
    assert_non_null(strstr(err.text, "\"x\""));
    run_close(run);
    pool_close(pool);
}

typedef void (*breakage)(ptl_buffer *b);
static void offset_unaligned(ptl_buffer *b)
{
    b[1].arena_offset = 8;
}
static void offset_negative(ptl_buffer *b)
{
    b[1].arena_offset = -64;
}
static void beyond_the_arena(ptl_buffer *b)
{
    b[1].arena_offset = 128;
}
static void wrong_size(ptl_buffer *b)
{
    b[0].size_bytes = 4;
}
static void name_twice(ptl_buffer *b)
{
    b[3].name = "x";
}
static void shape_overflows(ptl_buffer *b)
{
    b[0].rank = 3;
    b[0].dims[1] = b[0].dims[2] = INT64_C(1) << 40;
}

static void broken_programs_are_refused(void **state)
{
    (void)state;
    static const breakage all[] = {offset_unaligned, offset_negative,
                                   beyond_the_arena, wrong_size,
                                   name_twice,       shape_overflows};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ptl_buffer b[4];
        memcpy(b, buffers, sizeof b);
        ptl_program p = program_of(b);
        assert_int_equal(program_check(&p, NULL), PTL_OK);
        all[i](b);
        ptl_error err;
        assert_int_equal(program_check(&p, &err), PTL_E_INTERNAL);
    }
}

/* ---------- products of matrices, on a device ---------- */

typedef struct multiplied {
    ptl_buffer buffers[2];
    ptl_product product;
    ptl_step step;
    ptl_code_part part;
    ptl_program program;
} multiplied;

/* y (20, 20) = x (20, 30) x (30, 20), parts of which are one. */
static void make_multiplied(multiplied *m)
{
    static const int args[] = {0, 1};
    memcpy(m->buffers, buffers, sizeof m->buffers);
    m->product = (ptl_product){.name = "p",
                               .dtype = PTL_F32,
                               .batch = 2,
                               .m = 20,
                               .n = 20,
                               .k = 30,
                               .left = {0, 10, 0, 30, 1},
                               .right = {0, 0, 400, 1, 30},
                               .result = {1, 0, 400, 20, 1}};
    m->step = (ptl_step){.name = "p",
                         .launch = {.function = "p", .blocks = 1, .threads = 1},
                         .product = &m->product,
                         .args = args,
                         .arg_count = 2};
    m->program = (ptl_program){.name = "p",
                               .buffers = m->buffers,
                               .buffer_count = 2,
                               .steps = &m->step,
                               .step_count = 1,
                               .arena_bytes = 64 + N * 4,
                               .device = (struct ptl_device *)m,
                               .parts = &m->part,
                               .part_count = 1,
                               .products = &m->product,
                               .product_count = 1};
}

typedef void (*damage)(multiplied *m);
static void ends_beyond(multiplied *m)
{
    m->product.right.batch = 401; /* its last element would be number 1000 */
}
static void begins_before(multiplied *m)
{
    m->product.left.at = -1;
}
static void lines_overlap(multiplied *m)
{
    m->product.result.row = 19;
}
static void without_neighbours(multiplied *m)
{
    m->product.right.row = 2;
}
static void another_type(multiplied *m)
{
    m->product.dtype = PTL_F64;
}
static void no_argument(multiplied *m)
{
    m->product.result.arg = 2;
}
static void nothing_to_multiply(multiplied *m)
{
    m->product.k = 0;
}
static void not_the_program_s(multiplied *m)
{
    m->program.product_count = 0;
}
static void on_the_host(multiplied *m)
{
    m->step.entry = sum_all;
    m->program.device = NULL;
}

static void broken_products_are_refused(void **state)
{
    (void)state;
    static const damage all[] = {
        ends_beyond,  begins_before,       lines_overlap,
        another_type, without_neighbours,  no_argument,
        on_the_host,  nothing_to_multiply, not_the_program_s};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        multiplied m = {0};
        ptl_error err;
        make_multiplied(&m);
        assert_int_equal(program_check(&m.program, &err), PTL_OK);
        all[i](&m);
        assert_int_equal(program_check(&m.program, &err), PTL_E_INTERNAL);
    }
}

static void an_arena_beyond_memory_is_a_status(void **state)
{
    (void)state;
    ptl_program p = program_of(buffers);
    p.arena_bytes = INT64_C(1) << 60;
    ptl_run *run;
    ptl_error err;
    assert_int_equal(run_open(&p, NULL, &run, &err), PTL_E_MEMORY);
    assert_non_null(strstr(err.text, "largest buffer"));
}

static void mapped_memory_is_aligned_and_zero(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4097, (size_t)2 << 20,
                                   ((size_t)5 << 20) + 3};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *m = memory_map(sizes[i]);
        assert_non_null(m);
        assert_int_equal((uintptr_t)m % PTL_BUFFER_ALIGN, 0);
        for (size_t k = 0; k < memory_padded(sizes[i]); k++)
            assert_int_equal(m[k], 0);
        memory_unmap(m, sizes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_threads_gives_the_same),
        cmocka_unit_test(who_watches_hears_of_every_step),
        cmocka_unit_test(the_last_touch_goes_by_memory),
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(unbound_data_is_named),
        cmocka_unit_test(broken_programs_are_refused),
        cmocka_unit_test(broken_products_are_refused),
        cmocka_unit_test(an_arena_beyond_memory_is_a_status),
        cmocka_unit_test(mapped_memory_is_aligned_and_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
