/*
 * test_parse.c - text to tree: structure, recovery, limits.
 */
#include "lang/ast.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    ptl_arena *arena;
    ptl_diags *diags;
    ptl_str out;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->arena = arena_new();
    f->diags = diags_new(0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    arena_free(f->arena);
    diags_free(f->diags);
    str_fini(&f->out);
    free(f);
    return 0;
}

static ast_file *parse_bytes(fixture *f, const char *text, size_t size)
{
    return ptl_parse(f->arena, src_file_new(f->arena, "t.ptl", text, size),
                     f->diags);
}

static ast_file *parse(fixture *f, const char *text)
{
    return parse_bytes(f, text, strlen(text));
}

/* `expr` inside a function, printed again. */
static const char *reading_of(fixture *f, const char *expr)
{
    ast_file *file =
        parse(f, arena_printf(f->arena, "fn f(x: real) -> y: real { y = %s; }",
                              expr));
    assert_int_equal(diags_error_count(f->diags), 0);
    str_clear(&f->out);
    ast_print_expr(file->decls[0]->body.stmts[0]->value, &f->out);
    return str_text(&f->out);
}

static const char *messages(fixture *f)
{
    str_clear(&f->out);
    diags_print(f->diags, &f->out, false);
    return str_text(&f->out);
}

static void assert_message(fixture *f, const char *part)
{
    if (!strstr(messages(f), part))
        fail_msg("no \"%s\" in:\n%s", part, messages(f));
}

static void reductions_bind_between_add_and_multiply(void **state)
{
    fixture *f = *state;
    assert_string_equal(reading_of(f, "sum(k) a[k]*b[k] + c"),
                        "(sum(k) (a[k] * b[k])) + c");
    assert_string_equal(reading_of(f, "c - 2 * mean(i, ..s) x[i, ..s] * y"),
                        "c - (2 * (mean(i, ..s) (x[i, ..s] * y)))");
    assert_string_equal(reading_of(f, "-sum(k) x[k]"), "-(sum(k) x[k])");
    assert_string_equal(reading_of(f, "any(k) x[k] > 0"), "(any(k) x[k]) > 0");
    assert_string_equal(reading_of(f, "max(r in 0..k, s in 0..2*k if r < s) "
                                      "x[p*st + r - pad else -inf]"),
                        "max(r in 0..k, s in 0..(2 * k) if r < s) "
                        "x[((p * st) + r) - pad else -inf]");
}

static void operators_have_their_usual_order(void **state)
{
    fixture *f = *state;
    assert_string_equal(reading_of(f, "-a^2"), "-(a ^ 2)");
    assert_string_equal(reading_of(f, "a^-b^c"), "a ^ (-(b ^ c))");
    assert_string_equal(reading_of(f, "a - b - c"), "(a - b) - c");
    assert_string_equal(reading_of(f, "a < b && c || !d"),
                        "((a < b) && c) || (!d)");
    assert_string_equal(reading_of(f, "a ? b : c ? d : e"),
                        "a ? b : (c ? d : e)");
}

static void numbers_print_as_they_are(void **state)
{
    fixture *f = *state;
    assert_string_equal(reading_of(f, "[1, 1.0, 2e-3, 0.1, 1e300]"),
                        "[1, 1.0, 0.002, 0.1, 1e+300]");
    assert_string_equal(reading_of(f, "wait(30 s, 25 MiB, 1.5 epochs)"),
                        "wait(30 s, 25 MiB, 1.5 epochs)");
}

static void soft_keywords_are_names(void **state)
{
    fixture *f = *state;
    assert_string_equal(
        reading_of(f, "model + state * grad[data] - test.set(on = train)"),
        "(model + (state * grad[data])) - test.set(on = train)");
}

static void reduction_words_may_be_arguments(void **state)
{
    fixture *f = *state;
    assert_string_equal(reading_of(f, "bag(mode = mean, min = 0).max"),
                        "bag(mode = mean, min = 0).max");
}

static void doc_comments_stay_with_their_declaration(void **state)
{
    fixture *f = *state;
    ast_file *file = parse(f, "/// One.\n///\n/// Two.\nlayer l() {\n"
                              "  /// Weights.\n  param w[3] ~ zeros();\n}\n"
                              "//// not one\ntest \"t\" { }\n");
    assert_int_equal(diags_error_count(f->diags), 0);
    assert_string_equal(file->decls[0]->doc, "One.\n\nTwo.");
    assert_string_equal(file->decls[0]->members[0]->doc, "Weights.");
    assert_null(file->decls[1]->doc);
    file = parse(f, "///\n///\n/// Three.\ntest \"t\" { }\n");
    assert_string_equal(file->decls[0]->doc, "\n\nThree.");
}

