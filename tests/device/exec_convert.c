/*
 * exec_convert.c - cvt between all types.
 *
 * A lane is read as a 64-bit integer or an f64, which hold every value of the
 * narrower types, converted once, and written at the width of its register. The
 * few conversions that addresses need have handlers of their own.
 */
#include "convert.h"
#include "handlers.h"
#include "lane_ops.h"

const convert_type convert_types[] = {
#define CONVERT_TYPE(name, class, bits) {#name, class, bits},
#include "convert.def"
#undef CONVERT_TYPE
    {0},
};

static inline u64 cut(u64 bits, int width)
{
    return width == 64 ? bits : bits & ((UINT64_C(1) << width) - 1);
}

static inline s64 extend(u64 bits, int width)
{
    return (s64)(bits << (64 - width)) >> (64 - width);
}

static inline f64 float_of(u64 bits, convert_type t)
{
    f64 value;
    if (t.class == CLASS_BRAIN)
        return (f64)f32_of((u32)bits << 16);
    if (t.bits == 16)
        return (f64)_cvtsh_ss((u16)bits);
    if (t.bits == 32)
        return (f64)f32_of((u32)bits);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static f64 round_to_whole(f64 value, int mode)
{
    switch (mode) {
    case ROUND_DOWN:
        return floor(value);
    case ROUND_UP:
        return ceil(value);
    case ROUND_ZERO:
        return trunc(value);
    default:
        return nearbyint(value); /* halves to even */
    }
}

/* What lies outside is the nearest that does not. */
static u64 whole_of(f64 value, const insn *i, convert_type from,
                    convert_type to)
{
    bool sign = to.class == CLASS_SIGNED;
    if (value != value)
        return from.bits != 64 && to.bits != 64 ? 0
                                                : UINT64_C(1) << (to.bits - 1);
    value = round_to_whole(value, i->mode);
    f64 top = ldexp(1.0, to.bits - sign), bottom = sign ? -top : 0.0;
    if (value >= top)
        return cut(~UINT64_C(0), to.bits - sign);
    if (value <= bottom)
        return sign ? UINT64_C(1) << (to.bits - 1) : 0;
    return sign ? (u64)(s64)value : (u64)value;
}

/* bf16, rounded from an f32 to the nearest even or towards 0. */
static u32 brain_of(f32 value, int mode)
{
    u32 bits = bits_of(value);
    if (value != value)
        return 0x7fff;
    return (mode == ROUND_ZERO ? bits : bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/* MXCSR has been set to the rounding asked for. */
static u64 float_bits(f64 value, const insn *i, convert_type to)
{
    if (to.class == CLASS_BRAIN)
        return brain_of((f32)value, i->mode);
    if (to.bits == 16)
        return value != value ? 0x7fff
                              : _cvtss_sh((f32)value, _MM_FROUND_CUR_DIRECTION);
    if (to.bits == 32)
        return bits_of(canonical((f32)value));
    u64 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static u64 from_float(u64 bits, const insn *i, convert_type from,
                      convert_type to)
{
    f64 value = float_of(bits, from);
    if (to.class == CLASS_UNSIGNED || to.class == CLASS_SIGNED)
        return whole_of(value, i, from, to);
    if (i->negated) /* cvt.rni.f32.f32: to a whole number of the same type */
        value = round_to_whole(value, i->mode);
    if (i->sat)
        value = value > 0.0 ? (value < 1.0 ? value : 1.0) : 0.0;
    return float_bits(value, i, to);
}

/* Straight to f32: through an f64 it would be rounded twice. */
static u64 float_from_whole(u64 bits, convert_type from, convert_type to,
                            const insn *i)
{
    bool sign = from.class == CLASS_SIGNED;
    s64 value = extend(bits, from.bits);
    if (to.bits == 32 && to.class == CLASS_FLOAT)
        return bits_of(sign ? (f32)value : (f32)bits);
    return float_bits(sign ? (f64)value : (f64)bits, i, to);
}

static u64 from_whole(u64 bits, const insn *i, convert_type from,
                      convert_type to)
{
    bool sign = from.class == CLASS_SIGNED, to_sign = to.class == CLASS_SIGNED;
    s64 value = sign ? extend(bits, from.bits) : (s64)bits;
    if (to.class == CLASS_FLOAT || to.class == CLASS_BRAIN)
        return float_from_whole(bits, from, to, i);
    if (i->sat) {
        u64 most = cut(~UINT64_C(0), to.bits - to_sign);
        s64 least = to_sign ? -(s64)most - 1 : 0;
        bool negative = sign && value < 0;
        value = negative            ? (value < least ? least : value)
                : (u64)value > most ? (s64)most
                                    : value;
    }
    return (u64)value;
}

void run_convert(warp *w, const insn *i, u32 m)
{
    convert_type from = convert_types[i->from], to = convert_types[i->to];
    bool is_float = from.class == CLASS_FLOAT || from.class == CLASS_BRAIN;
    EACH_OF (l, m) {
        u64 bits =
            i->bytes == 8 ? AT(w, i->at[1], u64)[l] : AT(w, i->at[1], u32)[l];
        bits = cut(bits, from.bits);
        bits = is_float ? from_float(bits, i, from, to)
                        : from_whole(bits, i, from, to);
        bits = to.class == CLASS_SIGNED ? (u64)extend(bits, to.bits)
                                        : cut(bits, to.bits);
        if (i->wide == 8)
            AT(w, i->at[0], u64)[l] = bits;
        else
            AT(w, i->at[0], u32)
        [l] = (u32)(i->wide == 2 ? bits & 0xffff : bits);
    }
}

/* As run_adjusted does, but what is flushed has the width of its type. */
void run_convert_rounded(warp *w, const insn *i, u32 m)
{
    const unsigned before = _mm_getcsr();
    unsigned flags = before | (unsigned)i->rounding << 13;
    if (i->ftz)
        flags |= _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON;
    _mm_setcsr(flags);
    run_convert(w, i, m);
    _mm_setcsr(before);
}

static inline s32 near_zero_s32(f32 a)
{
    s32 whole = (s32)a;
    whole = a >= 0x1p31f ? INT32_MAX : whole;
    whole = a < -0x1p31f ? INT32_MIN : whole;
    return a != a ? 0 : whole;
}

#define CONVERSIONS                                                            \
    UNARY(u64_u32, "cvt.u64.u32", "84", u64, u32, a)                           \
    UNARY(s64_s32, "cvt.s64.s32", "84", s64, s32, a)                           \
    UNARY(u32_u64, "cvt.u32.u64 cvt.s32.s64", "48", u32, u64, a)               \
    UNARY(f64_f32, "cvt.f64.f32", "84", f64, f32, a)                           \
    UNARY(f32_f64, "cvt.rn.f32.f64", "48", f32, f64, canonical((f32)a))        \
    UNARY(f32_s32, "cvt.rn.f32.s32", "44", f32, s32, a)                        \
    UNARY(u16_u32, "cvt.u16.u32 cvt.u16.s32 cvt.s16.s32 cvt.s16.u32", "24",    \
          u32, u32, (u16)a)                                                    \
    UNARY(u32_u16, "cvt.u32.u16 cvt.s32.u16", "42", u32, u32, a)               \
    UNARY(s32_s16, "cvt.s32.s16 cvt.u32.s16", "42", s32, s32, (s16)a)          \
    UNARY(u64_u16, "cvt.u64.u16 cvt.s64.u16", "82", u64, u32, a)               \
    UNARY(f32_u16, "cvt.rn.f32.u16", "42", f32, u32, (s32)a)                   \
    UNARY(rni_f32, "cvt.rni.f32.f32", "44", f32, f32,                          \
          canonical(__builtin_rintf(a)))                                       \
    UNARY(rmi_f32, "cvt.rmi.f32.f32", "44", f32, f32,                          \
          canonical(__builtin_floorf(a)))                                      \
    UNARY(rzi_f32, "cvt.rzi.f32.f32", "44", f32, f32,                          \
          canonical(__builtin_truncf(a)))                                      \
    UNARY(rzi_s32_f32, "cvt.rzi.s32.f32", "44", s32, f32, near_zero_s32(a))    \
    UNARY(rni_s32_f32, "cvt.rni.s32.f32", "44", s32, f32,                      \
          near_zero_s32(__builtin_rintf(a)))                                   \
    UNARY(f64_s32, "cvt.rn.f64.s32", "84", f64, s32, a)

CONVERSIONS

#include "lane_rows.h"

const op_row convert_ops[] = {
    CONVERSIONS{0},
};
