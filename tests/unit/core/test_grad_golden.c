/*
 * test_grad_golden.c - every tests/golden/grad/NAME.ir: its derivatives equal
 * the oracle's complex step to 1e-10, before and after the passes; visit at
 * most 3 times the forward's points for each operand; and print as
 * NAME.expected. With PTL_ACCEPT=1 in the environment the print is taken as
 * right (read the diff).
 */
#include "core/grad_case.h"
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char folder[] = PTL_SOURCE_DIR "/tests/golden/grad";

typedef struct golden {
    char name[256];
} golden;

static void path_of(const golden *g, const char *suffix, char path[1024])
{
    snprintf(path, 1024, "%s/%s%s", folder, g->name, suffix);
}

static void read_text(const char *path, ptl_str *out)
{
    char part[4096];
    FILE *file = fopen(path, "rb");
    if (!file)
        return;
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        str_addn(out, part, n);
    fclose(file);
}

static void compare_print(const golden *g, const grad_case *c)
{
    ptl_str printed = {0}, expected = {0};
    char path[1024];
    path_of(g, ".expected", path);
    grad_case_print(c, &printed);
    if (getenv("PTL_ACCEPT")) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fputs(str_text(&printed), file);
        fclose(file);
    }
    read_text(path, &expected);
    assert_string_equal(str_text(&printed), str_text(&expected));
    str_fini(&printed);
    str_fini(&expected);
}

static void raw_derivative_equals_complex_step(void **state)
{
    const golden *g = *state;
    char path[1024];
    path_of(g, ".ir", path);
    grad_case *c = grad_case_load(path);
    grad_case_build(c, false);
    double error = grad_case_error(c);
    assert_true(error <= 1e-10);
    assert_true(grad_case_volume(c) <= 1.0);
    assert_false(grad_case_uses(c, IR_MOD_OP));
    grad_case_free(c);
}

static void derivative_equals_complex_step_and_golden(void **state)
{
    const golden *g = *state;
    char path[1024];
    path_of(g, ".ir", path);
    grad_case *c = grad_case_load(path);
    grad_case_build(c, true);
    double error = grad_case_error(c);
    assert_true(error <= 1e-10);
    assert_false(grad_case_uses(c, IR_MOD_OP));
    compare_print(g, c);
    grad_case_free(c);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int main(int argc, char **argv)
{
    enum { MOST = 200 };
    static golden goldens[MOST];
    static struct CMUnitTest tests[2 * MOST];
    struct dirent **files;
    int count = 0, found = scandir(folder, &files, NULL, by_name);
    for (int i = 0; i < found; i++) {
        char *dot = strrchr(files[i]->d_name, '.');
        if (!dot || strcmp(dot, ".ir") != 0 || count == 2 * MOST)
            continue;
        *dot = '\0';
        if (argc > 1 && strcmp(argv[1], files[i]->d_name) != 0)
            continue;
        golden *g = &goldens[count / 2];
        snprintf(g->name, sizeof g->name, "%s", files[i]->d_name);
        tests[count++] = (struct CMUnitTest){
            g->name, raw_derivative_equals_complex_step, NULL, NULL, g};
        tests[count++] = (struct CMUnitTest){
            g->name, derivative_equals_complex_step_and_golden, NULL, NULL, g};
    }
    if (count == 0)
        return 1;
    return _cmocka_run_group_tests("grad goldens", tests, (size_t)count, NULL,
                                   NULL);
}
