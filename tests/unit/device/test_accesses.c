/*
 * test_accesses.c - loads and stores of every size, in every space; atomic
 * operations.
 */
#include "base/str.h"
#include "virtual/device.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 64, MOST = 32 };
static uint8_t input[THREADS * MOST], output[THREADS * MOST];
static int64_t widened[THREADS];
static const char header[] = ".version 8.8\n.target sm_100\n"
                             ".address_size 64\n";

typedef struct {
    const char *name;
    int bytes;
    bool sign;
} item_type;
static const item_type types[] = {
    {"u8", 1, false},  {"s8", 1, true},   {"b8", 1, false},  {"u16", 2, false},
    {"s16", 2, true},  {"b16", 2, false}, {"u32", 4, false}, {"s32", 4, true},
    {"b32", 4, false}, {"f32", 4, false}, {"u64", 8, false}, {"s64", 8, true},
    {"b64", 8, false}, {"f64", 8, false},
};

static void write_list(ptl_str *s, int count, char letter)
{
    str_add(s, count > 1 ? "{" : "");
    for (int k = 0; k < count; k++)
        str_printf(s, "%s%%%c%d", k ? ", " : "", letter, k);
    str_add(s, count > 1 ? "}" : "");
}

static void write_load(ptl_str *s, const char *space, const item_type *t,
                       int count, const char *address)
{
    char vector[8] = "";
    if (count > 1)
        snprintf(vector, sizeof vector, ".v%d", count);
    str_printf(s, "ld%s%s.%s ", space, vector, t->name);
    write_list(s, count, 'v');
    str_printf(s, ", [%s];\n", address);
}

static void write_store(ptl_str *s, const char *space, const item_type *t,
                        int count, const char *address)
{
    char vector[8] = "";
    if (count > 1)
        snprintf(vector, sizeof vector, ".v%d", count);
    str_printf(s, "st%s%s.%s [%s], ", space, vector, t->name, address);
    write_list(s, count, 'v');
    str_add(s, ";\n");
}

static void write_clear(ptl_str *s, int count, int width)
{
    for (int k = 0; k < count; k++)
        str_printf(s, "mov.b%d %%v%d, 0;\n", width, k);
}

/* From global memory through the spaces back to it; the first item widened. */
static void write_kernel(ptl_str *s, const item_type *t, int count, int width)
{
    str_printf(s,
               "%s.visible .entry k(.param .u64 p0, .param .u64 p1, "
               ".param .u64 p2)\n{\n.reg .b%d %%v<8>;\n"
               ".reg .b32 %%t, %%s;\n.reg .b64 %%in, %%out, %%wide, %%o, %%g, "
               "%%l, %%w;\n"
               ".shared .align 32 .b8 tile[%d];\n"
               ".local .align 32 .b8 own[32];\n"
               "ld.param.u64 %%in, [p0];\nld.param.u64 %%out, [p1];\n"
               "ld.param.u64 %%wide, [p2];\nmov.u32 %%t, %%tid.x;\n"
               "mul.lo.u32 %%s, %%t, %d;\ncvt.u64.u32 %%o, %%s;\n"
               "add.s64 %%in, %%in, %%o;\nadd.s64 %%out, %%out, %%o;\n"
               "mul.wide.u32 %%o, %%t, 8;\nadd.s64 %%wide, %%wide, %%o;\n"
               "mov.u32 %%t, tile;\nadd.s32 %%s, %%s, %%t;\n"
               "cvt.u64.u32 %%g, %%s;\ncvta.shared.u64 %%g, %%g;\n"
               "mov.u64 %%l, own;\n",
               header, width, THREADS * MOST, t->bytes * count);
    write_load(s, ".global", t, count, "%in");
    write_store(s, ".shared", t, count, "%s");
    write_clear(s, count, width);
    write_load(s, ".shared", t, count, "%s");
    write_store(s, ".local", t, count, "%l");
    write_clear(s, count, width);
    write_load(s, ".local", t, count, "%l");
    write_store(s, "", t, count, "%g");
    write_clear(s, count, width);
    write_load(s, "", t, count, "%g");
    write_store(s, ".global", t, count, "%out");
    str_printf(s, "cvt.%c64.%c%d %%w, %%v0;\n", t->sign ? 's' : 'u',
               t->sign ? 's' : 'u', width);
    str_add(s, "st.global.u64 [%wide], %w;\nret;\n}\n");
}

static int64_t wide_value(const item_type *t, const uint8_t *at)
{
    uint64_t bits = 0;
    memcpy(&bits, at, (size_t)t->bytes);
    int above = 64 - 8 * t->bytes;
    return t->sign ? (int64_t)(bits << above) >> above : (int64_t)bits;
}

