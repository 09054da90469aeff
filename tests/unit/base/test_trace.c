/*
 * test_trace.c - timelines: what is written, and several made one.
 */
#include "base/file.h"
#include "base/trace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/ptl-trace-XXXXXX";
static char path[64], parts[3][64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/all", folder);
    for (int i = 0; i < 3; i++)
        snprintf(parts[i], sizeof parts[i], "%s/part%d", folder, i);
    return 0;
}

static int remove_folder(void **state)
{
    ptl_error err;
    (void)state;
    return folder_remove(folder, &err) != PTL_OK;
}

static void expect_file(const char *name, const char *text)
{
    ptl_bytes bytes;
    ptl_error err;
    assert_int_equal(file_read(name, &bytes, &err), PTL_OK);
    assert_string_equal((const char *)bytes.data, text);
    bytes_free(&bytes);
}

static void put(const char *name, const char *text)
{
    ptl_error err;
    assert_int_equal(file_write_whole(name, text, strlen(text), &err), PTL_OK);
}

static void merge(int count)
{
    const char *const all[] = {parts[0], parts[1], parts[2]};
    ptl_error err;
    assert_int_equal(trace_merge(path, all, count, &err), PTL_OK);
}

static void nothing_is_written_while_none_is_open(void **state)
{
    ptl_error err;
    (void)state;
    trace_span("kind", "name", trace_now());
    trace_thread("name");
    assert_false(trace_is_open());
    assert_true(trace_now() == 0);
    assert_int_equal(trace_close(&err), PTL_OK);
}

static void events_stand_a_line_each_with_names_escaped(void **state)
{
    ptl_bytes bytes;
    ptl_error err;
    (void)state;
    assert_int_equal(trace_open(path, "a \"b\"\\", &err), PTL_OK);
    trace_span("kind", "line\nfeed", trace_now());
    trace_span("kind", "span", trace_now());
    assert_int_equal(trace_close(&err), PTL_OK);
    assert_int_equal(file_read(path, &bytes, &err), PTL_OK);
    const char *text = (const char *)bytes.data;
    assert_non_null(
        strstr(text, "{\"name\":\"a \\u0022b\\u0022\\u005c\"}},\n"));
    assert_non_null(
        strstr(text, "\"name\":\"line\\u000afeed\",\"cat\":\"kind\""));
    assert_non_null(strstr(text, "\"name\":\"span\",\"cat\":\"kind\",\"ts\":"));
    assert_int_equal(strncmp(text, "[\n{", 3), 0);
    assert_string_equal(text + strlen(text) - 5, "}}\n]\n");
    bytes_free(&bytes);
}

static void parts_become_one_and_go(void **state)
{
    (void)state;
    put(parts[0], "[\n{\"a\":1},\n{\"b\":2}\n]\n");
    put(parts[1], "[\n{\"c\":3}\n]\n");
    merge(3); /* the third is not there */
    expect_file(path, "[\n{\"a\":1},\n{\"b\":2},\n{\"c\":3}\n]\n");
    assert_false(file_exists(parts[0]));
    assert_false(file_exists(parts[1]));
}

static void what_a_killed_process_left_half_is_left_out(void **state)
{
    (void)state;
    put(parts[0], "[\n{\"a\":1},\n{\"b\":");
    put(parts[1], "[\n{\"c\":3}\n]\n");
    merge(2);
    expect_file(path, "[\n{\"a\":1},\n{\"c\":3}\n]\n");
}

static void parts_without_events_are_an_empty_array(void **state)
{
    (void)state;
    put(parts[0], "[\n{");
    put(parts[1], "");
    merge(2);
    expect_file(path, "[]\n");
}

static void without_parts_nothing_is_written(void **state)
{
    (void)state;
    remove(path);
    merge(3);
    assert_false(file_exists(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_while_none_is_open),
        cmocka_unit_test(events_stand_a_line_each_with_names_escaped),
        cmocka_unit_test(parts_become_one_and_go),
        cmocka_unit_test(what_a_killed_process_left_half_is_left_out),
        cmocka_unit_test(parts_without_events_are_an_empty_array),
        cmocka_unit_test(without_parts_nothing_is_written),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
