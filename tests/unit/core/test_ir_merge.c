/*
 * test_ir_merge.c - a copy of a graph is the graph; merged graphs stay apart.
 */
#include "core/ir_text.h"
#include "ir/eval.h"
#include "ir/merge.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every kind of node, a scan in a scan among them. */
static const char all_kinds[] =
    "input x: real[5, 20] generic f32;\n"
    "input w: real[20] param f32;\n"
    "input i: int(20)[5] data u8;\n"
    "literal l: real[2] f32 = {0.5, 3.0};\n"
    "comp m[n:5 | k:0..20] = argmax w[k] * x[n, k] if k > 2;\n"
    "comp q[n:5] = w[i[n]] + l[0];\n"
    "scatter s: real[20] { [n] at [i[n]] += q; };\n"
    "scan outer: 4 {\n"
    "    input h: real[5, 20] generic f32;\n"
    "    comp zero[i:20] = 0.0;\n"
    "    scan inner: 5 reversed {\n"
    "        input t: int(5) generic i32;\n"
    "        input s: real[20] generic f32;\n"
    "        input v: real[5, 20] generic f32;\n"
    "        comp n[i:20] = s[i] * 0.5 + v[t[], i];\n"
    "    } counter t bind h to v carry zero in s next n stack n;\n"
    "    result sums = inner 1;\n"
    "    comp g[i:5, j:20] = sums[i, 19 - j] * 0.25 + h[i, j];\n"
    "} carry x in h next g stack g;\n"
    "result y = outer 0;\n"
    "comp u[j:20] = w[j] - y[0, j] * normal(\"site\", j, 0, 1);\n"
    "output y = y;\noutput s = s;\noutput m = m;\nupdate w = u into w;\n";

static void a_copy_has_the_same_text(void **state)
{
    (void)state;
    ir_graph *g = ir_from_text(all_kinds);
    ir_graph *copy = ir_copy(g);
    char *before = ir_to_text(g);
    ir_graph_free(g);
    char *after = ir_to_text(copy);
    assert_string_equal(before, after);
    ptl_error err = {0};
    assert_true(ir_verify(copy, &err));
    free(before);
    free(after);
    ir_graph_free(copy);
}

static void merged_graphs_have_their_own_names_and_values(void **state)
{
    (void)state;
    ir_graph *a = ir_from_text("comp c[i:3] = real(i);\noutput c = c;\n");
    ir_graph *b = ir_from_text("comp c[i:3] = 2.0 * real(i);\noutput c = c;\n");
    ir_graph *merged = ir_graph_new();
    ir_merge(merged, a, "a/");
    ir_merge(merged, b, "b/");
    ir_graph_free(a);
    ir_graph_free(b);
    ptl_error err = {0};
    ir_values *v = ir_values_new(merged);
    assert_int_equal(ir_eval(merged, v, NULL, &err), PTL_OK);
    assert_int_equal(merged->outputs.count, 2);
    assert_string_equal(merged->outputs.data[0].name, "a/c");
    assert_string_equal(merged->outputs.data[1].name, "b/c");
    assert_true(creal(v->data[ir_find(merged, "a/c")->id][2]) == 2.0);
    assert_true(creal(v->data[ir_find(merged, "b/c")->id][2]) == 4.0);
    ir_values_free(v);
    ir_graph_free(merged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_has_the_same_text),
        cmocka_unit_test(merged_graphs_have_their_own_names_and_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