static void check_access(const item_type *t, int count, int width)
{
    ptl_str text = {0};
    size_t each = (size_t)(t->bytes * count);
    CUdeviceptr in = virtual_upload(input, THREADS * each),
                out = virtual_room(THREADS * each),
                wide = virtual_room(sizeof widened);
    void *arguments[] = {&in, &out, &wide};
    write_kernel(&text, t, count, width);
    CUfunction f = virtual_kernel(str_text(&text), "k");
    assert_int_equal(virtual_launch(f, 1, THREADS, 0, arguments), 0);
    virtual_download(output, out, THREADS * each);
    virtual_download(widened, wide, sizeof widened);
    if (memcmp(output, input, THREADS * each) != 0)
        fail_msg("%d x %s in registers of %d bits", count, t->name, width);
    for (size_t k = 0; k < THREADS; k++)
        assert_int_equal(widened[k], wide_value(t, input + k * each));
    str_fini(&text);
}

static void items_of_every_size_in_every_space(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof types / sizeof *types; k++)
        for (int count = 1; count <= 4; count *= 2)
            for (int width = 16; width <= 64; width *= 2)
                if (width >= types[k].bytes * 8)
                    check_access(&types[k], count, width);
}

static void vectors_of_32_bytes(void **state)
{
    (void)state;
    check_access(&types[8], 8, 32);
    check_access(&types[12], 4, 64);
}

/* Variables of a module: zero unless they say otherwise. */
static void variables_of_a_module(void **state)
{
    (void)state;
    ptl_str text = {0};
    str_printf(&text,
               "%s.visible .global .align 4 .u32 table[3] = {7, 8, 9};\n"
               ".visible .global .align 4 .u32 counter;\n"
               ".const .align 4 .f32 factor[2] = {0f3F800000, 0f40000000};\n"
               ".visible .entry k(.param .u64 p0)\n{\n.reg .b32 %%r<8>;\n"
               ".reg .b64 %%rd<4>;\nld.param.u64 %%rd1, [p0];\n"
               "ld.global.u32 %%r1, [table+8];\nmov.u64 %%rd2, table;\n"
               "ld.global.u32 %%r2, [%%rd2+4];\n"
               "ld.global.u32 %%r3, [counter];\nld.const.f32 %%r4, "
               "[factor+4];\nadd.u32 %%r3, %%r3, 5;\n"
               "st.global.u32 [counter], %%r3;\n"
               "st.global.v4.u32 [%%rd1], {%%r1, %%r2, %%r3, %%r4};\nret;\n}\n",
               header);
    CUmodule module;
    CUfunction f;
    CUdeviceptr out = virtual_room(16), counter;
    size_t bytes;
    uint32_t got[4], count;
    void *arguments[] = {&out};
    OK(cuModuleLoadDataEx(&module, str_text(&text), 0, NULL, NULL));
    OK(cuModuleGetFunction(&f, module, "k"));
    assert_int_equal(virtual_launch(f, 1, 1, 0, arguments), 0);
    virtual_download(got, out, sizeof got);
    const uint32_t right[] = {9, 8, 5, 0x40000000};
    assert_memory_equal(got, right, sizeof right);
    OK(cuModuleGetGlobal_v2(&counter, &bytes, module, "counter"));
    assert_int_equal(bytes, 4);
    virtual_download(&count, counter, 4);
    assert_int_equal(count, 5);
    str_fini(&text);
}

typedef struct {
    const char *operation, *type;
    uint64_t before, (*apply)(uint64_t old, uint64_t b);
} atomic_case;
#define APPLY(name, expression)                                                \
    static uint64_t name(uint64_t old, uint64_t b)                             \
    {                                                                          \
        return (uint64_t)(expression);                                         \
    }
APPLY(sum, old + b)
APPLY(least, old < b ? old : b)
APPLY(most, old > b ? old : b)
APPLY(least_s32, (int32_t)old < (int32_t)b ? old : b)
APPLY(most_s32, (int32_t)old > (int32_t)b ? old : b)
APPLY(least_s64, (int64_t)old < (int64_t)b ? old : b)
APPLY(most_s64, (int64_t)old > (int64_t)b ? old : b)
APPLY(both, old &b)
APPLY(either, old | b)
APPLY(differ, old ^ b)

