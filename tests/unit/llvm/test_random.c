/*
 * test_random.c - random kernels give the same bits as the interpreter says, at
 * every cpu level: values of all types and lanes, locals, loops, ifs, masked and
 * gathered memory in any mixture, so that the passes see what nobody thought of.
 *
 * The seed is fixed; PTL_TEST_SEED gives another. A failure names the seed of
 * its kernel and prints it.
 */
#include "core/kern_run.h"
#include "llvm/code.h"
#include "llvm/levels.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TASKS = 3, SIZE = 256, BUFFERS = 8, POOL = 64, KERNELS = 150 };

static const ptl_dtype dtypes[BUFFERS] = {PTL_F32, PTL_F64, PTL_I32, PTL_I64,
                                          PTL_F32, PTL_F64, PTL_I32, PTL_I64};

/* ---------- the generator ---------- */

typedef struct maker {
    uint64_t state;
    kern_builder b;
    kern_value *pool[POOL]; /* visible here */
    int count;
    kern_value *at; /* an offset that leaves room for 32 lanes twice */
    int depth;
} maker;

static uint32_t draw(maker *g, uint32_t below)
{
    g->state = g->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(g->state >> 33) % below;
}

static int any_lanes(maker *g)
{
    return 1 << draw(g, 6);
}

static bool is_real(kern_type t)
{
    return t == KERN_F32 || t == KERN_F64;
}

static void keep(maker *g, kern_value *v)
{
    if (g->count < POOL)
        g->pool[g->count++] = v;
    else
        g->pool[draw(g, POOL)] = v;
}

static kern_value *constant(maker *g, kern_type type, int lanes)
{
    static const double numbers[] = {0.0, 1.0, -1.5, 0.3, 1e20, -2.0};
    if (is_real(type))
        return kern_real(&g->b, type, lanes, numbers[draw(g, 6)]);
    if (type == KERN_BOOL)
        return kern_int(&g->b, type, lanes, draw(g, 2));
    return kern_int(&g->b, type, lanes, (int64_t)draw(g, 40) - 20);
}

/* A visible value of this type and lanes, or a constant. */
static kern_value *pick(maker *g, kern_type type, int lanes)
{
    int start = (int)draw(g, POOL);
    for (int i = 0; i < g->count; i++) {
        kern_value *v = g->pool[(start + i) % g->count];
        if (v->type == type && (v->lanes == lanes || v->lanes == 1))
            return kern_splat(&g->b, v, lanes);
    }
    return constant(g, type, lanes);
}

static kern_memory place(maker *g, int buffer, int lanes, bool store)
{
    static const int64_t strides[] = {1, 1, 1, 2, -1, 3};
    kern_memory at = {.buffer = buffer, .offset = g->at};
    at.stride = strides[draw(g, 6)];
    if (!store && draw(g, 5) == 0)
        at.stride = 0;
    if (lanes > 1 && draw(g, 4) == 0) { /* a permutation: lanes never meet */
        kern_type type = draw(g, 2) ? KERN_I32 : KERN_I64;
        kern_value *i = kern_iota(&g->b, type, lanes);
        kern_value *by = kern_int(&g->b, type, lanes, 5);
        kern_value *last = kern_int(&g->b, type, lanes, lanes - 1);
        at.offsets = kern_op2(&g->b, KERN_AND,
                              kern_op2(&g->b, KERN_MUL, i, by), last);
    }
    if (draw(g, 3) == 0)
        at.mask = pick(g, KERN_BOOL, lanes);
    return at;
}

static void make_load(maker *g)
{
    int buffer = (int)draw(g, 4), lanes = any_lanes(g);
    kern_memory at = place(g, buffer, lanes, false);
    if (at.mask && draw(g, 2))
        at.other = pick(g, (kern_type)buffer, lanes);
    keep(g, kern_load(&g->b, at, lanes));
}

static void make_store(maker *g)
{
    int type = (int)draw(g, 4), lanes = any_lanes(g);
    kern_memory at = place(g, 4 + type, lanes, true);
    kern_store(&g->b, at, pick(g, (kern_type)type, lanes));
}

static void make_compare(maker *g)
{
    kern_type type = (kern_type)draw(g, 4);
    int lanes = any_lanes(g);
    kern_op op = (kern_op)(KERN_EQ + draw(g, 6));
    keep(g, kern_op2(&g->b, op, pick(g, type, lanes), pick(g, type, lanes)));
}

