/*
 * test_operands.c - operands of contractions in fewer bits: the rounding
 * against the two numbers next to a value, and which sums it touches.
 */
#include "core/ir_text.h"
#include "core/kern_run.h"
#include "core/math_cases.h"
#include "kernel/math.h"
#include "opt/opt.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---------- the rounding ---------- */

static kern_value *build_bf16(kern_builder *b, kern_value *x, kern_value *y)
{
    (void)y;
    return kern_rounded(b, x, 8);
}

static kern_value *build_tf32(kern_builder *b, kern_value *x, kern_value *y)
{
    (void)y;
    return kern_rounded(b, x, 11);
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The nearer of the two numbers around x; half way the even one. What follows
 * the largest number counts as 2^128. */
static float nearer(float x, int dropped)
{
    uint32_t low = bits_of_float(x) >> dropped << dropped;
    uint32_t high = low + ((uint32_t)1 << dropped);
    double below = fabs((double)float_of(low));
    double above = fabs((double)float_of(high));
    if (isinf(above))
        above = 0x1p128;
    double down = fabs((double)x) - below, up = above - fabs((double)x);
    bool even = !(low >> dropped & 1);
    return float_of(down < up || (down == up && even) ? low : high);
}

static void check_rounding(const math_case *c, int dropped)
{
    static float x[MATH_BLOCK], y[MATH_BLOCK];
    kern_module *m = math_module(c, KERN_F32, MATH_BLOCK);
    for (uint32_t block = 0; block < 256; block++) {
        for (uint32_t i = 0; i < MATH_BLOCK; i++)
            /* every exponent; bits near the cut in all patterns */
            x[i] = float_of(block << 24 | (i & 1) << 23 | (i >> 8) << 19 |
                            (i * 2654435761u >> 13 & 0x7ffff));
        for (uint32_t i = 0; i < 64; i++)
            x[i] = float_of(block << 24 | (i & 7) << (dropped - 2) |
                            ((i >> 3 & 1) << 23) | (i >> 4 & 1) | (i >> 5) << 22);
        kern_run(m->kernels.data[0], (void *[]){x, x, y}, NULL, 0, 1);
        for (int i = 0; i < MATH_BLOCK; i++) {
            if (isnan(x[i]))
                assert_true(isnan(y[i]));
            else if (isinf(x[i]))
                assert_true(y[i] == x[i]);
            else if (bits_of_float(y[i]) !=
                     bits_of_float(nearer(x[i], dropped)))
                fail_msg("%s of %a is %a and not %a", c->name, (double)x[i],
                         (double)y[i], (double)nearer(x[i], dropped));
        }
    }
    kern_module_free(m);
}

static void numbers_go_to_the_nearest(void **state)
{
    (void)state;
    check_rounding(&(math_case){"bf16", 1, build_bf16, .bound_f32 = 0}, 16);
    check_rounding(&(math_case){"tf32", 1, build_tf32, .bound_f32 = 0}, 13);
}

/* ---------- which sums ---------- */

static char *rounded(const char *text, ir_scalar op)
{
    ir_graph *g = ir_from_text(text);
    ptl_error err = {0};
    opt_round_operands(g, op);
    if (!ir_verify(g, &err))
        fail_msg("%s", err.text);
    char *out = ir_to_text(g);
    ir_graph_free(g);
    return out;
}

static void contractions_read_rounded_operands(void **state)
{
    (void)state;
    char *out = rounded("input x: real[3, 5] data f32;\n"
                        "input w: real[4, 5] param f32;\n"
                        "comp y[n:3, m:4 | k:0..5] = sum x[n, k] * w[m, k];\n"
                        "output y = y;\n",
                        IR_BF16_OP);
    assert_non_null(strstr(out, "sum bf16(x[n, k]) * bf16(w[m, k])"));
    free(out);
    out = rounded("input x: real[2, 3, 5] data f32;\n"
                  "input z: real[2, 4, 5] data f32;\n"
                  "comp y[b:2, n:3, m:4 | k:0..5] = sum x[b, n, k] *"
                  " z[b, m, k];\noutput y = y;\n",
                  IR_TF32_OP);
    assert_non_null(strstr(out, "sum tf32(x[b, n, k]) * tf32(z[b, m, k])"));
    free(out);
}

static void other_sums_keep_all_bits(void **state)
{
    (void)state;
    const char *text = "input x: real[3, 5] data f32;\n"
                       "input g: real[5] param f32;\n"
                       "comp norm[n:3 | k:0..5] = sum x[n, k] * x[n, k];\n"
                       "comp row[n:3 | k:0..5] = sum x[n, k] * g[k];\n"
                       "comp outer[n:3, m:5] = x[n, m] * g[m];\n"
                       "comp most[n:3, m:5 | k:0..5] = max x[n, k] * g[m];\n"
                       "output norm = norm;\noutput row = row;\n"
                       "output outer = outer;\noutput most = most;\n";
    char *out = rounded(text, IR_BF16_OP);
    assert_null(strstr(out, "bf16"));
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_go_to_the_nearest),
        cmocka_unit_test(contractions_read_rounded_operands),
        cmocka_unit_test(other_sums_keep_all_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
