/*
 * math_log.c - the natural logarithm.
 *
 *   ln x = k ln 2 + ln(1 + f),  1 + f in sqrt(1/2)..sqrt(2)
 *
 * F32: ln(1+f) = f - f^2/2 + f^3 p(f). F64: the same first terms, the rest
 * through s = f / (2 + f), whose series has half the terms (Tang 1990).
 */
#include "kernel/math.h"
#include "kernel/math_fit.h"
#include "kernel/math_form.h"
#include <math.h>

log_parts split_log(form *m, kern_value *x)
{
    bool single = m->type == KERN_F32;
    double least = single ? 0x1p-126 : 0x1p-1022;
    double lift = single ? 0x1p23 : 0x1p52;
    int64_t root = single ? 0x3f3504f3 : INT64_C(0x3fe6a09e667f3bcd);
    x = magnitude(m, x);
    kern_value *tiny = compare(m, KERN_LT, x, num(m, least));
    x = either(m, tiny, mul(m, x, num(m, lift)), x);
    kern_value *bits = bits_of(m, x);
    kern_value *k =
        shift(m, KERN_SAR, sub(m, bits, whole(m, root)), m->fraction);
    bits = sub(m, bits, shift(m, KERN_SHL, k, m->fraction));
    log_parts l;
    l.f = sub(m, real_of_bits(m, bits), num(m, 1));
    k = either(m, tiny, sub(m, k, whole(m, m->fraction)), k);
    l.k = real_of_small(m, k);
    return l;
}

/* ln(1+f) - f of F64: -h + s (h + r), h = f^2/2, folded so that h is exact
 * where it counts. */
static kern_value *tail_f64(form *m, kern_value *f)
{
    kern_value *s = quotient(m, f, add(m, num(m, 2), f));
    kern_value *z = mul(m, s, s);
    kern_value *half = mul(m, f, num(m, 0.5));
    kern_value *r = mul(m, z, HORNER(m, z, log_f64));
    kern_value *rest = mul(m, s, fused(m, half, f, r));
    return fused(m, negated(m, half), f, rest);
}

static kern_value *tail_f32(form *m, kern_value *f)
{
    kern_value *cube = mul(m, mul(m, f, f), f);
    kern_value *rest = mul(m, cube, HORNER(m, f, log_f32));
    return fused(m, mul(m, f, num(m, -0.5)), f, rest);
}

kern_value *kern_log(kern_builder *b, kern_value *x)
{
    form m = form_for(b, x);
    const double *ln2 = m.type == KERN_F32 ? ln2_f32 : ln2_f64;
    log_parts l = split_log(&m, x);
    kern_value *tail =
        m.type == KERN_F32 ? tail_f32(&m, l.f) : tail_f64(&m, l.f);
    /* k ln2 (exact) + f, and what that addition lost: |k ln2| > |f| or 0. */
    kern_value *high = mul(&m, l.k, num(&m, ln2[0]));
    kern_value *sum = add(&m, high, l.f);
    kern_value *lost = add(&m, sub(&m, high, sum), l.f);
    tail = add(&m, fused(&m, l.k, num(&m, ln2[1]), tail), lost);
    kern_value *y = add(&m, sum, tail);

    kern_value *zero = num(&m, 0);
    kern_value *other =
        either(&m, compare(&m, KERN_EQ, x, zero), num(&m, -(double)INFINITY),
               num(&m, (double)NAN));
    y = either(&m, compare(&m, KERN_LT, x, num(&m, (double)INFINITY)), y, x);
    return either(&m, compare(&m, KERN_GT, x, zero), y, other);
}
