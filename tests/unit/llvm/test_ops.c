/*
 * test_ops.c - every operation of the kernel form gives the bits its row in
 * op.def promises, for every type it takes, one lane and many, on every cpu
 * level of this machine.
 *
 * The reference is plain C, one element at a time.
 */
#include "llvm/code.h"
#include "llvm/levels.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 64, MOST_CASES = 1024 };

typedef union cell {
    float f32;
    double f64;
    int32_t i32;
    int64_t i64;
    uint8_t flag;
} cell;

static const double reals[] = {0.0,    -0.0,      1.0,    -1.0,     0.5,
                               -0.5,   1.5,       2.5,    -2.5,     3.25,
                               1e-3,   -7.125,    1e30,   -1e30,    1e-40,
                               1e-310, 123456.75, 0.1,    -0.3,     INFINITY,
                               -INFINITY, NAN,    8388609.0, 4503599627370497.0};
static const int64_t integers[] = {0,  1,   -1,  2,   -2,         3,
                                   7,  -13, 100, 255, 65536,      -65537,
                                   INT32_MAX, INT32_MIN, 123456789, -987654321};

static bool is_real(kern_type t)
{
    return t == KERN_F32 || t == KERN_F64;
}

static size_t cell_size(kern_type t)
{
    static const size_t size[] = {4, 8, 4, 8, 1};
    return size[t];
}

static ptl_dtype dtype_of(kern_type t)
{
    static const ptl_dtype dtype[] = {PTL_F32, PTL_F64, PTL_I32, PTL_I64,
                                      PTL_BOOL};
    return dtype[t];
}

static cell real_cell(kern_type t, double x)
{
    cell c = {0};
    if (t == KERN_F32)
        c.f32 = (float)x;
    else
        c.f64 = x;
    return c;
}

static cell int_cell(kern_type t, int64_t x)
{
    cell c = {0};
    if (t == KERN_I32)
        c.i32 = (int32_t)x;
    else if (t == KERN_I64)
        c.i64 = x;
    else
        c.flag = (uint8_t)(x & 1);
    return c;
}

static double real_of(kern_type t, cell c)
{
    return t == KERN_F32 ? (double)c.f32 : c.f64;
}

static int64_t int_of(kern_type t, cell c)
{
    if (t == KERN_I32)
        return c.i32;
    return t == KERN_I64 ? c.i64 : c.flag;
}

/* ---------- the reference ---------- */

static cell unary_real(kern_op op, kern_type t, cell x)
{
    double v = real_of(t, x);
    switch (op) {
    case KERN_NEG: return real_cell(t, -v);
    case KERN_ABS: return real_cell(t, fabs(v));
    case KERN_SQRT:
        return t == KERN_F32 ? (cell){.f32 = sqrtf(x.f32)}
                             : (cell){.f64 = sqrt(v)};
    case KERN_FLOOR: return real_cell(t, floor(v));
    case KERN_CEIL: return real_cell(t, ceil(v));
    default: return real_cell(t, rint(v)); /* ROUND */
    }
}

static cell binary_real(kern_op op, kern_type t, cell x, cell y)
{
#define BOTH(sign)                                                             \
    (t == KERN_F32 ? (cell){.f32 = x.f32 sign y.f32}                           \
                   : (cell){.f64 = x.f64 sign y.f64})
    switch (op) {
    case KERN_ADD: return BOTH(+);
    case KERN_SUB: return BOTH(-);
    case KERN_MUL: return BOTH(*);
    default: return BOTH(/);
    }
#undef BOTH
}

static cell fused(kern_type t, cell x, cell y, cell z)
{
    return t == KERN_F32 ? (cell){.f32 = fmaf(x.f32, y.f32, z.f32)}
                         : (cell){.f64 = fma(x.f64, y.f64, z.f64)};
}

static cell scaled(kern_type t, cell x, cell n)
{
    return t == KERN_F32 ? (cell){.f32 = ldexpf(x.f32, (int)n.f32)}
                         : (cell){.f64 = ldexp(x.f64, (int)n.f64)};
}

