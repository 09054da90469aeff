/*
 * test_direct.c - contractions over operands where they lie, against the
 * oracle: windows of every kind, forward and backward, sizes that fit no tile.
 */
#include "llvm/graph_case.h"
#include "llvm/levels.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Does `stage` of this graph's compilation say so? */
static bool says(const char *text, const char *stage, const char *words)
{
    ptl_str out = {0};
    graph_emit(text, stage, &out);
    bool found = strstr(str_text(&out), words) != NULL;
    str_fini(&out);
    return found;
}

#define CASE(name, text)                                                       \
    static void name(void **state)                                             \
    {                                                                          \
        (void)state;                                                           \
        /* The product is made over operands where they lie. */                \
        assert_true(says(text, "schedule", "in place:"));                      \
        check_graph(text, false);                                              \
    }

CASE(a_padded_convolution,
     "input x: real[3, 5, 12, 13] data f32;\n"
     "input w: real[19, 5, 3, 3] param f32;\n"
     "comp y[n:3, o:19, p:12, q:13 | c:0..5, r:0..3, s:0..3] = sum "
     "x[n, c, p + r - 1, q + s - 1 else 0.0] * w[o, c, r, s];\n"
     "output y = y;\n")

CASE(a_strided_and_dilated_convolution,
     "input x: real[2, 4, 31, 30] data f32;\n"
     "input w: real[17, 4, 3, 3] param f32;\n"
     "comp y[n:2, o:17, p:15, q:14 | c:0..4, r:0..3, s:0..3] = sum "
     "x[n, c, 2*p + 2*r - 3, 2*q + 2*s - 2 else 0.0] * w[o, c, r, s];\n"
     "output y = y;\n")

CASE(padding_other_than_zero,
     "input x: real[2, 3, 12, 12] data f32;\n"
     "input w: real[16, 3, 5, 5] param f32;\n"
     "comp y[n:2, o:16, p:12, q:12 | c:0..3, r:0..5, s:0..5] = sum "
     "x[n, c, p + r - 2, q + s - 2 else 0.5] * w[o, c, r, s];\n"
     "output y = y;\n")

/* The longer sum of few results is cut into parts. */
CASE(the_gradient_of_weights,
     "input x: real[16, 1, 20, 20] data f32;\n"
     "input dy: real[16, 9, 18, 18] data f32;\n"
     "comp dw[o:9, c:1, r:3, s:3 | n:0..16, p:0..18, q:0..18] = sum "
     "dy[n, o, p, q] * x[n, c, p + r, q + s];\n"
     "output dw = dw;\n")

CASE(the_gradient_of_the_input,
     "input dy: real[2, 9, 10, 11] data f32;\n"
     "input w: real[9, 20, 3, 3] param f32;\n"
     "comp dx[n:2, c:20, u:12, v:13 | o:0..9, r:0..3, s:0..3] = sum "
     "dy[n, o, u - r, v - s else 0.0] * w[o, c, r, s];\n"
     "output dx = dx;\n")

CASE(one_dimension_and_a_pool_behind_it,
     "input x: real[5, 7, 64] data f32;\n"
     "input w: real[33, 7, 4] param f32;\n"
     "comp y[n:5, o:33, p:61 | c:0..7, r:0..4] = sum "
     "x[n, c, p + r] * w[o, c, r];\n"
     "comp z[n:5, o:33, p:61] = maximum(y[n, o, p], 0.0);\n"
     "comp h[n:5, o:33, p:30 | r:0..2] = max z[n, o, 2*p + r];\n"
     "comp f[n:5, o:33, p:30] = h[n, o, p] * 2.0;\n"
     "scatter g: real[5, 990] { [n, o, p] at [n, 30*o + p] += f; };\n"
     "output g = g;\n")

CASE(two_layers,
     "input x: real[2, 3, 14, 14] data f32;\n"
     "input w: real[8, 3, 3, 3] param f32;\n"
     "input v: real[12, 8, 3, 3] param f32;\n"
     "comp y[n:2, o:8, p:14, q:14 | c:0..3, r:0..3, s:0..3] = sum "
     "x[n, c, p + r - 1, q + s - 1 else 0.0] * w[o, c, r, s];\n"
     "comp z[n:2, o:8, p:14, q:14] = tanh(y[n, o, p, q]);\n"
     "comp t[n:2, o:12, p:12, q:12 | c:0..8, r:0..3, s:0..3] = sum "
     "z[n, c, p + r, q + s] * v[o, c, r, s];\n"
     "comp m[o:12 | n:0..2, p:0..12, q:0..12] = sum t[n, o, p, q];\n"
     "output t = t;\noutput m = m;\n")

/* A product for each entry of a batch; the result's batch and rows take turns. */
CASE(attention_scores_and_mixes,
     "input q: real[2, 19, 3, 16] data f32;\n"
     "input k: real[2, 23, 3, 16] data f32;\n"
     "input v: real[2, 23, 3, 21] data f32;\n"
     "comp s[n:2, h:3, t:19, u:23 | d:0..16] = sum "
     "q[n, t, h, d] * k[n, u, h, d];\n"
     "comp c[n:2, t:19, h:3, d:21 | u:0..23] = sum "
     "s[n, h, t, u] * v[n, u, h, d];\n"
     "output s = s;\noutput c = c;\n")

