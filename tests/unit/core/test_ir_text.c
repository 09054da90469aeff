/*
 * test_ir_text.c - the textual form reads back as what was printed, and what
 * is not the textual form is refused.
 */
#include "core/ir_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Everything a graph can hold. */
static const char *const everything =
    "input x: real[4, 5] generic f32;\n"
    "input w: real[5, 3] param f32;\n"
    "input t: int(4)[7] data i32;\n"
    "input seed: int scalar i64;\n"
    "input \"odd name\": bool[2] state bool;\n"
    "literal k: real[3] f32 = {1.0, -0.0, 1e-30};\n"
    "literal o: int(3)[2] i64 = {0, 2};\n"
    "literal none: real[0, 3] f32 = {};\n"
    "comp y[i:4, j:3 | k:0..5] = sum x[i, k] * w[k, j];\n"
    "comp d[i:4] = x[i, i];\n"
    "comp g[n:7, j:5] = x[t[n], j];\n"
    "comp g2[n:6] = x[-1*n + (t[n + 1] + t[n]) - 1, 0 else -inf];\n"
    "comp c[i:9] = d[clamp(i - 2)] + d[wrap(2*i)] - d[reflect(i - 3)];\n"
    "comp m[i:2 | r:0..3, s:-1..2] = max x[i + r, s + 1] if r <= s || i == 0;\n"
    "comp a[| i:0..4, j:0..5] below 20 = argmax x[i, j];\n"
    "comp b[i:4] = inside(d[i + 1]) && !(x[i, 0] < 0.5);\n"
    "comp all_b[| i:0..4] = all b[i];\n"
    "comp r[i:4] = uniform(\"net/drop\", 4 * i + 1, 0, seed[]) + "
    "normal(\"a\\x22b\", i, 1, 2);\n"
    "comp e[i:4] = x[i, 0] ^ -2.0 + -x[i, 1] * (d[i] - -1.5) / 0.1;\n"
    "comp f[i:4] = d[i] > 0.0 ? (b[i] ? 1.0 : d[i]) : nan;\n"
    "comp h[i:4] below 4 = (t[i] + i) % 4;\n"
    "comp z[i:4] = fma(d[i], 2.0, stop(d[i])) + real(floor_div(i, 2));\n"
    "comp u[i:4] =\n"
    "    let $0 = exp(d[i] * d[i] + d[i]);\n"
    "    $0 * $0;\n"
    "scatter s: real[9] {\n"
    "    [i] at [2*i] += d;\n"
    "    [i, j] at [i + t[j]] += x;\n"
    "};\n"
    "scatter s2: real[8] disjoint {\n"
    "    [i] at [2*i] += d;\n"
    "    [i] at [2*i + 1] += e;\n"
    "};\n"
    "scan l: 6 reversed {\n"
    "    input at: int(6) generic i32;\n"
    "    input h: real[4] generic f32;\n"
    "    input v: real[4] generic f32;\n"
    "    comp n[i:4] = tanh(h[i] + v[i]) * real(at[]);\n"
    "} counter at bind d to v carry e in h next n stack n;\n"
    "result last = l 0;\n"
    "result trace = l 1;\n"
    "output y = y;\n"
    "output \"the trace\" = trace;\n"
    "update step = \"odd name\" into \"odd name\";\n";

static void printing_what_was_parsed_changes_nothing(void **state)
{
    (void)state;
    ir_graph *g = ir_from_text(everything);
    char *text = ir_to_text(g);
    assert_string_equal(text, everything);
    free(text);
    ir_graph_free(g);
}

static void bare_and_blank_forms_are_read(void **state)
{
    (void)state;
    ir_graph *g = ir_from_text("input x:real[3]data f64;# a comment\n"
                               "comp y[i:3]=(((x[i])))+1.0;output y=y;");
    char *text = ir_to_text(g);
    assert_string_equal(text, "input x: real[3] data f64;\n"
                              "comp y[i:3] = x[i] + 1.0;\n"
                              "output y = y;\n");
    free(text);
    ir_graph_free(g);
}

/* Variables need not have unique names in the graph, but do in print. */
static void equal_variable_names_are_told_apart(void **state)
{
    (void)state;
    ir_graph *g = ir_graph_new();
    ir_type type = {.kind = IR_REAL, .rank = 2, .dims = {2, 2}};
    ir_node *x = ir_input(g, "x", type, IR_GENERIC, PTL_F32);
    ir_var vars[] = {{"i", 0, 2}, {"i", 0, 2}};
    ir_comp comp = {2, 2, vars, IR_MAP, NULL, ir_read_plain(g, x, 0)};
    ir_comprehend(g, "sum", &comp, (src_range){0});
    char *text = ir_to_text(g);
    assert_string_equal(text, "input x: real[2, 2] generic f32;\n"
                              "comp \"sum\"[i:2, i_2:2] = x[i, i_2];\n");
    free(text);
    ir_graph_free(g);
}

static void refused(const char *text)
{
    ir_graph *g = ir_try_text(text, strlen(text));
    if (g)
        print_error("accepted: %s\n", text);
    assert_null(g);
}