static void every_statement_after_an_error_is_still_read(void **state)
{
    fixture *f = *state;
    ast_file *file = parse(f, "fn f(x: real) -> y: real {\n"
                              "  a = 1 +;\n"
                              "  b = 2;\n"
                              "  if b { c = ) ; d = 3; } else { e = 1; }\n"
                              "  for q inn b { r = 1; }\n"
                              "  g = 4\n"
                              "  y = 5;\n"
                              "}\n"
                              "hyper h: real = 1;\n"
                              "layr z() { use a = b; }\n"
                              "fn g(x: real) -> y: real { y = x; }\n");
    if (diags_error_count(f->diags) != 5)
        fail_msg("not five messages:\n%s", messages(f));
    assert_string_equal(file->decls[file->decl_count - 1]->name, "g");
    ast_block body = file->decls[0]->body;
    assert_int_equal(body.count, 4); /* b, if, g, y */
    assert_int_equal(body.stmts[1]->body.count, 1);
    assert_int_equal(body.stmts[1]->else_body.count, 1);
}

static void a_missing_semicolon_is_shown_where_it_belongs(void **state)
{
    fixture *f = *state;
    parse(f, "fn f(x: real) -> y: real {\n  y = x\n}\n");
    assert_message(f, "t.ptl:2:8: error: missing `;` [syntax]");
    assert_int_equal(diags_error_count(f->diags), 1);
}

static void a_missing_brace_names_the_open_one(void **state)
{
    fixture *f = *state;
    ast_file *file = parse(f, "fn f(x: real) -> y: real {\n  y = x;\n\n"
                              "fn g(x: real) -> y: real { y = x; }\n");
    assert_message(f, "t.ptl:4:1: error: missing `}` before `fn`");
    assert_message(f, "t.ptl:1:26: note: this `{` is still open");
    assert_int_equal(diags_error_count(f->diags), 1);
    assert_int_equal(file->decl_count, 2);
}

