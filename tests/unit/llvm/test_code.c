/*
 * test_code.c - kernels as wholes: control flow and memory do what kernel.h
 * says, code comes and goes without leaving memory behind, failures are
 * reported, and code calls nothing outside the table.
 */
#include "llvm/code.h"
#include "llvm/levels.h"
#include "llvm/tile_case.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 64 };

static kern_value *i64(kern_builder *b, int64_t x)
{
    return kern_int(b, KERN_I64, 1, x);
}

static kern_memory at(int buffer, kern_value *offset, int64_t stride)
{
    return (kern_memory){.buffer = buffer, .offset = offset, .stride = stride};
}

static kern_builder named(kern_module *m, const char *name, int64_t tasks)
{
    kern_kernel *k = kern_kernel_new(m, name, tasks);
    kern_buffer_add(k, "x", PTL_F32, false);
    kern_buffer_add(k, "y", PTL_F32, true);
    return kern_begin(k);
}

static kern_builder two_buffers(kern_module *m, int64_t tasks)
{
    return named(m, "copy", tasks);
}

/* Runs kernel 0 of `m` on x = 1, 2, 3, ... and y = -1 at every level, calling
 * `check` on y. */
static void run_everywhere(kern_module *m, int64_t tasks,
                           void (*check)(const float *y))
{
    float x[N], y[N];
    for (const char *const *cpu = test_levels(); *cpu; cpu++) {
        llvm_code *code = test_compile(m, *cpu);
        void *args[] = {x, y};
        for (int i = 0; i < N; i++) {
            x[i] = (float)(i + 1);
            y[i] = -1.0f;
        }
        llvm_entry(code, 0)(args, 0, tasks);
        check(y);
        llvm_code_release(code);
    }
    kern_module_free(m);
}

/* ---------- control flow ---------- */

/* y[task] = sum of x[0 .. task) where the index is even, 100 + it otherwise */
static void build_control(kern_builder *b, int unroll)
{
    kern_value *task = kern_task(b);
    kern_local *sum = kern_local_new(b, KERN_F32, 1, "sum");
    kern_set(b, sum, kern_real(b, KERN_F32, 1, 0.0));
    kern_value *i = kern_loop(b, i64(b, 0), task, 1, unroll);
    kern_value *odd = kern_op2(b, KERN_REM, i, i64(b, 2));
    kern_value *x = kern_load(b, at(0, i, 1), 1);
    kern_if(b, kern_op2(b, KERN_EQ, odd, i64(b, 0)));
    kern_set(b, sum, kern_op2(b, KERN_ADD, kern_get(b, sum), x));
    kern_else(b);
    kern_value *hundred = kern_real(b, KERN_F32, 1, 100.0);
    kern_set(b, sum, kern_op2(b, KERN_ADD, kern_get(b, sum), hundred));
    kern_end(b);
    kern_end(b);
    kern_store(b, at(1, task, 1), kern_get(b, sum));
}

static void check_control(const float *y)
{
    float sum = 0;
    for (int i = 0; i < N; i++) {
        assert_true(y[i] == sum);
        sum += i % 2 == 0 ? (float)(i + 1) : 100.0f;
    }
}

static void loops_and_ifs_change_locals(void **state)
{
    (void)state;
    for (int unroll = 0; unroll <= 5; unroll++) {
        kern_module *m = kern_module_new();
        kern_builder b = two_buffers(m, N);
        build_control(&b, unroll);
        run_everywhere(m, N, check_control);
    }
}

static void check_steps(const float *y)
{
    for (int i = 0; i < N; i++)
        assert_true(y[i] == (i >= 3 && i < 50 && i % 7 == 3 ? (float)(i + 1)
                                                             : -1.0f));
}

static void a_loop_takes_its_steps(void **state)
{
    (void)state;
    kern_module *m = kern_module_new();
    kern_builder b = two_buffers(m, 1);
    kern_value *i = kern_loop(&b, i64(&b, 3), i64(&b, 50), 7, 0);
    kern_store(&b, at(1, i, 1), kern_load(&b, at(0, i, 1), 1));
    kern_end(&b);
    run_everywhere(m, 1, check_steps);
}

/* y = x + `by`. */
static void add_shift(kern_module *m, const char *name, double by)
{
    kern_builder b = named(m, name, N);
    kern_value *task = kern_task(&b);
    kern_value *x = kern_load(&b, at(0, task, 1), 1);
    kern_value *y = kern_op2(&b, KERN_ADD, x, kern_real(&b, KERN_F32, 1, by));
    kern_store(&b, at(1, task, 1), y);
}

