/*
 * eval_op.c - the scalar functions of the oracle: value, slopes, complex form.
 *
 * Near the real axis (imaginary part at most 1e-16, which is where complex
 * steps are) f(x + ih) = f(x) + i h f'(x) to the last bit, so the value is the
 * real function's and the imaginary part comes from the slopes. That also
 * keeps infinities clean, which complex multiplication does not. Further out
 * the complex functions are used; erf has no complex form in C and takes the
 * first-order step everywhere.
 *
 * Slopes follow the stated rules where a function has none: 0 for abs and sign
 * at 0, one half each for maximum and minimum at equality.
 *
 * Error bounds are first order too: |slope| * error of the operands, plus a
 * few roundings of the result.
 */
#include "ir/eval_op.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

typedef double slopes[3];

static const double two_over_sqrt_pi = 1.1283791670955125739;

static double sigmoid(double x)
{
    if (x >= 0.0)
        return 1.0 / (1.0 + exp(-x));
    double e = exp(x);
    return e / (1.0 + e);
}

static double sign_of(double x)
{
    return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x; /* keeps 0, -0 and NaN */
}

/* NaN wins; equal operands share. */
static double extreme(double a, double b, bool largest, double *s)
{
    if (isnan(a) || isnan(b)) {
        s[0] = isnan(a);
        s[1] = isnan(b);
        return NAN;
    }
    if (a == b) {
        s[0] = s[1] = 0.5;
        return a;
    }
    bool first = (a > b) == largest;
    s[0] = first;
    s[1] = !first;
    return first ? a : b;
}

static double power(double a, double b, double *s)
{
    double y = pow(a, b);
    s[0] = b == 0.0 ? 0.0 : b * pow(a, b - 1.0);
    s[1] = a > 0.0 ? y * log(a) : a == 0.0 && b > 0.0 ? 0.0 : (double)NAN;
    return y;
}

/* x to the nearest number of `bits` bits of significand, ties to even. */
static double rounded(double x, int bits)
{
    int exponent;
    if (!isfinite(x))
        return x;
    double fraction = frexp(x, &exponent);
    return ldexp(rint(ldexp(fraction, bits)), exponent - bits);
}

static double short_value(ir_scalar op, double x)
{
    return rounded(x, op == IR_BF16_OP ? 8 : 11);
}

/* Value and slopes of the functions of one REAL. */
static double unary(ir_scalar op, double x, double *s)
{
    double y;
    s[0] = 0.0;
    switch (op) {
    case IR_NEG_OP:
        s[0] = -1.0;
        return -x;
    case IR_ABS_OP:
        s[0] = sign_of(x);
        return fabs(x);
    case IR_SIGN_OP:
        return sign_of(x);
    case IR_FLOOR_OP:
        return floor(x);
    case IR_CEIL_OP:
        return ceil(x);
    case IR_SQRT_OP:
        y = sqrt(x);
        s[0] = 0.5 / y;
        return y;
    case IR_EXP_OP:
        return s[0] = exp(x);
    case IR_LOG_OP:
        s[0] = 1.0 / x;
        return log(x);
    case IR_SIN_OP:
        s[0] = cos(x);
        return sin(x);
    case IR_COS_OP:
        s[0] = -sin(x);
        return cos(x);
    case IR_TANH_OP:
        y = tanh(x);
        s[0] = 1.0 - y * y;
        return y;
    case IR_SIGMOID_OP:
        y = sigmoid(x);
        s[0] = y * sigmoid(-x);
        return y;
    case IR_ERF_OP:
        s[0] = two_over_sqrt_pi * exp(-x * x);
        return erf(x);
    case IR_BF16_OP:
    case IR_TF32_OP:
        s[0] = 1.0;
        return short_value(op, x);
    default:
        abort();
    }
}

static double real_op(ir_scalar op, const double *x, double *s)
{
    switch (op) {
    case IR_ADD_OP:
        s[0] = s[1] = 1.0;
        return x[0] + x[1];
    case IR_SUB_OP:
        s[0] = 1.0;
        s[1] = -1.0;
        return x[0] - x[1];
    case IR_MUL_OP:
        s[0] = x[1];
        s[1] = x[0];
        return x[0] * x[1];
    case IR_DIV_OP:
        s[0] = 1.0 / x[1];
        s[1] = -x[0] / x[1] / x[1];
        return x[0] / x[1];
    case IR_POW_OP:
        return power(x[0], x[1], s);
    case IR_MAXIMUM_OP:
    case IR_MINIMUM_OP:
        return extreme(x[0], x[1], op == IR_MAXIMUM_OP, s);
    case IR_FMA_OP:
        s[0] = x[1];
        s[1] = x[0];
        s[2] = 1.0;
        return fma(x[0], x[1], x[2]);
    default:
        return unary(op, x[0], s);
    }
}

