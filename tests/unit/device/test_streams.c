/*
 * test_streams.c - work runs in any order that is allowed and in no other.
 */
#include "virtual/device.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* increment(p): *p += 1, by one thread. */
static const char increment_ptx[] =
    ".version 8.0\n.target sm_75\n.address_size 64\n"
    ".visible .entry increment(.param .u64 p)\n{\n"
    ".reg .b32 %r<3>;\n.reg .b64 %rd<2>;\n"
    "ld.param.u64 %rd1, [p];\nld.global.u32 %r1, [%rd1];\n"
    "add.u32 %r1, %r1, 1;\nst.global.u32 [%rd1], %r1;\nret;\n}\n";

enum { TRIALS = 200 };
static CUfunction increment;
static CUstream first, second;
static CUdeviceptr word;
static uint32_t *pinned;

static void push_increment(CUstream stream)
{
    void *arguments[] = {&word};
    OK(cuLaunchKernel(increment, 1, 1, 1, 1, 1, 1, 0, stream, arguments, NULL));
}

static uint32_t value_of_word(void)
{
    uint32_t value;
    OK(cuCtxSynchronize());
    virtual_download(&value, word, sizeof value);
    return value;
}

static int set_up(void **state)
{
    (void)state;
    increment = virtual_kernel(increment_ptx, "increment");
    word = virtual_room(4);
    OK(cuStreamCreate(&first, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
    OK(cuMemAllocHost_v2((void **)&pinned, 4));
    return 0;
}

/* The word is 10, incremented in the first stream, copied out in the second. */
static CUresult copy_out(bool waits)
{
    CUevent event;
    OK(cuMemsetD32_v2(word, 10, 1));
    OK(cuCtxSynchronize());
    OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    push_increment(first);
    OK(cuEventRecord(event, first));
    if (waits)
        OK(cuStreamWaitEvent(second, event, 0));
    *pinned = 0;
    OK(cuMemcpyDtoHAsync_v2(pinned, word, 4, second));
    CUresult r = cuda()->cuStreamSynchronize(second);
    return r == CUDA_SUCCESS ? cuda()->cuCtxSynchronize() : r;
}

/* In a process without checks. */
static int count_early_and_late(void)
{
    int early = 0, late = 0;
    set_up(NULL);
    for (int t = 0; t < TRIALS; t++) {
        assert_int_equal(copy_out(false), CUDA_SUCCESS);
        *(*pinned == 10 ? &early : &late) += 1;
    }
    return early > 0 && late > 0 ? 0 : 1;
}

static void a_missing_wait_shows_in_the_values(void **state)
{
    const char *self = *state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        setenv("PTL_VIRTUAL_CHECKS", "off", 1);
        execl(self, self, "values", (char *)NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_missing_wait_is_told_whatever_comes_first(void **state)
{
    (void)state;
    for (int t = 0; t < 20; t++) {
        virtual_listen();
        CUresult r = copy_out(false);
        const char *heard = virtual_heard();
        assert_int_equal(r, CUDA_ERROR_LAUNCH_FAILED);
        assert_non_null(strstr(heard, "missing wait"));
        virtual_reset(0);
        set_up(NULL);
    }
}

static void a_wait_is_kept(void **state)
{
    (void)state;
    for (int t = 0; t < TRIALS; t++) {
        assert_int_equal(copy_out(true), CUDA_SUCCESS);
        assert_int_equal(*pinned, 11);
    }
}

/* What the host has waited for is before all it asks for afterwards. */
static void the_host_waits_too(void **state)
{
    (void)state;
    CUevent event;
    OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    for (int t = 0; t < TRIALS; t++) {
        OK(cuMemsetD32Async(word, 20, 1, second));
        OK(cuStreamSynchronize(second));
        push_increment(first);
        OK(cuEventRecord(event, first));
        while (t % 2 && cuda()->cuEventQuery(event) == CUDA_ERROR_NOT_READY)
            ;
        OK(cuEventSynchronize(event));
        push_increment(second);
        assert_int_equal(value_of_word(), 22);
    }
    OK(cuEventDestroy_v2(event));
}

static void a_stream_goes_in_order(void **state)
{
    (void)state;
    for (int t = 0; t < TRIALS; t++) {
        OK(cuMemsetD32Async(word, 0, 1, first));
        push_increment(first);
        OK(cuMemsetD32Async(word, 5, 1, first));
        push_increment(first);
        assert_int_equal(value_of_word(), 6);
    }
}

static void nothing_runs_before_somebody_waits(void **state)
{
    (void)state;
    OK(cuMemsetD32_v2(word, 0, 1));
    OK(cuCtxSynchronize());
    OK(cuMemsetD32Async(word, 7, 1, first));
    assert_int_equal(cuda()->cuEventQuery(NULL), CUDA_ERROR_INVALID_HANDLE);
    int not_ready = 0;
    while (cuda()->cuStreamQuery(first) == CUDA_ERROR_NOT_READY)
        not_ready++;
    assert_true(not_ready < 100);
    assert_int_equal(value_of_word(), 7);
}

/* It waits for the others, and they for it. */
static void the_default_stream_is_between(void **state)
{
    (void)state;
    CUstream waits;
    OK(cuStreamCreate(&waits, CU_STREAM_DEFAULT));
    for (int t = 0; t < TRIALS; t++) {
        OK(cuMemsetD32Async(word, 1, 1, waits));
        push_increment(NULL);
        OK(cuMemcpyDtoHAsync_v2(pinned, word, 4, waits));
        OK(cuStreamSynchronize(waits));
        assert_int_equal(*pinned, 2);
    }
    OK(cuStreamDestroy_v2(waits));
}

/* Pinned memory is read when the copy runs, other memory when it is asked. */
static void the_host_may_be_too_early(void **state)
{
    (void)state;
    int changed = 0;
    for (int t = 0; t < TRIALS; t++) {
        uint32_t own = 3;
        *pinned = 3;
        OK(cuMemcpyHtoDAsync_v2(word, pinned, 4, first));
        *pinned = 4;
        changed += value_of_word() == 4;
        OK(cuMemcpyHtoDAsync_v2(word, &own, 4, first));
        own = 4;
        assert_int_equal(value_of_word(), 3);
    }
    assert_true(changed > 0);
}

static void an_event_is_what_was_recorded_last_when_waiting(void **state)
{
    (void)state;
    CUevent event;
    float ms;
    OK(cuEventCreate(&event, CU_EVENT_DEFAULT));
    OK(cuStreamWaitEvent(second, event, 0)); /* nothing: not recorded */
    OK(cuStreamSynchronize(second));
    OK(cuEventQuery(event));
    assert_int_equal(cuda()->cuEventElapsedTime(&ms, event, event),
                     CUDA_ERROR_INVALID_HANDLE);
    OK(cuEventRecord(event, first));
    assert_int_equal(cuda()->cuEventElapsedTime(&ms, event, event),
                     CUDA_ERROR_NOT_READY);
    OK(cuEventSynchronize(event));
    OK(cuEventElapsedTime(&ms, event, event));
    assert_true(ms == 0.0f);
    OK(cuEventDestroy_v2(event));
}

static void copies_between_devices(void **state)
{
    (void)state;
    CUcontext here = virtual_use(0), there = virtual_use(1);
    uint32_t value = 9;
    CUdeviceptr far = virtual_upload(&value, sizeof value);
    OK(cuCtxSetCurrent(here));
    OK(cuMemcpyPeerAsync(word, here, far, there, 4, NULL));
    assert_int_equal(value_of_word(), 9);
    assert_int_equal(cuda()->cuMemcpyPeerAsync(far, here, word, there, 4, NULL),
                     CUDA_ERROR_INVALID_VALUE);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_missing_wait_shows_in_the_values, argv[0]),
        cmocka_unit_test(a_missing_wait_is_told_whatever_comes_first),
        cmocka_unit_test(a_wait_is_kept),
        cmocka_unit_test(the_host_waits_too),
        cmocka_unit_test(a_stream_goes_in_order),
        cmocka_unit_test(nothing_runs_before_somebody_waits),
        cmocka_unit_test(the_default_stream_is_between),
        cmocka_unit_test(the_host_may_be_too_early),
        cmocka_unit_test(an_event_is_what_was_recorded_last_when_waiting),
        cmocka_unit_test(copies_between_devices),
    };
    setenv("PTL_VIRTUAL_DEVICES", "2", 1);
    if (argc > 1)
        return count_early_and_late();
    return cmocka_run_group_tests(tests, set_up, NULL);
}
