/*
 * lanes.h - how handlers reach their operands and loop over lanes.
 */
#ifndef DEVICE_LANES_H
#define DEVICE_LANES_H

#include "exec.h"
#include <immintrin.h>
#include <math.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef float f32;
typedef double f64;
__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

/* The lanes of an operand. One instruction's operands may be the same place,
 * lane upon the same lane, so loops over lanes carry nothing. */
#define AT(w, place, T) ((T *)(void *)((w)->registers + (place)))
#define EACH_LANE(l) _Pragma("GCC ivdep") for (int l = 0; l < LANES; l++)
#define EACH_OF(l, m)                                                          \
    for (u32 left_##l = (m), l = 0;                                            \
         left_##l && (l = (u32)__builtin_ctz(left_##l), true);                 \
         left_##l &= left_##l - 1)

/* Whether writing all lanes is as good as writing those of `m`: the others
 * have exited. */
static inline bool is_full(const warp *w, u32 m)
{
    return m == w->live;
}

/* Bit l: lane l of `flags` is negative (0 or -1). */
static inline u32 mask_of(const s32 *flags)
{
    u32 mask = 0;
    for (int k = 0; k < LANES; k += 8)
        mask |= (u32)_mm256_movemask_ps(
                    _mm256_loadu_ps((const float *)(const void *)(flags + k)))
                << k;
    return mask;
}

static inline void set_predicate(warp *w, int32_t at, u32 m, u32 value)
{
    if (at == NO_OPERAND)
        return;
    u32 *p = AT(w, at, u32);
    *p = (*p & ~m) | (value & m);
}

static inline u32 predicate(const warp *w, const insn *i, int operand)
{
    u32 value = *AT(w, i->at[operand], u32);
    return i->negated ? ~value : value;
}

static inline f32 f32_of(u32 bits)
{
    f32 value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline u32 bits_of(f32 value)
{
    u32 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* What a device makes of every f32 result that is not a number. */
#define NAN_F32 f32_of(UINT32_C(0x7fffffff))
static inline f32 canonical(f32 value)
{
    return value == value ? value : NAN_F32;
}

/* One row of a handlers' table. Keys are opcodes without rounding, .ftz and
 * .sat, several with spaces between. The shape has a letter for each operand:
 * its bytes a lane, or p for a predicate. */
typedef struct {
    const char *keys;
    run_fn *run;
    const char *shape;
} op_row;

#endif