/* ---------- off the real axis ---------- */

static double complex complex_op(ir_scalar op, const ir_number *a,
                                 double complex first_order)
{
    double complex z = a[0].z;
    switch (op) {
    case IR_MUL_OP:
        return z * a[1].z;
    case IR_DIV_OP:
        return z / a[1].z;
    case IR_POW_OP:
        return cpow(z, a[1].z);
    case IR_FMA_OP:
        return z * a[1].z + a[2].z;
    case IR_SQRT_OP:
        return csqrt(z);
    case IR_EXP_OP:
        return cexp(z);
    case IR_LOG_OP:
        return clog(z);
    case IR_SIN_OP:
        return csin(z);
    case IR_COS_OP:
        return ccos(z);
    case IR_TANH_OP:
        return ctanh(z);
    case IR_SIGMOID_OP:
        return 1.0 / (1.0 + cexp(-z));
    default: /* linear, piecewise linear, or erf */
        return first_order;
    }
}

/* ---------- errors ---------- */

/* Roundings of one result, generously. */
static double roundings(ir_scalar op)
{
    switch (op) {
    case IR_NEG_OP:
    case IR_ABS_OP:
    case IR_MAXIMUM_OP:
    case IR_MINIMUM_OP:
    case IR_FLOOR_OP:
    case IR_CEIL_OP:
    case IR_SIGN_OP:
        return 0.0;
    case IR_ADD_OP:
    case IR_SUB_OP:
    case IR_MUL_OP:
    case IR_DIV_OP:
    case IR_SQRT_OP:
    case IR_FMA_OP:
        return 1.0;
    case IR_POW_OP:
        return 16.0;
    default:
        return 4.0;
    }
}

/* The smallest normal number: what underflow may cost. */
static double least(double eps)
{
    return eps > 1e-10 ? (double)FLT_MIN : DBL_MIN;
}

/* How far off the rounded number may be where what it rounds is. The numbers
 * of F32 near 0 are as short as those of bf16. */
static double short_error(ir_scalar op, double x, double err, double eps)
{
    double y = short_value(op, x);
    if (eps > 1e-10 && fabs(y) > 1e37)
        return HUGE_VAL;
    if (err == 0.0 && fabs(x) >= least(eps))
        return 0.0;
    double up = short_value(op, x + err) - y;
    double down = y - short_value(op, x - err);
    bool tiny = fabs(x) < least(eps);
    return fmax(up, down) + (tiny ? least(eps) / 128.0 : 0.0);
}

/* Can a step of floor, ceil or sign lie within the error? */
static double step_error(ir_scalar op, double x, double err)
{
    if (err == 0.0)
        return 0.0;
    if (op == IR_SIGN_OP)
        return fabs(x) <= err ? 2.0 : 0.0;
    return floor(x - err) != floor(x + err) || ceil(x - err) != ceil(x + err)
               ? ceil(err)
               : 0.0;
}

/* Sums and products of whole numbers that stay small do not round. */
static bool is_whole(ir_scalar op, const ir_number *a, int count, double y,
                     double eps)
{
    bool whole = (op == IR_ADD_OP || op == IR_SUB_OP || op == IR_MUL_OP ||
                  op == IR_FMA_OP) &&
                 floor(y) == y && fabs(y) * eps < 1.0;
    for (int i = 0; i < count; i++)
        whole = whole && a[i].err == 0.0 && floor(ir_re(a[i])) == ir_re(a[i]);
    return whole;
}

static double real_error(ir_scalar op, const ir_number *a, int count,
                         const double *s, double y, double eps)
{
    if (op == IR_FLOOR_OP || op == IR_CEIL_OP || op == IR_SIGN_OP)
        return step_error(op, ir_re(a[0]), a[0].err);
    if (op == IR_BF16_OP || op == IR_TF32_OP)
        return short_error(op, ir_re(a[0]), a[0].err, eps);
    if (is_whole(op, a, count, y, eps))
        return 0.0;
    double err = 0.0;
    for (int i = 0; i < count; i++)
        if (a[i].err > 0.0)
            err += fabs(s[i]) * a[i].err * 1.01;
    if (op == IR_MAXIMUM_OP || op == IR_MINIMUM_OP)
        return fmax(a[0].err, a[1].err);
    if (op == IR_ABS_OP)
        return a[0].err;
    if ((op == IR_MUL_OP || op == IR_FMA_OP) && a[0].err > 0.0)
        err += a[0].err * a[1].err;
    double r = roundings(op);
    if (op == IR_FMA_OP) /* or a product rounded before the sum */
        err += eps * fabs(ir_re(a[0]) * ir_re(a[1]));
    if (op == IR_SIN_OP || op == IR_COS_OP)
        err += eps;
    if (r > 0.0)
        err += r * (eps * fabs(y) + least(eps));
    bool overflows = eps > 1e-10 && fabs(y) > 1e37;
    return isnan(err) || overflows ? HUGE_VAL : err;
}

