/*
 * test_long_math.c - every f32 number through every elementary function, on
 * two threads. compiler/README.md records what this measured.
 */
#include "llvm/math_code.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { THREADS = 2 };

typedef struct half {
    const math_case *c;
    math_code *code;
    uint64_t first, end;
    math_worst worst;
} half;

static void *sweep(void *argument)
{
    half *h = argument;
    h->worst =
        math_sweep_f32(h->c, math_code_run, h->code, h->first, h->end, 1);
    return NULL;
}

static math_worst sweep_all(const math_case *c, math_code *code)
{
    pthread_t threads[THREADS];
    half halves[THREADS];
    uint64_t size = (UINT64_C(1) << 32) / THREADS;
    math_worst w = {.ulp = -1};
    for (uint64_t i = 0; i < THREADS; i++) {
        halves[i] = (half){
            .c = c, .code = code, .first = i * size, .end = (i + 1) * size};
        assert_int_equal(pthread_create(&threads[i], NULL, sweep, &halves[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        math_merge(&w, &halves[i].worst);
    }
    return w;
}

static void every_f32_number_stays_within_the_bounds(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < math_case_count; i++) {
        const math_case *c = &math_cases[i];
        math_code code = math_code_open(c, KERN_F32, "native");
        math_worst w = sweep_all(c, &code);
        math_report(c, KERN_F32, &w);
        failures += !(w.ulp <= c->bound_f32) || w.count != UINT64_C(1) << 32;
        math_code_close(&code);
    }
    assert_int_equal(failures, 0);
}

static void sampled_f64_numbers_stay_within_the_bounds(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < math_case_count; i++) {
        const math_case *c = &math_cases[i];
        math_code code = math_code_open(c, KERN_F64, "native");
        math_worst w = math_sample_f64(c, math_code_run, &code, 1 << 24);
        math_report(c, KERN_F64, &w);
        failures += !(w.ulp <= c->bound_f64);
        math_code_close(&code);
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f32_number_stays_within_the_bounds),
        cmocka_unit_test(sampled_f64_numbers_stay_within_the_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
