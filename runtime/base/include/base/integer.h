/*
 * integer.h - arithmetic on 64-bit integers that C leaves out.
 *
 * Divisors are not zero; the caller keeps away from overflow.
 */
#ifndef PTL_BASE_INTEGER_H
#define PTL_BASE_INTEGER_H

#include <stdint.h>

/* The quotient rounded down, as `/` between integers of PTL. */
static inline int64_t int_floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

static inline int64_t int_ceil_div(int64_t a, int64_t b)
{
    return -int_floor_div(-a, b);
}

static inline int64_t int_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t int_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
