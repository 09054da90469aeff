/*
 * math_cases.c - sweeps over inputs, and the distance from the truth.
 */
#include "core/math_cases.h"
#include "kernel/math.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---------- the table ---------- */

static double exact_sigmoid(double x, double y)
{
    (void)y;
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static long double exact_long_sigmoid(long double x, long double y)
{
    (void)y;
    return x >= 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x));
}

#define FROM_LIBM(name)                                                        \
    static double exact_##name(double x, double y)                             \
    {                                                                          \
        (void)y;                                                               \
        return name(x);                                                        \
    }                                                                          \
    static long double exact_long_##name(long double x, long double y)         \
    {                                                                          \
        (void)y;                                                               \
        return name##l(x);                                                     \
    }
FROM_LIBM(exp)
FROM_LIBM(log)
FROM_LIBM(sin)
FROM_LIBM(cos)
FROM_LIBM(tanh)
FROM_LIBM(erf)

static double exact_pow(double x, double y)
{
    return pow(x, y);
}

static long double exact_long_pow(long double x, long double y)
{
    return powl(x, y);
}

#define UNARY(name)                                                            \
    static kern_value *build_##name(kern_builder *b, kern_value *x,            \
                                    kern_value *y)                             \
    {                                                                          \
        (void)y;                                                               \
        return kern_##name(b, x);                                              \
    }
UNARY(exp)
UNARY(log)
UNARY(sin)
UNARY(cos)
UNARY(tanh)
UNARY(sigmoid)
UNARY(erf)

static kern_value *build_pow(kern_builder *b, kern_value *x, kern_value *y)
{
    return kern_pow(b, x, y);
}

const math_case math_cases[] = {
#define MATH(name, operands, bound_f32, bound_f64)                             \
    {#name,     operands, build_##name, exact_##name, exact_long_##name,       \
     bound_f32, bound_f64},
#include "core/math_cases.def"
#undef MATH
};
const int math_case_count = sizeof math_cases / sizeof *math_cases;

kern_module *math_module(const math_case *c, kern_type type, int lanes)
{
    ptl_dtype dtype = type == KERN_F32 ? PTL_F32 : PTL_F64;
    kern_module *m = kern_module_new();
    kern_kernel *k = kern_kernel_new(m, c->name, 1);
    int x = kern_buffer_add(k, "x", dtype, false);
    int y = kern_buffer_add(k, "y", dtype, false);
    int out = kern_buffer_add(k, "out", dtype, true);
    kern_builder b = kern_begin(k);
    kern_value *at = kern_loop(&b, kern_int(&b, KERN_I64, 1, 0),
                               kern_int(&b, KERN_I64, 1, MATH_BLOCK), lanes, 1);
    kern_memory from = {.buffer = x, .offset = at, .stride = 1};
    kern_value *left = kern_load(&b, from, lanes), *right = NULL;
    if (c->operands == 2) {
        from.buffer = y;
        right = kern_load(&b, from, lanes);
    }
    from.buffer = out;
    kern_store(&b, from, c->build(&b, left, right));
    kern_end(&b);
    return m;
}

/* ---------- distances ---------- */

static float f32_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double f64_of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* |got - exact| in units of the last place `exact` has in F64; infinity counts
 * as the power of two it stands for. */
static double distance_f64(double got, long double exact)
{
    if (isnan(got) || isnan(exact))
        return isnan(got) && isnan(exact) ? 0 : (double)INFINITY;
    const long double huge = 0x1p1024L;
    long double value =
        isinf(got) ? copysignl(huge, (long double)got) : (long double)got;
    if (fabsl(exact) > huge)
        exact = copysignl(huge, exact);
    int exponent = exact == 0 ? -1022 : ilogbl(exact);
    exponent = exponent < -1022 ? -1022 : exponent > 1023 ? 1023 : exponent;
    return (double)ldexpl(fabsl(value - exact), 52 - exponent);
}

/* The same for F32, from a double, whose exponent is taken from its bits:
 * this runs for all 2^32 numbers. */
static double distance_f32(float got, double exact)
{
    if (isnan(got) || isnan(exact))
        return isnan(got) && isnan(exact) ? 0 : (double)INFINITY;
    const double huge = 0x1p128;
    double value = isinf(got) ? copysign(huge, (double)got) : (double)got;
    if (fabs(exact) > huge)
        exact = copysign(huge, exact);
    uint64_t bits;
    memcpy(&bits, &exact, sizeof bits);
    int64_t exponent = (int64_t)(bits >> 52 & 0x7ff) - 1023;
    exponent = exponent < -126 ? -126 : exponent > 127 ? 127 : exponent;
    return fabs(value - exact) *
           f64_of_bits((uint64_t)(23 - exponent + 1023) << 52);
}

static void keep_worst(math_worst *w, double ulp, double x, double y,
                       double got, long double exact)
{
    w->count++;
    if (!(ulp > w->ulp))
        return;
    w->ulp = ulp;
    w->x = x;
    w->y = y;
    w->got = got;
    w->exact = exact;
}

void math_merge(math_worst *into, const math_worst *other)
{
    uint64_t count = into->count + other->count;
    if (other->ulp > into->ulp)
        *into = *other;
    into->count = count;
}

