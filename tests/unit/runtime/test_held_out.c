/*
 * test_held_out.c - `every` and `except` split the records of a source.
 */
#include "runtime/data.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/ptl-held-out-XXXXXX";

static int write_table(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file)
        return -1;
    for (int i = 0; i < 11; i++)
        fprintf(file, "%d\n", i);
    return fclose(file);
}

static int remove_table(void **state)
{
    (void)state;
    return unlink(path);
}

static void expect_rows(int64_t every, int64_t except, const float *wanted,
                        int64_t count)
{
    ptl_job_array array = {"x", path, "columns=0;header=false"};
    ptl_job_source source = {.reader = "csv",
                             .arrays = &array,
                             .array_count = 1,
                             .end = -1,
                             .every = every,
                             .except = except};
    data_options options = {0};
    ptl_dataset *data = NULL;
    ptl_error err = {0};
    if (data_open(&source, &options, &data, &err) != PTL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(data_rows(data), count);
    float got[11];
    data_gather(data, 0, NULL, 0, count, got);
    assert_memory_equal(got, wanted, (size_t)count * sizeof *got);
    data_close(data);
}

static void every_takes_each_fifth(void **state)
{
    (void)state;
    expect_rows(5, 0, (const float[]){0, 5, 10}, 3);
}

static void except_takes_the_others(void **state)
{
    (void)state;
    expect_rows(0, 5, (const float[]){1, 2, 3, 4, 6, 7, 8, 9}, 8);
}

static void both_at_once_are_refused(void **state)
{
    (void)state;
    ptl_job_array array = {"x", path, "columns=0;header=false"};
    ptl_job_source source = {.reader = "csv",
                             .arrays = &array,
                             .array_count = 1,
                             .end = -1,
                             .every = 5,
                             .except = 5};
    data_options options = {0};
    ptl_dataset *data = NULL;
    assert_int_equal(data_open(&source, &options, &data, NULL), PTL_E_PROGRAM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_takes_each_fifth),
        cmocka_unit_test(except_takes_the_others),
        cmocka_unit_test(both_at_once_are_refused),
    };
    return cmocka_run_group_tests(tests, write_table, remove_table);
}
