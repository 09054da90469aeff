/*
 * test_opcodes.c - each opcode alone, on numbers chosen to be awkward, against
 * plain C.
 *
 * A case is one instruction of opcode_cases.def or opcode_compare.def. Around
 * it a kernel is written that loads its operands and stores its result. Each
 * row of the device's own tables must have a case.
 */
#include "base/str.h"
#include "virtual/device.h"
#include <fenv.h>
#include <immintrin.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef float f32;
typedef double f64;

#define U(bits, x) ((x) & (~0ull >> (64 - (bits))))
#define S(bits, x) ((s64)((x) << (64 - (bits))) >> (64 - (bits)))
/* Parts of a times bytes of b; p and q are U or S. */
#define TIMES(p, bits, q, i, k) ((u64)p(bits, a >> (i)) * (u64)q(8, b >> (k)))
#define DOT_4(p, q)                                                            \
    (TIMES(p, 8, q, 0, 0) + TIMES(p, 8, q, 8, 8) + TIMES(p, 8, q, 16, 16) +    \
     TIMES(p, 8, q, 24, 24))
#define DOT_2(p, q, from)                                                      \
    (TIMES(p, 16, q, 0, from) + TIMES(p, 16, q, 16, (from) + 8))

static f32 F32(u64 bits)
{
    u32 low = (u32)bits;
    f32 value;
    memcpy(&value, &low, sizeof value);
    return value;
}

static f64 F64(u64 bits)
{
    f64 value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static u64 F(f32 value)
{
    u32 bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? 0x7fffffff : bits;
}

static u64 D(f64 value)
{
    u64 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static u64 high_u64(u64 a, u64 b)
{
    u64 al = U(32, a), ah = a >> 32, bl = U(32, b), bh = b >> 32;
    u64 middle = ah * bl + (al * bl >> 32), other = al * bh + U(32, middle);
    return ah * bh + (middle >> 32) + (other >> 32);
}

static u64 count_bits(u64 a)
{
    u64 count = 0;
    for (; a; a &= a - 1)
        count++;
    return count;
}

static int highest_bit(u64 a)
{
    int bit = -1;
    for (; a; a >>= 1)
        bit++;
    return bit;
}

static u64 reversed(u64 a, int bits)
{
    u64 result = 0;
    for (int k = 0; k < bits; k++)
        result |= (a >> k & 1) << (bits - 1 - k);
    return result;
}

static u64 field(u64 a, u64 from, u64 length, unsigned bits, bool sign)
{
    u64 result = 0;
    from = U(8, from), length = U(8, length);
    unsigned last = (unsigned)(from + length - 1);
    u64 fill = sign && length ? a >> (last < bits ? last : bits - 1) & 1 : 0;
    for (unsigned k = 0; k < bits; k++) {
        bool inside = k < length && from + k < bits;
        result |= (inside ? a >> (from + k) & 1 : fill) << k;
    }
    return result;
}

static u64 with_field(u64 a, u64 b, u64 from, u64 length, unsigned bits)
{
    from = U(8, from), length = U(8, length);
    for (u64 k = 0; k < length && from + k < bits; k++)
        b = (b & ~(1ull << (from + k))) | (a >> k & 1) << (from + k);
    return b;
}

static f32 rounded(int mode, f32 a, f32 b, f32 c)
{
    volatile f32 x = a, y = b, z = c, result;
    fesetround(mode);
    result = fmaf(x, y, z);
    fesetround(FE_TONEAREST);
    return result;
}

static f32 towards_zero(u64 whole)
{
    volatile u32 x = (u32)whole;
    fesetround(FE_TOWARDZERO);
    volatile f32 result = (f32)x;
    fesetround(FE_TONEAREST);
    return result;
}

static f32 least(f32 a, f32 b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) ? b : a;
    return a == b ? (signbit(a) ? a : b) : a < b ? a : b;
}

static f64 least_f64(f64 a, f64 b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) ? b : a;
    return a == b ? (signbit(a) ? a : b) : a < b ? a : b;
}

static f32 saturated(f32 x)
{
    return isnan(x) || x <= 0 ? 0.0f : x > 1 ? 1.0f : x;
}

static f32 flushed(f32 x)
{
    return fpclassify(x) == FP_SUBNORMAL ? copysignf(0.0f, x) : x;
}

static s64 limited(s64 x, s64 low, s64 high)
{
    return x < low ? low : x > high ? high : x;
}

static u64 whole(f64 x, int bits, bool sign, u64 not_a_number)
{
    f64 top = ldexp(1.0, bits - sign);
    if (isnan(x))
        return not_a_number;
    if (x >= top)
        return ~0ull >> (64 - bits + sign);
    if (sign)
        return x < -top ? 1ull << (bits - 1) : (u64)(s64)x;
    return x < 0 ? 0 : (u64)x;
}

