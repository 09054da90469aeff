/*
 * exec_move.c - moves whole, packed and unpacked registers.
 */
#include "handlers.h"
#include "lane_ops.h"

#define MOVES                                                                  \
    UNARY(mov_16, "mov.b16 mov.u16 mov.s16 mov.f16", "22", u32, u32, a)        \
    UNARY(mov_32, "mov.b32 mov.u32 mov.s32 mov.f32", "44", u32, u32, a)        \
    UNARY(mov_64, "mov.b64 mov.u64 mov.s64 mov.f64", "88", u64, u64, a)

MOVES

#include "lane_rows.h"

const op_row move_ops[] = {
    MOVES{0},
};

static inline u64 lane_bits(const warp *w, int32_t at, int wide, int l)
{
    return wide == 8 ? AT(w, at, u64)[l] : AT(w, at, u32)[l];
}

static inline void set_lane(warp *w, int32_t at, int wide, int l, u64 bits)
{
    if (at == NO_OPERAND)
        return;
    if (wide == 8)
        AT(w, at, u64)[l] = bits;
    else
        AT(w, at, u32)[l] = (u32)bits;
}

static inline u64 low_bits(u64 bits, int bytes)
{
    return bytes == 8 ? bits : bits & ((UINT64_C(1) << 8 * bytes) - 1);
}

/* Items of a parameter at a fixed place: the same for all lanes. */
void run_load_parameter(warp *w, const insn *i, u32 m)
{
    const u8 *from = w->block->launch->parameters + i->imm;
    int above = 64 - 8 * i->bytes;
    for (int k = 0; k < i->count; k++, from += i->bytes) {
        u64 bits = 0;
        memcpy(&bits, from, i->bytes);
        if (i->sign)
            bits = (u64)((s64)(bits << above) >> above);
        bits = i->wide == 2 ? bits & 0xffff : bits;
        if (is_full(w, m) && i->wide != 8 && i->at[1 + k] != NO_OPERAND)
            EACH_LANE (l)
                AT(w, i->at[1 + k], u32)[l] = (u32)bits;
        else
            EACH_OF (l, m)
                set_lane(w, i->at[1 + k], i->wide, (int)l, bits);
    }
}

/* at[1] and on, `count` of `bytes` each, become at[0] of `wide`. */
void run_pack(warp *w, const insn *i, u32 m)
{
    EACH_OF (l, m) {
        u64 whole = 0;
        for (int k = 0; k < i->count; k++)
            whole |=
                low_bits(lane_bits(w, i->at[1 + k], i->bytes, (int)l), i->bytes)
                << 8 * i->bytes * k;
        set_lane(w, i->at[0], i->wide, (int)l, whole);
    }
}

void run_unpack(warp *w, const insn *i, u32 m)
{
    EACH_OF (l, m) {
        u64 whole = lane_bits(w, i->at[0], i->wide, (int)l);
        for (int k = 0; k < i->count; k++)
            set_lane(w, i->at[1 + k], i->bytes, (int)l,
                     low_bits(whole >> 8 * i->bytes * k, i->bytes));
    }
}

/* Adds a window's beginning: cvta, and cvta.to with a negative one. */
void run_to_window(warp *w, const insn *i, u32 m)
{
    EACH_OF (l, m) {
        u64 address = lane_bits(w, i->at[1], i->bytes, (int)l) + (u64)i->imm;
        set_lane(w, i->at[0], i->wide, (int)l, address);
    }
}
