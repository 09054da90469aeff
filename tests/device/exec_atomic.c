/*
 * exec_atomic.c - atom and red: one lane after the other, each at once.
 *
 * Blocks run on several threads, so the host's own atomics are used. at: d (or
 * nothing), address, b, c.
 */
#include "access.h"
#include "atomic.h"
#include "handlers.h"

static f64 f64_of(u64 bits)
{
    f64 value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static u64 bits_of_f64(f64 value)
{
    u64 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static u64 sum(atomic_type type, u64 old, u64 b)
{
    if (type == ATOMIC_F32)
        return bits_of(canonical(f32_of((u32)old) + f32_of((u32)b)));
    if (type == ATOMIC_F64)
        return bits_of_f64(f64_of(old) + f64_of(b));
    return old + b;
}

static bool less(atomic_type type, u64 a, u64 b)
{
    return type == ATOMIC_S32   ? (s32)a < (s32)b
           : type == ATOMIC_S64 ? (s64)a < (s64)b
                                : a < b;
}

static u64 result_of(const insn *i, u64 old, u64 b, u64 c)
{
    atomic_type type = (atomic_type)i->from;
    switch ((atomic_op)i->mode) {
    case ATOMIC_add:
        return sum(type, old, b);
    case ATOMIC_min:
        return less(type, b, old) ? b : old;
    case ATOMIC_max:
        return less(type, old, b) ? b : old;
    case ATOMIC_and:
        return old & b;
    case ATOMIC_or:
        return old | b;
    case ATOMIC_xor:
        return old ^ b;
    case ATOMIC_exch:
        return b;
    case ATOMIC_cas:
        return old == b ? c : old;
    case ATOMIC_inc:
        return old >= b ? 0 : old + 1;
    case ATOMIC_dec:
        return old == 0 || old > b ? b : old - 1;
    }
    return old;
}

static u64 apply_32(const insn *i, void *at, u64 b, u64 c)
{
    u32 *word = at, old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    while (!__atomic_compare_exchange_n(word, &old,
                                        (u32)result_of(i, old, b, c), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    return old;
}

static u64 apply_64(const insn *i, void *at, u64 b, u64 c)
{
    u64 *word = at, old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    while (!__atomic_compare_exchange_n(word, &old, result_of(i, old, b, c),
                                        false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
        ;
    return old;
}

static u64 operand(const warp *w, const insn *i, int which, u32 l)
{
    if (i->at[which] == NO_OPERAND)
        return 0;
    return i->bytes == 8 ? AT(w, i->at[which], u64)[l]
                         : AT(w, i->at[which], u32)[l];
}

void run_atomic(warp *w, const insn *i, u32 m)
{
    w->counts.atomics += (u64)__builtin_popcount(m);
    EACH_OF (l, m) {
        u64 address = (u64)i->imm + (i->wide_address ? AT(w, i->at[1], u64)[l]
                                                     : AT(w, i->at[1], u32)[l]);
        u8 *at = access_lane(w, i, (int)l, (ptx_space)i->to, address, i->bytes,
                             ACCESS_ATOMIC);
        if (!at)
            return;
        u64 b = operand(w, i, 2, l), c = operand(w, i, 3, l);
        u64 old = i->bytes == 8 ? apply_64(i, at, b, c) : apply_32(i, at, b, c);
        if (i->at[0] == NO_OPERAND)
            continue;
        if (i->bytes == 8)
            AT(w, i->at[0], u64)[l] = old;
        else
            AT(w, i->at[0], u32)[l] = (u32)old;
    }
}
