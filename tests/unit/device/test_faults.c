/*
 * test_faults.c - kernels with a mistake in them are told, with the error a GPU
 * would give; the same kernels without it are not.
 */
#include "base/str.h"
#include "virtual/device.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 64 };

/* A kernel k(a, b) of `body`: %a and %b are its arguments, %mine and %next 4
 * bytes each thread and those of the next, %t the thread, %o its offset. */
static CUfunction kernel_of(const char *body)
{
    ptl_str text = {0};
    str_add(&text,
            ".version 8.0\n.target sm_75\n.address_size 64\n"
            ".extern .shared .align 16 .b8 dynamic[];\n"
            ".visible .entry k(.param .u64 pa, .param .u64 pb)\n{\n"
            ".reg .pred %p<8>;\n.reg .b32 %r<16>, %t, %o, %n;\n"
            ".reg .f32 %f<16>;\n.reg .b64 %rd<16>, %a, %b, %mine, %next;\n"
            ".shared .align 4 .b8 words[256];\n"
            "ld.param.u64 %a, [pa];\nld.param.u64 %b, [pb];\n"
            "mov.u32 %t, %tid.x;\nshl.b32 %o, %t, 2;\n"
            "add.s32 %n, %o, 4;\nand.b32 %n, %n, 255;\n"
            "cvt.u64.u32 %rd0, %o;\nadd.s64 %mine, %a, %rd0;\n"
            "cvt.u64.u32 %rd0, %n;\nadd.s64 %next, %a, %rd0;\n");
    str_printf(&text, "%s\nret;\n}\n", body);
    CUfunction f = virtual_kernel(str_text(&text), "k");
    str_fini(&text);
    return f;
}

static CUdeviceptr some_words(void)
{
    uint32_t words[N];
    for (uint32_t i = 0; i < N; i++)
        words[i] = i;
    return virtual_upload(words, sizeof words);
}

/* Runs `body` on N threads; what it says goes to virtual_heard(). */
static CUresult result_of(const char *body, CUdeviceptr a, CUdeviceptr b,
                          unsigned blocks)
{
    CUfunction f = kernel_of(body);
    void *arguments[] = {&a, &b};
    virtual_listen();
    return virtual_launch(f, blocks, N, 64, arguments);
}

/* The error and the words of its message; the context is new afterwards. */
static void faults(const char *body, CUdeviceptr a, CUdeviceptr b,
                   unsigned blocks, CUresult error, const char *words)
{
    CUresult r = result_of(body, a, b, blocks);
    const char *heard = virtual_heard();
    virtual_reset(0);
    if (r != error || !strstr(heard, words))
        fail_msg("error %d, not %d, with: %s", r, error, heard);
    assert_non_null(strstr(heard, "kernel \"k\""));
    assert_non_null(strstr(heard, "thread ("));
}

static void is_clean(const char *body, CUdeviceptr a, CUdeviceptr b,
                     unsigned blocks)
{
    CUresult r = result_of(body, a, b, blocks);
    const char *heard = virtual_heard();
    if (r != CUDA_SUCCESS || heard[0])
        virtual_reset(0);
    if (r != CUDA_SUCCESS || heard[0])
        fail_msg("error %d with: %s", r, heard);
}

static void a_store_one_past_the_end(void **state)
{
    (void)state;
    faults("st.global.u32 [%mine+4], %t;", some_words(), 0, 1,
           CUDA_ERROR_ILLEGAL_ADDRESS, "0 bytes past the end of 256 allocated");
    is_clean("st.global.u32 [%mine], %t;", some_words(), 0, 1);
}

static void a_load_one_before_the_beginning(void **state)
{
    (void)state;
    faults("ld.global.u32 %r1, [%mine+-4];", some_words(), 0, 1,
           CUDA_ERROR_ILLEGAL_ADDRESS, "thread (0, 0, 0)");
}

static void a_byte_past_an_odd_end(void **state)
{
    (void)state;
    CUdeviceptr a = virtual_upload("abcdef", 6);
    faults("ld.global.u8 %r1, [%a+6];", a, 0, 1, CUDA_ERROR_ILLEGAL_ADDRESS,
           "0 bytes past the end of 6 allocated");
    is_clean("ld.global.u8 %r1, [%a+5];", virtual_upload("abcdef", 6), 0, 1);
}

static void an_address_of_the_host(void **state)
{
    (void)state;
    int here = 0;
    faults("ld.global.u32 %r1, [%a];", (CUdeviceptr)(uintptr_t)&here, 0, 1,
           CUDA_ERROR_ILLEGAL_ADDRESS, "no device has such an address");
}

