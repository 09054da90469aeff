/*
 * test_counts.c - what is counted of a kernel, as the report says it; what does
 * not depend on the seed; what is not looked at without checks.
 *
 * The report is written when a process ends, so kernels run in processes of
 * their own: this program with the name of what to do.
 */
#include "base/json.h"
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

enum { THREADS = 64, BLOCKS = 3 };
static const char *self;

/* What the threads of `access` load and where they store: a case by its name.
 */
typedef struct {
    const char *name;
    int step, down, first, bank;
} access_case;

static const access_case cases[] = {
    {"access", 2, 0, 0, 33},     {"conflict", 2, 0, 0, 32},
    {"conflict16", 2, 0, 0, 16}, {"in_order", 1, 0, 0, 1},
    {"shifted", 1, 0, 3, 1},     {"one_place", 0, 0, 0, 1},
    {"pairs", 1, 1, 0, 1},       {"pairs_shifted", 1, 1, 5, 1},
};

/* access(a): each thread one load at (tid * step >> down) + first words, one
 * store in shared memory at tid * bank words, one store of 8 bytes in order. */
static void write_kernel(ptl_str *s, const access_case *c)
{
    str_printf(
        s,
        ".version 8.0\n.target sm_75\n.address_size 64\n"
        ".visible .entry access(.param .u64 p)\n{\n.reg .b32 %%r<6>;\n"
        ".reg .b64 %%rd<6>;\n.shared .align 4 .b8 tile[8448];\n"
        "ld.param.u64 %%rd1, [p];\nmov.u32 %%r1, %%tid.x;\n"
        "mul.lo.u32 %%r2, %%r1, %d;\nshr.u32 %%r2, %%r2, %d;\n"
        "add.u32 %%r2, %%r2, %d;\nmul.wide.u32 %%rd2, %%r2, 4;\n"
        "add.s64 %%rd2, %%rd1, %%rd2;\nld.global.u32 %%r3, [%%rd2];\n"
        "mul.lo.u32 %%r2, %%r1, %d;\nmov.u32 %%r4, tile;\n"
        "add.u32 %%r4, %%r4, %%r2;\nst.shared.u32 [%%r4], %%r3;\n"
        "bar.sync 0;\nmov.u32 %%r4, %%ctaid.x;\n"
        "mad.lo.u32 %%r4, %%r4, 64, %%r1;\nmul.wide.u32 %%rd2, %%r4, 8;\n"
        "add.s64 %%rd2, %%rd1, %%rd2;\nadd.s64 %%rd2, %%rd2, 1024;\n"
        "cvt.u64.u32 %%rd3, %%r3;\nst.global.u64 [%%rd2], %%rd3;\nret;\n}\n",
        c->step, c->down, c->first, c->bank * 4);
}

enum { INSTRUCTIONS = 21 };

static int run_access(const access_case *c)
{
    static uint32_t zero[256 + THREADS * BLOCKS * 2];
    ptl_str text = {0};
    write_kernel(&text, c);
    CUdeviceptr a = virtual_upload(zero, sizeof zero);
    void *arguments[] = {&a};
    CUfunction f = virtual_kernel(str_text(&text), "access");
    for (int k = 0; k < 2; k++)
        if (virtual_launch(f, BLOCKS, THREADS, 0, arguments) != CUDA_SUCCESS)
            return 1;
    str_fini(&text);
    return 0;
}

/* Reads its own word, uninitialized, and that of another thread in a race. */
static int run_wrong(void)
{
    static const char ptx[] =
        ".version 8.0\n.target sm_75\n.address_size 64\n"
        ".visible .entry k(.param .u64 p)\n{\n.reg .b32 %r<3>;\n"
        ".reg .b64 %rd<2>;\nld.param.u64 %rd1, [p];\n"
        "mov.u32 %r1, %tid.x;\nld.global.u32 %r2, [%rd1];\n"
        "st.global.u32 [%rd1], %r1;\nret;\n}\n";
    CUdeviceptr a = virtual_room(4);
    void *arguments[] = {&a};
    return virtual_launch(virtual_kernel(ptx, "k"), 1, THREADS, 0, arguments) !=
           CUDA_SUCCESS;
}

