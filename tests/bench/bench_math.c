/*
 * bench_math.c - how long an element of each elementary function takes, beside
 * a copy of the same memory.
 *
 * One thread, 4,096 elements in the first-level cache, inputs about one; the
 * least of several repetitions.
 */
#include "llvm/math_code.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { REPEATS = 15, CALLS = 200 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static kern_value *copied(kern_builder *b, kern_value *x, kern_value *y)
{
    (void)b, (void)y;
    return x;
}

static double nanoseconds(const math_case *c, kern_type type, const char *cpu)
{
    static union {
        float f32[MATH_BLOCK];
        double f64[MATH_BLOCK];
    } x, y, out;
    for (int i = 0; i < MATH_BLOCK; i++) {
        double v = 0.01 + (double)(i * 37 % 1001) * 0.003;
        if (type == KERN_F32)
            x.f32[i] = (float)v, y.f32[i] = (float)(2 - v);
        else
            x.f64[i] = v, y.f64[i] = 2 - v;
    }
    math_code code = math_code_open(c, type, cpu);
    double best = 1e9;
    for (int r = 0; r < REPEATS; r++) {
        double start = seconds();
        for (int i = 0; i < CALLS; i++)
            math_code_run(&code, (void *[]){&x, &y, &out});
        double each = (seconds() - start) * 1e9 / (CALLS * MATH_BLOCK);
        best = each < best ? each : best;
    }
    math_code_close(&code);
    return best;
}

int main(int argc, char **argv)
{
    const char *cpu = argc > 1 ? argv[1] : "native";
    const math_case copy = {.name = "copy", .operands = 1, .build = copied};
    printf("ns per element on %s: f32, f64\n", cpu);
    printf("%-8s %.3f %.3f\n", copy.name, nanoseconds(&copy, KERN_F32, cpu),
           nanoseconds(&copy, KERN_F64, cpu));
    for (int i = 0; i < math_case_count; i++)
        printf("%-8s %.3f %.3f\n", math_cases[i].name,
               nanoseconds(&math_cases[i], KERN_F32, cpu),
               nanoseconds(&math_cases[i], KERN_F64, cpu));
    return EXIT_SUCCESS;
}
