/*
 * math_random.c - base/philox.h in kernel form, word for word.
 *
 * One vector of elements at a time: each lane is a counter of its own. Only
 * the words a distribution reads are made; the rest falls to dead code.
 */
#include "kernel/math.h"
#include "kernel/math_fit.h"
#include "kernel/math_form.h"

static kern_value *op(kern_builder *b, kern_op op, kern_value *x, kern_value *y)
{
    return kern_op2(b, op, x, y);
}

static kern_value *constant(kern_builder *b, const kern_value *like, uint64_t x)
{
    int64_t value =
        like->type == KERN_I32 ? (int64_t)(int32_t)(uint32_t)x : (int64_t)x;
    return kern_int(b, like->type, like->lanes, value);
}

/* x ^ (x >> count), times `factor` */
static kern_value *mixed(kern_builder *b, kern_value *x, int count,
                         uint64_t factor)
{
    x = op(b, KERN_XOR, x, op(b, KERN_SHR, x, constant(b, x, (uint64_t)count)));
    return factor == 1 ? x : op(b, KERN_MUL, x, constant(b, x, factor));
}

kern_value *kern_philox_key(kern_builder *b, kern_value *seed,
                            kern_value *site)
{
    PTL_ASSERT(seed->type == KERN_I64 && site->type == KERN_I64);
    kern_value *z = op(b, KERN_ADD, seed, site);
    z = op(b, KERN_ADD, z, constant(b, z, UINT64_C(0x9e3779b97f4a7c15)));
    z = mixed(b, z, 30, UINT64_C(0xbf58476d1ce4e5b9));
    z = mixed(b, z, 27, UINT64_C(0x94d049bb133111eb));
    return mixed(b, z, 31, 1);
}

static kern_value *low_word(kern_builder *b, kern_value *x)
{
    return kern_convert(b, x, KERN_I32);
}

static kern_value *high_word(kern_builder *b, kern_value *x)
{
    return low_word(b, op(b, KERN_SHR, x, constant(b, x, 32)));
}

static void words(kern_builder *b, kern_value *key, kern_value *step,
                  kern_value *element, kern_value *c[4])
{
    kern_value *k0 = low_word(b, key), *k1 = high_word(b, key);
    c[0] = low_word(b, element);
    c[1] = high_word(b, element);
    c[2] = low_word(b, step);
    c[3] = high_word(b, step);
    for (int round = 0; round < 10; round++) {
        kern_value *f0 = constant(b, c[0], 0xD2511F53u);
        kern_value *f1 = constant(b, c[2], 0xCD9E8D57u);
        kern_value *high0 = op(b, KERN_MULHI, c[0], f0);
        kern_value *low0 = op(b, KERN_MUL, c[0], f0);
        kern_value *high1 = op(b, KERN_MULHI, c[2], f1);
        kern_value *low1 = op(b, KERN_MUL, c[2], f1);
        c[0] = op(b, KERN_XOR, op(b, KERN_XOR, high1, c[1]), k0);
        c[1] = low1;
        c[2] = op(b, KERN_XOR, op(b, KERN_XOR, high0, c[3]), k1);
        c[3] = low0;
        k0 = op(b, KERN_ADD, k0, constant(b, k0, 0x9E3779B9u));
        k1 = op(b, KERN_ADD, k1, constant(b, k1, 0xBB67AE85u));
    }
}

/* word >> 8: 24 bits, which a real of either type holds exactly. */
static kern_value *top_bits(kern_builder *b, kern_value *word)
{
    return op(b, KERN_SHR, word, constant(b, word, 8));
}

kern_value *kern_uniform(kern_builder *b, kern_type type, kern_value *key,
                         kern_value *step, kern_value *element)
{
    kern_value *c[4];
    words(b, key, step, element, c);
    form m = form_of(b, type, element->lanes);
    return mul(&m, kern_convert(b, top_bits(b, c[0]), type), num(&m, 0x1p-24));
}

/*
 * cos(2 pi u) with u = w 2^-24: w = n 2^22 + q with |q| <= 2^21 splits the
 * circle exactly, so the angle needs no reduction and errs in one rounding.
 */
static kern_value *cosine_of_turn(form *m, kern_value *w)
{
    kern_builder *b = m->b;
    kern_value *n =
        op(b, KERN_SHR, op(b, KERN_ADD, w, constant(b, w, 1u << 21)),
           constant(b, w, 22));
    kern_value *q = op(b, KERN_SUB, w, op(b, KERN_SHL, n, constant(b, n, 22)));
    kern_value *turn = kern_convert(b, q, m->type);
    angle_parts a = {.n = kern_convert(b, n, m->bits)};
    a.r = mul(m, turn, num(m, half_pi_f64[0] * 0x1p-22));
    if (m->type == KERN_F64)
        a.low =
            fused(m, turn, num(m, half_pi_f64[0] * 0x1p-22), negated(m, a.r));
    return cosine(m, a);
}

kern_value *kern_normal(kern_builder *b, kern_type type, kern_value *key,
                        kern_value *step, kern_value *element)
{
    kern_value *c[4];
    words(b, key, step, element, c);
    form m = form_of(b, type, element->lanes);
    kern_value *w = op(b, KERN_ADD, top_bits(b, c[0]), constant(b, c[0], 1));
    kern_value *u = mul(&m, kern_convert(b, w, type), num(&m, 0x1p-24));
    kern_value *radius =
        kern_op1(b, KERN_SQRT, mul(&m, kern_log(b, u), num(&m, -2.0)));
    return mul(&m, radius, cosine_of_turn(&m, top_bits(b, c[1])));
}