/* ---------- numbers ---------- */

static ir_number on_reals(ir_scalar op, const ir_number *a, double eps)
{
    int count = ir_scalars[op].arity;
    double x[3] = {0}, im = 0.0;
    slopes s = {0};
    bool near_axis = true;
    for (int i = 0; i < count; i++)
        x[i] = ir_re(a[i]);
    double y = real_op(op, x, s);
    for (int i = 0; i < count; i++) {
        double im_i = cimag(a[i].z);
        if (im_i != 0.0)
            im += s[i] * im_i;
        near_axis = near_axis && !(fabs(im_i) > 1e-16);
    }
    ir_number r = {CMPLX(y, im), 0.0};
    if (!near_axis)
        r.z = complex_op(op, a, r.z);
    if (eps > 0.0)
        r.err = real_error(op, a, count, s, y, eps);
    return r;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

static double on_ints(ir_scalar op, int64_t a, int64_t b)
{
    switch (op) {
    case IR_NEG_OP:
        return (double)-a;
    case IR_ADD_OP:
        return (double)(a + b);
    case IR_SUB_OP:
        return (double)(a - b);
    case IR_MUL_OP:
        return (double)(a * b);
    case IR_IDIV_OP:
        return (double)floor_div(a, b);
    case IR_MOD_OP:
        return (double)(a - floor_div(a, b) * b);
    case IR_ABS_OP:
        return (double)(a < 0 ? -a : a);
    case IR_SIGN_OP:
        return (double)((a > 0) - (a < 0));
    case IR_MAXIMUM_OP:
        return (double)(a > b ? a : b);
    case IR_MINIMUM_OP:
        return (double)(a < b ? a : b);
    default:
        abort();
    }
}

static bool compare(ir_scalar op, double a, double b)
{
    switch (op) {
    case IR_EQ_OP:
        return a == b;
    case IR_NE_OP:
        return a != b;
    case IR_LT_OP:
        return a < b;
    case IR_LE_OP:
        return a <= b;
    case IR_GT_OP:
        return a > b;
    case IR_GE_OP:
        return a >= b;
    case IR_AND_OP:
        return a != 0.0 && b != 0.0;
    case IR_OR_OP:
        return a != 0.0 || b != 0.0;
    default:
        abort();
    }
}

static ir_number on_pair(ir_scalar op, const ir_number *a)
{
    double x = ir_re(a[0]), y = ir_re(a[1]);
    double err = a[0].err + a[1].err;
    ir_number r = {compare(op, x, y), 0.0};
    bool logic = op == IR_AND_OP || op == IR_OR_OP;
    if (err > 0.0 && (logic || fabs(x - y) <= err))
        r.err = 1.0;
    return r;
}

ir_number ir_number_const(double value, double eps)
{
    ir_number r = {value, 0.0};
    if (eps > 0.0 && isfinite(value) && (double)(float)value != value)
        r.err = eps * fabs(value);
    return r;
}

/* Integers beyond the mantissa round on their way to REAL. */
static ir_number to_real(ir_number a, ir_kind from, double eps)
{
    double err = a.err;
    if (from == IR_INT && fabs(ir_re(a)) * eps > 1.0)
        err += eps * fabs(ir_re(a));
    return (ir_number){ir_re(a), err};
}

static ir_number to_int(ir_number a, ir_kind from)
{
    if (from != IR_REAL)
        return (ir_number){ir_re(a), a.err};
    double x = ir_re(a);
    bool steady = a.err == 0.0 || trunc(x - a.err) == trunc(x + a.err);
    return (ir_number){trunc(x), steady ? 0.0 : ceil(a.err)};
}

ir_number ir_number_op(ir_scalar op, const ir_number *args, ir_kind type,
                       double eps)
{
    switch (op) {
    case IR_REAL_OP:
        return to_real(args[0], type, eps);
    case IR_INT_OP:
        return to_int(args[0], type);
    case IR_STOP_OP:
        return (ir_number){ir_re(args[0]), args[0].err};
    case IR_NOT_OP:
        return (ir_number){ir_re(args[0]) == 0.0, args[0].err};
    default:
        break;
    }
    if (ir_scalars[op].result == 'B')
        return on_pair(op, args);
    if (type == IR_REAL)
        return on_reals(op, args, eps);
    bool two = ir_scalars[op].arity == 2;
    double err = args[0].err + (two ? args[1].err : 0.0);
    return (ir_number){on_ints(op, (int64_t)ir_re(args[0]),
                               two ? (int64_t)ir_re(args[1]) : 0),
                       err > 0.0 ? HUGE_VAL : 0.0};
}
