/*
 * math_huge.c - the angle of a number too large for subtracting multiples of
 * pi/2 (Payne and Hanek 1983), in integers.
 *
 *   a = M 2^E with M an integer; wanted: a (2/pi) mod 4
 *
 * Bits of 2^E (2/pi) of weight 4 and more make multiples of 4 and are left
 * out. The rest is cut from the digits of 2/pi as a window of 32-bit limbs
 * that begins at weight 2, chosen by E; M times the window, modulo 4, is the
 * quadrant and the fraction. F32 takes 96 bits of window, F64 192: enough that
 * the fraction keeps its relative precision for the number of the type closest
 * to a multiple of pi/2 (about 2^-32 and 2^-62 away).
 */
#include "kernel/math_fit.h"
#include "kernel/math_form.h"
#include <math.h>

enum { MAX_WORDS = 40, MAX_LIMBS = 6 };

static const int64_t LOW_WORD = INT64_C(0xffffffff);

static kern_value *i64(form *m, int64_t x)
{
    return kern_int(m->b, KERN_I64, m->lanes, x);
}

/* words[0..count) become words[k..k + count) of the digits, for k < 2^bits:
 * a shifter that halves its distance with each bit of k. */
static void select_words(form *m, kern_value *k, int bits, int count,
                         kern_value **words)
{
    for (int bit = bits - 1; bit >= 0; bit--) {
        int distance = 1 << bit;
        kern_value *on =
            compare(m, KERN_NE, bit_and(m, k, distance), i64(m, 0));
        for (int i = 0; i < distance - 1 + count; i++)
            words[i] = either(m, on, words[i + distance], words[i]);
    }
}

/* The window: `count` limbs of 2^E (2/pi) from weight 2 downwards. */
static void window(form *m, kern_value *exponent, int count, kern_value **limbs)
{
    kern_value *words[MAX_WORDS];
    int bits = m->type == KERN_F32 ? 3 : 5;
    int word_count = (1 << bits) + count;
    for (int i = 0; i < word_count; i++) /* a word of zeros leads: E > -31 */
        words[i] = i64(m, i == 0 ? 0 : two_over_pi[i - 1]);
    kern_value *place = add(m, exponent, i64(m, 30));
    select_words(m, shift(m, KERN_SHR, place, 5), bits, count + 1, words);
    kern_value *offset = bit_and(m, place, 31);
    for (int i = 0; i < count; i++) {
        kern_value *pair = kern_op2(
            m->b, KERN_OR, shift(m, KERN_SHL, words[i], 32), words[i + 1]);
        pair = kern_op2(m->b, KERN_SHL, pair, offset);
        limbs[i] = shift(m, KERN_SHR, pair, 32);
    }
}

/* The limbs of M times the window, modulo 4: schoolbook, from the last limb.
 * factor[0] is the low word of M, factor[1] the high one or NULL. */
static void multiply(form *m, kern_value *const *factor, int count,
                     kern_value **limbs)
{
    kern_value *sums[MAX_LIMBS + 2];
    for (int i = 0; i < count; i++)
        sums[i] = NULL;
    for (int f = 0; f < 2 && factor[f]; f++)
        for (int i = f; i < count; i++) {
            kern_value *product = mul(m, factor[f], limbs[i]);
            kern_value *parts[2] = {bit_and(m, product, LOW_WORD),
                                    shift(m, KERN_SHR, product, 32)};
            for (int p = 0; p < 2 && i - f - p >= 0; p++) {
                kern_value **sum = &sums[i - f - p];
                *sum = *sum ? add(m, *sum, parts[p]) : parts[p];
            }
        }
    kern_value *carry = i64(m, 0);
    for (int i = count - 1; i >= 0; i--) {
        kern_value *sum = sums[i] ? add(m, sums[i], carry) : carry;
        limbs[i] = bit_and(m, sum, LOW_WORD);
        carry = shift(m, KERN_SHR, sum, 32);
    }
}

static kern_value *real_part(form *wide, kern_value *x, double scale)
{
    return mul(wide, kern_convert(wide->b, x, KERN_F64), num(wide, scale));
}

/* frac 2^-62 and the limbs below it, times pi/2, as r + low. */
static angle_parts to_angle_f64(form *m, kern_value *frac, kern_value **below)
{
    kern_value *high = real_part(m, shift(m, KERN_SAR, frac, 32), 0x1p-30);
    kern_value *mid = real_part(m, bit_and(m, frac, LOW_WORD), 0x1p-62);
    kern_value *tail = add(m, real_part(m, below[0], 0x1p-94),
                           real_part(m, below[1], 0x1p-126));
    kern_value *sum = add(m, high, mid);
    tail = add(m, tail, add(m, sub(m, high, sum), mid));
    kern_value *whole_sum = add(m, sum, tail);
    tail = add(m, sub(m, sum, whole_sum), tail);

    kern_value *half_pi = num(m, half_pi_f64[0]);
    angle_parts out = {0};
    out.r = mul(m, whole_sum, half_pi);
    out.low = fused(m, whole_sum, half_pi, negated(m, out.r));
    out.low = fused(m, whole_sum, num(m, half_pi_f64[1]), out.low);
    out.low = fused(m, tail, half_pi, out.low);
    return out;
}

angle_parts split_huge_angle(form *m, kern_value *a)
{
    bool single = m->type == KERN_F32;
    form wide = form_of(m->b, KERN_F64, m->lanes);
    kern_value *bits = kern_convert(m->b, bits_of(m, a), KERN_I64);
    kern_value *exponent = sub(m, shift(m, KERN_SHR, bits, m->fraction),
                               i64(m, m->bias + m->fraction));
    int64_t one = INT64_C(1) << m->fraction;
    kern_value *number =
        kern_op2(m->b, KERN_OR, bit_and(m, bits, one - 1), i64(m, one));
    kern_value *factor[2] = {bit_and(m, number, LOW_WORD),
                             single ? NULL : shift(m, KERN_SHR, number, 32)};
    kern_value *limbs[MAX_LIMBS];
    int count = single ? 3 : MAX_LIMBS;
    window(m, exponent, count, limbs);
    multiply(m, factor, count, limbs);

    kern_value *top =
        kern_op2(m->b, KERN_OR, shift(m, KERN_SHL, limbs[0], 32), limbs[1]);
    kern_value *n =
        shift(m, KERN_SHR, add(m, top, i64(m, INT64_C(1) << 61)), 62);
    kern_value *frac = sub(m, top, shift(m, KERN_SHL, n, 62));
    angle_parts out = {0};
    if (single)
        out.r = kern_convert(
            m->b, real_part(&wide, frac, half_pi_f64[0] * 0x1p-62), KERN_F32);
    else
        out = to_angle_f64(m, frac, &limbs[2]);
    out.n = kern_convert(m->b, n, m->bits);
    kern_value *finite = compare(m, KERN_LT, a, num(m, (double)INFINITY));
    out.r = either(m, finite, out.r, num(m, (double)NAN));
    return out;
}