CASE(a_product_of_transposed_factors,
     "input x: real[37, 50] data f32;\n"
     "input y: real[37, 45] data f32;\n"
     "comp z[i:50, j:45 | k:0..37] = sum x[k, i] * y[k, j];\n"
     "output z = z;\n")

static const char *const every_level =
    "input x: real[2, 6, 11, 11] data f32;\n"
    "input w: real[21, 6, 3, 3] param f32;\n"
    "comp y[n:2, o:21, p:11, q:11 | c:0..6, r:0..3, s:0..3] = sum "
    "x[n, c, p + r - 1, q + s - 1 else 0.0] * w[o, c, r, s];\n"
    "comp dw[o:21, c:6, r:3, s:3 | n:0..2, p:0..11, q:0..11] = sum "
    "y[n, o, p, q] * x[n, c, p + r - 1, q + s - 1 else 0.0];\n"
    "output y = y;\noutput dw = dw;\n";

/* Neighbouring steps read elements in common; the runs are short. */
static const char overlapping[] =
    "input x: real[8, 1, 32, 32] data f32;\n"
    "input w: real[16, 1, 5, 5] param f32;\n"
    "input dy: real[8, 16, 28, 28] data f32;\n"
    "comp y[n:8, o:16, p:28, q:28 | r:0..5, s:0..5] = sum "
    "x[n, 0, p + r, q + s] * w[o, 0, r, s];\n"
    "comp dw[o:16, c:1, r:5, s:5 | n:0..8, p:0..28, q:0..28] = sum "
    "dy[n, o, p, q] * x[n, c, p + r, q + s];\n"
    "output y = y;\noutput dw = dw;\n";

static void short_overlapping_runs(void **state)
{
    (void)state;
    check_graph(overlapping, false);
}

/* A sum of many runs into a result that stays near: its tasks go through a
 * block of runs together. One thread has all of them, two have a half each. */
static void blocks_of_runs_around_the_tasks(void **state)
{
    (void)state;
    static const char text[] =
        "input x: real[5, 24, 18, 18] data f32;\n"
        "input dy: real[5, 40, 16, 16] data f32;\n"
        "comp dw[o:40, c:24, r:3, s:3 | n:0..5, p:0..16, q:0..16] = sum "
        "dy[n, o, p, q] * x[n, c, p + r, q + s];\n"
        "output dw = dw;\n";
    assert_true(says(text, "kernels", "runs outside"));
    assert_false(says(overlapping, "kernels", "runs outside"));
    check_graph(text, false);
}

static void every_level_gives_the_same_bits(void **state)
{
    (void)state;
    for (int f64 = 0; f64 < 2; f64++) {
        graph_case *c = graph_case_new(every_level, 3, f64);
        graph_way way = {.f64 = f64, .threads = 1, .cpu = "native"};
        graph_result *native = graph_case_run(c, way);
        for (int i = 0; test_levels()[i]; i++) {
            way.cpu = test_levels()[i];
            graph_result *r = graph_case_run(c, way);
            assert_same_bits(native, r);
            graph_result_free(r);
        }
        graph_result_free(native);
        graph_case_free(c);
    }
}

/* What the tiles' functions keep on the stack. */
static int spills(const char *text)
{
    int count = 0;
    bool inside = false;
    for (const char *at = text; at && *at;) {
        const char *end = strchr(at, '\n');
        size_t length = end ? (size_t)(end - at) : strlen(at);
        if (at[0] != '\t' && at[0] != '.' && at[0] != '#' && length > 0 &&
            at[0] != ' ')
            inside = strncmp(at, "direct.", 7) == 0;
        if (inside && length > 6 && strncmp(at + length - 5, "Spill", 5) == 0)
            count++;
        at = end ? end + 1 : NULL;
    }
    return count;
}

static void tiles_spill_nothing(void **state)
{
    (void)state;
    const char *const graphs[] = {every_level, overlapping};
    for (int i = 0; test_levels()[i]; i++)
        for (int g = 0; g < 2; g++) {
            graph_case *c = graph_case_new(graphs[g], 7, false);
            compile_options options = {.cpu = test_levels()[i]};
            ptl_error err = {0};
            ptl_str out = {0};
            if (strcmp(options.cpu, "portable") != 0) { /* fma is a call */
                assert_int_equal(
                    compile_emit(c->graph, "asm", &options, &out, &err),
                    PTL_OK);
                assert_non_null(strstr(out.data, "direct."));
                assert_int_equal(spills(out.data), 0);
            }
            str_fini(&out);
            graph_case_free(c);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_padded_convolution),
        cmocka_unit_test(a_strided_and_dilated_convolution),
        cmocka_unit_test(padding_other_than_zero),
        cmocka_unit_test(the_gradient_of_weights),
        cmocka_unit_test(the_gradient_of_the_input),
        cmocka_unit_test(one_dimension_and_a_pool_behind_it),
        cmocka_unit_test(two_layers),
        cmocka_unit_test(attention_scores_and_mixes),
        cmocka_unit_test(a_product_of_transposed_factors),
        cmocka_unit_test(short_overlapping_runs),
        cmocka_unit_test(blocks_of_runs_around_the_tasks),
        cmocka_unit_test(tiles_spill_nothing),
        cmocka_unit_test(every_level_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