static void usual_mistakes_get_an_answer(void **state)
{
    static const struct {
        const char *expr, *answer;
    } cases[] = {
        {"k <-1", "a comparison is written `< -1`"},
        {"2 x", "written with `*`: `2 * x`"},
        {"2 * 3 y", "`3 * y`"},
        {"1. + x", "write `1.0`"},
        {".5 + x", "write `0.5`"},
        {"a / sum(k) x[k]", "a reduction after `/` needs parentheses"},
        {"sum + 1", "`sum` is a reduction"},
        {"sum(x[k])", "`sum(k) x[k]`"},
        {"max(a, 0)", "`maximum(a, b)`"},
        {"a = b", "`==` compares"},
        {"a < b < c", "comparisons do not chain"},
        {"a and b", "`and` is written `&&`"},
        {"a ** b", "`a ^ b`"},
        {"a & b", "and is `&&`"},
        {"'text'", "double quotes"},
        {"\"text\n", "no closing"},
        {"\"\\q\"", "unknown escape"},
        {"x.for + 1", "`for` is a word of the language"},
        {"99999999999999999999", "this integer is larger"},
        {"1e999", "larger than any real"},
        {"f(a = 1, a = 2)", "given twice"},
        {"f(a = 1, 2)", "cannot follow a named one"},
        {"\xc3\xa9t\xc3\xa9", "written in ASCII"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture *f = *state;
        diags_free(f->diags);
        f->diags = diags_new(0);
        parse(f,
              arena_printf(f->arena, "fn f(x: real) -> y: real { y = %s; }\n",
                           cases[i].expr));
        assert_message(f, cases[i].answer);
        if (diags_error_count(f->diags) != 1)
            fail_msg("not one message:\n%s", messages(f));
    }
}

static char *repeated(fixture *f, const char *piece, int count)
{
    size_t length = strlen(piece);
    char *text = arena_alloc(f->arena, length * (size_t)count + 1);
    for (int i = 0; i < count; i++)
        memcpy(text + length * (size_t)i, piece, length);
    return text;
}

static void deep_nesting_is_refused_in_one_message(void **state)
{
    static const struct {
        const char *piece, *before, *after;
    } cases[] = {
        {"(", "fn f(x: real) -> y: real { y = ", ""},
        {"-", "fn f(x: real) -> y: real { y = ", "x; }"},
        {"x+", "fn f(x: real) -> y: real { y = ", "x; }"},
        {"x^", "fn f(x: real) -> y: real { y = ", "x; }"},
        {"x?x:", "fn f(x: real) -> y: real { y = ", "x; }"},
        {"sum(k) ", "fn f(x: real) -> y: real { y = ", "x; }"},
        {"f(", "fn f(x: real) -> y: real { y = ", ""},
        {"[", "fn f(x: real) -> y: real { y = ", ""},
        {"if x { ", "fn f(x: real) -> y: real { ", ""},
        {"if x { } else ", "fn f(x: real) -> y: real { ", "{ } }"},
        {"{", "", ""},
        {".x", "fn f(x: real) -> y: real { y = x", "; }"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture *f = *state;
        diags_free(f->diags);
        f->diags = diags_new(0);
        ast_file *file =
            parse(f, arena_printf(f->arena, "%s%s%s", cases[i].before,
                                  repeated(f, cases[i].piece, 100000),
                                  cases[i].after));
        if (cases[i].piece[0] == '{') {
            assert_int_equal(diags_error_count(f->diags), 1);
            continue;
        }
        assert_null(file);
        assert_int_equal(diags_error_count(f->diags), 1);
        if (diags_code_at(f->diags, 0) != DIAG_NESTING)
            fail_msg("%s: %s", cases[i].piece, messages(f));
    }
}

static void nesting_within_the_limit_is_read(void **state)
{
    fixture *f = *state;
    parse(f, arena_printf(f->arena, "fn f(x: real) -> y: real { y = %sx%s; }",
                          repeated(f, "(", 400), repeated(f, ")", 400)));
    assert_int_equal(diags_error_count(f->diags), 0);
}

static void a_source_over_the_limit_is_refused_by_name(void **state)
{
    fixture *f = *state;
    assert_null(parse(f, repeated(f, "// a line of text\n", 300000)));
    assert_int_equal(diags_code_at(f->diags, 0), DIAG_SOURCE_SIZE);
    assert_message(f, "\"t.ptl\" is larger than 4 MiB");
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *answer;
    } cases[] = {
        {"// a\n\0b\n", 8, "t.ptl:2:1: error: a NUL byte"},
        {"// \xff\n", 5, "t.ptl:1:4: error: byte 0xff is not UTF-8 here"},
        {"// \xc3", 4, "byte 0xc3"},
        {"// \xed\xa0\x80\n", 7, "byte 0xed"},     /* a surrogate */
        {"// \xc0\x80\n", 6, "byte 0xc0"},         /* overlong */
        {"// \xf4\x90\x80\x80\n", 8, "byte 0xf4"}, /* too large */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture *f = *state;
        diags_free(f->diags);
        f->diags = diags_new(0);
        assert_null(parse_bytes(f, cases[i].text, cases[i].size));
        assert_int_equal(diags_code_at(f->diags, 0), DIAG_ENCODING);
        assert_message(f, cases[i].answer);
    }
}

static void any_cut_of_a_program_ends_in_messages(void **state)
{
    static const char text[] =
        "ptl 1;\nimport std.nn;\nlayer l(a: int in [1, 7], b: real = 0.5) {\n"
        "  use c[a] = nn.linear(out = a); state s[C] = 0 sync mean;\n"
        "  fn (x: real[..b, K]) -> (y: real[N], z: real) {\n"
        "    scan t in 0..T from h[n, -1] = 0 { h[n, t] = h[n, t - 1]; }\n"
        "    if a > 1 { y[..b] = sum(k if k <= a) x[..b, k else 0]; }\n"
        "    else { s[c] <- 1; (y, z) = f(x); return y, z; }\n  }\n}\n"
        "cluster { ps = 1..2; on loss = wait(30 s) then abort; }\n";
    fixture *f = *state;
    for (size_t size = 0; size < sizeof text; size++) {
        diags_free(f->diags);
        f->diags = diags_new(0);
        parse_bytes(f, text, size);
        messages(f);
    }
    assert_int_equal(diags_error_count(f->diags), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(reductions_bind_between_add_and_multiply),
        TEST(operators_have_their_usual_order),
        TEST(numbers_print_as_they_are),
        TEST(soft_keywords_are_names),
        TEST(reduction_words_may_be_arguments),
        TEST(doc_comments_stay_with_their_declaration),
        TEST(every_statement_after_an_error_is_still_read),
        TEST(a_missing_semicolon_is_shown_where_it_belongs),
        TEST(a_missing_brace_names_the_open_one),
        TEST(usual_mistakes_get_an_answer),
        TEST(deep_nesting_is_refused_in_one_message),
        TEST(nesting_within_the_limit_is_read),
        TEST(a_source_over_the_limit_is_refused_by_name),
        TEST(bytes_that_are_no_text_are_refused),
        TEST(any_cut_of_a_program_ends_in_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
