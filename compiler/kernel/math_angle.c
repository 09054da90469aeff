/*
 * math_angle.c - sin and cos.
 *
 *   a = |x| = n pi/2 + r,  then by n mod 4 the sine or cosine of r
 *
 * Moderate a: pi/2 in three parts and fma, whose first step is exact (Cody and
 * Waite 1980). Lanes beyond take math_huge.c; kernels skip it when no lane of
 * the vector needs it.
 */
#include "kernel/math.h"
#include "kernel/math_fit.h"
#include "kernel/math_form.h"

static angle_parts split_moderate_angle(form *m, kern_value *a)
{
    const double *c = m->type == KERN_F32 ? half_pi_f32 : half_pi_f64;
    angle_parts out = {0};
    kern_value *k = nearest(m, a, num(m, 0x1.45f306dc9c883p-1), &out.n);
    kern_value *r = fused(m, k, num(m, -c[0]), a); /* exact */
    if (m->type == KERN_F32) {
        r = fused(m, k, num(m, -c[1]), r);
        out.r = fused(m, k, num(m, -c[2]), r);
        return out;
    }
    kern_value *p = mul(m, k, num(m, c[1]));
    kern_value *lost = fused(m, k, num(m, c[1]), negated(m, p));
    out.r = sub(m, r, p);
    out.low = sub(m, sub(m, sub(m, r, out.r), p), lost);
    out.low = fused(m, k, num(m, -c[2]), out.low);
    return out;
}

/* `*slot` holds `moderate`, and the lanes of `huge` where it is true. */
static void merge(form *m, kern_local *slot, kern_value *is_huge,
                  kern_value *huge, kern_value *moderate)
{
    kern_set(m->b, slot, either(m, is_huge, huge, moderate));
}

angle_parts split_angle(form *m, kern_value *a)
{
    kern_builder *b = m->b;
    angle_parts out = split_moderate_angle(m, a);
    kern_value *limit = num(m, m->type == KERN_F32 ? 0x1p16 : 0x1p22);
    kern_value *is_huge =
        kern_op1(b, KERN_NOT, compare(m, KERN_LT, a, limit)); /* NaN too */
    kern_local *n = kern_local_new(b, m->bits, m->lanes, "quadrant");
    kern_local *r = kern_local_new(b, m->type, m->lanes, "angle");
    kern_local *low = kern_local_new(b, m->type, m->lanes, "angle.low");
    kern_set(b, n, out.n);
    kern_set(b, r, out.r);
    if (out.low)
        kern_set(b, low, out.low);
    kern_if(b, kern_any(b, is_huge));
    angle_parts huge = split_huge_angle(m, a);
    merge(m, n, is_huge, huge.n, out.n);
    merge(m, r, is_huge, huge.r, out.r);
    if (out.low)
        merge(m, low, is_huge, huge.low, out.low);
    kern_end(b);
    out.n = kern_get(b, n);
    out.r = kern_get(b, r);
    if (out.low)
        out.low = kern_get(b, low);
    return out;
}

/* sin(r + low) = r + r z p(z) + low cos r, with cos r ~ 1 - z/2. */
static kern_value *sine_part(form *m, kern_value *r, kern_value *z,
                             kern_value *low)
{
    kern_value *p = FIT(m, z, sin);
    kern_value *cube = mul(m, r, z);
    if (!low)
        return fused(m, cube, p, r);
    kern_value *slope = fused(m, z, num(m, -0.5), num(m, 1));
    return add(m, r, fused(m, cube, p, mul(m, low, slope)));
}

/* cos(r + low) = 1 - z/2 + z^2 p(z) - r low; 1 - z/2 with what it lost. */
static kern_value *cosine_part(form *m, kern_value *r, kern_value *z,
                               kern_value *low)
{
    kern_value *one = num(m, 1);
    kern_value *p = FIT(m, z, cos);
    kern_value *head = fused(m, z, num(m, -0.5), one);
    kern_value *lost = fused(m, z, num(m, -0.5), sub(m, one, head));
    kern_value *rest = fused(m, mul(m, z, z), p, lost);
    if (low)
        rest = fused(m, negated(m, r), low, rest);
    return add(m, head, rest);
}

kern_value *sine(form *m, angle_parts a)
{
    kern_value *z = mul(m, a.r, a.r);
    kern_value *odd = compare(m, KERN_NE, bit_and(m, a.n, 1), whole(m, 0));
    kern_value *y = either(m, odd, cosine_part(m, a.r, z, a.low),
                           sine_part(m, a.r, z, a.low));
    int top = m->type == KERN_F32 ? 30 : 62;
    return flip_sign(m, y, shift(m, KERN_SHL, bit_and(m, a.n, 2), top));
}

kern_value *cosine(form *m, angle_parts a)
{
    a.n = add(m, a.n, whole(m, 1));
    return sine(m, a);
}

/* The sign goes around everything, so that sin(-0) is -0. */
kern_value *kern_sin(kern_builder *b, kern_value *x)
{
    form m = form_for(b, x);
    kern_value *y = sine(&m, split_angle(&m, magnitude(&m, x)));
    return flip_sign(&m, y, sign_bit(&m, x));
}

kern_value *kern_cos(kern_builder *b, kern_value *x)
{
    form m = form_for(b, x);
    return cosine(&m, split_angle(&m, magnitude(&m, x)));
}