/* Of the two nearest bf16 the nearer one, of two as near the even one. */
static u64 to_brain(f32 x)
{
    u32 low = (u32)F(x) & 0xffff0000;
    f64 below = (f64)F32(low), above = (f64)F32(low + 0x10000);
    if (isnan(x))
        return 0x7fff;
    if (isinf(x))
        return low >> 16;
    if (isinf(above))
        above = copysign(0x1p128, above);
    f64 down = fabs((f64)x - below), up = fabs(above - (f64)x);
    bool goes_up = up < down || (up == down && (low >> 16 & 1));
    return (low >> 16) + goes_up;
}

static f32 from_half(u16 bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    f32 size = exponent == 31 ? (fraction ? NAN : INFINITY)
               : exponent     ? ldexpf((f32)(1024 + fraction), exponent - 25)
                              : ldexpf((f32)fraction, -24);
    return bits >> 15 ? -size : size;
}

/* The nearest of all of them. */
static u64 to_half(f32 x)
{
    u64 best = 0;
    f64 least_apart = INFINITY, size = fabs((f64)x);
    if (isnan(x))
        return 0x7fff;
    for (u64 h = 0; h <= 0x7c00; h++) {
        f64 value = h == 0x7c00 ? 65536.0 : (f64)from_half((u16)h);
        f64 apart = isinf(size) ? 0x7c00 - (f64)h : fabs(value - size);
        if (apart < least_apart || (apart == least_apart && !(h & 1)))
            best = h, least_apart = apart;
    }
    return best | (signbit(x) ? 0x8000 : 0);
}

typedef struct {
    const char *instruction, *shape;
    u64 (*value)(u64 a, u64 b, u64 c, u64 e);
} opcode_case;

#define CASE_NAME_(line) case_##line
#define CASE_NAME(line) CASE_NAME_(line)
#define CASE(instruction, shape, expression)                                   \
    static u64 CASE_NAME(__LINE__)(u64 a, u64 b, u64 c, u64 e)                 \
    {                                                                          \
        (void)a, (void)b, (void)c, (void)e;                                    \
        return (u64)(expression);                                              \
    }
#include "opcode_cases.def"
#undef CASE

static const opcode_case cases[] = {
#define CASE(instruction, shape, expression)                                   \
    {instruction, shape, CASE_NAME(__LINE__)},
#include "opcode_cases.def"
#undef CASE
};
enum { CASES = sizeof cases / sizeof *cases };

/* Awkward as integers, as f32 in the lower half and as f64. */
static const u64 pool[] = {
    0,
    1,
    2,
    3,
    7,
    31,
    32,
    33,
    64,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x12345678,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x7fffffffffffffff,
    0x8000000000000000,
    0xfffffffffffffffe,
    0xffffffffffffffff,
    0x123456789abcdef0,
    0x3ff000003f800000, /* 1 */
    0xbff00000bf800000, /* -1 */
    0x3fe000003f000000, /* 0.5 */
    0x400400004020c000, /* 2.5 */
    0xc00c0000c0600000, /* -3.5 */
    0x41dfffffcf000000, /* 2^31 - 1; -2^31 */
    0xc1f000004f800000, /* -2^32; 2^32 */
    0x43e000005f000000, /* 2^63 */
    0x7fefffff7f7fffff, /* the greatest */
    0x0010000000800000, /* the least normal */
    0x000fffff807fffff, /* subnormal */
    0x7ff000007f800000, /* infinite */
    0xfff00000ff800000,
    0x7ff800007fc00000, /* not a number */
    0x400921fb40490fdb, /* pi */
    0x3fb999993dcccccd, /* 0.1 */
    0x3f1a36e23f8ccccd,
    0x40e0000047000080,
    0x3810000033800001,
};
enum {
    POOL = sizeof pool / sizeof *pool,
    THREADS = 256,
    BLOCKS = (POOL * POOL + THREADS - 1) / THREADS,
    COUNT = BLOCKS * THREADS,
};
static u64 inputs[4][COUNT], outputs[COUNT];
static CUdeviceptr input_at[4], output_at;

static void fill_inputs(void)
{
    for (unsigned t = 0; t < COUNT; t++) {
        inputs[0][t] = pool[t % POOL];
        inputs[1][t] = pool[t / POOL % POOL];
        inputs[2][t] = pool[t * 7 % POOL];
        inputs[3][t] = pool[t * 11 / 3 % POOL];
    }
}

static const char *register_type(char shape)
{
    return shape == 'p'   ? ".pred"
           : shape == '2' ? ".b16"
           : shape == '4' ? ".b32"
                          : ".b64";
}