static cell integer_op(kern_op op, kern_type t, cell a, cell b)
{
    int64_t x = int_of(t, a), y = int_of(t, b);
    uint64_t ux = (uint64_t)x, uy = (uint64_t)y;
    uint64_t low = t == KERN_I32 ? (uint32_t)x : ux;
    switch (op) {
    case KERN_ADD: return int_cell(t, (int64_t)(ux + uy));
    case KERN_SUB: return int_cell(t, (int64_t)(ux - uy));
    case KERN_MUL: return int_cell(t, (int64_t)(ux * uy));
    case KERN_DIV: return int_cell(t, x / y);
    case KERN_REM: return int_cell(t, x % y);
    case KERN_NEG: return int_cell(t, (int64_t)(0 - ux));
    case KERN_ABS: return int_cell(t, x < 0 ? (int64_t)(0 - ux) : x);
    case KERN_MIN: return int_cell(t, x < y ? x : y);
    case KERN_MAX: return int_cell(t, x > y ? x : y);
    case KERN_AND: return int_cell(t, x & y);
    case KERN_OR: return int_cell(t, x | y);
    case KERN_XOR: return int_cell(t, x ^ y);
    case KERN_NOT: return int_cell(t, ~x);
    case KERN_SHL: return int_cell(t, (int64_t)(low << y));
    case KERN_SHR: return int_cell(t, (int64_t)(low >> y));
    case KERN_SAR: return int_cell(t, x >> y);
    default: /* MULHI */
        return int_cell(
            t, (int64_t)(((uint64_t)(uint32_t)x * (uint32_t)y) >> 32));
    }
}

static bool compare_op(kern_op op, kern_type t, cell a, cell b)
{
#define BY(sign)                                                               \
    (is_real(t) ? real_of(t, a) sign real_of(t, b)                             \
                : int_of(t, a) sign int_of(t, b))
    switch (op) {
    case KERN_EQ: return BY(==);
    case KERN_NE: return BY(!=);
    case KERN_LT: return BY(<);
    case KERN_LE: return BY(<=);
    case KERN_GT: return BY(>);
    default: return BY(>=);
    }
#undef BY
}

static cell convert_op(kern_type from, kern_type to, cell x)
{
    if (is_real(from))
        return is_real(to) ? real_cell(to, real_of(from, x))
                           : int_cell(to, (int64_t)real_of(from, x));
    if (is_real(to))
        return to == KERN_F32 ? (cell){.f32 = (float)int_of(from, x)}
                              : (cell){.f64 = (double)int_of(from, x)};
    return int_cell(to, int_of(from, x));
}

/* ---------- cases: one kernel each ---------- */

typedef struct op_case {
    kern_op op;
    kern_type type; /* of the operands */
    kern_type result;
    int lanes;
} op_case;

static bool is_compare(kern_op op)
{
    return op >= KERN_EQ && op <= KERN_GE;
}

static bool is_shift(kern_op op)
{
    return op == KERN_SHL || op == KERN_SHR || op == KERN_SAR;
}

static cell expected(const op_case *c, cell x, cell y, cell z)
{
    if (is_compare(c->op))
        return (cell){.flag = compare_op(c->op, c->type, x, y)};
    if (c->op == KERN_CONVERT)
        return convert_op(c->type, c->result, x);
    if (c->op == KERN_BITCAST)
        return x;
    if (c->op == KERN_SELECT)
        return z.flag & 1 ? x : y;
    if (!is_real(c->type))
        return integer_op(c->op, c->type, x, y);
    if (c->op == KERN_FMA)
        return fused(c->type, x, y, z);
    if (c->op == KERN_SCALE)
        return scaled(c->type, x, y);
    if (c->op >= KERN_ADD && c->op <= KERN_DIV)
        return binary_real(c->op, c->type, x, y);
    return unary_real(c->op, c->type, x);
}

/* Significands of all kinds; every exponent a result can have, and some more. */
static cell scale_operand(kern_type t, int which, int i)
{
    int least = t == KERN_F32 ? -177 : -1432;
    double x = which == 0 ? 0.5 + 1.5 * (double)(i * 37 % 1000) / 1000 + 1e-7
                          : least + i * 53 % (-2 * least + 1);
    return real_cell(t, x);
}

/* The i-th operand of a kind: x, y and z run through the values at different
 * paces, so pairs meet. Values the operation leaves undefined are avoided. */
static cell operand(const op_case *c, int which, int i)
{
    int real_count = (int)(sizeof reals / sizeof *reals);
    int int_count = (int)(sizeof integers / sizeof *integers);
    int at = which == 0 ? i : which == 1 ? i / 3 + 5 * i : i / 2 + 7 * i;
    if (c->op == KERN_SCALE)
        return scale_operand(c->type, which, i);
    if (is_real(c->type)) {
        double x = reals[at % real_count];
        if (c->op == KERN_CONVERT && !is_real(c->result) &&
            !(fabs(x) < 1e6))
            x = -17.75;
        return real_cell(c->type, x);
    }
    int64_t x = integers[at % int_count];
    if (which == 1 && is_shift(c->op))
        x = (at % 31);
    if (which == 1 && (c->op == KERN_DIV || c->op == KERN_REM) &&
        (x == 0 || x == -1))
        x = 3;
    if (c->type == KERN_I64 && c->op != KERN_CONVERT)
        x *= which == 0 ? 1000000007 : 1;
    return int_cell(c->type, x);
}