static void wrong_text_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "input", "input x", "input x: real", "input x: real[3] data f32",
        "input x: real[-1] data f32;", "input x: real[3] data f99;",
        "input x: real[281474976710656, 4] data f32;",
        "input x: real[1,1,1,1,1,1,1,1,1] data f32;",
        "literal k: real[2] f32 = {1.0};", "literal k: int f32 = {1.0};",
        "comp y[i:3] = x[i];", "comp y[i:3] = j;", "comp y[i:3] = i + 1.0;",
        "comp y[i:3] = i ? 1 : 2;", "comp y[i:3, i:3] = i;",
        "comp y[i:3] = frobnicate(i);", "comp y[i:3] = $0;",
        "comp y[i:3] = 1 2;", "comp y[i:3 = i;", "comp y[i:99999999999999999999] = i;",
        "comp y[i:3] = (i;", "comp y[i:3] = i == i == i;", "comp y[] = \"x;",
        "comp y[] = 1.0; comp y[] = 1.0;", "output y = y;",
        "comp y[] = 1.0; result z = y 0;", "@", "comp y[] = \"\\x00\"[];",
        "scan s: 3 {", "scan s: -1 {};", "scan s: 1 { input x: real data f32; } carry q in x next x;",
        "input x: real[3] data f32; comp y[] = x[];",
        "input x: real[3] data f32; comp y[] = x[0.0];",
        "input x: real[3] data f32; comp y[] = x[0 else 1];",
        "input x: real[3] data f32; scatter s: real[3] { [] at [0] += x; };",
        "input x: real[3] data f32; scatter s: real[3] { [i] at [i, i] += x; };",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refused(wrong[i]);
}

/* The indented lines below a heading of `ptlc explain ir-syntax`. */
static void page_example(const char *heading, char *out, size_t room)
{
    FILE *page = fopen(PTL_SOURCE_DIR "/lang/explain/ir-syntax.md", "r");
    char line[256];
    bool on = false;
    size_t length = 0;
    assert_non_null(page);
    while (fgets(line, sizeof line, page)) {
        on = line[0] == ' ' || line[0] == '\n' ? on : !strcmp(line, heading);
        if (on && line[0] == ' ' && length + strlen(line) < room)
            length += (size_t)snprintf(out + length, room - length, "%s",
                                       line + 4);
    }
    fclose(page);
    assert_true(length > 0);
}

static void the_page_shows_what_is_read_and_what_is_not(void **state)
{
    char text[1024];
    (void)state;
    page_example("Wrong:\n", text, sizeof text);
    refused(text);
    page_example("Right:\n", text, sizeof text);
    ir_graph_free(ir_from_text(text));
}

static void wrong_text_has_its_slug(void **state)
{
    (void)state;
    ptl_arena *arena = arena_new();
    ptl_diags *diags = diags_new(0);
    const char text[] = "input x: real;\ncomp y[i:3] = x[i] +;\n";
    const src_file *file = src_file_new(arena, "a.ir", text, strlen(text));
    assert_null(ir_parse(file, diags));
    assert_int_equal(diags_error_count(diags), 1);
    assert_string_equal(diag_slug(diags_code_at(diags, 0)), "ir-syntax");
    diags_free(diags);
    arena_free(arena);
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    const char *const openers[] = {"(", "-(", "exp(", "x[", "scan s: 1 {"};
    for (size_t k = 0; k < sizeof openers / sizeof *openers; k++) {
        ptl_str text = {0};
        str_add(&text, "input x: real[3] data f32;");
        if (k < 4)
            str_add(&text, "comp y[] = ");
        for (int i = 0; i < DEPTH; i++)
            str_add(&text, openers[k]);
        assert_null(ir_try_text(str_text(&text), text.length));
        str_fini(&text);
    }
}

static void endless_sums_are_refused(void **state)
{
    (void)state;
    ptl_str text = {0};
    str_add(&text, "input x: real[3] data f32; comp y[] = x[0]");
    for (int i = 0; i < 1000000; i++)
        str_add(&text, " + x[1]");
    str_add(&text, ";");
    assert_null(ir_try_text(str_text(&text), text.length));
    str_fini(&text);
}

static uint32_t rolled(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Bytes changed, dropped, doubled: it parses or it does not; what parses
 * prints as something that parses to the same print. */
static void damaged_text_never_crashes(void **state)
{
    (void)state;
    static const char bytes[] = "0123456789.[](){}:;,=+-*/%^<>!?$|\"ixsum e";
    uint32_t seed = 12345;
    size_t size = strlen(everything);
    int parsed = 0;
    for (int round = 0; round < 20000; round++) {
        char *text = strdup(everything);
        for (uint32_t k = 1 + rolled(&seed) % 3; k; k--)
            text[rolled(&seed) % size] =
                bytes[rolled(&seed) % (sizeof bytes - 1)];
        ir_graph *g = ir_try_text(text, size);
        free(text);
        if (!g)
            continue;
        ptl_error err;
        char *once = ir_to_text(g);
        ir_verify(g, &err);
        ir_graph *again = ir_try_text(once, strlen(once));
        assert_non_null(again);
        char *twice = ir_to_text(again);
        assert_string_equal(once, twice);
        free(once);
        free(twice);
        ir_graph_free(g);
        ir_graph_free(again);
        parsed++;
    }
    assert_true(parsed > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printing_what_was_parsed_changes_nothing),
        cmocka_unit_test(bare_and_blank_forms_are_read),
        cmocka_unit_test(equal_variable_names_are_told_apart),
        cmocka_unit_test(wrong_text_is_refused),
        cmocka_unit_test(the_page_shows_what_is_read_and_what_is_not),
        cmocka_unit_test(wrong_text_has_its_slug),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(endless_sums_are_refused),
        cmocka_unit_test(damaged_text_never_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
