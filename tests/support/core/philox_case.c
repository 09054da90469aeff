/*
 * philox_case.c - random numbers in kernel form against base/philox.h.
 */
#include "core/philox_case.h"
#include "base/philox.h"
#include "kernel/math.h"
#include <float.h>
#include <math.h>

kern_module *philox_module(kern_type type, bool normal, uint64_t site,
                           int lanes)
{
    kern_module *m = kern_module_new();
    kern_kernel *k = kern_kernel_new(m, "random", INT64_C(1) << 40);
    int seed = kern_buffer_add(k, "seed", PTL_I64, false);
    int step = kern_buffer_add(k, "step", PTL_I64, false);
    int out =
        kern_buffer_add(k, "out", type == KERN_F32 ? PTL_F32 : PTL_F64, true);
    kern_builder b = kern_begin(k);
    kern_value *zero = kern_int(&b, KERN_I64, 1, 0);
    kern_value *block = kern_int(&b, KERN_I64, 1, MATH_BLOCK);
    kern_value *first = kern_op2(&b, KERN_MUL, kern_task(&b), block);
    kern_memory at = {.buffer = seed, .offset = zero};
    kern_value *key = kern_philox_key(&b, kern_load(&b, at, 1),
                                      kern_int(&b, KERN_I64, 1, (int64_t)site));
    at.buffer = step;
    kern_value *now = kern_load(&b, at, 1);
    kern_value *i = kern_loop(&b, zero, block, lanes, 1);
    kern_value *element = kern_op2(&b, KERN_ADD, kern_iota(&b, KERN_I64, lanes),
                                   kern_op2(&b, KERN_ADD, first, i));
    kern_value *x = normal ? kern_normal(&b, type, key, now, element)
                           : kern_uniform(&b, type, key, now, element);
    kern_store(&b, (kern_memory){.buffer = out, .offset = i, .stride = 1}, x);
    kern_end(&b);
    return m;
}

/* philox_normal in more digits: its own cosine of a rounded angle is not good
 * enough near a zero. */
static long double exact_normal(uint64_t key, uint64_t step, uint64_t element)
{
    uint32_t w[4];
    philox_words(key, step, element, w);
    long double u1 = (long double)((w[0] >> 8) + 1) * 0x1p-24L;
    long double u2 = (long double)(w[1] >> 8) * 0x1p-24L;
    return sqrtl(-2 * logl(u1)) * cosl(6.283185307179586476925286766559L * u2);
}

static bool near(double got, long double want, double epsilon)
{
    return fabsl((long double)got - want) <=
           2 * (long double)epsilon * fabsl(want) + 1e-18L;
}

int philox_failures(kern_type type, bool normal, uint64_t site, philox_run *run,
                    void *context)
{
    static float single[MATH_BLOCK];
    static double wide[MATH_BLOCK];
    static const int64_t seeds[] = {0, 1, -1, INT64_C(0x123456789abcdef0)};
    static const int64_t steps[] = {0, 7, INT64_C(5000000000)};
    static const int64_t tasks[] = {0, 1, (INT64_C(1) << 20) - 1,
                                    INT64_C(1) << 21};
    double epsilon = type == KERN_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
    int failures = 0;
    for (int n = 0; n < 4 * 3 * 4; n++) {
        int64_t seed = seeds[n % 4], step = steps[n / 4 % 3];
        int64_t task = tasks[n / 12];
        uint64_t key = philox_key((uint64_t)seed, site);
        run(context,
            (void *[]){&seed, &step,
                       type == KERN_F32 ? (void *)single : (void *)wide},
            task);
        for (int64_t i = 0; i < MATH_BLOCK; i++) {
            uint64_t e = (uint64_t)(task * MATH_BLOCK + i);
            double got = type == KERN_F32 ? (double)single[i] : wide[i];
            failures +=
                normal
                    ? !near(got, exact_normal(key, (uint64_t)step, e), epsilon)
                    : got != philox_uniform((uint64_t)seed, site,
                                            (uint64_t)step, e);
        }
    }
    return failures;
}