/* Registers of other widths than the memory's 8 bytes are converted by st, ld
 * and setp themselves. */
static void write_load(ptl_str *s, int o, char shape)
{
    static const char names[] = "abce";
    char name = names[o];
    if (shape == 'p')
        str_printf(s,
                   "ld.global.u32 %%x, [%%in%d];\nand.b32 %%x, %%x, 1;\n"
                   "setp.ne.u32 %%%c, %%x, 0;\n",
                   o, name);
    else
        str_printf(s, "ld.global.u%d %%%c, [%%in%d];\n", (shape - '0') * 8,
                   name, o);
}

static void write_store(ptl_str *s, char shape)
{
    if (shape == 'p')
        str_add(s, "selp.u64 %wide, 1, 0, %d;\n");
    else if (shape == '8')
        str_add(s, "mov.b64 %wide, %d;\n");
    else
        str_printf(s, "cvt.u64.u%d %%wide, %%d;\n", (shape - '0') * 8);
    str_add(s, "st.global.u64 [%out], %wide;\nret;\n}\n");
}

static void write_kernel(ptl_str *s, const char *instruction, const char *shape)
{
    static const char names[] = "dabce";
    str_add(s, ".version 8.0\n.target sm_80\n.address_size 64\n"
               ".visible .entry k(.param .u64 p0, .param .u64 p1, "
               ".param .u64 p2, .param .u64 p3, .param .u64 p4)\n{\n"
               ".reg .b32 %t, %n, %x;\n.reg .b64 %in<4>, %out, %at, %wide;\n");
    for (int o = 0; shape[o]; o++)
        str_printf(s, ".reg %s %%%c;\n", register_type(shape[o]), names[o]);
    if (strstr(instruction, "{%d, %e}"))
        str_add(s, ".reg .b32 %e;\n");
    str_add(s, "mov.u32 %t, %ctaid.x;\nmov.u32 %n, %ntid.x;\n"
               "mul.lo.u32 %t, %t, %n;\nmov.u32 %n, %tid.x;\n"
               "add.u32 %t, %t, %n;\nmul.wide.u32 %at, %t, 8;\n");
    for (int o = 0; o < 4; o++)
        str_printf(s,
                   "ld.param.u64 %%in%d, [p%d];\nadd.s64 %%in%d, %%in%d, "
                   "%%at;\n",
                   o, o, o, o);
    str_add(s, "ld.param.u64 %out, [p4];\nadd.s64 %out, %out, %at;\n");
    for (int o = 1; shape[o]; o++)
        write_load(s, o - 1, shape[o]);
    str_printf(s, "%s\n", instruction);
    write_store(s, shape[0]);
}

static void run_kernel(const char *instruction, const char *shape)
{
    ptl_str text = {0};
    CUmodule module;
    CUfunction f;
    void *arguments[] = {&input_at[0], &input_at[1], &input_at[2], &input_at[3],
                         &output_at};
    write_kernel(&text, instruction, shape);
    OK(cuModuleLoadDataEx(&module, str_text(&text), 0, NULL, NULL));
    OK(cuModuleGetFunction(&f, module, "k"));
    assert_int_equal(virtual_launch(f, BLOCKS, THREADS, 0, arguments), 0);
    virtual_download(outputs, output_at, sizeof outputs);
    OK(cuModuleUnload(module));
    str_fini(&text);
}

static void compare(unsigned t, const char *instruction, u64 expected)
{
    if (outputs[t] != expected)
        fail_msg("%s of a 0x%llx, b 0x%llx, c 0x%llx, e 0x%llx gives 0x%llx, "
                 "not 0x%llx",
                 instruction, (unsigned long long)inputs[0][t],
                 (unsigned long long)inputs[1][t],
                 (unsigned long long)inputs[2][t],
                 (unsigned long long)inputs[3][t],
                 (unsigned long long)outputs[t], (unsigned long long)expected);
}

static u64 low_part(u64 bits, char shape)
{
    return shape == 'p' ? bits & 1 : bits & ~0ull >> (64 - (shape - '0') * 8);
}

/* An f64 that is not a number may be any. */
static bool same_nan(const opcode_case *c, u64 expected, u64 got)
{
    return strstr(c->instruction, ".f64 %d") && c->shape[0] == '8' &&
           isnan(F64(expected)) && isnan(F64(got));
}

static void each_opcode_computes_what_c_does(void **state)
{
    (void)state;
    for (int k = 0; k < CASES; k++) {
        const opcode_case *c = &cases[k];
        run_kernel(c->instruction, c->shape);
        for (unsigned t = 0; t < COUNT; t++) {
            u64 expected = c->value(inputs[0][t], inputs[1][t], inputs[2][t],
                                    inputs[3][t]);
            expected = low_part(expected, c->shape[0]);
            if (!same_nan(c, expected, outputs[t]))
                compare(t, c->instruction, expected);
        }
    }
}

