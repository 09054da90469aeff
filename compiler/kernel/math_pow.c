/*
 * math_pow.c - x to the power y.
 *
 *   |x|^y = e^(y ln |x|), the logarithm to more digits than the type has,
 *
 * since its error grows by the exponent. F32 works in F64 inside; F64 carries
 * the logarithm as a sum of two. The sign and the cases C's Annex F names come
 * last.
 */
#include "kernel/math.h"
#include "kernel/math_fit.h"
#include "kernel/math_form.h"
#include <math.h>

/* high + low, |low| at most half of high's last place. */
typedef struct pair {
    kern_value *high, *low;
} pair;

/* x + y where |x| >= |y| or x is 0 (Dekker 1971). */
static pair fast_sum(form *m, kern_value *x, kern_value *y)
{
    pair p;
    p.high = add(m, x, y);
    p.low = add(m, sub(m, x, p.high), y);
    return p;
}

static pair product(form *m, kern_value *x, kern_value *y)
{
    pair p;
    p.high = mul(m, x, y);
    p.low = fused(m, x, y, negated(m, p.high));
    return p;
}

static pair pair_product(form *m, pair x, pair y)
{
    pair p = product(m, x.high, y.high);
    p.low = fused(m, x.high, y.low, p.low);
    p.low = fused(m, x.low, y.high, p.low);
    return p;
}

/* s = f / (2 + f), with 2 + f kept as a sum of two. */
static pair atanh_argument(form *m, kern_value *f)
{
    kern_value *two = num(m, 2);
    pair t = fast_sum(m, two, f);
    kern_value *reciprocal = quotient(m, num(m, 1), t.high);
    pair s;
    s.high = mul(m, f, reciprocal);
    kern_value *rest = fused(m, negated(m, s.high), t.high, f);
    rest = fused(m, negated(m, s.high), t.low, rest);
    s.low = mul(m, rest, reciprocal);
    return s;
}

/* ln(1+f) = 2s + s z (2/3 + z g(z)), z = s^2; terms past 2/3 in one F64. */
static pair log_near_one(form *m, kern_value *f)
{
    pair s = atanh_argument(m, f);
    pair z = product(m, s.high, s.high);
    z.low = fused(m, add(m, s.high, s.high), s.low, z.low);
    kern_value *g = mul(m, z.high, HORNER(m, z.high, log_wide_f64));
    pair c = fast_sum(m, num(m, two_thirds_f64[0]), g);
    c.low = add(m, c.low, num(m, two_thirds_f64[1]));
    pair rest = pair_product(m, pair_product(m, s, z), c);
    pair y = fast_sum(m, add(m, s.high, s.high), rest.high);
    y.low = add(m, y.low, fused(m, s.low, num(m, 2), rest.low));
    return y;
}

static pair log_pair(form *m, kern_value *x)
{
    log_parts l = split_log(m, x);
    pair near = log_near_one(m, l.f);
    pair y = fast_sum(m, mul(m, l.k, num(m, ln2_f64[0])), near.high);
    y.low = add(m, y.low, near.low);
    y.low = fused(m, l.k, num(m, ln2_f64[1]), y.low);
    return fast_sum(m, y.high, y.low);
}

/* |x|^y for finite x other than 0; y as it comes. */
static kern_value *power_f64(form *m, kern_value *x, kern_value *y)
{
    pair l = log_pair(m, x);
    pair e = product(m, y, l.high);
    e.low = fused(m, y, l.low, e.low);
    kern_value *lo = num(m, -746), *hi = num(m, 710), *zero = num(m, 0);
    kern_value *under = compare(m, KERN_LT, e.high, lo);
    kern_value *over = compare(m, KERN_GT, e.high, hi);
    kern_value *inside =
        kern_op1(m->b, KERN_NOT, kern_op2(m->b, KERN_OR, under, over));
    e.high = either(m, under, lo, either(m, over, hi, e.high));
    e.low = either(m, inside, e.low, zero);
    exp_parts parts = split_exp(m, e.high, e.low);
    return scaled(m, exp_of(m, parts), parts.n);
}

