/*
 * test_bounds.c - subscripts made from data are proven inside their axis, or
 * not, by the interval of what they compute.
 */
#include "lang/elab.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The slug elaboration ends with when `a[n, SUBSCRIPT]` is read; t[n] lies in
 * [0, 3) and a has three columns. NULL: none. */
static const char *verdict(const char *subscript)
{
    ptl_arena *arena = arena_new();
    ptl_diags *diags = diags_new(0);
    lang_sources sources = {ptl_stdlib_files, NULL, 0};
    elab_options options = {.mode = ELAB_EVAL};
    const char *text = arena_printf(
        arena,
        "test \"t\" { a = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]];\n"
        "  t[n] = argmax(k) a[n, k];\n  y[n] = a[n, %s];\n"
        "  expect close(y, [1.0, 1.0], 1e-6); }\n",
        subscript);
    lang_modules *all = lang_load_source(
        arena, src_file_new(arena, "t.ptl", text, strlen(text)), &sources,
        diags);
    const lang_module *main = all->modules[0];
    elab_test(arena, all, main, main->files[0]->decls[0], &options, diags);
    const char *slug = diags_error_count(diags) > 0
                           ? diag_slug(diags_code_at(diags, 0))
                           : NULL;
    diags_free(diags);
    arena_free(arena);
    return slug;
}

static void data_may_be_mirrored_and_scaled(void **state)
{
    (void)state;
    assert_null(verdict("t[n]"));
    assert_null(verdict("2 - t[n]"));
    assert_null(verdict("-t[n] + 2"));
    assert_null(verdict("2 * t[n] / 2"));
    assert_null(verdict("(t[n] + t[n]) / 2"));
    assert_null(verdict("2 - 2 * t[n] / 3"));
    assert_null(verdict("t[n] * t[n] % 3"));
}

static void what_leaves_the_axis_is_found(void **state)
{
    (void)state;
    assert_string_equal(verdict("3 - t[n]"), "out-of-bounds");
    assert_string_equal(verdict("t[n] + 1"), "out-of-bounds");
    assert_string_equal(verdict("-t[n]"), "out-of-bounds");
    assert_string_equal(verdict("t[n] * t[n]"), "out-of-bounds");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_may_be_mirrored_and_scaled),
        cmocka_unit_test(what_leaves_the_axis_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
