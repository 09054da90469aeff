/*
 * lane_ops.h - makes handlers of the rows of a table. lane_rows.h makes the
 * table itself of the same rows.
 */
#include "lanes.h"

#define LANE_OP(id, D, pointers, values, expression)                           \
    static void run_##id(warp *w, const insn *i, u32 m)                        \
    {                                                                          \
        D *pd = AT(w, i->at[0], D);                                            \
        pointers;                                                              \
        if (is_full(w, m)) {                                                   \
            EACH_LANE (l) {                                                    \
                values;                                                        \
                pd[l] = (D)(expression);                                       \
            }                                                                  \
        } else {                                                               \
            D result[LANES];                                                   \
            EACH_LANE (l) {                                                    \
                values;                                                        \
                result[l] = (D)(expression);                                   \
            }                                                                  \
            EACH_LANE (l)                                                      \
                pd[l] = m >> l & 1 ? result[l] : pd[l];                        \
        }                                                                      \
    }

#define UNARY(id, keys, shape, D, A, expression)                               \
    LANE_OP(id, D, const A *pa = AT(w, i->at[1], A), A a = pa[l], expression)
#define BINARY(id, keys, shape, D, A, B, expression)                           \
    LANE_OP(id, D, const A *pa = AT(w, i->at[1], A);                           \
            const B *pb = AT(w, i->at[2], B), A a = pa[l];                     \
            B b = pb[l], expression)
#define TERNARY(id, keys, shape, D, A, B, C, expression)                       \
    LANE_OP(id, D, const A *pa = AT(w, i->at[1], A);                           \
            const B *pb = AT(w, i->at[2], B);                                  \
            const C *pc = AT(w, i->at[3], C), A a = pa[l]; B b = pb[l];        \
            C c = pc[l], expression)
#define QUATERNARY(id, keys, shape, D, A, B, C, E, expression)                 \
    LANE_OP(id, D, const A *pa = AT(w, i->at[1], A);                           \
            const B *pb = AT(w, i->at[2], B);                                  \
            const C *pc = AT(w, i->at[3], C);                                  \
            const E *pe = AT(w, i->at[4], E), A a = pa[l]; B b = pb[l];        \
            C c = pc[l]; E e = pe[l], expression)