static void kernels_of_the_same_code_have_it_once(void **state)
{
    (void)state;
    enum { KERNELS = 21 };
    float x[N] = {0}, y[N];
    kern_module *m = kern_module_new();
    for (int i = 0; i < KERNELS; i++) {
        char name[16];
        snprintf(name, sizeof name, "layer %d", i);
        add_shift(m, name, i % 7);
    }
    llvm_code *code = test_compile(m, "native");
    for (int i = 0; i < KERNELS; i++) {
        llvm_entry(code, i)((void *[]){x, y}, 0, N);
        assert_true(y[N - 1] == (float)(i % 7));
        for (int k = 0; k < i; k++)
            assert_int_equal(llvm_entry(code, k) == llvm_entry(code, i),
                             k % 7 == i % 7);
    }
    llvm_code_release(code);
    kern_module_free(m);
}

static void only_the_tasks_asked_for_run(void **state)
{
    (void)state;
    float x[N], y[N];
    kern_module *m = kern_module_new();
    kern_builder b = two_buffers(m, N);
    kern_value *task = kern_task(&b);
    kern_store(&b, at(1, task, 1), kern_load(&b, at(0, task, 1), 1));
    llvm_code *code = test_compile(m, "native");
    void *args[] = {x, y};
    for (int i = 0; i < N; i++) {
        x[i] = 2.0f;
        y[i] = 1.0f;
    }
    llvm_entry(code, 0)(args, 5, 9);
    llvm_entry(code, 0)(args, 20, 20);
    for (int i = 0; i < N; i++)
        assert_true(y[i] == (i >= 5 && i < 9 ? 2.0f : 1.0f));
    llvm_code_release(code);
    kern_module_free(m);
}

/* ---------- memory: 16 lanes of x from element 16, some masked ---------- */

enum { LANES = 16, FROM = 16 };

typedef struct shape {
    int64_t from, stride;
    bool offsets, mask, other;
} shape;

static kern_value *mask_of(kern_builder *b)
{
    kern_value *i = kern_iota(b, KERN_I32, LANES);
    kern_value *third =
        kern_op2(b, KERN_REM, i, kern_int(b, KERN_I32, LANES, 3));
    return kern_op2(b, KERN_NE, third, kern_int(b, KERN_I32, LANES, 0));
}

/* 5 i mod 16: every lane another element */
static kern_value *offsets_of(kern_builder *b, kern_type type)
{
    kern_value *i = kern_iota(b, type, LANES);
    kern_value *five = kern_op2(b, KERN_MUL, i, kern_int(b, type, LANES, 5));
    return kern_op2(b, KERN_AND, five, kern_int(b, type, LANES, 15));
}

static int64_t element_of(shape s, int lane)
{
    return s.from + (s.offsets ? 5 * lane % 16 : s.stride * lane);
}

static bool is_on(shape s, int lane)
{
    return !s.mask || lane % 3 != 0;
}

static kern_memory access_of(kern_builder *b, int buffer, shape s)
{
    kern_memory a = at(buffer, i64(b, s.from), s.stride);
    if (s.offsets)
        a.offsets = offsets_of(b, s.stride ? KERN_I64 : KERN_I32);
    if (s.mask)
        a.mask = mask_of(b);
    return a;
}