static void make_real(maker *g)
{
    static const kern_op one[] = {KERN_NEG,   KERN_ABS,  KERN_SQRT,
                                  KERN_FLOOR, KERN_CEIL, KERN_ROUND};
    kern_type type = draw(g, 2) ? KERN_F32 : KERN_F64;
    int lanes = any_lanes(g);
    kern_value *x = pick(g, type, lanes), *y = pick(g, type, lanes);
    switch (draw(g, 4)) {
    case 0: keep(g, kern_op1(&g->b, one[draw(g, 6)], x)); break;
    case 1: keep(g, kern_fma(&g->b, x, y, pick(g, type, lanes))); break;
    default:
        keep(g, kern_op2(&g->b, (kern_op)(KERN_ADD + draw(g, 4)), x, y));
    }
}

static void make_integer(maker *g)
{
    static const kern_op two[] = {KERN_ADD, KERN_SUB, KERN_MUL, KERN_MIN,
                                  KERN_MAX, KERN_AND, KERN_OR,  KERN_XOR};
    static const kern_op shifts[] = {KERN_SHL, KERN_SHR, KERN_SAR};
    kern_type type = draw(g, 2) ? KERN_I32 : KERN_I64;
    int lanes = any_lanes(g);
    kern_value *x = pick(g, type, lanes);
    kern_value *y = pick(g, type, lanes);
    switch (draw(g, 5)) {
    case 0:
        y = kern_int(&g->b, type, lanes, draw(g, 31));
        keep(g, kern_op2(&g->b, shifts[draw(g, 3)], x, y));
        break;
    case 1:
        y = kern_int(&g->b, type, lanes, 1 + draw(g, 9));
        keep(g, kern_op2(&g->b, draw(g, 2) ? KERN_DIV : KERN_REM, x, y));
        break;
    default: keep(g, kern_op2(&g->b, two[draw(g, 8)], x, y));
    }
}

static void make_mixed(maker *g)
{
    kern_type type = (kern_type)draw(g, 4);
    int lanes = any_lanes(g);
    kern_value *x = pick(g, type, lanes);
    static const kern_type twin[] = {KERN_I32, KERN_I64, KERN_F32, KERN_F64};
    switch (draw(g, 6)) {
    case 0: keep(g, kern_bitcast(&g->b, x, twin[type])); break;
    case 1: keep(g, kern_lane(&g->b, x, (int)draw(g, (uint32_t)lanes))); break;
    case 2: keep(g, kern_hsum(&g->b, x)); break;
    case 3: keep(g, kern_any(&g->b, pick(g, KERN_BOOL, lanes))); break;
    case 4:
        if (!is_real(type))
            keep(g, kern_convert(&g->b, x, draw(g, 2) ? KERN_F32 : KERN_F64));
        break;
    default:
        keep(g, kern_select(&g->b, pick(g, KERN_BOOL, lanes), x,
                            pick(g, type, lanes)));
    }
}

static void make_statements(maker *g, int count);

/* A loop that carries a local, or an if with two sides. What is computed
 * inside is not visible after it. */
static void make_nested(maker *g)
{
    kern_type type = (kern_type)draw(g, 4);
    int lanes = any_lanes(g), outer = g->count;
    kern_value *old_at = g->at, *saved[POOL];
    memcpy(saved, g->pool, sizeof saved);
    kern_local *local = kern_local_new(&g->b, type, lanes, "l");
    kern_set(&g->b, local, pick(g, type, lanes));
    bool loop = draw(g, 2) == 0;
    if (loop) {
        kern_value *hi = kern_int(&g->b, KERN_I64, 1, draw(g, 6));
        kern_value *i = kern_loop(&g->b, kern_int(&g->b, KERN_I64, 1, 0), hi,
                                  1 + draw(g, 2), (int)draw(g, 4));
        g->at = kern_op2(&g->b, KERN_ADD, g->at, i);
        keep(g, i);
    } else {
        kern_if(&g->b, pick(g, KERN_BOOL, 1));
    }
    keep(g, kern_get(&g->b, local));
    make_statements(g, 4);
    kern_set(&g->b, local, pick(g, type, lanes));
    g->count = outer;
    memcpy(g->pool, saved, sizeof saved);
    if (!loop) {
        kern_else(&g->b);
        make_statements(g, 2);
        kern_set(&g->b, local, pick(g, type, lanes));
        g->count = outer;
        memcpy(g->pool, saved, sizeof saved);
    }
    kern_end(&g->b);
    g->at = old_at;
    keep(g, kern_get(&g->b, local));
}

static void make_statements(maker *g, int count)
{
    g->depth++;
    for (int i = 0; i < count; i++)
        switch (draw(g, 12)) {
        case 0:
        case 1: make_load(g); break;
        case 2:
        case 3: make_store(g); break;
        case 4: make_compare(g); break;
        case 5:
        case 6:
        case 7: make_real(g); break;
        case 8: make_integer(g); break;
        case 9:
        case 10: make_mixed(g); break;
        default:
            if (g->depth < 4)
                make_nested(g);
        }
    g->depth--;
}