static kern_value *load(kern_builder *b, int buffer, kern_value *at, int lanes)
{
    return kern_load(
        b, (kern_memory){.buffer = buffer, .offset = at, .stride = 1}, lanes);
}

static kern_value *apply(kern_builder *b, const op_case *c, kern_value *x,
                         kern_value *y, kern_value *z)
{
    switch (c->op) {
    case KERN_FMA: return kern_fma(b, x, y, z);
    case KERN_SELECT: return kern_select(b, z, x, y);
    case KERN_CONVERT: return kern_convert(b, x, c->result);
    case KERN_BITCAST: return kern_bitcast(b, x, c->result);
    case KERN_NEG:
    case KERN_ABS:
    case KERN_SQRT:
    case KERN_FLOOR:
    case KERN_CEIL:
    case KERN_ROUND:
    case KERN_NOT: return kern_op1(b, c->op, x);
    default: return kern_op2(b, c->op, x, y);
    }
}

/* result[i] = op(x[i], y[i], z[i]), `lanes` elements to a task */
static void add_case(kern_module *m, const op_case *c)
{
    kern_type third = c->op == KERN_SELECT ? KERN_BOOL : c->type;
    kern_kernel *k = kern_kernel_new(m, "op", COUNT / c->lanes);
    kern_buffer_add(k, "x", dtype_of(c->type), false);
    kern_buffer_add(k, "y", dtype_of(c->type), false);
    kern_buffer_add(k, "z", dtype_of(third), false);
    kern_buffer_add(k, "result", dtype_of(c->result), true);
    kern_builder b = kern_begin(k);
    kern_value *at = kern_op2(&b, KERN_MUL, kern_task(&b),
                              kern_int(&b, KERN_I64, 1, c->lanes));
    kern_value *x = load(&b, 0, at, c->lanes);
    kern_value *y = load(&b, 1, at, c->lanes);
    kern_value *z = load(&b, 2, at, c->lanes);
    kern_store(&b, (kern_memory){.buffer = 3, .offset = at, .stride = 1},
               apply(&b, c, x, y, z));
}

/* ---------- the list of cases ---------- */

typedef struct case_list {
    op_case items[MOST_CASES];
    int count;
} case_list;

static const int widths[] = {1, 2, 4, 16, 32};

static void add(case_list *l, kern_op op, kern_type type, kern_type result)
{
    for (int i = 0; i < 5; i++) {
        assert_true(l->count < MOST_CASES);
        l->items[l->count++] = (op_case){op, type, result, widths[i]};
    }
}

static void add_for(case_list *l, kern_op op, bool real, bool integer)
{
    for (int t = KERN_F32; t <= KERN_I64; t++)
        if (is_real((kern_type)t) ? real : integer)
            add(l, op, (kern_type)t,
                is_compare(op) ? KERN_BOOL : (kern_type)t);
}

static void add_conversions(case_list *l)
{
    for (int from = KERN_F32; from <= KERN_BOOL; from++)
        for (int to = KERN_F32; to <= KERN_I64; to++)
            if (from != to)
                add(l, KERN_CONVERT, (kern_type)from, (kern_type)to);
    add(l, KERN_BITCAST, KERN_F32, KERN_I32);
    add(l, KERN_BITCAST, KERN_I32, KERN_F32);
    add(l, KERN_BITCAST, KERN_F64, KERN_I64);
    add(l, KERN_BITCAST, KERN_I64, KERN_F64);
}

static case_list *all_cases(void)
{
    static case_list l;
    static const kern_op numbers[] = {KERN_ADD, KERN_SUB, KERN_MUL, KERN_DIV,
                                      KERN_NEG, KERN_ABS, KERN_EQ,  KERN_NE,
                                      KERN_LT,  KERN_LE,  KERN_GT,  KERN_GE,
                                      KERN_SELECT};
    static const kern_op real[] = {KERN_FMA,  KERN_SQRT,  KERN_FLOOR,
                                   KERN_CEIL, KERN_ROUND, KERN_SCALE};
    static const kern_op integer[] = {KERN_REM, KERN_MIN, KERN_MAX, KERN_AND,
                                      KERN_OR,  KERN_XOR, KERN_NOT, KERN_SHL,
                                      KERN_SHR, KERN_SAR};
    l.count = 0;
    for (int i = 0; i < 13; i++)
        add_for(&l, numbers[i], true, true);
    for (int i = 0; i < 6; i++)
        add_for(&l, real[i], true, false);
    for (int i = 0; i < 10; i++)
        add_for(&l, integer[i], false, true);
    add(&l, KERN_MULHI, KERN_I32, KERN_I32);
    add(&l, KERN_AND, KERN_BOOL, KERN_BOOL);
    add(&l, KERN_OR, KERN_BOOL, KERN_BOOL);
    add(&l, KERN_XOR, KERN_BOOL, KERN_BOOL);
    add_conversions(&l);
    return &l;
}