static const shape shapes[] = {
    {FROM, 1, false, false, false},      {FROM, 1, false, true, false},
    {FROM, 1, false, true, true},        {FROM, 0, false, false, false},
    {FROM, 0, false, true, true},        {FROM + 15, -1, false, false, false},
    {FROM + 15, -1, false, true, true},  {FROM, 3, false, false, false},
    {FROM, 3, false, true, true},        {FROM, 0, true, false, false},
    {FROM, 1, true, true, true},         {FROM, 0, true, true, false},
    {FROM + 30, -2, false, true, false}, {1, 2, false, false, false},
    {1, 2, false, true, true},           {0, 4, false, false, false},
    {3, 4, false, true, false},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static double in_buffer(ptl_dtype dtype, const void *from, int64_t i)
{
    switch (dtype) {
    case PTL_F32: return (double)((const float *)from)[i];
    case PTL_F64: return ((const double *)from)[i];
    case PTL_I32: return ((const int32_t *)from)[i];
    case PTL_I64: return (double)((const int64_t *)from)[i];
    default: return ((const uint8_t *)from)[i];
    }
}

static void into_buffer(ptl_dtype dtype, void *to, int64_t i, double x)
{
    switch (dtype) {
    case PTL_F32: ((float *)to)[i] = (float)x; break;
    case PTL_F64: ((double *)to)[i] = x; break;
    case PTL_I32: ((int32_t *)to)[i] = (int32_t)x; break;
    case PTL_I64: ((int64_t *)to)[i] = (int64_t)x; break;
    default: ((uint8_t *)to)[i] = (uint8_t)x; break;
    }
}

static double pattern(ptl_dtype dtype, int64_t i)
{
    return dtype == PTL_BOOL ? (double)(i % 5 < 2) : (double)(i * 3 + 1);
}

static kern_type type_of(ptl_dtype dtype)
{
    static const kern_type type[] = {KERN_F32, KERN_F64, KERN_I32,
                                     KERN_I64, KERN_I32, KERN_BOOL};
    return type[dtype];
}

static kern_value *other_of(kern_builder *b, kern_type type)
{
    if (type == KERN_F32 || type == KERN_F64)
        return kern_real(b, type, LANES, 1.0);
    return kern_int(b, type, LANES, 1);
}

/* y[0 .. 16) = x as `s` says */
static void load_kernel(kern_module *m, shape s, ptl_dtype dtype)
{
    kern_kernel *k = kern_kernel_new(m, "load", 1);
    kern_buffer_add(k, "x", dtype, false);
    kern_buffer_add(k, "y", dtype == PTL_U8 ? PTL_I32 : dtype, true);
    kern_builder b = kern_begin(k);
    kern_memory a = access_of(&b, 0, s);
    if (s.other)
        a.other = other_of(&b, type_of(dtype));
    kern_store(&b, at(1, i64(&b, 0), 1), kern_load(&b, a, LANES));
}

/* y as `s` says = x[0 .. 16) */
static void store_kernel(kern_module *m, shape s, ptl_dtype dtype)
{
    kern_kernel *k = kern_kernel_new(m, "store", 1);
    kern_buffer_add(k, "x", dtype, false);
    kern_buffer_add(k, "y", dtype, true);
    kern_builder b = kern_begin(k);
    kern_value *x = kern_load(&b, at(0, i64(&b, 0), 1), LANES);
    kern_store(&b, access_of(&b, 1, s), x);
}

static void check_load(ptl_entry entry, shape s, ptl_dtype dtype)
{
    ptl_dtype to = dtype == PTL_U8 ? PTL_I32 : dtype;
    static _Alignas(64) char x[N * 8], y[N * 8];
    void *args[] = {x, y};
    for (int i = 0; i < N; i++)
        into_buffer(dtype, x, i, pattern(dtype, i));
    entry(args, 0, 1);
    for (int lane = 0; lane < LANES; lane++) {
        double want = is_on(s, lane) ? in_buffer(dtype, x, element_of(s, lane))
                                     : (double)s.other;
        if (in_buffer(to, y, lane) != want)
            fail_msg("load shape %d, dtype %d, lane %d", (int)s.stride, dtype,
                     lane);
    }
}

static void check_store(ptl_entry entry, shape s, ptl_dtype dtype)
{
    static _Alignas(64) char x[N * 8], y[N * 8], want[N * 8];
    void *args[] = {x, y};
    for (int i = 0; i < N; i++) {
        into_buffer(dtype, x, i, pattern(dtype, i));
        into_buffer(dtype, y, i, 1.0);
        into_buffer(dtype, want, i, 1.0);
    }
    for (int lane = 0; lane < LANES; lane++)
        if (is_on(s, lane))
            into_buffer(dtype, want, element_of(s, lane),
                        pattern(dtype, lane));
    entry(args, 0, 1);
    if (memcmp(y, want, sizeof y) != 0)
        fail_msg("store shape %d, dtype %d", (int)s.stride, dtype);
}

static bool can_store(shape s, ptl_dtype dtype)
{
    return dtype != PTL_U8 && (s.offsets || s.stride != 0);
}

static void every_shape_of_access(void **state)
{
    (void)state;
    kern_module *m = kern_module_new();
    for (int i = 0; i < SHAPES; i++)
        for (int d = 0; d < PTL_DTYPE_COUNT; d++) {
            load_kernel(m, shapes[i], (ptl_dtype)d);
            if (can_store(shapes[i], (ptl_dtype)d))
                store_kernel(m, shapes[i], (ptl_dtype)d);
        }
    for (const char *const *cpu = test_levels(); *cpu; cpu++) {
        llvm_code *code = test_compile(m, *cpu);
        int kernel = 0;
        for (int i = 0; i < SHAPES; i++)
            for (int d = 0; d < PTL_DTYPE_COUNT; d++) {
                check_load(llvm_entry(code, kernel++), shapes[i],
                           (ptl_dtype)d);
                if (can_store(shapes[i], (ptl_dtype)d))
                    check_store(llvm_entry(code, kernel++), shapes[i],
                                (ptl_dtype)d);
            }
        llvm_code_release(code);
    }
    kern_module_free(m);
}

/* Lanes 2 apart from the first element of a page to the last. */
static void a_strided_access_stays_within_its_lanes(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int64_t last = (int64_t)(page / sizeof(float)) - 1;
    char *map =
        mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + page, page, PROT_READ | PROT_WRITE), 0);
    float *x = (float *)(void *)(map + page);
    kern_module *m = kern_module_new();
    kern_builder b = two_buffers(m, 1);
    int64_t from[] = {0, last - 2 * (LANES - 1)};
    for (int i = 0; i < 2; i++) {
        kern_memory lanes = at(1, i64(&b, from[i]), 2);
        kern_store(&b, lanes, kern_load(&b, lanes, LANES));
    }
    for (const char *const *cpu = test_levels(); *cpu; cpu++) {
        llvm_code *code = test_compile(m, *cpu);
        void *args[] = {x, x};
        x[0] = 3.0f;
        x[last] = 4.0f;
        llvm_entry(code, 0)(args, 0, 1);
        assert_true(x[0] == 3.0f && x[last] == 4.0f);
        llvm_code_release(code);
    }
    kern_module_free(m);
    munmap(map, 3 * page);
}

