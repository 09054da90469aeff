/*
 * test_grad_text.c - derivatives are printed in the language: every expected
 * text of tests/golden/grad parses as the body of a function.
 */
#include "lang/ast.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char folder[] = PTL_SOURCE_DIR "/tests/golden/grad";

static void read_into(const char *name, ptl_str *out)
{
    char path[1024], part[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        str_addn(out, part, n);
    fclose(file);
}

static void assert_parses(const char *name)
{
    ptl_arena *arena = arena_new();
    ptl_diags *diags = diags_new(0);
    ptl_str text = {0}, messages = {0};
    str_add(&text, "fn derived(x: real) -> y: real {\n");
    read_into(name, &text);
    str_add(&text, "return x;\n}\n");
    ptl_parse(arena, src_file_new(arena, name, str_text(&text), text.length),
              diags);
    diags_print(diags, &messages, false);
    if (diags_error_count(diags))
        fail_msg("%s", str_text(&messages));
    str_fini(&text);
    str_fini(&messages);
    diags_free(diags);
    arena_free(arena);
}

static void printed_derivatives_parse(void **state)
{
    (void)state;
    struct dirent **files;
    int count = scandir(folder, &files, NULL, alphasort), seen = 0;
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        const char *dot = strrchr(files[i]->d_name, '.');
        if (dot && strcmp(dot, ".expected") == 0) {
            assert_parses(files[i]->d_name);
            seen++;
        }
        free(files[i]);
    }
    free(files);
    assert_true(seen > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_derivatives_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