/* The same for F32: base 2, in F64, rounded to F32 at the end. */
static kern_value *power_f32(form *m, kern_value *x, kern_value *y)
{
    form wide = form_of(m->b, KERN_F64, m->lanes);
    log_parts l = split_log(m, x);
    kern_value *f = kern_convert(m->b, l.f, KERN_F64);
    kern_value *k = kern_convert(m->b, l.k, KERN_F64);
    kern_value *log2 = fused(&wide, f, HORNER(&wide, f, log2_wide), k);
    kern_value *e = mul(&wide, kern_convert(m->b, y, KERN_F64), log2);
    kern_value *lo = num(&wide, -160), *hi = num(&wide, 130);
    e = either(&wide, compare(&wide, KERN_LT, e, lo), lo, e);
    e = either(&wide, compare(&wide, KERN_GT, e, hi), hi, e);
    kern_value *n;
    kern_value *whole_part = nearest(&wide, e, num(&wide, 1), &n);
    kern_value *r = sub(&wide, e, whole_part);
    kern_value *p = fused(&wide, r, HORNER(&wide, r, exp2_wide), num(&wide, 1));
    p = mul(&wide, p, power_of_two(&wide, n));
    return kern_convert(m->b, p, KERN_F32);
}

static kern_value *is_whole(form *m, kern_value *y)
{
    return compare(m, KERN_EQ, kern_op1(m->b, KERN_FLOOR, y), y);
}

static kern_value *both(form *m, kern_value *x, kern_value *y)
{
    return kern_op2(m->b, KERN_AND, x, y);
}

/* For x = 0 and infinities |x|^y is 0 or infinity by the sign of y. */
static kern_value *power_of_extreme(form *m, kern_value *a, kern_value *y)
{
    kern_value *zero = num(m, 0), *infinity = num(m, (double)INFINITY);
    kern_value *vanishes =
        kern_op2(m->b, KERN_XOR, compare(m, KERN_EQ, a, zero),
                 compare(m, KERN_LT, y, zero));
    return either(m, vanishes, zero, infinity);
}

kern_value *kern_pow(kern_builder *b, kern_value *x, kern_value *y)
{
    int lanes = x->lanes > y->lanes ? x->lanes : y->lanes;
    x = kern_splat(b, x, lanes);
    y = kern_splat(b, y, lanes);
    form m = form_for(b, x);
    kern_value *zero = num(&m, 0), *one = num(&m, 1);
    kern_value *infinity = num(&m, (double)INFINITY);
    kern_value *nan = num(&m, (double)NAN);
    kern_value *a = magnitude(&m, x);

    kern_value *z =
        m.type == KERN_F32 ? power_f32(&m, x, y) : power_f64(&m, x, y);
    kern_value *ordinary = both(&m, compare(&m, KERN_GT, a, zero),
                                compare(&m, KERN_LT, a, infinity));
    z = either(&m, ordinary, z, power_of_extreme(&m, a, y));

    /* Below zero: odd powers are negative, fractional ones do not exist. */
    kern_value *integral = is_whole(&m, y);
    kern_value *even = is_whole(&m, mul(&m, y, num(&m, 0.5)));
    kern_value *odd = both(&m, integral, kern_op1(b, KERN_NOT, even));
    kern_value *sign = either(&m, odd, sign_bit(&m, x), whole(&m, 0));
    z = flip_sign(&m, z, sign);
    kern_value *missing =
        both(&m, both(&m, compare(&m, KERN_LT, x, zero), ordinary),
             kern_op1(b, KERN_NOT, integral));
    kern_value *unordered = kern_op2(b, KERN_OR, compare(&m, KERN_NE, x, x),
                                     compare(&m, KERN_NE, y, y));
    z = either(&m, kern_op2(b, KERN_OR, missing, unordered), nan, z);

    /* One whatever the other is, NaN included; and (-1)^infinity. */
    kern_value *level = both(&m, compare(&m, KERN_EQ, a, one),
                             compare(&m, KERN_EQ, magnitude(&m, y), infinity));
    kern_value *is_one = kern_op2(b, KERN_OR, compare(&m, KERN_EQ, y, zero),
                                  compare(&m, KERN_EQ, x, one));
    return either(&m, kern_op2(b, KERN_OR, is_one, level), one, z);
}
