/*
 * math_round.c - real numbers with fewer bits of significand.
 *
 * Adding half a unit of the last bit kept, less one, and that bit itself, to
 * the number's bits carries into what is kept just when it must; the carry may
 * run on into the exponent and to infinity, which is right too.
 */
#include "kernel/math.h"
#include "kernel/math_form.h"

kern_value *kern_rounded(kern_builder *b, kern_value *x, int bits)
{
    form m = form_for(b, x);
    int dropped = m.fraction + 1 - bits;
    int64_t half = (int64_t)1 << (dropped - 1);
    kern_value *raw = bits_of(&m, x);
    kern_value *last = bit_and(&m, shift(&m, KERN_SHR, raw, dropped), 1);
    kern_value *sum = add(&m, add(&m, raw, whole(&m, half - 1)), last);
    kern_value *kept = real_of_bits(&m, bit_and(&m, sum, -2 * half));
    return either(&m, compare(&m, KERN_NE, x, x), x, kept);
}