/* ---------- running them ---------- */

static bool same(kern_type t, const void *a, const void *b)
{
    if (t == KERN_F32 && isnan(*(const float *)a) && isnan(*(const float *)b))
        return true;
    if (t == KERN_F64 && isnan(*(const double *)a) &&
        isnan(*(const double *)b))
        return true;
    return memcmp(a, b, cell_size(t)) == 0;
}

static void put(void *to, kern_type t, int i, cell c)
{
    memcpy((char *)to + (size_t)i * cell_size(t), &c, cell_size(t));
}

static void check_case(const llvm_code *code, int index, const op_case *c,
                       const char *cpu)
{
    static _Alignas(64) char x[COUNT * 8], y[COUNT * 8], z[COUNT * 8],
        got[COUNT * 8], want[COUNT * 8];
    kern_type third = c->op == KERN_SELECT ? KERN_BOOL : c->type;
    for (int i = 0; i < COUNT; i++) {
        cell a = operand(c, 0, i), b = operand(c, 1, i), d = operand(c, 2, i);
        if (third == KERN_BOOL)
            d = (cell){.flag = (uint8_t)(i % 3 == 1)};
        put(x, c->type, i, a);
        put(y, c->type, i, b);
        put(z, third, i, d);
        put(want, c->result, i, expected(c, a, b, d));
    }
    void *args[] = {x, y, z, got};
    memset(got, 0x55, sizeof got);
    llvm_entry(code, index)(args, 0, COUNT / c->lanes);
    size_t size = cell_size(c->result);
    for (int i = 0; i < COUNT; i++)
        if (!same(c->result, got + (size_t)i * size, want + (size_t)i * size))
            fail_msg("%s: operation %d, type %d to %d, %d lanes, element %d",
                     cpu, c->op, c->type, c->result, c->lanes, i);
}

static void every_operation_gives_its_bits(void **state)
{
    (void)state;
    case_list *l = all_cases();
    kern_module *m = kern_module_new();
    for (int i = 0; i < l->count; i++)
        add_case(m, &l->items[i]);
    for (const char *const *cpu = test_levels(); *cpu; cpu++) {
        llvm_code *code = test_compile(m, *cpu);
        for (int i = 0; i < l->count; i++)
            check_case(code, i, &l->items[i], *cpu);
        llvm_code_release(code);
    }
    kern_module_free(m);
}

/* ---------- operations across lanes ---------- */

enum { LANES = 16 };

static kern_builder lanes_kernel(kern_module *m)
{
    kern_kernel *k = kern_kernel_new(m, "lanes", 1);
    kern_buffer_add(k, "x", PTL_F32, false);
    kern_buffer_add(k, "y", PTL_F32, true);
    kern_buffer_add(k, "flag", PTL_BOOL, true);
    return kern_begin(k);
}

static kern_memory at(kern_builder *b, int buffer, int64_t offset)
{
    return (kern_memory){.buffer = buffer,
                         .offset = kern_int(b, KERN_I64, 1, offset),
                         .stride = 1};
}

/* y[0] = hsum(x), y[1] = lane 5, y[2..] = splat of y[1], flags: any(x > 40) and
 * any(x > 10000) */
static void build_lanes(kern_module *m)
{
    kern_builder b = lanes_kernel(m);
    kern_value *x = kern_load(&b, at(&b, 0, 0), LANES);
    kern_value *fifth = kern_lane(&b, x, 5);
    kern_store(&b, at(&b, 1, 0), kern_hsum(&b, x));
    kern_store(&b, at(&b, 1, 1), fifth);
    kern_store(&b, at(&b, 1, 2), kern_splat(&b, fifth, LANES));
    for (int i = 0; i < 2; i++) {
        kern_value *most = kern_real(&b, KERN_F32, LANES, i ? 1e4 : 40.0);
        kern_store(&b, at(&b, 2, i),
                   kern_any(&b, kern_op2(&b, KERN_GT, x, most)));
    }
}