static void a_misaligned_float4(void **state)
{
    (void)state;
    faults("ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%a+4];", some_words(), 0, 1,
           CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned");
    is_clean("ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%a+16];", some_words(), 0,
             1);
}

static void a_use_after_free(void **state)
{
    (void)state;
    CUdeviceptr a = some_words();
    OK(cuMemFree_v2(a));
    some_words();
    faults("ld.global.u32 %r1, [%mine];", a, 0, 1, CUDA_ERROR_ILLEGAL_ADDRESS,
           "256 freed bytes");
}

static void a_read_of_what_nothing_wrote(void **state)
{
    (void)state;
    CUdeviceptr half = virtual_room(N * 4);
    OK(cuMemsetD32_v2(half, 7, N / 2));
    faults("ld.global.u32 %r1, [%mine];", half, 0, 1, CUDA_ERROR_LAUNCH_FAILED,
           "thread (32, 0, 0)");
    faults("ld.shared.u32 %r1, [words];", 0, 0, 1, CUDA_ERROR_LAUNCH_FAILED,
           "nothing wrote it");
    is_clean("st.global.u32 [%mine], %t;\nld.global.u32 %r1, [%mine];",
             virtual_room(N * 4), 0, 1);
}

/* What a copy brings is as much written as it was. */
static void copies_of_what_nothing_wrote(void **state)
{
    (void)state;
    CUdeviceptr from = virtual_room(N * 4), to = some_words();
    OK(cuMemcpyDtoD_v2(to, from, N * 4));
    faults("ld.global.u32 %r1, [%mine];", to, 0, 1, CUDA_ERROR_LAUNCH_FAILED,
           "nothing wrote it");
}

static void shared_memory_beyond_a_variable(void **state)
{
    (void)state;
    faults("st.shared.u32 [words+256], %t;", 0, 0, 1,
           CUDA_ERROR_ILLEGAL_ADDRESS, "outside the variables");
    faults("st.shared.u32 [dynamic+64], %t;", 0, 0, 1,
           CUDA_ERROR_ILLEGAL_ADDRESS, "outside the variables");
    is_clean("setp.eq.u32 %p1, %t, 0;\n@%p1 st.shared.u32 [dynamic+60], %t;\n"
             "@%p1 st.shared.u32 [words+252], %t;",
             0, 0, 1);
}

#define STORE_SHARED                                                           \
    "mov.u32 %r1, words;\nadd.s32 %r2, %r1, %o;\n"                             \
    "st.shared.u32 [%r2], %t;\n"
#define LOAD_NEXT_SHARED                                                       \
    "add.s32 %r3, %r1, %n;\nld.shared.u32 %r4, [%r3];\n"                       \
    "st.global.u32 [%mine], %r4;"

static void a_race_in_shared_memory(void **state)
{
    (void)state;
    faults(STORE_SHARED "xor.b32 %n, %o, 128;\n" LOAD_NEXT_SHARED, some_words(),
           0, 1, CUDA_ERROR_LAUNCH_FAILED, "shared");
    is_clean(STORE_SHARED "bar.sync 0;\n" LOAD_NEXT_SHARED, some_words(), 0, 1);
}

#define TURNS(between)                                                         \
    "mov.u32 %r9, 0;\n$again:\n" STORE_SHARED                                  \
    "bar.sync 0;\n" LOAD_NEXT_SHARED between                                   \
    "\nadd.u32 %r9, %r9, 1;\nsetp.lt.u32 %p1, %r9, 3;\n@%p1 bra $again;"

/* Without the loop's second barrier the next turn writes too early. */
static void a_race_across_turns_of_a_loop(void **state)
{
    (void)state;
    faults(TURNS(""), some_words(), 0, 1, CUDA_ERROR_LAUNCH_FAILED, "race");
    is_clean(TURNS("bar.sync 0;"), some_words(), 0, 1);
}

static void a_race_between_blocks(void **state)
{
    (void)state;
    faults("mov.u32 %r1, %ctaid.x;\nst.global.u32 [%mine], %r1;", some_words(),
           0, 2, CUDA_ERROR_LAUNCH_FAILED, "race");
    is_clean("atom.global.add.u32 %r1, [%mine], 1;", some_words(), 0, 2);
    is_clean("ld.global.u32 %r1, [%mine];", some_words(), 0, 2);
}

static void a_race_between_warps_in_global_memory(void **state)
{
    (void)state;
    faults("st.global.u32 [%mine], %t;\nld.global.u32 %r1, [%next];",
           some_words(), 0, 1, CUDA_ERROR_LAUNCH_FAILED, "race");
    is_clean("st.global.u32 [%mine], %t;\nbar.sync 0;\n"
             "ld.global.u32 %r1, [%next];",
             some_words(), 0, 1);
}

static void lanes_that_write_one_word_differently(void **state)
{
    (void)state;
    faults("st.global.u32 [%a], %t;", some_words(), 0, 1,
           CUDA_ERROR_LAUNCH_FAILED, "race");
    is_clean("setp.lt.u32 %p1, %t, 32;\n@%p1 st.global.u32 [%a], 5;",
             some_words(), 0, 1);
}

static void a_barrier_in_a_branch(void **state)
{
    (void)state;
    faults("setp.lt.u32 %p1, %t, 40;\n@%p1 bar.sync 0;", 0, 0, 1,
           CUDA_ERROR_LAUNCH_FAILED, "divergent barrier");
    faults("setp.lt.u32 %p1, %t, 32;\n@%p1 bra $L;\nret;\n$L:\nbar.sync 0;", 0,
           0, 1, CUDA_ERROR_LAUNCH_FAILED, "divergent barrier");
    faults("and.b32 %r1, %t, 1;\nsetp.eq.u32 %p1, %r1, 0;\n@%p1 bra $L;\n"
           "bar.sync 0;\nbra $E;\n$L:\nbar.sync 0;\n$E:",
           0, 0, 1, CUDA_ERROR_LAUNCH_FAILED, "divergent barrier");
}

static void a_shuffle_from_a_lane_that_is_elsewhere(void **state)
{
    (void)state;
    faults("setp.lt.u32 %p1, %t, 16;\n"
           "@%p1 shfl.sync.down.b32 %r1, %t, 4, 31, -1;\nbar.sync 0;",
           0, 0, 1, CUDA_ERROR_LAUNCH_FAILED, "do not come");
    faults("and.b32 %r2, %t, 31;\nsetp.lt.u32 %p1, %r2, 16;\n"
           "@%p1 shfl.sync.down.b32 %r1, %t, 4, 31, 0xffff;",
           0, 0, 1, CUDA_ERROR_LAUNCH_FAILED, "does not take part");
    faults("shfl.sync.bfly.b32 %r1, %t, 1, 31, 0x7fffffff;", 0, 0, 1,
           CUDA_ERROR_LAUNCH_FAILED, "does not name");
}

static void memory_of_a_peer_without_access(void **state)
{
    (void)state;
    uint32_t word = 5;
    CUcontext peer = virtual_use(1);
    CUdeviceptr there = virtual_upload(&word, sizeof word);
    virtual_use(0);
    const char *body =
        "setp.eq.u32 %p1, %t, 0;\n@%p1 ld.global.u32 %r1, [%b];\n"
        "@%p1 st.global.u32 [%a], %r1;";
    faults(body, virtual_room(4), there, 1, CUDA_ERROR_ILLEGAL_ADDRESS,
           "without peer access");
    OK(cuCtxEnablePeerAccess(peer, 0));
    CUdeviceptr here = virtual_room(4);
    is_clean(body, here, there, 1);
    virtual_download(&word, here, sizeof word);
    assert_int_equal(word, 5);
    assert_int_equal(cuda()->cuCtxEnablePeerAccess(peer, 0),
                     CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
    virtual_reset(0);
}

static void a_trap(void **state)
{
    (void)state;
    faults("setp.eq.u32 %p1, %t, 33;\n@%p1 trap;", 0, 0, 1,
           CUDA_ERROR_LAUNCH_FAILED, "thread (33, 0, 0)");
}

static void a_kernel_that_does_not_end(void **state)
{
    (void)state;
    faults("$L:\nbra $L;", 0, 0, 1, CUDA_ERROR_LAUNCH_TIMEOUT, "still running");
}

/* The instruction is quoted with its line. */
static void messages_say_where(void **state)
{
    (void)state;
    faults("\n\nst.global.u32 [%mine+256], %t;", some_words(), 0, 1,
           CUDA_ERROR_ILLEGAL_ADDRESS,
           "at PTX line 24: st.global.u32 [%mine+256], %t");
}

static void a_fault_stays_until_the_context_ends(void **state)
{
    (void)state;
    CUdeviceptr address;
    assert_int_equal(result_of("trap;", 0, 0, 1), CUDA_ERROR_LAUNCH_FAILED);
    virtual_heard();
    assert_int_equal(cuda()->cuCtxSynchronize(), CUDA_ERROR_LAUNCH_FAILED);
    assert_int_equal(cuda()->cuMemAlloc_v2(&address, 4),
                     CUDA_ERROR_LAUNCH_FAILED);
    virtual_reset(0);
    OK(cuCtxSynchronize());
    OK(cuMemAlloc_v2(&address, 4));
}

static CUresult load(const char *image)
{
    CUmodule module;
    virtual_listen();
    return cuda()->cuModuleLoadDataEx(&module, image, 0, NULL, NULL);
}

static void modules_that_are_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\177ELF and so on"), CUDA_ERROR_NO_BINARY_FOR_GPU);
    virtual_heard();
    assert_int_equal(load("nonsense"), CUDA_ERROR_INVALID_PTX);
    virtual_heard();
    assert_int_equal(load(".version 8.0\n.target sm_999\n.address_size 64\n"),
                     CUDA_ERROR_INVALID_PTX);
    assert_non_null(strstr(virtual_heard(), "sm_999"));
    assert_int_equal(load(".version 8.0\n.target sm_75\n.address_size 64\n"
                          ".entry k()\n{\n.reg .b32 %r<3>;\n"
                          "frobnicate.u32 %r1, %r2;\n}\n"),
                     CUDA_ERROR_INVALID_PTX);
    assert_non_null(
        strstr(virtual_heard(), "line 7: no handler for \"frobnicate.u32\""));
}

static void launches_that_are_refused(void **state)
{
    (void)state;
    CUfunction f = kernel_of("");
    CUdeviceptr none = 0;
    void *a[] = {&none, &none};
    const virtual_driver *d = cuda();
    assert_int_equal(
        d->cuLaunchKernel(f, 1, 1, 1, 1025, 1, 1, 0, NULL, a, NULL),
        CUDA_ERROR_INVALID_VALUE);
    assert_int_equal(d->cuLaunchKernel(f, 0, 1, 1, 32, 1, 1, 0, NULL, a, NULL),
                     CUDA_ERROR_INVALID_VALUE);
    assert_int_equal(
        d->cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 49152, NULL, a, NULL),
        CUDA_ERROR_INVALID_VALUE);
    OK(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                          49152));
    OK(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 49152, NULL, a, NULL));
    OK(cuCtxSynchronize());
    assert_int_equal(
        d->cuLaunchCooperativeKernel(f, 100000, 1, 1, 32, 1, 1, 0, NULL, a),
        CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
}

