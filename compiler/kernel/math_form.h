/*
 * math_form.h - short words for writing formulas as kernel form.
 *
 * Private to math_*.c. A form remembers the builder and the type and lanes the
 * formula works in, so that constants and integers of fitting width need no
 * mention: `mul(m, x, num(m, 0.5))`.
 */
#ifndef PTL_KERNEL_MATH_FORM_H
#define PTL_KERNEL_MATH_FORM_H

#include "kernel/kernel.h"

typedef struct form {
    kern_builder *b;
    kern_type type; /* KERN_F32 or KERN_F64 */
    kern_type bits; /* the integer of the same width */
    int lanes;
    int fraction; /* stored bits of the significand: 23 or 52 */
    int bias;     /* of the exponent: 127 or 1023 */
} form;

form form_for(kern_builder *b, const kern_value *x);
form form_of(kern_builder *b, kern_type type, int lanes);

kern_value *num(form *m, double x);    /* a constant of the form's type */
kern_value *whole(form *m, int64_t x); /* and of its integer type */

kern_value *add(form *m, kern_value *x, kern_value *y); /* real or integer */
kern_value *sub(form *m, kern_value *x, kern_value *y);
kern_value *mul(form *m, kern_value *x, kern_value *y);
kern_value *quotient(form *m, kern_value *x, kern_value *y);
/* x 2^n, rounded once: as KERN_SCALE. */
kern_value *scale(form *m, kern_value *x, kern_value *n);
kern_value *fused(form *m, kern_value *x, kern_value *y, kern_value *z);
kern_value *negated(form *m, kern_value *x);
kern_value *magnitude(form *m, kern_value *x);
kern_value *compare(form *m, kern_op op, kern_value *x, kern_value *y);
kern_value *either(form *m, kern_value *cond, kern_value *x, kern_value *y);

kern_value *bits_of(form *m, kern_value *x);
kern_value *real_of_bits(form *m, kern_value *x);
kern_value *shift(form *m, kern_op op, kern_value *x, int count);
kern_value *bit_and(form *m, kern_value *x, int64_t y);
/* The sign bit of x, in its place; `x` with the sign `sign` flipped in. */
kern_value *sign_bit(form *m, kern_value *x);
kern_value *flip_sign(form *m, kern_value *x, kern_value *sign);

/* c[0] + c[1] x + ... by Horner's rule, each step one fma. */
kern_value *horner(form *m, kern_value *x, const double *c, int count);
#define HORNER(m, x, c) horner(m, x, c, (int)(sizeof(c) / sizeof *(c)))
/* The array of the form's type. */
#define FIT(m, x, name)                                                        \
    ((m)->type == KERN_F32 ? HORNER(m, x, name##_f32)                          \
                           : HORNER(m, x, name##_f64))

/* x to the nearest integer, |x| < 2^(fraction - 2): as a real, and in *n as an
 * integer. Anything for NaN and beyond. */
kern_value *nearest(form *m, kern_value *x, kern_value *factor, kern_value **n);
/* 2^n for n within the exponents of normal numbers. */
kern_value *power_of_two(form *m, kern_value *n);
/* A small integer (|n| < 2^20) as a real. */
kern_value *real_of_small(form *m, kern_value *n);

/*
 * e^x = 2^n e^r and e^r = 1 + r + r^2 q, |r| <= ln(2)/2, for |x| within +-2^9
 * (f32) or +-2^12 (f64). `low` (may be NULL) is added to x.
 */
typedef struct exp_parts {
    kern_value *k, *n;          /* n as a real, and as an integer */
    kern_value *r, *square, *q; /* square: r^2 */
} exp_parts;
exp_parts split_exp(form *m, kern_value *x, kern_value *low);
/* e^r, its error little above half a place; the same to 0.9 of a place in fewer
 * steps; e^r - 1 to a small relative error. */
kern_value *exp_of(form *m, exp_parts e);
kern_value *exp_shortly(form *m, exp_parts e);
kern_value *exp_minus_one(form *m, exp_parts e);
/* y * 2^n, rounded once, for n down to twice the least exponent. */
kern_value *scaled(form *m, kern_value *y, kern_value *n);

/*
 * |x| = 2^k (1 + f), 1 + f in sqrt(1/2)..sqrt(2), for finite x other than 0,
 * denormals included. k is real.
 */
typedef struct log_parts {
    kern_value *k, *f;
} log_parts;
log_parts split_log(form *m, kern_value *x);

/*
 * a = n pi/2 + r + low for a >= 0, |r| <= pi/4 and a little; n modulo 4. For
 * infinities and NaN, r is NaN. `low` is NULL for F32.
 */
typedef struct angle_parts {
    kern_value *n, *r, *low;
} angle_parts;
angle_parts split_angle(form *m, kern_value *a);
/* Its part for a >= 2^16 (F32) or 2^22 (F64): any lanes may hold less, and get
 * anything. */
angle_parts split_huge_angle(form *m, kern_value *a);
/* sin or cos of n pi/2 + r + low. */
kern_value *sine(form *m, angle_parts a);
kern_value *cosine(form *m, angle_parts a);

#endif