static void lanes_meet_by_the_fixed_tree(void **state)
{
    (void)state;
    float x[LANES], y[2 + LANES], tree[LANES];
    uint8_t flag[2];
    kern_module *m = kern_module_new();
    build_lanes(m);
    for (int i = 0; i < LANES; i++)
        x[i] = tree[i] = 0.1f + (float)(i * i * i) * 0.37f;
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            tree[i] = tree[i] + tree[i + half];
    for (const char *const *cpu = test_levels(); *cpu; cpu++) {
        llvm_code *code = test_compile(m, *cpu);
        void *args[] = {x, y, flag};
        memset(flag, 7, sizeof flag);
        llvm_entry(code, 0)(args, 0, 1);
        assert_memory_equal(&y[0], &tree[0], 4);
        for (int i = 1; i < 2 + LANES; i++)
            assert_memory_equal(&y[i], &x[5], 4);
        assert_int_equal(flag[0], 1);
        assert_int_equal(flag[1], 0);
        llvm_code_release(code);
    }
    kern_module_free(m);
}

/* y = x reversed, then the upper half of x, then its lanes mixed with 2 x. */
static void build_shuffles(kern_module *m)
{
    uint8_t back[LANES], mixed[LANES];
    kern_builder b = lanes_kernel(m);
    kern_value *x = kern_load(&b, at(&b, 0, 0), LANES);
    kern_value *twice = kern_op2(&b, KERN_ADD, x, x);
    for (int i = 0; i < LANES; i++) {
        back[i] = (uint8_t)(LANES - 1 - i);
        mixed[i] = (uint8_t)(i % 2 ? LANES + i / 2 : i / 2);
    }
    kern_store(&b, at(&b, 1, 0), kern_shuffle(&b, x, x, back, LANES));
    kern_store(&b, at(&b, 1, LANES), kern_half(&b, x, 1));
    kern_store(&b, at(&b, 1, LANES + LANES / 2),
               kern_shuffle(&b, x, twice, mixed, LANES));
}

static void lanes_come_in_a_new_order(void **state)
{
    (void)state;
    float x[LANES], y[2 * LANES + LANES / 2];
    kern_module *m = kern_module_new();
    build_shuffles(m);
    for (int i = 0; i < LANES; i++)
        x[i] = (float)(i + 1);
    for (const char *const *cpu = test_levels(); *cpu; cpu++) {
        llvm_code *code = test_compile(m, *cpu);
        void *args[] = {x, y, NULL};
        llvm_entry(code, 0)(args, 0, 1);
        for (int i = 0; i < LANES; i++) {
            float mixed = i % 2 ? 2 * x[i / 2] : x[i / 2];
            assert_true(y[i] == x[LANES - 1 - i]);
            assert_true(y[LANES + LANES / 2 + i] == mixed);
        }
        for (int i = 0; i < LANES / 2; i++)
            assert_true(y[LANES + i] == x[LANES / 2 + i]);
        llvm_code_release(code);
    }
    kern_module_free(m);
}

/* A fused multiply-add that is split would round twice and give zero here. */
static void a_product_and_a_sum_are_not_fused(void **state)
{
    (void)state;
    kern_module *m = kern_module_new();
    kern_kernel *k = kern_kernel_new(m, "split", 1);
    kern_buffer_add(k, "x", PTL_F32, false);
    kern_buffer_add(k, "y", PTL_F32, true);
    kern_builder b = kern_begin(k);
    kern_value *x = kern_load(&b, at(&b, 0, 0), 1);
    kern_value *c = kern_load(&b, at(&b, 0, 1), 1);
    kern_value *product = kern_op2(&b, KERN_MUL, x, x);
    kern_store(&b, at(&b, 1, 0), kern_op2(&b, KERN_ADD, product, c));
    kern_store(&b, at(&b, 1, 1), kern_fma(&b, x, x, c));
    float in[2] = {1.0f + 0x1p-12f, 0}, out[2];
    volatile float square = in[0] * in[0];
    in[1] = -square;
    for (const char *const *cpu = test_levels(); *cpu; cpu++) {
        llvm_code *code = test_compile(m, *cpu);
        void *args[] = {in, out};
        llvm_entry(code, 0)(args, 0, 1);
        assert_true(out[0] == 0.0f);
        assert_true(out[1] == 0x1p-24f);
        llvm_code_release(code);
    }
    kern_module_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_gives_its_bits),
        cmocka_unit_test(lanes_meet_by_the_fixed_tree),
        cmocka_unit_test(lanes_come_in_a_new_order),
        cmocka_unit_test(a_product_and_a_sum_are_not_fused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
