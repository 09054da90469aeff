/*
 * math_erf.c - the error function.
 *
 *   |x| small: erf x = x + x p(x^2)
 *   beyond:    erf a = 1 - e^(a q(a)), a q(a) the logarithm of 1 - erf a
 *
 * Both are computed and one is taken. 1 - erf a is at most 0.19 where the
 * second form begins, which hides most of its error.
 */
#include "kernel/math.h"
#include "kernel/math_fit.h"
#include "kernel/math_form.h"

kern_value *kern_erf(kern_builder *b, kern_value *x)
{
    form m = form_for(b, x);
    bool single = m.type == KERN_F32;
    kern_value *a = magnitude(&m, x), *one = num(&m, 1);
    kern_value *near = compare(&m, KERN_LT, a, num(&m, single ? 0.9375 : 1));
    kern_value *small = fused(&m, x, FIT(&m, mul(&m, x, x), erf_small), x);

    kern_value *limit = num(&m, single ? 4 : 6); /* from here erf is 1 */
    a = either(&m, compare(&m, KERN_GT, a, limit), limit, a);
    kern_value *at = single ? a : sub(&m, a, num(&m, 2));
    kern_value *log = mul(&m, a, FIT(&m, at, erf_large));
    exp_parts e = split_exp(&m, log, NULL);
    kern_value *rest = mul(&m, exp_of(&m, e), power_of_two(&m, e.n));
    kern_value *large = flip_sign(&m, sub(&m, one, rest), sign_bit(&m, x));
    return either(&m, near, small, large);
}
