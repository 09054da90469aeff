/*
 * test_two_errors.c - two mistakes planted far apart are both reported, and
 * nothing is said of a line that is right once one of them is mended.
 *
 * Right programs get two mistakes of the table below, each at a place of its
 * own. What is said of both must be what is said of each alone: no line more,
 * and something of each. The pairs follow from a fixed seed.
 */
#include "base/file.h"
#include "lang/elab.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct plant {
    const char *name, *right, *wrong;
} plants[] = {
    {"no semicolon", ";\n", "\n"},
    {"no closing parenthesis", ");\n", ";\n"},
    {"no closing bracket", "];\n", ";\n"},
    {"a parenthesis too many", ";\n", ");\n"},
    {"an operator without its right side", ");\n", ") +;\n"},
    {"fn in another language", "\nfn ", "\nfunc "},
    {"a misspelt keyword", "\nlayer ", "\nlayr "},
    {"a misspelt statement", "  expect ", "  exepct "},
    {"a misspelt member", "  use ", "  us "},
    {"a misspelt parameter", "  param ", "  parm "},
    {"a comparison for a definition", "] = ", "] == "},
    {"a reduction without its index", "sum(k) ", "sum "},
    {"no opening brace", " {\n", "\n"},
    {"no closing brace", "\n}\n", "\n\n"},
    {"a quote that is not closed", "\" {\n", " {\n"},
    {"a comment of another language", ";\n", "; # so\n"},
    {"a number without its end", "1.0", "1."},
    {"and for &&", "&&", "and"},
    {"two signs", " + ", " + * "},
    {"a colon for a comma", ", ", ": "},
    {"a misspelt type", ": real[", ": reel["},
    {"a misspelt function", "expect close(", "expect closer("},
    {"an index that nothing binds", "sum(k) ", ""},
    {"an argument too few", ", 0.0);\n", ");\n"},
    {"a misspelt argument", "(out = ", "(outs = "},
    {"text for a number", "2 * ", "\"a\" * "},
    {"a misspelt name", "[i] = x[i", "[i] = xx[i"},
    {"a library that is not there", "import std.", "import sdt."},
};

enum { PLANTS = sizeof plants / sizeof *plants, PAIRS = 200 };

static const char *const programs[] = {
    "tests/language/layers.ptl",      "tests/language/reductions.ptl",
    "tests/language/statements.ptl",  "tests/language/subscripts.ptl",
    "tests/language/gradients.ptl",   "examples/digits_mlp.ptl",
    "examples/fashion_lenet.ptl",     "examples/gpt_nano.ptl",
    "examples/linear_regression.ptl", "examples/tensor_puzzles.ptl",
};

enum { PROGRAMS = sizeof programs / sizeof *programs, MOST_LINES = 1000 };

/* Lines of which something is said. */
typedef struct lines {
    bool said[MOST_LINES];
    int count;
} lines;

typedef struct place {
    const struct plant *plant;
    size_t at;
    int line, decl; /* the line, and which declaration it belongs to */
} place;

static void check_all(ptl_arena *arena, const src_file *file, ptl_diags *diags)
{
    lang_sources sources = {ptl_stdlib_files, NULL, 0};
    lang_modules *all = lang_load_source(arena, file, &sources, diags);
    const lang_module *m = all->modules[0];
    elab_options options = {.mode = ELAB_TRAIN};
    lang_check_names(all, m, diags);
    lang_check_alone(all, m, diags);
    if (elab_has_train(all))
        elab_train(arena, all, &options, diags);
    options.mode = ELAB_EVAL;
    for (int i = 0; m->file_count && i < m->files[0]->decl_count; i++)
        if (m->files[0]->decls[i]->kind == DECL_TEST)
            elab_test(arena, all, m, m->files[0]->decls[i], &options, diags);
}

static lines check_text(const char *text, size_t size, ptl_str *said)
{
    ptl_arena *arena = arena_new();
    ptl_diags *diags = diags_new(0);
    src_file *file = src_file_new(arena, "two.ptl", text, size);
    lines out = {0};
    check_all(arena, file, diags);
    for (int i = 0; i < diags_error_count(diags); i++) {
        src_range at = diags_range_at(diags, i);
        int line = 0, column;
        if (at.file == file)
            src_position(at, &line, &column);
        assert_true(line < MOST_LINES);
        out.count += !out.said[line];
        out.said[line] = true;
    }
    if (said)
        diags_print(diags, said, false);
    diags_free(diags);
    arena_free(arena);
    return out;
}