/* On a line and off it, whole and in part. */
static void a_streamed_result_is_stored_like_any_other(void **state)
{
    (void)state;
    static _Alignas(64) float x[N], y[N];
    kern_module *m = kern_module_new();
    kern_builder b = two_buffers(m, 1);
    b.kernel->buffers.data[1].streamed = true;
    int64_t to[] = {0, 19, 40};
    for (int i = 0; i < 3; i++) {
        kern_memory there = at(1, i64(&b, to[i]), 1);
        there.mask = i == 2 ? mask_of(&b) : NULL;
        kern_store(&b, there, kern_load(&b, at(0, i64(&b, to[i]), 1), LANES));
    }
    for (const char *const *cpu = test_levels(); *cpu; cpu++) {
        llvm_code *code = test_compile(m, *cpu);
        void *args[] = {x, y};
        for (int i = 0; i < N; i++) {
            x[i] = (float)(i + 1);
            y[i] = -1.0f;
        }
        llvm_entry(code, 0)(args, 0, 1);
        for (int i = 0; i < N; i++) {
            bool stored = i < 16 || (i >= 19 && i < 35) ||
                          (i >= 40 && i < 56 && (i - 40) % 3 != 0);
            assert_true(y[i] == (stored ? x[i] : -1.0f));
        }
        llvm_code_release(code);
    }
    kern_module_free(m);
}

/* y = x backwards by way of scratch, which comes before both in the kernel but
 * is no argument; what lies ahead of x is asked for. */
static void scratch_is_no_argument(void **state)
{
    (void)state;
    float x[N], y[N];
    kern_module *m = kern_module_new();
    kern_kernel *k = kern_kernel_new(m, "turn", 1);
    kern_scratch_add(k, "row", PTL_F32, LANES);
    kern_buffer_add(k, "x", PTL_F32, false);
    kern_buffer_add(k, "y", PTL_F32, true);
    kern_builder b = kern_begin(k);
    kern_memory from = at(1, i64(&b, 0), 1);
    from.ahead = 1000000;
    kern_store(&b, at(0, i64(&b, LANES - 1), -1), kern_load(&b, from, LANES));
    kern_store(&b, at(2, i64(&b, 0), 1),
               kern_load(&b, at(0, i64(&b, 0), 1), LANES));
    for (const char *const *cpu = test_levels(); *cpu; cpu++) {
        llvm_code *code = test_compile(m, *cpu);
        void *args[] = {x, y};
        for (int i = 0; i < N; i++)
            x[i] = (float)(i + 1);
        llvm_entry(code, 0)(args, 0, 1);
        for (int i = 0; i < LANES; i++)
            assert_true(y[i] == x[LANES - 1 - i]);
        llvm_code_release(code);
    }
    ptl_str text = test_emit(m, "native", false);
    assert_non_null(strstr(str_text(&text), "llvm.prefetch"));
    str_fini(&text);
    kern_module_free(m);
}

