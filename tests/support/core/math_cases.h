/*
 * math_cases.h - the elementary functions against better ones.
 *
 * Shared by the tests of the kernel form (through the interpreter) and of the
 * machine code made from it; each gives a math_run that carries a kernel out.
 * F32 is judged by the C library in double, F64 by the C library in long
 * double.
 */
#ifndef PTL_TEST_MATH_CASES_H
#define PTL_TEST_MATH_CASES_H

#include "kernel/kernel.h"

typedef struct math_case {
    const char *name;
    int operands;
    kern_value *(*build)(kern_builder *b, kern_value *x, kern_value *y);
    double (*exact)(double x, double y);
    long double (*exact_long)(long double x, long double y);
    double bound_f32, bound_f64;
} math_case;

extern const math_case math_cases[];
extern const int math_case_count;

enum { MATH_BLOCK = 4096 }; /* elements of one call */

/* A module of one kernel and one task: buffer 2 = f(buffer 0, buffer 1) over
 * MATH_BLOCK elements. The caller frees it. */
kern_module *math_module(const math_case *c, kern_type type, int lanes);

/* Carries that kernel out; may be called by several threads. */
typedef void math_run(void *context, void *const *buffers);

/* The element furthest from the truth, and by how many ulp. */
typedef struct math_worst {
    double ulp, x, y, got;
    long double exact;
    uint64_t count; /* of elements looked at */
} math_worst;

/*
 * The F32 numbers whose bits are first, first + stride, ... , below `end`;
 * within each stride one is picked by a hash, so a stride leaves no pattern
 * out for ever. A second operand is chosen to keep the result ordinary.
 */
math_worst math_sweep_f32(const math_case *c, math_run *run, void *context,
                          uint64_t first, uint64_t end, uint64_t stride);
/* `count` F64 inputs: all exponents, and those where the function happens. */
math_worst math_sample_f64(const math_case *c, math_run *run, void *context,
                           uint64_t count);
void math_merge(math_worst *into, const math_worst *other);
void math_report(const math_case *c, kern_type type, const math_worst *w);

/* Special values: how many of them come out wrong (printed), over the table of
 * C's Annex F. */
int math_special_failures(const math_case *c, kern_type type, math_run *run,
                          void *context);

#endif