#define READ(T, bits) read_##T(bits)
static u16 read_u16(u64 bits)
{
    return (u16)bits;
}
static u32 read_u32(u64 bits)
{
    return (u32)bits;
}
static u64 read_u64(u64 bits)
{
    return bits;
}
static s16 read_s16(u64 bits)
{
    return (s16)bits;
}
static s32 read_s32(u64 bits)
{
    return (s32)bits;
}
static s64 read_s64(u64 bits)
{
    return (s64)bits;
}
#define read_f32 F32
#define read_f64 F64

/* setp alone, with its opposite, and combined with c. */
#define COMPARED(key, shape, T, holds)                                         \
    {                                                                          \
        run_kernel("setp." key " %d, %a, %b;", shape);                         \
        for (unsigned t = 0; t < COUNT; t++) {                                 \
            T a = READ(T, inputs[0][t]), b = READ(T, inputs[1][t]);            \
            compare(t, "setp." key, (u64)((holds) ? 1 : 0));                   \
        }                                                                      \
    }
static void each_comparison_holds_where_it_does_in_c(void **state)
{
    (void)state;
#include "opcode_compare.def"
}
#undef COMPARED

static void setp_combines_and_writes_its_opposite(void **state)
{
    (void)state;
    static const char *const names[] = {"and", "or", "xor"};
    for (int k = 0; k < 6; k++) {
        ptl_str text = {0};
        str_printf(&text, ".reg .pred %%q;\nsetp.lt.%s.s32 %s, %%a, %%b, %%c;",
                   names[k / 2], k % 2 ? "%q|%d" : "%d|%q");
        run_kernel(str_text(&text), "p44p");
        for (unsigned t = 0; t < COUNT; t++) {
            bool holds = ((s32)inputs[0][t] < (s32)inputs[1][t]) ^ (k % 2);
            bool c = inputs[2][t] & 1;
            compare(t, str_text(&text),
                    k / 2 == 0   ? holds && c
                    : k / 2 == 1 ? holds || c
                                 : holds != c);
        }
        str_fini(&text);
    }
}

static void guards_leave_other_lanes_alone(void **state)
{
    (void)state;
    run_kernel("mov.b32 %d, %b;\n@%c add.s32 %d, %a, 5;\n"
               "@!%c sub.s32 %d, %d, 1;",
               "444p");
    for (unsigned t = 0; t < COUNT; t++)
        compare(t, "guarded",
                U(32, inputs[2][t] & 1 ? inputs[0][t] + 5 : inputs[1][t] - 1));
}

/* Opcodes of the device's tables, each of which some case has to name. */
#define UNARY(id, keys, ...) keys,
#define BINARY UNARY
#define TERNARY UNARY
#define QUATERNARY UNARY
static const char *const rows[] = {
#include "float.def"
#include "integer.def"
};

/* `key` with rounding, .ftz or .sat among its suffixes is `key` too. */
static bool names_key(const char *instruction, const char *key, size_t length)
{
    char bare[64];
    size_t used = 0, end = strcspn(instruction, " ");
    for (size_t at = 0; at < end;) {
        size_t part = strcspn(instruction + at, ". ");
        const char *text = instruction + at;
        bool extra = part == 2 && strchr("r", text[0]) && at;
        extra |= part == 3 &&
                 (!strncmp(text, "ftz", 3) || (!strncmp(text, "sat", 3) && at));
        if (!extra) {
            used += (size_t)snprintf(bare + used, sizeof bare - used, "%s%.*s",
                                     used ? "." : "", (int)part, text);
        }
        at += part + 1;
    }
    return used == length && memcmp(bare, key, length) == 0;
}

static void each_row_of_the_tables_has_a_case(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (const char *key = rows[r]; *key;) {
            size_t length = strcspn(key, " ");
            bool found = false;
            for (int k = 0; k < CASES; k++)
                found |= names_key(cases[k].instruction, key, length);
            if (!found)
                fail_msg("no case for %.*s", (int)length, key);
            key += length + (key[length] == ' ');
        }
}

static int setup(void **state)
{
    (void)state;
    fill_inputs();
    for (int o = 0; o < 4; o++)
        input_at[o] = virtual_upload(inputs[o], sizeof inputs[o]);
    output_at = virtual_room(sizeof outputs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_opcode_computes_what_c_does),
        cmocka_unit_test(each_comparison_holds_where_it_does_in_c),
        cmocka_unit_test(setp_combines_and_writes_its_opposite),
        cmocka_unit_test(guards_leave_other_lanes_alone),
        cmocka_unit_test(each_row_of_the_tables_has_a_case),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
