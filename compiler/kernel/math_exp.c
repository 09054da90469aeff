/*
 * math_exp.c - exp, and tanh and sigmoid on top of it.
 *
 *   e^x = 2^n e^r,  n = x / ln 2 to the nearest integer,  r = x - n ln 2
 *
 * with ln 2 in two parts so that r is right to its last bits (Cody and Waite
 * 1980), and e^r = 1 + r + r^2 q(r). What only needs e^r - 1 takes it: adding
 * 1 is where most of the error would come from.
 */
#include "kernel/math.h"
#include "kernel/math_fit.h"
#include "kernel/math_form.h"

exp_parts split_exp(form *m, kern_value *x, kern_value *low)
{
    exp_parts e;
    const double *ln2 = m->type == KERN_F32 ? ln2_f32 : ln2_f64;
    e.k = nearest(m, x, num(m, 0x1.71547652b82fep0), &e.n);
    kern_value *r = fused(m, e.k, num(m, -ln2[0]), x);
    r = fused(m, e.k, num(m, -ln2[1]), r);
    if (low)
        r = add(m, r, low);
    e.r = r;
    e.square = mul(m, r, r);
    e.q = FIT(m, r, exp);
    return e;
}

kern_value *exp_minus_one(form *m, exp_parts e)
{
    return fused(m, e.square, e.q, e.r);
}

/* 1 + r with what that lost given to the rest. */
kern_value *exp_of(form *m, exp_parts e)
{
    kern_value *one = num(m, 1);
    kern_value *head = add(m, one, e.r);
    kern_value *lost = add(m, sub(m, one, head), e.r);
    return add(m, head, fused(m, e.square, e.q, lost));
}

/* Where the last step rounds and r is near ln(2)/2, the errors of r and of the
 * inner sum are each a sixth of a place of the result. */
kern_value *exp_shortly(form *m, exp_parts e)
{
    kern_value *one = num(m, 1);
    return fused(m, e.r, fused(m, e.r, e.q, one), one);
}

/* In two steps, since 2^n itself may be no normal number where y 2^n is a
 * denormal or an overflow that must round to infinity. The first is exact. */
kern_value *scaled(form *m, kern_value *y, kern_value *n)
{
    kern_value *half = shift(m, KERN_SAR, n, 1);
    kern_value *rest = sub(m, n, half);
    return mul(m, mul(m, y, power_of_two(m, half)), power_of_two(m, rest));
}

/* x, no further out than where the answer is 0 or infinity. NaN stays. */
static kern_value *clamped(form *m, kern_value *x, double lo, double hi)
{
    kern_value *low = num(m, lo), *high = num(m, hi);
    x = either(m, compare(m, KERN_LT, x, low), low, x);
    return either(m, compare(m, KERN_GT, x, high), high, x);
}

kern_value *kern_exp(kern_builder *b, kern_value *x)
{
    form m = form_for(b, x);
    x = m.type == KERN_F32 ? clamped(&m, x, -104, 89)
                           : clamped(&m, x, -746, 710);
    exp_parts e = split_exp(&m, x, NULL);
    return scale(&m, exp_shortly(&m, e), e.k);
}

/*
 * Near 0 a polynomial in x^2; beyond, 1 - 2 / (e^(2a) + 1) with a = |x|, where
 * the fraction is at most 1/2 and its error with it. From 10 (f32) or 20 (f64)
 * on the answer is 1.
 */
kern_value *kern_tanh(kern_builder *b, kern_value *x)
{
    form m = form_for(b, x);
    kern_value *one = num(&m, 1), *a = magnitude(&m, x), *z = mul(&m, x, x);
    kern_value *small = fused(&m, mul(&m, a, z), FIT(&m, z, tanh_small), a);

    kern_value *limit = num(&m, m.type == KERN_F32 ? 10 : 20);
    kern_value *near = compare(&m, KERN_LT, a, num(&m, 0.5625));
    a = either(&m, compare(&m, KERN_GT, a, limit), limit, a);
    exp_parts e = split_exp(&m, add(&m, a, a), NULL);
    kern_value *scale = power_of_two(&m, e.n);
    kern_value *below =
        fused(&m, scale, exp_minus_one(&m, e), add(&m, scale, one));
    kern_value *large = sub(&m, one, quotient(&m, num(&m, 2), below));
    return flip_sign(&m, either(&m, near, small, large), sign_bit(&m, x));
}

/*
 * 1 / (1 + e^-x) with e^-x = 2^n (1 + p) and u = 2^-|n|:
 *
 *   n < 0:  1 / ((1 + u) + u p)       n >= 0:  u / ((1 + u) + p)
 *
 * What 1 + u loses joins the last term, so that the denominator is rounded
 * about once. The factor u comes last, which keeps the far left right down to
 * denormals.
 */
kern_value *kern_sigmoid(kern_builder *b, kern_value *x)
{
    form m = form_for(b, x);
    kern_value *one = num(&m, 1), *zero = whole(&m, 0);
    double limit = m.type == KERN_F32 ? 105 : 747;
    exp_parts e =
        split_exp(&m, clamped(&m, negated(&m, x), -limit, limit), NULL);
    kern_value *p = exp_minus_one(&m, e);
    kern_value *left = compare(&m, KERN_GE, e.n, zero);
    kern_value *minus_n = sub(&m, zero, e.n);
    kern_value *down = kern_op2(b, KERN_MIN, e.n, minus_n);
    kern_value *u =
        power_of_two(&m, kern_op2(b, KERN_MAX, down, whole(&m, -100)));
    kern_value *head = add(&m, one, u);
    kern_value *lost = add(&m, sub(&m, one, head), u);
    kern_value *rest = fused(&m, either(&m, left, one, u), p, lost);
    return scaled(&m, quotient(&m, one, add(&m, head, rest)),
                  kern_op2(b, KERN_MIN, minus_n, zero));
}