/* `text` with both mistakes; `a` stands before `b`, which may be NULL. */
static char *planted(const char *text, const place *a, const place *b)
{
    ptl_str s = {0};
    char *out;
    const place *both[2] = {a, b};
    size_t done = 0;
    for (int i = 0; i < 2 && both[i]; i++) {
        str_addn(&s, text + done, both[i]->at - done);
        str_add(&s, both[i]->plant->wrong);
        done = both[i]->at + strlen(both[i]->plant->right);
    }
    str_add(&s, text + done);
    out = strdup(str_text(&s));
    str_fini(&s);
    return out;
}

/* ---------- places ---------- */

static bool in_comment(const char *text, size_t at)
{
    size_t begin = at;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    for (size_t i = begin; i + 1 < at; i++)
        if (text[i] == '/' && text[i + 1] == '/')
            return true;
    return false;
}

/* Which declaration: they begin at the beginning of a line. */
static void find_place(const char *text, place *p)
{
    size_t end = p->at + (p->plant->right[0] == '\n');
    p->line = p->decl = 1;
    for (size_t i = 0; i < end; i++)
        if (text[i] == '\n') {
            p->line++;
            p->decl += text[i + 1] >= 'a' && text[i + 1] <= 'z';
        }
}

static bool pick(const char *text, const struct plant *plant, unsigned *seed,
                 place *out)
{
    int count = 0, chosen;
    for (const char *p = text; (p = strstr(p, plant->right)); p++)
        count++;
    if (count == 0)
        return false;
    *seed = *seed * 1664525u + 1013904223u;
    chosen = (int)((*seed >> 8) % (unsigned)count);
    *out = (place){.plant = plant};
    for (const char *p = text; (p = strstr(p, plant->right)); p++)
        if (chosen-- == 0)
            out->at = (size_t)(p - text);
    find_place(text, out);
    return !in_comment(text, out->at);
}

/* ---------- the claim ---------- */

static int extra_line(const lines *both, const lines *a, const lines *b)
{
    for (int i = 0; i < MOST_LINES; i++)
        if (both->said[i] && !a->said[i] && !b->said[i])
            return i;
    return 0;
}

static bool shares_line(const lines *both, const lines *one)
{
    for (int i = 0; i < MOST_LINES; i++)
        if (both->said[i] && one->said[i])
            return true;
    return false;
}

static void show(const char *program, const place *a, const place *b,
                 const char *what, const ptl_str *said)
{
    print_error("%s: %s (line %d)", program, a->plant->name, a->line);
    if (b)
        print_error(", %s (line %d)", b->plant->name, b->line);
    print_error(": %s\n%s\n", what, str_text(said));
}

/* One mistake is seen on one line; 0: on none, it is no mistake there. */
static int try_one(const char *program, const char *text, const place *a,
                   lines *found, int *failed)
{
    char *wrong = planted(text, a, NULL);
    ptl_str said = {0};
    *found = check_text(wrong, strlen(wrong), &said);
    if (found->count > 1) {
        show(program, a, NULL, "seen on several lines", &said);
        (*failed)++;
    }
    str_fini(&said);
    free(wrong);
    return found->count;
}

static void try_both(const char *program, const char *text, const place *a,
                     const place *b, const lines *one, int *failed)
{
    char *wrong = planted(text, a, b);
    ptl_str said = {0};
    lines both = check_text(wrong, strlen(wrong), &said);
    const char *what = NULL;
    if (!shares_line(&both, &one[0]) || !shares_line(&both, &one[1]))
        what = "not both are seen";
    else if (extra_line(&both, &one[0], &one[1]))
        what = "a right line is blamed";
    if (what)
        show(program, a, b, what, &said);
    *failed += what != NULL;
    str_fini(&said);
    free(wrong);
}

static void two_mistakes_are_two_messages(void **state)
{
    ptl_arena *arena = arena_new();
    unsigned seed = 1;
    int tried = 0, failed = 0;
    (void)state;
    for (int n = 0; tried < PAIRS && n < 100 * PAIRS; n++) {
        const char *name = programs[n % PROGRAMS];
        const struct plant *one = &plants[n % PLANTS];
        const struct plant *two = &plants[(n / PLANTS + 7 * n) % PLANTS];
        place a, b;
        ptl_error err;
        char path[512];
        src_file *file;
        lines alone[2];
        snprintf(path, sizeof path, "%s/%s", PTL_SOURCE_DIR, name);
        file = lang_read(arena, path, &err);
        assert_non_null(file);
        if (!pick(file->text, one, &seed, &a) ||
            !pick(file->text, two, &seed, &b) || abs(a.decl - b.decl) < 2)
            continue;
        if (!try_one(name, file->text, &a, &alone[0], &failed) ||
            !try_one(name, file->text, &b, &alone[1], &failed))
            continue;
        try_both(name, file->text, a.at < b.at ? &a : &b, a.at < b.at ? &b : &a,
                 alone, &failed);
        tried++;
    }
    arena_free(arena);
    assert_int_equal(tried, PAIRS);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_mistakes_are_two_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
