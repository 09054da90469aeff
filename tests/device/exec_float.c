/*
 * exec_float.c - handlers of float.def, and what rounding, .ftz and .sat add.
 */
#include "handlers.h"
#include "lane_ops.h"

/* The number where one of them is none; of two zeros the negative is less. */
static inline f32 least_f32(f32 a, f32 b)
{
    f32 low = a < b || (a == b && bits_of(a) >> 31) ? a : b;
    low = b != b ? a : low;
    return canonical(a != a ? b : low);
}

static inline f32 greatest_f32(f32 a, f32 b)
{
    f32 high = a > b || (a == b && bits_of(b) >> 31) ? a : b;
    high = b != b ? a : high;
    return canonical(a != a ? b : high);
}

static inline f64 least_f64(f64 a, f64 b)
{
    f64 low = a < b || (a == b && __builtin_signbit(a)) ? a : b;
    low = b != b ? a : low;
    return a != a ? b : low;
}

static inline f64 greatest_f64(f64 a, f64 b)
{
    f64 high = a > b || (a == b && __builtin_signbit(b)) ? a : b;
    high = b != b ? a : high;
    return a != a ? b : high;
}

/* f32x2: two numbers in 8 bytes. */
static inline f32 first(u64 both)
{
    return f32_of((u32)both);
}

static inline f32 second(u64 both)
{
    return f32_of((u32)(both >> 32));
}

static inline u64 pair(f32 low, f32 high)
{
    return (u64)bits_of(canonical(high)) << 32 | bits_of(canonical(low));
}

#include "float.def"

#include "lane_rows.h"

const op_row float_ops[] = {
#include "float.def"
    {0},
};

static void flush(u32 *d, u32 m)
{
    EACH_LANE (l)
        d[l] = (m >> l & 1) && !(d[l] & UINT32_C(0x7f800000))
                   ? d[l] & UINT32_C(0x80000000)
                   : d[l];
}

/* What is not a number becomes 0. */
static void saturate_f32(f32 *d, u32 m)
{
    EACH_OF (l, m)
        d[l] = d[l] > 0.0f ? (d[l] < 1.0f ? d[l] : 1.0f) : 0.0f;
}

static void saturate_f64(f64 *d, u32 m)
{
    EACH_OF (l, m)
        d[l] = d[l] > 0.0 ? (d[l] < 1.0 ? d[l] : 1.0) : 0.0;
}

void run_adjusted(warp *w, const insn *i, u32 m)
{
    const unsigned before = _mm_getcsr();
    unsigned flags = before | (unsigned)i->rounding << 13;
    if (i->ftz)
        flags |= _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON;
    _mm_setcsr(flags);
    i->inner(w, i, m);
    _mm_setcsr(before);
    if (i->ftz && i->wide == 4)
        flush(AT(w, i->at[0], u32), m);
    if (i->sat && i->wide == 4)
        saturate_f32(AT(w, i->at[0], f32), m);
    if (i->sat && i->wide == 8)
        saturate_f64(AT(w, i->at[0], f64), m);
}