/* Offsets start at 100, so strides from -1 to 3 stay inside the buffers. */
static void make_kernel(kern_module *m, uint64_t seed)
{
    static const char *const names[BUFFERS] = {"a", "b", "c", "d",
                                               "p", "q", "r", "s"};
    kern_kernel *k = kern_kernel_new(m, "random", TASKS);
    for (int i = 0; i < BUFFERS; i++)
        kern_buffer_add(k, names[i], dtypes[i], i >= 4);
    maker g = {.state = seed * 0x9E3779B97F4A7C15u + 1, .b = kern_begin(k)};
    kern_value *task = kern_task(&g.b);
    kern_value *five = kern_int(&g.b, KERN_I64, 1, 5);
    g.at = kern_op2(&g.b, KERN_ADD, kern_op2(&g.b, KERN_MUL, task, five),
                    kern_int(&g.b, KERN_I64, 1, 100));
    keep(&g, task);
    for (int i = 0; i < 4; i++)
        make_load(&g);
    make_statements(&g, 12);
    for (int i = 0; i < 4; i++)
        make_store(&g);
}

/* ---------- comparing ---------- */

typedef union memory {
    _Alignas(64) float f32[SIZE];
    double f64[SIZE];
    int32_t i32[SIZE];
    int64_t i64[SIZE];
} memory;

static void fill(memory *all)
{
    for (int i = 0; i < SIZE; i++) {
        float x = (float)(i % 23) * 0.37f - 3.0f;
        all[0].f32[i] = i % 31 == 7 ? -0.0f : x;
        all[1].f64[i] = (double)x * 1.1 + 0.001 * i;
        all[2].i32[i] = i * 7919 - 300000;
        all[3].i64[i] = (int64_t)i * 1234567890123 - 5;
        all[4].f32[i] = all[0].f32[i];
        all[5].f64[i] = 1.0;
        all[6].i32[i] = 1;
        all[7].i64[i] = 1;
    }
}

static bool same_reals(const memory *a, const memory *b, bool f64, int i)
{
    double x = f64 ? a->f64[i] : (double)a->f32[i];
    double y = f64 ? b->f64[i] : (double)b->f32[i];
    return (isnan(x) && isnan(y)) || (x == y && signbit(x) == signbit(y));
}

/* A NaN that went through integers shows its bits, which nobody promises. */
static bool same_memory(const memory *a, const memory *b, int buffer)
{
    for (int i = 0; i < SIZE; i++) {
        bool same = buffer == 4   ? same_reals(a, b, false, i)
                    : buffer == 5 ? same_reals(a, b, true, i)
                    : buffer == 6 ? a->i32[i] == b->i32[i]
                                  : a->i64[i] == b->i64[i];
        if (!same)
            return false;
    }
    return true;
}

static void run_both(const kern_module *m, const char *cpu, ptl_entry entry,
                     uint64_t seed)
{
    static memory want[BUFFERS], got[BUFFERS];
    void *want_at[BUFFERS], *got_at[BUFFERS];
    int64_t sizes[BUFFERS];
    fill(want);
    fill(got);
    for (int i = 0; i < BUFFERS; i++) {
        want_at[i] = &want[i];
        got_at[i] = &got[i];
        sizes[i] = SIZE;
    }
    kern_run(m->kernels.data[0], want_at, sizes, 0, TASKS);
    entry(got_at, 0, TASKS);
    for (int i = 4; i < BUFFERS; i++)
        if (!same_memory(&want[i], &got[i], i)) {
            ptl_str text = {0};
            kern_print(m, &text);
            fputs(str_text(&text), stderr);
            str_fini(&text);
            fail_msg("%s: kernel of seed %llu: buffer %d differs", cpu,
                     (unsigned long long)seed, i);
        }
}

static void random_kernels_run_as_interpreted(void **state)
{
    (void)state;
    const char *text = getenv("PTL_TEST_SEED");
    uint64_t first = text ? strtoull(text, NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + KERNELS; seed++) {
        kern_module *m = kern_module_new();
        make_kernel(m, seed);
        for (const char *const *cpu = test_levels(); *cpu; cpu++) {
            if (strcmp(*cpu, "native") == 0)
                continue; /* one of the others, with another name */
            llvm_code *code = test_compile(m, *cpu);
            run_both(m, *cpu, llvm_entry(code, 0), seed);
            llvm_code_release(code);
        }
        kern_module_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_kernels_run_as_interpreted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