static void memory_ends(void **state)
{
    (void)state;
    CUdeviceptr a;
    size_t left, all;
    OK(cuMemGetInfo_v2(&left, &all));
    assert_int_equal(cuda()->cuMemAlloc_v2(&a, left + 1),
                     CUDA_ERROR_OUT_OF_MEMORY);
    assert_int_equal(cuda()->cuMemFree_v2(some_words() + 4),
                     CUDA_ERROR_INVALID_VALUE);
    assert_int_equal(cuda()->cuMemcpyHtoD_v2(some_words(), &left, 257),
                     CUDA_ERROR_INVALID_VALUE);
}

/* In a process of its own: it ends. */
static void a_fault_can_end_the_process(void **state)
{
    const char *self = *state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        setenv("PTL_VIRTUAL_ABORT", "1", 1);
        execl(self, self, "trap", (char *)NULL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 70);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_one_past_the_end),
        cmocka_unit_test(a_load_one_before_the_beginning),
        cmocka_unit_test(a_byte_past_an_odd_end),
        cmocka_unit_test(an_address_of_the_host),
        cmocka_unit_test(a_misaligned_float4),
        cmocka_unit_test(a_use_after_free),
        cmocka_unit_test(a_read_of_what_nothing_wrote),
        cmocka_unit_test(copies_of_what_nothing_wrote),
        cmocka_unit_test(shared_memory_beyond_a_variable),
        cmocka_unit_test(a_race_in_shared_memory),
        cmocka_unit_test(a_race_across_turns_of_a_loop),
        cmocka_unit_test(a_race_between_blocks),
        cmocka_unit_test(a_race_between_warps_in_global_memory),
        cmocka_unit_test(lanes_that_write_one_word_differently),
        cmocka_unit_test(a_barrier_in_a_branch),
        cmocka_unit_test(a_shuffle_from_a_lane_that_is_elsewhere),
        cmocka_unit_test(memory_of_a_peer_without_access),
        cmocka_unit_test(a_trap),
        cmocka_unit_test(a_kernel_that_does_not_end),
        cmocka_unit_test(messages_say_where),
        cmocka_unit_test(a_fault_stays_until_the_context_ends),
        cmocka_unit_test(modules_that_are_refused),
        cmocka_unit_test(launches_that_are_refused),
        cmocka_unit_test(memory_ends),
        cmocka_unit_test_prestate(a_fault_can_end_the_process, argv[0]),
    };
    setenv("PTL_VIRTUAL_DEVICES", "2", 1);
    setenv("PTL_VIRTUAL_LIMIT", "1000000", 1);
    if (argc > 1) {
        CUfunction f = kernel_of("trap;");
        CUdeviceptr none = 0;
        void *arguments[] = {&none, &none};
        virtual_launch(f, 1, 32, 0, arguments);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
