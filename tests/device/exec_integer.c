/*
 * exec_integer.c - handlers of integer.def.
 */
#include "handlers.h"
#include "lane_ops.h"

static inline s64 divide_s64(s64 a, s64 b)
{
    return b == 0 ? -1 : b == -1 ? (s64)(0 - (u64)a) : a / b;
}

static inline s64 remainder_s64(s64 a, s64 b)
{
    return b == 0 ? a : b == -1 ? 0 : a % b;
}

static inline u32 reverse_32(u32 a)
{
    a = (a & 0x55555555) << 1 | (a >> 1 & 0x55555555);
    a = (a & 0x33333333) << 2 | (a >> 2 & 0x33333333);
    a = (a & 0x0f0f0f0f) << 4 | (a >> 4 & 0x0f0f0f0f);
    return __builtin_bswap32(a);
}

static inline u64 ones(u32 count)
{
    return count > 63 ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1;
}

static inline u64 extract_u64(u64 a, u32 position, u32 length)
{
    position &= 0xff, length &= 0xff;
    return position > 63 ? 0 : a >> position & ones(length);
}

static inline u32 extract_u32(u32 a, u32 position, u32 length)
{
    return (u32)extract_u64(a, position, length);
}

/* The sign is the field's highest bit, which may lie above the number. */
static inline u32 extract_s32(u32 a, u32 position, u32 length)
{
    position &= 0xff, length &= 0xff;
    if (!length)
        return 0;
    u32 top = position + length - 1;
    u64 sign = a >> (top > 31 ? 31 : top) & 1;
    u64 field = position > 31 ? 0 : a >> position;
    u32 kept = top > 31 ? (position > 31 ? 0 : 32 - position) : length;
    return (u32)((field & ones(kept)) | (sign ? ~ones(kept) : 0));
}

static inline u64 insert_64(u64 a, u64 b, u32 position, u32 length)
{
    position &= 0xff, length &= 0xff;
    u64 mask = position > 63 ? 0 : ones(length) << position;
    return (b & ~mask) | (position > 63 ? 0 : a << position & mask);
}

static inline u32 insert_32(u32 a, u32 b, u32 position, u32 length)
{
    return (u32)insert_64(a, b, position, length);
}

static inline u32 permute(u32 a, u32 b, u32 selector)
{
    u64 both = (u64)b << 32 | a;
    u32 result = 0;
    for (int k = 0; k < 4; k++) {
        u32 pick = selector >> (4 * k) & 15;
        u32 byte = both >> (8 * (pick & 7)) & 0xff;
        if (pick & 8)
            byte = byte & 0x80 ? 0xff : 0;
        result |= byte << (8 * k);
    }
    return result;
}

static inline u32 part(u32 x, int at, int bits, bool is_signed)
{
    x = x >> at << (32 - bits);
    return is_signed ? (u32)((s32)x >> (32 - bits)) : x >> (32 - bits);
}

/* Parts of `bits` of a times bytes of b, onto c. */
static inline u32 dot(u32 a, int bits, bool a_signed, u32 b, bool b_signed,
                      u32 c)
{
    for (int k = 0; k < 32 / bits; k++)
        c += part(a, bits * k, bits, a_signed) * part(b, 8 * k, 8, b_signed);
    return c;
}

/* Bit k of `table` is the result where a, b and c are the bits of k. */
static inline u32 logic_3(u32 a, u32 b, u32 c, u32 table)
{
    u32 result = 0;
    for (u32 k = 0; k < 8; k++)
        if (table >> k & 1)
            result |= (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
    return result;
}

#include "integer.def"

#include "lane_rows.h"

const op_row integer_ops[] = {
#include "integer.def"
    {0},
};
