/*
 * test_ahead.c - a run's data on their way while the execution before computes
 * (runtime/run.h: run_ahead).
 */
#include "runtime/device.h"
#include "runtime/run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 16, BYTES = 4 * WORDS };

/* scale(x, y, k): y[thread] = x[thread] * k. */
static const char scale_ptx[] =
    ".version 8.0\n.target sm_75\n.address_size 64\n"
    ".visible .entry scale(.param .u64 x, .param .u64 y, .param .u64 k)\n{\n"
    ".reg .b32 %r<5>;\n.reg .b64 %rd<6>;\n"
    "ld.param.u64 %rd1, [x];\nld.param.u64 %rd2, [y];\n"
    "ld.param.u64 %rd3, [k];\nmov.u32 %r1, %tid.x;\n"
    "mul.wide.u32 %rd4, %r1, 4;\nadd.s64 %rd5, %rd1, %rd4;\n"
    "ld.global.u32 %r2, [%rd5];\nld.global.u32 %r3, [%rd3];\n"
    "mul.lo.s32 %r4, %r2, %r3;\nadd.s64 %rd5, %rd2, %rd4;\n"
    "st.global.u32 [%rd5], %r4;\nret;\n}\n";

static const ptl_buffer buffers[] = {
    {.name = "x",
     .role = PTL_ROLE_DATA,
     .dtype = PTL_I32,
     .rank = 1,
     .dims = {WORDS},
     .size_bytes = BYTES},
    {.name = "y",
     .role = PTL_ROLE_OUTPUT,
     .dtype = PTL_I32,
     .rank = 1,
     .dims = {WORDS},
     .size_bytes = BYTES},
    {.name = "step",
     .role = PTL_ROLE_SCALAR,
     .dtype = PTL_I32,
     .size_bytes = 4},
};
static const int args[] = {0, 1, 2};
static const ptl_step step = {
    .name = "scale",
    .launch = {.function = "scale", .blocks = 1, .threads = WORDS},
    .args = args,
    .arg_count = 3,
    .task_count = 1};
static const ptl_code_part part = {.ptx = scale_ptx};

static ptl_device *device;
static ptl_program program;
static ptl_run *run;
static _Alignas(PTL_BUFFER_ALIGN) int32_t batches[3][WORDS];

static int open_device(void **state)
{
    ptl_error err;
    (void)state;
    setenv("PTL_CUDA_DRIVER", PTL_VIRTUAL_CUDA, 1);
    if (device_open("cuda:0", &device, &err) != PTL_OK)
        return 1;
    program = (ptl_program){.name = "test",
                            .buffers = buffers,
                            .buffer_count = 3,
                            .steps = &step,
                            .step_count = 1,
                            .arena_bytes = BYTES,
                            .device = device,
                            .parts = &part,
                            .part_count = 1};
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    device_close(device);
    return 0;
}

static void fill(int32_t *batch, int32_t value)
{
    for (int i = 0; i < WORDS; i++)
        batch[i] = value;
}

static int open_run(void **state)
{
    ptl_error err;
    (void)state;
    for (int i = 0; i < 3; i++)
        fill(batches[i], 10 + i);
    return run_open(&program, NULL, &run, &err) != PTL_OK;
}

static int close_run(void **state)
{
    (void)state;
    run_close(run);
    return 0;
}

static void begin(int batch, int32_t factor)
{
    ptl_error err;
    run_bind(run, 0, batches[batch]);
    run_set(run, "step", factor);
    assert_int_equal(run_begin(run, 0, &err), PTL_OK);
}

static void send_ahead(int batch)
{
    ptl_error err;
    run_bind(run, 0, batches[batch]);
    assert_int_equal(run_ahead(run, 0, &err), PTL_OK);
}

static void expect_result(int32_t value)
{
    ptl_error err;
    const int32_t *y = run_data(run, 1);
    assert_int_equal(run_finish(run, 0, &err), PTL_OK);
    for (int i = 0; i < WORDS; i++)
        assert_int_equal(y[i], value);
}

static void an_execution_reads_what_was_sent_ahead(void **state)
{
    (void)state;
    begin(0, 2);
    send_ahead(1);
    fill(batches[1], 99); /* against the rule, so that it shows */
    expect_result(20);
    begin(1, 3);
    send_ahead(2);
    expect_result(33);
    begin(2, 4);
    expect_result(48);
}

/* Of two orders that are allowed one is taken by chance. */
static void many_in_a_row_are_each_right(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        fill(batches[i % 3], i);
        begin(i % 3, 5);
        fill(batches[(i + 1) % 3], i + 1);
        send_ahead((i + 1) % 3);
        expect_result(5 * i);
    }
}

static void other_memory_is_read_where_that_is_bound(void **state)
{
    (void)state;
    begin(0, 1);
    send_ahead(1);
    expect_result(10);
    begin(2, 1);
    send_ahead(0);
    expect_result(12);
    begin(0, 1);
    expect_result(10);
}

static void sent_ahead_twice_the_first_counts(void **state)
{
    (void)state;
    begin(0, 1);
    send_ahead(1);
    send_ahead(2);
    expect_result(10);
    begin(1, 1);
    expect_result(11);
}

static void before_the_first_execution_nothing_is_sent(void **state)
{
    (void)state;
    send_ahead(1);
    fill(batches[1], 7);
    begin(1, 1);
    expect_result(7);
}

static void what_nobody_took_goes_with_the_run(void **state)
{
    (void)state;
    begin(0, 1);
    send_ahead(1);
    expect_result(10);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, open_run, close_run)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(an_execution_reads_what_was_sent_ahead),
        FACT(many_in_a_row_are_each_right),
        FACT(other_memory_is_read_where_that_is_bound),
        FACT(sent_ahead_twice_the_first_counts),
        FACT(before_the_first_execution_nothing_is_sent),
        FACT(what_nobody_took_goes_with_the_run),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