static float float_of(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

static uint64_t sum_f32(uint64_t old, uint64_t b)
{
    float sum = float_of(old) + float_of(b);
    uint32_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return bits;
}

static const atomic_case atomics[] = {
    {"add", "u32", 5, sum},
    {"add", "s32", 0xfffffff0, sum},
    {"add", "u64", UINT64_C(0xfffffff0), sum},
    {"min", "u32", 0xfffffff0, least},
    {"max", "u32", 3, most},
    {"min", "s32", 7, least_s32},
    {"max", "s32", 0x80000000, most_s32},
    {"min", "u64", ~UINT64_C(0), least},
    {"max", "u64", 0, most},
    {"min", "s64", 9, least_s64},
    {"max", "s64", ~UINT64_C(0), most_s64},
    {"and", "b32", 0xffffffff, both},
    {"or", "b32", 0, either},
    {"xor", "b32", 0x1234, differ},
    {"and", "b64", ~UINT64_C(0), both},
    {"or", "b64", 0, either},
    {"xor", "b64", 0x123456789, differ},
    {"add", "f32", 0x3f800000, sum_f32},
};

/* Each thread brings a number of its own; whole floats add up exactly. */
static uint64_t brought(const atomic_case *c, uint64_t t)
{
    if (c->type[0] == 'f')
        return (127 + t % 5) << 23;
    return t * UINT64_C(0x9e3779b97f4a7c15) >> (c->type[1] == '3' ? 32 : 0);
}

static uint64_t run_atomic(const char *instruction, int bits, uint64_t before,
                           const uint64_t *brings)
{
    ptl_str text = {0};
    str_printf(&text,
               "%s.visible .entry k(.param .u64 p0, .param .u64 p1)\n{\n"
               ".reg .b%d %%d, %%b, %%c;\n.reg .b32 %%t;\n.reg .b64 %%a, %%in, "
               "%%o;\nld.param.u64 %%a, [p0];\nld.param.u64 %%in, [p1];\n"
               "mov.u32 %%t, %%tid.x;\nmul.wide.u32 %%o, %%t, 8;\n"
               "add.s64 %%in, %%in, %%o;\nld.global.b%d %%b, [%%in];\n"
               "mov.b%d %%c, 77;\n%s\nret;\n}\n",
               header, bits, bits, bits, instruction);
    CUdeviceptr a = virtual_upload(&before, 8),
                in = virtual_upload(brings, THREADS * 8);
    void *arguments[] = {&a, &in};
    CUfunction f = virtual_kernel(str_text(&text), "k");
    assert_int_equal(virtual_launch(f, 1, THREADS, 0, arguments), 0);
    uint64_t after;
    virtual_download(&after, a, 8);
    str_fini(&text);
    return bits == 32 ? (uint32_t)after : after;
}

static void atomic_operations_miss_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof atomics / sizeof *atomics; k++) {
        const atomic_case *c = &atomics[k];
        int bits = c->type[1] == '3' ? 32 : 64;
        uint64_t brings[THREADS], right = c->before;
        char text[128];
        for (uint64_t t = 0; t < THREADS; t++) {
            brings[t] = brought(c, t);
            right = c->apply(right, brings[t]);
        }
        if (bits == 32)
            right = (uint32_t)right;
        snprintf(text, sizeof text, "atom.global.%s.%s %%d, [%%a], %%b;",
                 c->operation, c->type);
        if (run_atomic(text, bits, c->before, brings) != right)
            fail_msg("%s", text);
        snprintf(text, sizeof text, "red.global.%s.%s [%%a], %%b;",
                 c->operation, c->type);
        if (run_atomic(text, bits, c->before, brings) != right)
            fail_msg("%s", text);
    }
}

static void exchanges_and_counters(void **state)
{
    (void)state;
    uint64_t same[THREADS], own[THREADS];
    for (uint64_t t = 0; t < THREADS; t++)
        same[t] = 9, own[t] = t;
    assert_int_equal(
        run_atomic("atom.global.inc.u32 %d, [%a], %b;", 32, 2, same),
        (2 + THREADS) % 10);
    assert_int_equal(
        run_atomic("atom.global.dec.u32 %d, [%a], %b;", 32, 3, same),
        (3 + 10 * THREADS - THREADS) % 10);
    /* 5 is met by the thread that brings it, once. */
    assert_int_equal(
        run_atomic("atom.global.cas.b32 %d, [%a], %b, %c;", 32, 5, own), 77);
    assert_int_equal(
        run_atomic("atom.global.cas.b64 %d, [%a], %b, %c;", 64, 99, own), 99);
    assert_true(run_atomic("atom.global.exch.b32 %d, [%a], %b;", 32, 99, own) <
                THREADS);
    /* What was there before: here, the sum of those that came earlier. */
    assert_int_equal(run_atomic("atom.relaxed.gpu.global.add.u32 %d, [%a], 1;\n"
                                "atom.global.max.u32 %d, [%a], %d;",
                                32, 0, own),
                     THREADS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_of_every_size_in_every_space),
        cmocka_unit_test(vectors_of_32_bytes),
        cmocka_unit_test(variables_of_a_module),
        cmocka_unit_test(atomic_operations_miss_nothing),
        cmocka_unit_test(exchanges_and_counters),
    };
    for (unsigned k = 0; k < sizeof input; k++)
        input[k] = (uint8_t)(k * 37 + k / 256 * 11 + 129);
    setenv("PTL_VIRTUAL_ARCH", "120", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