static int status_of(const char *what)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        execl(self, self, what, (char *)NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static json_value report_of(ptl_arena *arena, const char *what)
{
    char path[] = "/tmp/ptl-counts-XXXXXX", line[4096];
    int file = mkstemp(path);
    ptl_error err;
    json_value v;
    assert_true(file >= 0);
    setenv("PTL_VIRTUAL_REPORT", path, 1);
    assert_int_equal(status_of(what), 0);
    unsetenv("PTL_VIRTUAL_REPORT");
    FILE *in = fdopen(file, "r");
    assert_non_null(fgets(line, sizeof line, in));
    char *copy = arena_strdup(arena, line);
    assert_int_equal(json_parse(arena, copy, strlen(copy), &v, &err), PTL_OK);
    assert_null(fgets(line, sizeof line, in));
    fclose(in);
    unlink(path);
    return v;
}

static int64_t count_of(const json_value *report, const char *name)
{
    for (int k = 0; k < report->count; k++)
        if (strcmp(report->keys[k], name) == 0)
            return report->items[k].integer;
    fail_msg("no %s in the report", name);
    return 0;
}

static void a_report_counts_what_a_kernel_did(void **state)
{
    (void)state;
    enum { WARPS = 2 * BLOCKS * THREADS / 32 };
    ptl_arena *arena = arena_new();
    json_value r = report_of(arena, "access");
    assert_int_equal(count_of(&r, "launches"), 2);
    assert_int_equal(count_of(&r, "blocks"), 2 * BLOCKS);
    assert_int_equal(count_of(&r, "warp_instructions"), WARPS * INSTRUCTIONS);
    assert_int_equal(count_of(&r, "lane_instructions"),
                     WARPS * INSTRUCTIONS * 32);
    /* A warp's words lie in 256 bytes, of which it wants 128. */
    assert_int_equal(count_of(&r, "load_sectors"), WARPS * 8);
    assert_int_equal(count_of(&r, "load_sectors_ideal"), WARPS * 4);
    assert_int_equal(count_of(&r, "store_sectors"), WARPS * 8);
    assert_int_equal(count_of(&r, "store_sectors_ideal"), WARPS * 8);
    assert_int_equal(count_of(&r, "shared_accesses"), WARPS);
    assert_int_equal(count_of(&r, "bank_conflicts"), 0);
    assert_int_equal(count_of(&r, "barriers"), WARPS);
    /* All of a warp in one bank; then in two. */
    r = report_of(arena, "conflict");
    assert_int_equal(count_of(&r, "bank_conflicts"), WARPS * 31);
    r = report_of(arena, "conflict16");
    assert_int_equal(count_of(&r, "bank_conflicts"), WARPS * 15);
    arena_free(arena);
}

/* Sectors of a warp's load: touched, of the distinct bytes, due to its start.
 */
static void assert_loads(const char *what, int touched, int ideal, int shifted)
{
    enum { WARPS = 2 * BLOCKS * THREADS / 32 };
    ptl_arena *arena = arena_new();
    json_value r = report_of(arena, what);
    assert_int_equal(count_of(&r, "load_sectors"), WARPS * touched);
    assert_int_equal(count_of(&r, "load_sectors_ideal"), WARPS * ideal);
    assert_int_equal(count_of(&r, "load_sectors_shifted"), WARPS * shifted);
    assert_int_equal(count_of(&r, "store_sectors_shifted"), 0);
    arena_free(arena);
}

static void the_ideal_is_of_distinct_bytes(void **state)
{
    (void)state;
    assert_loads("in_order", 4, 4, 0);
    assert_loads("one_place", 1, 1, 0);
    assert_loads("pairs", 2, 2, 0);
}

static void
a_run_that_starts_within_a_sector_is_told_from_scattered_lanes(void **state)
{
    (void)state;
    assert_loads("shifted", 5, 4, 1);
    assert_loads("pairs_shifted", 3, 2, 1);
    assert_loads("access", 8, 4, 0);
}

static void faults_are_not_looked_for_without_checks(void **state)
{
    (void)state;
    assert_int_equal(status_of("wrong"), 1);
    setenv("PTL_VIRTUAL_CHECKS", "off", 1);
    assert_int_equal(status_of("wrong"), 0);
    unsetenv("PTL_VIRTUAL_CHECKS");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_counts_what_a_kernel_did),
        cmocka_unit_test(the_ideal_is_of_distinct_bytes),
        cmocka_unit_test(
            a_run_that_starts_within_a_sector_is_told_from_scattered_lanes),
        cmocka_unit_test(faults_are_not_looked_for_without_checks),
    };
    self = argv[0];
    for (size_t k = 0; argc > 1 && k < sizeof cases / sizeof *cases; k++)
        if (strcmp(argv[1], cases[k].name) == 0)
            return run_access(&cases[k]);
    return argc > 1 ? run_wrong() : cmocka_run_group_tests(tests, NULL, NULL);
}
