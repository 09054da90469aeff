/*
 * kern_run_op.c - the arithmetic of the kernel form in C, one loop an
 * operation.
 *
 * The macros write the loop for each type; the compiler makes vectors of them
 * (for machines with and without fused multiply-add), which is what lets a
 * test go through all f32 numbers.
 */
#include "core/kern_run_op.h"
#include <math.h>

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) &&                   \
    !defined(__SANITIZE_THREAD__)
#define FAST                                                                   \
    __attribute__((                                                            \
        target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FAST
#endif

/* What an operation the kernel form leaves open yields here. */
static const int64_t GARBAGE = INT64_C(0x5a5a5a5a5a5a5a5a);

#define LOOP(TO, FROM, expr)                                                   \
    do {                                                                       \
        TO *o = out;                                                           \
        const FROM *a = x, *b = y, *c = z;                                     \
        (void)a, (void)b, (void)c;                                             \
        for (int i = 0; i < n; i++)                                            \
            o[i] = (TO)(expr);                                                 \
        return true;                                                           \
    } while (0)

#define ARITHMETIC(T)                                                          \
    case KERN_ADD:                                                             \
        LOOP(T, T, a[i] + b[i]);                                               \
    case KERN_SUB:                                                             \
        LOOP(T, T, a[i] - b[i]);                                               \
    case KERN_MUL:                                                             \
        LOOP(T, T, a[i] * b[i]);                                               \
    case KERN_NEG:                                                             \
        LOOP(T, T, -a[i])

#define REALS(name, T, s)                                                      \
    FAST static bool name(kern_op op, int n, void *out, const void *x,         \
                          const void *y, const void *z)                        \
    {                                                                          \
        switch (op) {                                                          \
            ARITHMETIC(T);                                                     \
        case KERN_DIV:                                                         \
            LOOP(T, T, a[i] / b[i]);                                           \
        case KERN_FMA:                                                         \
            LOOP(T, T, fma##s(a[i], b[i], c[i]));                              \
        case KERN_SCALE:                                                       \
            LOOP(T, T, b[i] == b[i] ? scalbn##s(a[i], (int)b[i]) : b[i]);      \
        case KERN_ABS:                                                         \
            LOOP(T, T, fabs##s(a[i]));                                         \
        case KERN_SQRT:                                                        \
            LOOP(T, T, sqrt##s(a[i]));                                         \
        case KERN_FLOOR:                                                       \
            LOOP(T, T, floor##s(a[i]));                                        \
        case KERN_CEIL:                                                        \
            LOOP(T, T, ceil##s(a[i]));                                         \
        case KERN_ROUND:                                                       \
            LOOP(T, T, nearbyint##s(a[i]));                                    \
        default:                                                               \
            return false;                                                      \
        }                                                                      \
    }
REALS(real_f32, float, f)
REALS(real_f64, double, )

/* U carries wrapping arithmetic and logical shifts, T comparisons. */
#define INTEGERS(name, T, U, width)                                            \
    static T name##_divide(T a, T b)                                           \
    {                                                                          \
        PTL_ASSERT(b != 0 && !(b == -1 && (U)a == (U)1 << (width - 1)));       \
        return a / b;                                                          \
    }                                                                          \
    FAST static bool name(kern_op op, int n, void *out, const void *x,         \
                          const void *y, const void *z)                        \
    {                                                                          \
        switch (op) {                                                          \
            ARITHMETIC(U);                                                     \
        case KERN_DIV:                                                         \
            LOOP(T, T, name##_divide(a[i], b[i]));                             \
        case KERN_REM:                                                         \
            LOOP(T, T, a[i] - name##_divide(a[i], b[i]) * b[i]);               \
        case KERN_ABS:                                                         \
            LOOP(U, U, (T)a[i] < 0 ? 0 - a[i] : a[i]);                         \
        case KERN_MIN:                                                         \
            LOOP(T, T, a[i] < b[i] ? a[i] : b[i]);                             \
        case KERN_MAX:                                                         \
            LOOP(T, T, a[i] > b[i] ? a[i] : b[i]);                             \
        case KERN_AND:                                                         \
            LOOP(U, U, a[i] & b[i]);                                           \
        case KERN_OR:                                                          \
            LOOP(U, U, a[i] | b[i]);                                           \
        case KERN_XOR:                                                         \
            LOOP(U, U, a[i] ^ b[i]);                                           \
        case KERN_NOT:                                                         \
            LOOP(U, U, ~a[i]);                                                 \
        case KERN_SHL:                                                         \
            LOOP(U, U, b[i] < width ? a[i] << b[i] : (U)GARBAGE);              \
        case KERN_SHR:                                                         \
            LOOP(U, U, b[i] < width ? a[i] >> b[i] : (U)GARBAGE);              \
        case KERN_SAR:                                                         \
            LOOP(T, T, (U)b[i] < width ? a[i] >> b[i] : (T)GARBAGE);           \
        case KERN_MULHI:                                                       \
            LOOP(U, uint32_t, (uint64_t)a[i] * b[i] >> 32);                    \
        default:                                                               \
            return false;                                                      \
        }                                                                      \
    }
INTEGERS(int_i32, int32_t, uint32_t, 32)
INTEGERS(int_i64, int64_t, uint64_t, 64)

static bool truth(kern_op op, int n, void *out, const void *x, const void *y,
                  const void *z)
{
    switch (op) {
    case KERN_AND:
        LOOP(uint8_t, uint8_t, a[i] & b[i]);
    case KERN_OR:
        LOOP(uint8_t, uint8_t, a[i] | b[i]);
    case KERN_XOR:
        LOOP(uint8_t, uint8_t, a[i] ^ b[i]);
    case KERN_NOT:
        LOOP(uint8_t, uint8_t, !a[i]);
    default:
        return false;
    }
}

#define COMPARISONS(name, T)                                                   \
    FAST static bool name(kern_op op, int n, void *out, const void *x,         \
                          const void *y, const void *z)                        \
    {                                                                          \
        switch (op) {                                                          \
        case KERN_EQ:                                                          \
            LOOP(uint8_t, T, a[i] == b[i]);                                    \
        case KERN_NE:                                                          \
            LOOP(uint8_t, T, a[i] != b[i]);                                    \
        case KERN_LT:                                                          \
            LOOP(uint8_t, T, a[i] < b[i]);                                     \
        case KERN_LE:                                                          \
            LOOP(uint8_t, T, a[i] <= b[i]);                                    \
        case KERN_GT:                                                          \
            LOOP(uint8_t, T, a[i] > b[i]);                                     \
        case KERN_GE:                                                          \
            LOOP(uint8_t, T, a[i] >= b[i]);                                    \
        default:                                                               \
            return false;                                                      \
        }                                                                      \
    }
COMPARISONS(compare_f32, float)
COMPARISONS(compare_f64, double)
COMPARISONS(compare_i32, int32_t)
COMPARISONS(compare_i64, int64_t)

typedef bool family(kern_op op, int n, void *out, const void *x, const void *y,
                    const void *z);
static family *const arithmetic[] = {real_f32, real_f64, int_i32, int_i64,
                                     truth};
static family *const comparison[] = {compare_f32, compare_f64, compare_i32,
                                     compare_i64};

#define SELECTION(T)                                                           \
    do {                                                                       \
        T *o = out;                                                            \
        const T *a = x, *b = y;                                                \
        for (int i = 0; i < n; i++)                                            \
            o[i] = cond[i] ? a[i] : b[i];                                      \
    } while (0)

FAST static void selection(kern_type type, int n, void *out,
                           const uint8_t *cond, const void *x, const void *y)
{
    if (type == KERN_BOOL)
        SELECTION(uint8_t);
    else if (type == KERN_F32 || type == KERN_I32)
        SELECTION(uint32_t);
    else
        SELECTION(uint64_t);
}

#define FROM_ANY(T)                                                            \
    switch (from) {                                                            \
    case KERN_F32:                                                             \
        LOOP(T, float, a[i]);                                                  \
    case KERN_F64:                                                             \
        LOOP(T, double, a[i]);                                                 \
    case KERN_I32:                                                             \
        LOOP(T, int32_t, a[i]);                                                \
    case KERN_I64:                                                             \
        LOOP(T, int64_t, a[i]);                                                \
    case KERN_BOOL:                                                            \
        LOOP(T, uint8_t, a[i]);                                                \
    }                                                                          \
    return false

/* Real to integer, where it is defined. */
#define TO_INTEGER(T, F, limit)                                                \
    LOOP(T, F,                                                                 \
         trunc((double)a[i]) >= -(limit) && (double)a[i] < (limit)             \
             ? (T)a[i]                                                         \
             : (T)GARBAGE)

FAST static bool to_real(kern_type to, kern_type from, int n, void *out,
                         const void *x)
{
    const void *y = NULL, *z = NULL;
    if (to == KERN_F32) {
        FROM_ANY(float);
    }
    FROM_ANY(double);
}

FAST static bool to_integer(kern_type to, kern_type from, int n, void *out,
                            const void *x)
{
    const void *y = NULL, *z = NULL;
    if (to == KERN_I32 && from == KERN_F32)
        TO_INTEGER(int32_t, float, 2147483648.0);
    if (to == KERN_I32 && from == KERN_F64)
        TO_INTEGER(int32_t, double, 2147483648.0);
    if (to == KERN_I64 && from == KERN_F32)
        TO_INTEGER(int64_t, float, 9223372036854775808.0);
    if (to == KERN_I64 && from == KERN_F64)
        TO_INTEGER(int64_t, double, 9223372036854775808.0);
    if (to == KERN_I32) {
        FROM_ANY(int32_t);
    }
    FROM_ANY(int64_t);
}

#define BITS(T)                                                                \
    do {                                                                       \
        const void *y = NULL, *z = NULL;                                       \
        LOOP(T, T, a[i]);                                                      \
    } while (0)

static bool bitcast(kern_type to, int n, void *out, const void *x)
{
    if (to == KERN_F32 || to == KERN_I32)
        BITS(uint32_t);
    BITS(uint64_t);
}

/* Lane i and lane i + half, halving: the tree every generator follows. */
#define TREE(T)                                                                \
    do {                                                                       \
        T *sums = out;                                                         \
        const T *a = x;                                                        \
        T part[PART];                                                          \
        for (int i = 0; i < n; i++)                                            \
            part[i] = a[i];                                                    \
        for (int half = n / 2; half > 0; half /= 2)                            \
            for (int i = 0; i < half; i++)                                     \
                part[i] = (T)(part[i] + part[i + half]);                       \
        *sums = part[0];                                                       \
    } while (0)

static void hsum(kern_type type, int n, void *out, const void *x)
{
    enum { PART = 4096 };
    PTL_ASSERT(n <= PART);
    if (type == KERN_F32)
        TREE(float);
    else if (type == KERN_F64)
        TREE(double);
    else if (type == KERN_I32)
        TREE(uint32_t);
    else
        TREE(uint64_t);
}

static void any(int n, uint8_t *out, const uint8_t *x)
{
    *out = 0;
    for (int i = 0; i < n; i++)
        *out |= x[i];
}

void kern_run_op(const kern_value *v, void *out, const void *x, const void *y,
                 const void *z)
{
    bool known = true;
    int lanes = v->args[0]->lanes;
    kern_type from = v->args[0]->type;
    if (v->op >= KERN_EQ && v->op <= KERN_GE)
        known = comparison[from](v->op, lanes, out, x, y, z);
    else if (v->op == KERN_SELECT)
        selection(v->type, lanes, out, x, y, z);
    else if (v->op == KERN_CONVERT && kern_is_real(v->type))
        known = to_real(v->type, from, lanes, out, x);
    else if (v->op == KERN_CONVERT)
        known = to_integer(v->type, from, lanes, out, x);
    else if (v->op == KERN_BITCAST)
        known = bitcast(v->type, lanes, out, x);
    else if (v->op == KERN_HSUM)
        hsum(v->type, lanes, out, x);
    else if (v->op == KERN_ANY)
        any(lanes, out, x);
    else
        known = arithmetic[v->type](v->op, lanes, out, x, y, z);
    PTL_ASSERT(known);
}