static void a_streamed_kernel_ends_with_a_fence(void **state)
{
    (void)state;
    for (int streamed = 0; streamed < 2; streamed++) {
        kern_module *m = kern_module_new();
        kern_builder b = two_buffers(m, 1);
        b.kernel->buffers.data[1].streamed = streamed;
        kern_store(&b, at(1, i64(&b, 0), 1),
                   kern_load(&b, at(0, i64(&b, 0), 1), LANES));
        ptl_str text = test_emit(m, "native", false);
        assert_int_equal(strstr(str_text(&text), "fence") != NULL, streamed);
        assert_int_equal(strstr(str_text(&text), "!nontemporal") != NULL,
                         streamed);
        str_fini(&text);
        kern_module_free(m);
    }
}

/* Lanes that are off touch nothing: the buffers are NULL. */
static void masked_lanes_touch_nothing(void **state)
{
    (void)state;
    const int64_t strides[] = {0, 1, -1, 3};
    for (int lanes = 1; lanes <= 16; lanes *= 16)
        for (int i = 0; i < 4; i++) {
            kern_module *m = kern_module_new();
            kern_builder b = two_buffers(m, 1);
            kern_value *off =
                kern_op2(&b, KERN_LT, kern_task(&b), i64(&b, -5));
            kern_memory from = at(0, i64(&b, -1000), strides[i]);
            kern_memory to = at(1, i64(&b, 1000), i ? strides[i] : 1);
            from.mask = to.mask = kern_splat(&b, off, lanes);
            kern_store(&b, to, kern_load(&b, from, lanes));
            for (const char *const *cpu = test_levels(); *cpu; cpu++) {
                llvm_code *code = test_compile(m, *cpu);
                void *args[] = {NULL, NULL};
                llvm_entry(code, 0)(args, 0, 1);
                llvm_code_release(code);
            }
            kern_module_free(m);
        }
}

/* Lanes [first, end) of 16, if the task is the first. */
static kern_value *lanes_between(kern_builder *b, int first, int end)
{
    kern_value *lane = kern_iota(b, KERN_I32, LANES);
    kern_value *from = kern_int(b, KERN_I32, LANES, first);
    kern_value *to = kern_int(b, KERN_I32, LANES, end);
    kern_value *here = kern_op2(b, KERN_LT, kern_task(b), i64(b, 1));
    kern_value *in = kern_op2(b, KERN_AND, kern_op2(b, KERN_GE, lane, from),
                              kern_op2(b, KERN_LT, lane, to));
    return kern_op2(b, KERN_AND, kern_splat(b, here, LANES), in);
}

static void check_lanes(ptl_dtype dtype, int first, int end)
{
    kern_module *m = kern_module_new();
    kern_kernel *k = kern_kernel_new(m, "lanes", 1);
    kern_buffer_add(k, "x", dtype, false);
    kern_buffer_add(k, "y", dtype, true);
    kern_builder b = kern_begin(k);
    kern_memory from = at(0, i64(&b, 0), 1), to = at(1, i64(&b, 0), 1);
    to.mask = from.mask = lanes_between(&b, first, end);
    from.other = other_of(&b, type_of(dtype));
    kern_store(&b, at(1, i64(&b, LANES), 1), kern_load(&b, from, LANES));
    kern_store(&b, to, kern_load(&b, at(0, i64(&b, 0), 1), LANES));
    for (const char *const *cpu = test_levels(); *cpu; cpu++) {
        double x[LANES] = {0}, y[2 * LANES] = {0};
        llvm_code *code = test_compile(m, *cpu);
        for (int i = 0; i < LANES; i++)
            into_buffer(dtype, x, i, i + 3);
        llvm_entry(code, 0)((void *[]){x, y}, 0, 1);
        for (int i = 0; i < LANES; i++) {
            bool on = i >= first && i < end;
            assert_true(in_buffer(dtype, y, i) == (on ? i + 3 : 0));
            assert_true(in_buffer(dtype, y, LANES + i) == (on ? i + 3 : 1));
        }
        llvm_code_release(code);
    }
    kern_module_free(m);
}

