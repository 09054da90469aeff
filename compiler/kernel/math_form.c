/*
 * math_form.c - the words math_*.c are written in.
 */
#include "kernel/math_form.h"

form form_of(kern_builder *b, kern_type type, int lanes)
{
    PTL_ASSERT(kern_is_real(type));
    if (type == KERN_F32)
        return (form){b, type, KERN_I32, lanes, 23, 127};
    return (form){b, type, KERN_I64, lanes, 52, 1023};
}

form form_for(kern_builder *b, const kern_value *x)
{
    return form_of(b, x->type, x->lanes);
}

kern_value *num(form *m, double x)
{
    return kern_real(m->b, m->type, m->lanes, x);
}

kern_value *whole(form *m, int64_t x)
{
    return kern_int(m->b, m->bits, m->lanes, x);
}

kern_value *add(form *m, kern_value *x, kern_value *y)
{
    return kern_op2(m->b, KERN_ADD, x, y);
}

kern_value *sub(form *m, kern_value *x, kern_value *y)
{
    return kern_op2(m->b, KERN_SUB, x, y);
}

kern_value *mul(form *m, kern_value *x, kern_value *y)
{
    return kern_op2(m->b, KERN_MUL, x, y);
}

kern_value *quotient(form *m, kern_value *x, kern_value *y)
{
    return kern_op2(m->b, KERN_DIV, x, y);
}

kern_value *scale(form *m, kern_value *x, kern_value *n)
{
    return kern_op2(m->b, KERN_SCALE, x, n);
}

kern_value *fused(form *m, kern_value *x, kern_value *y, kern_value *z)
{
    return kern_fma(m->b, x, y, z);
}

kern_value *negated(form *m, kern_value *x)
{
    return kern_op1(m->b, KERN_NEG, x);
}

kern_value *magnitude(form *m, kern_value *x)
{
    return kern_op1(m->b, KERN_ABS, x);
}

kern_value *compare(form *m, kern_op op, kern_value *x, kern_value *y)
{
    return kern_op2(m->b, op, x, y);
}

kern_value *either(form *m, kern_value *cond, kern_value *x, kern_value *y)
{
    return kern_select(m->b, cond, x, y);
}

kern_value *bits_of(form *m, kern_value *x)
{
    return kern_bitcast(m->b, x, m->bits);
}

kern_value *real_of_bits(form *m, kern_value *x)
{
    return kern_bitcast(m->b, x, m->type);
}

kern_value *shift(form *m, kern_op op, kern_value *x, int count)
{
    return kern_op2(m->b, op, x, kern_int(m->b, x->type, x->lanes, count));
}

kern_value *bit_and(form *m, kern_value *x, int64_t y)
{
    return kern_op2(m->b, KERN_AND, x, kern_int(m->b, x->type, x->lanes, y));
}

kern_value *sign_bit(form *m, kern_value *x)
{
    return bit_and(m, bits_of(m, x),
                   m->type == KERN_F32 ? INT32_MIN : INT64_MIN);
}

kern_value *flip_sign(form *m, kern_value *x, kern_value *sign)
{
    return real_of_bits(m, kern_op2(m->b, KERN_XOR, bits_of(m, x), sign));
}

kern_value *horner(form *m, kern_value *x, const double *c, int count)
{
    kern_value *sum = num(m, c[count - 1]);
    for (int i = count - 2; i >= 0; i--)
        sum = fused(m, sum, x, num(m, c[i]));
    return sum;
}

/* The number whose last place counts ones, so that adding it rounds to whole
 * numbers and leaves them in the low bits. */
static double ones_place(const form *m)
{
    return m->type == KERN_F32 ? 0x1.8p23 : 0x1.8p52;
}

kern_value *nearest(form *m, kern_value *x, kern_value *factor, kern_value **n)
{
    kern_value *big = num(m, ones_place(m));
    kern_value *sum = fused(m, x, factor, big);
    *n = sub(m, bits_of(m, sum), bits_of(m, big));
    return sub(m, sum, big);
}

kern_value *real_of_small(form *m, kern_value *n)
{
    if (m->type == KERN_F32)
        return kern_convert(m->b, n, m->type);
    kern_value *big = num(m, ones_place(m));
    return sub(m, real_of_bits(m, add(m, n, bits_of(m, big))), big);
}

kern_value *power_of_two(form *m, kern_value *n)
{
    kern_value *biased = add(m, n, whole(m, m->bias));
    return real_of_bits(m, shift(m, KERN_SHL, biased, m->fraction));
}