void math_report(const math_case *c, kern_type type, const math_worst *w)
{
    printf("%-8s %s: %.4f ulp over %llu inputs, at %a", c->name,
           kern_type_name(type), w->ulp, (unsigned long long)w->count, w->x);
    if (c->operands == 2)
        printf(", %a", w->y);
    printf(": %a for %La\n", w->got, w->exact);
    fflush(stdout);
}

/* ---------- inputs ---------- */

static uint64_t hash(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static double unit(uint64_t x)
{
    return (double)(hash(x) >> 11) * 0x1p-53;
}

/* An exponent that keeps |x|^y within 2^+-range; whole for negative x. */
static double fitting_exponent(double x, double range, uint64_t salt)
{
    double log = log2(fabs(x));
    double y = (2 * unit(salt) - 1) * range / (log == 0 ? 1 : log);
    if (!isfinite(y))
        y = 3;
    return x < 0 ? nearbyint(y) : y;
}

math_worst math_sweep_f32(const math_case *c, math_run *run, void *context,
                          uint64_t first, uint64_t end, uint64_t stride)
{
    static _Thread_local float x[MATH_BLOCK], y[MATH_BLOCK], out[MATH_BLOCK];
    void *buffers[3] = {x, y, out};
    math_worst w = {.ulp = -1};
    for (uint64_t at = first; at < end; at += MATH_BLOCK * stride) {
        for (uint64_t i = 0; i < MATH_BLOCK; i++) {
            uint64_t bits = at + i * stride;
            bits += stride > 1 ? hash(bits) % stride : 0;
            x[i] = f32_of_bits((uint32_t)bits);
            if (c->operands == 2)
                y[i] = (float)fitting_exponent((double)x[i], 155, bits);
        }
        run(context, buffers);
        for (int i = 0; i < MATH_BLOCK; i++) {
            double exact = c->exact((double)x[i], (double)y[i]);
            double ulp = distance_f32(out[i], exact);
            keep_worst(&w, ulp, (double)x[i], (double)y[i], (double)out[i],
                       (long double)exact);
        }
    }
    return w;
}

/* In turn: any bits; -40..40; -1..1; -800..800; near one. */
static double f64_input(uint64_t i)
{
    switch (i % 5) {
    case 0:
        return f64_of_bits(hash(i));
    case 1:
        return (2 * unit(i) - 1) * 40;
    case 2:
        return 2 * unit(i) - 1;
    case 3:
        return (2 * unit(i) - 1) * 800;
    default:
        return 1 + (2 * unit(i) - 1) * ldexp(1, -(int)(hash(~i) % 50));
    }
}

math_worst math_sample_f64(const math_case *c, math_run *run, void *context,
                           uint64_t count)
{
    static _Thread_local double x[MATH_BLOCK], y[MATH_BLOCK], out[MATH_BLOCK];
    void *buffers[3] = {x, y, out};
    math_worst w = {.ulp = -1};
    for (uint64_t at = 0; at < count; at += MATH_BLOCK) {
        for (uint64_t i = 0; i < MATH_BLOCK; i++) {
            x[i] = f64_input(at + i);
            y[i] =
                c->operands == 2 ? fitting_exponent(x[i], 1080, ~(at + i)) : 0;
        }
        run(context, buffers);
        for (int i = 0; i < MATH_BLOCK; i++) {
            long double exact =
                c->exact_long((long double)x[i], (long double)y[i]);
            double ulp = distance_f64(out[i], exact);
            keep_worst(&w, ulp, x[i], y[i], out[i], exact);
        }
    }
    return w;
}

/* ---------- special values ---------- */

#define INF ((double)INFINITY)
#define NOT ((double)NAN)
typedef struct special {
    const char *name;
    double x, y, want;
} special;
static const special specials[] = {
#define SPECIAL(name, x, y, want) {#name, x, y, want},
#include "core/math_special.def"
#undef SPECIAL
};

static bool same(double got, double want)
{
    if (isnan(want))
        return isnan(got);
    return got == want && signbit(got) == signbit(want);
}

static double call(math_run *run, void *context, kern_type type, double x,
                   double y)
{
    static float x32[MATH_BLOCK], y32[MATH_BLOCK], out32[MATH_BLOCK];
    static double x64[MATH_BLOCK], y64[MATH_BLOCK], out64[MATH_BLOCK];
    x32[0] = (float)x;
    y32[0] = (float)y;
    x64[0] = x;
    y64[0] = y;
    if (type == KERN_F32) {
        run(context, (void *[]){x32, y32, out32});
        return (double)out32[0];
    }
    run(context, (void *[]){x64, y64, out64});
    return out64[0];
}

int math_special_failures(const math_case *c, kern_type type, math_run *run,
                          void *context)
{
    int failures = 0;
    int count = sizeof specials / sizeof *specials;
    for (int i = 0; i < count; i++) {
        const special *s = &specials[i];
        if (strcmp(s->name, c->name) != 0)
            continue;
        double got = call(run, context, type, s->x, s->y);
        if (same(got, s->want))
            continue;
        failures++;
        printf("%s %s of %a, %a: %a, not %a\n", c->name, kern_type_name(type),
               s->x, s->y, got, s->want);
    }
    return failures;
}
