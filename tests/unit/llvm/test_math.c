/*
 * test_math.c - the elementary functions as machine code: close to the truth,
 * right at special values, and the same bits at every level of the machine.
 * test_long_math.c goes through every f32 number.
 */
#include "core/kern_run.h"
#include "core/philox_case.h"
#include "llvm/code.h"
#include "llvm/levels.h"
#include "llvm/math_code.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* 2^22 of the 2^32 numbers: every exponent, all over the significands. */
static void f32_stays_within_its_bounds(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < math_case_count; i++) {
        const math_case *c = &math_cases[i];
        math_code code = math_code_open(c, KERN_F32, "native");
        math_worst w = math_sweep_f32(c, math_code_run, &code, 0,
                                      UINT64_C(1) << 32, 1 << 10);
        math_report(c, KERN_F32, &w);
        failures += !(w.ulp <= c->bound_f32) || w.count != 1 << 22;
        math_code_close(&code);
    }
    assert_int_equal(failures, 0);
}

static void f64_stays_within_its_bounds(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < math_case_count; i++) {
        const math_case *c = &math_cases[i];
        math_code code = math_code_open(c, KERN_F64, "native");
        math_worst w = math_sample_f64(c, math_code_run, &code, 1 << 20);
        math_report(c, KERN_F64, &w);
        failures += !(w.ulp <= c->bound_f64);
        math_code_close(&code);
    }
    assert_int_equal(failures, 0);
}

static void special_values_follow_annex_f(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < math_case_count; i++)
        for (int type = KERN_F32; type <= KERN_F64; type++) {
            const math_case *c = &math_cases[i];
            math_code code = math_code_open(c, (kern_type)type, "native");
            failures +=
                math_special_failures(c, (kern_type)type, math_code_run, &code);
            math_code_close(&code);
        }
    assert_int_equal(failures, 0);
}

/* ---------- the same bits ---------- */

enum { BLOCKS = 16 };

typedef union numbers {
    float f32[MATH_BLOCK];
    double f64[MATH_BLOCK];
    uint32_t bits32[MATH_BLOCK];
    uint64_t bits64[MATH_BLOCK];
} numbers;

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return *seed ^ *seed >> 29;
}

/* Half any bits, half numbers about one. */
static void fill(numbers *x, kern_type type, uint64_t *seed)
{
    for (int i = 0; i < MATH_BLOCK; i++) {
        uint64_t bits = next(seed);
        double plain = ((double)(next(seed) >> 11) * 0x1p-53 - 0.5) * 60;
        if (type == KERN_F32 && i % 2)
            x->f32[i] = (float)plain;
        else if (type == KERN_F32)
            x->bits32[i] = (uint32_t)bits;
        else if (i % 2)
            x->f64[i] = plain;
        else
            x->bits64[i] = bits;
    }
}

/* The sign and payload of a NaN are nobody's promise. */
static bool equal_lane(const numbers *a, const numbers *b, kern_type type,
                       int i)
{
    if (type == KERN_F32)
        return a->bits32[i] == b->bits32[i] ||
               (a->f32[i] != a->f32[i] && b->f32[i] != b->f32[i]);
    return a->bits64[i] == b->bits64[i] ||
           (a->f64[i] != a->f64[i] && b->f64[i] != b->f64[i]);
}

static int differing_lanes(const math_case *c, kern_type type, const char *cpu)
{
    static numbers x, y, made, judged;
    uint64_t seed = 1;
    int differing = 0;
    math_code code = math_code_open(c, type, cpu);
    kern_module *m = math_module(c, type, MATH_BLOCK);
    for (int block = 0; block < BLOCKS; block++) {
        fill(&x, type, &seed);
        fill(&y, type, &seed);
        math_code_run(&code, (void *[]){&x, &y, &made});
        kern_run(m->kernels.data[0], (void *[]){&x, &y, &judged}, NULL, 0, 1);
        for (int i = 0; i < MATH_BLOCK; i++)
            differing += !equal_lane(&made, &judged, type, i);
    }
    if (differing)
        printf("%s %s on %s: %d lanes differ\n", c->name, kern_type_name(type),
               cpu, differing);
    kern_module_free(m);
    math_code_close(&code);
    return differing;
}

static void every_level_gives_the_interpreters_bits(void **state)
{
    (void)state;
    int differing = 0;
    for (const char *const *cpu = test_levels(); *cpu; cpu++)
        for (int i = 0; i < math_case_count; i++)
            for (int type = KERN_F32; type <= KERN_F64; type++)
                differing +=
                    differing_lanes(&math_cases[i], (kern_type)type, *cpu);
    assert_int_equal(differing, 0);
}

/* ---------- random numbers ---------- */

static void random_task(void *context, void *const *buffers, int64_t task)
{
    llvm_entry(context, 0)(buffers, task, task + 1);
}

static void random_numbers_are_those_of_philox(void **state)
{
    (void)state;
    const uint64_t site = 77;
    for (int type = KERN_F32; type <= KERN_F64; type++)
        for (int normal = 0; normal < 2; normal++) {
            kern_module *m = philox_module((kern_type)type, normal, site, 16);
            llvm_code *code = test_compile(m, "native");
            assert_int_equal(philox_failures((kern_type)type, normal, site,
                                             random_task, code),
                             0);
            llvm_code_release(code);
            kern_module_free(m);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_stays_within_its_bounds),
        cmocka_unit_test(f64_stays_within_its_bounds),
        cmocka_unit_test(special_values_follow_annex_f),
        cmocka_unit_test(every_level_gives_the_interpreters_bits),
        cmocka_unit_test(random_numbers_are_those_of_philox),
    };
    mallopt(M_TRIM_THRESHOLD, 1 << 28); /* see core/test_math.c */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