/* LLVM 19 takes the mask away where a whole register of several is off. */
static void a_register_of_several_may_be_off(void **state)
{
    (void)state;
    const ptl_dtype dtypes[] = {PTL_F32, PTL_F64, PTL_I32};
    for (int i = 0; i < 3; i++)
        for (int first = 0; first < LANES; first += 3)
            for (int end = first + 1; end <= LANES; end += 3)
                check_lanes(dtypes[i], first, end);
}

/* ---------- code as text ---------- */

static void dumps_carry_the_kernels_names(void **state)
{
    (void)state;
    kern_module *m = kern_module_new();
    kern_builder b = two_buffers(m, N);
    build_control(&b, 0);
    ptl_str ir = test_emit(m, "native", false);
    ptl_str assembly = test_emit(m, "native", true);
    assert_non_null(strstr(str_text(&ir), "define void @k0.copy(ptr"));
    assert_non_null(strstr(str_text(&ir), "%sum"));
    assert_null(strstr(str_text(&ir), "alloca"));
    assert_non_null(strstr(str_text(&assembly), "k0.copy:"));
    str_fini(&ir);
    str_fini(&assembly);
    kern_module_free(m);
}

static void vectors_use_the_full_width(void **state)
{
    (void)state;
    kern_target target;
    kern_module *m = kern_module_new();
    kern_builder b = two_buffers(m, N);
    assert_int_equal(llvm_target("native", &target, NULL), PTL_OK);
    kern_value *x = kern_load(&b, at(0, i64(&b, 0), 1), target.lanes_f32);
    kern_store(&b, at(1, i64(&b, 0), 1), kern_fma(&b, x, x, x));
    ptl_str assembly = test_emit(m, "native", true);
    const char *width = target.lanes_f32 == 16  ? "%zmm"
                        : target.lanes_f32 == 8 ? "%ymm"
                                                : "%xmm";
    assert_non_null(strstr(str_text(&assembly), width));
    str_fini(&assembly);
    kern_module_free(m);
}

/* ---------- failures ---------- */

static void an_unknown_cpu_is_an_error(void **state)
{
    (void)state;
    kern_target target;
    ptl_error err = {0};
    assert_int_equal(llvm_target("pentium", &target, &err), PTL_E_USAGE);
    assert_non_null(strstr(err.text, "\"pentium\""));
    kern_module *m = kern_module_new();
    llvm_options options = {.cpu = "pentium"};
    llvm_code *code = NULL;
    assert_int_equal(llvm_compile(m, &options, &code, &err), PTL_E_USAGE);
    assert_null(code);
    kern_module_free(m);
}

static void an_empty_module_compiles(void **state)
{
    (void)state;
    kern_module *m = kern_module_new();
    llvm_code_release(test_compile(m, "native"));
    kern_module_free(m);
}

/* ---------- memory of the compiler itself ---------- */

static kern_module *some_module(void)
{
    kern_module *m = kern_module_new();
    kern_builder b = two_buffers(m, N);
    build_control(&b, 4);
    return m;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void compile_and_release(const kern_module *m, int times)
{
    for (int i = 0; i < times; i++)
        llvm_code_release(test_compile(m, "native"));
}

static void compilations_leave_no_memory(void **state)
{
    (void)state;
    kern_module *m = some_module();
    compile_and_release(m, 50); /* LLVM's own tables fill once */
    size_t before = heap_bytes();
    compile_and_release(m, 200);
    size_t after = heap_bytes();
    kern_module_free(m);
    if (after > before + 65536)
        fail_msg("the heap grew from %zu to %zu bytes", before, after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_and_ifs_change_locals),
        cmocka_unit_test(a_loop_takes_its_steps),
        cmocka_unit_test(only_the_tasks_asked_for_run),
        cmocka_unit_test(kernels_of_the_same_code_have_it_once),
        cmocka_unit_test(every_shape_of_access),
        cmocka_unit_test(a_strided_access_stays_within_its_lanes),
        cmocka_unit_test(a_streamed_result_is_stored_like_any_other),
        cmocka_unit_test(scratch_is_no_argument),
        cmocka_unit_test(a_streamed_kernel_ends_with_a_fence),
        cmocka_unit_test(masked_lanes_touch_nothing),
        cmocka_unit_test(a_register_of_several_may_be_off),
        cmocka_unit_test(dumps_carry_the_kernels_names),
        cmocka_unit_test(vectors_use_the_full_width),
        cmocka_unit_test(an_unknown_cpu_is_an_error),
        cmocka_unit_test(an_empty_module_compiles),
        cmocka_unit_test(compilations_leave_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
