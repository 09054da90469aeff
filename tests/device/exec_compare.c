/*
 * exec_compare.c - setp, selp and operations on predicates.
 *
 * setp writes at[0] and, where there is a second, at[4] its opposite; at[3] is
 * a predicate both are combined with.
 */
#include "handlers.h"

static void set_result(warp *w, const insn *i, u32 m, u32 holds)
{
    u32 other = ~holds;
    if (i->mode != SETP_ALONE) {
        u32 c = predicate(w, i, 3);
        holds = i->mode == SETP_AND  ? holds & c
                : i->mode == SETP_OR ? holds | c
                                     : holds ^ c;
        other = i->mode == SETP_AND  ? other & c
                : i->mode == SETP_OR ? other | c
                                     : other ^ c;
    }
    set_predicate(w, i->at[0], m, holds);
    set_predicate(w, i->at[4], m, other);
}

#define COMPARE(id, keys, T, expression)                                       \
    static void run_##id(warp *w, const insn *i, u32 m)                        \
    {                                                                          \
        const T *pa = AT(w, i->at[1], T);                                      \
        const T *pb = AT(w, i->at[2], T);                                      \
        s32 holds[LANES];                                                      \
        EACH_LANE (l) {                                                        \
            T a = pa[l], b = pb[l];                                            \
            holds[l] = -(s32)(expression);                                     \
        }                                                                      \
        set_result(w, i, m, mask_of(holds));                                   \
    }
#include "compare.def"
#undef COMPARE

const op_row compare_ops[] = {
#define COMPARE(id, keys, T, expression)                                       \
    {keys, run_##id, sizeof(T) == 8 ? "p88" : "p44"},
#include "compare.def"
    {0},
};

#define SELECT(id, T)                                                          \
    static void run_##id(warp *w, const insn *i, u32 m)                        \
    {                                                                          \
        const T *pa = AT(w, i->at[1], T);                                      \
        const T *pb = AT(w, i->at[2], T);                                      \
        T *pd = AT(w, i->at[0], T), result[LANES];                             \
        u32 p = predicate(w, i, 3);                                            \
        EACH_LANE (l) {                                                        \
            T a = pa[l], b = pb[l];                                            \
            result[l] = p >> l & 1 ? a : b;                                    \
        }                                                                      \
        EACH_LANE (l)                                                          \
            pd[l] = m >> l & 1 ? result[l] : pd[l];                            \
    }
SELECT(selp_32, u32)
SELECT(selp_64, u64)

const op_row select_ops[] = {
    {"selp.b16 selp.u16 selp.s16", run_selp_32, "222p"},
    {"selp.b32 selp.u32 selp.s32 selp.f32", run_selp_32, "444p"},
    {"selp.b64 selp.u64 selp.s64 selp.f64", run_selp_64, "888p"},
    {0},
};

#define PREDICATE(id, expression)                                              \
    static void run_##id(warp *w, const insn *i, u32 m)                        \
    {                                                                          \
        u32 a = *AT(w, i->at[1], u32);                                         \
        u32 b = i->at[2] == NO_OPERAND ? 0 : *AT(w, i->at[2], u32);            \
        (void)b;                                                               \
        set_predicate(w, i->at[0], m, expression);                             \
    }
PREDICATE(and_pred, a &b)
PREDICATE(or_pred, a | b)
PREDICATE(xor_pred, a ^ b)
PREDICATE(not_pred, ~a)
PREDICATE(mov_pred, a)

const op_row predicate_ops[] = {
    {"and.pred", run_and_pred, "ppp"}, {"or.pred", run_or_pred, "ppp"},
    {"xor.pred", run_xor_pred, "ppp"}, {"not.pred", run_not_pred, "pp"},
    {"mov.pred", run_mov_pred, "pp"},  {0},
};
