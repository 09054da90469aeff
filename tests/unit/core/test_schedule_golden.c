/*
 * test_schedule_golden.c - every tests/golden/schedule/NAME.ir gives the
 * schedule in NAME.expected, fused and not. With PTL_ACCEPT=1 in the
 * environment the print is taken as right (read the diff).
 */
#include "core/ir_text.h"
#include "sched/sched.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char folder[] = PTL_SOURCE_DIR "/tests/golden/schedule";

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

static void print_schedule(const ir_graph *g, bool no_fuse, ptl_str *out)
{
    ptl_error err = {0};
    sched_schedule *s;
    sched_options options = {.no_fuse = no_fuse,
                             .target = {.name = "test",
                                        .lanes_f32 = 16,
                                        .registers = 32,
                                        .mr_f32 = 12,
                                        .nr_f32 = 32,
                                        .mr_f64 = 12,
                                        .nr_f64 = 16,
                                        .kc = 384}};
    if (sched_new(g, &options, &s, &err) != PTL_OK)
        fail_msg("%s", err.text);
    if (!sched_verify(s, &err))
        fail_msg("%s", err.text);
    str_add(out, no_fuse ? "# not fused\n" : "# fused\n");
    sched_print(s, out);
    sched_free(s);
}

static void compare(const char *name)
{
    char path[1024];
    ptl_str text = {0}, printed = {0}, expected = {0};
    snprintf(path, sizeof path, "%s/%s.ir", folder, name);
    read_text(path, &text);
    ir_graph *g = ir_from_text(str_text(&text));
    print_schedule(g, false, &printed);
    print_schedule(g, true, &printed);
    snprintf(path, sizeof path, "%s/%s.expected", folder, name);
    if (getenv("PTL_ACCEPT")) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fputs(str_text(&printed), file);
        fclose(file);
    }
    read_text(path, &expected);
    assert_string_equal(str_text(&printed), str_text(&expected));
    str_fini(&text);
    str_fini(&printed);
    str_fini(&expected);
    ir_graph_free(g);
}

static void schedules_are_as_accepted(void **state)
{
    (void)state;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ".ir") != 0)
            continue;
        *dot = '\0';
        compare(e->d_name);
        count++;
    }
    closedir(dir);
    assert_true(count > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_are_as_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
