/*
 * test_loading.c - sources read by threads of their own, and what is known of
 * their records before.
 */
#include "runtime/data.h"
#include "runtime/fake_job.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

enum { ROWS = 10 };

static int write_files(void **state)
{
    (void)state;
    gzFile gz;
    unsigned char bytes[8 + ROWS] = {0, 0, 8, 1, 0, 0, 0, ROWS};
    fake_data("", ROWS);
    fake_write("truncated.idx", bytes, sizeof bytes - 1);
    fake_write("text", "1,2\n", 4);
    gz = gzopen(fake_path("label.gz"), "wb");
    assert_non_null(gz);
    assert_int_equal(gzwrite(gz, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(gzclose(gz), Z_OK);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    fake_folder_remove();
    return 0;
}

static const data_options plain = {0}, skipping = {.skip_bad = true};

static ptl_job_source source_of(ptl_job_array *array, const char *reader,
                                const char *file)
{
    *array = (ptl_job_array){"x", fake_path(file), ""};
    return (ptl_job_source){
        .reader = reader, .arrays = array, .array_count = 1, .end = -1};
}

static void assert_foreseen(const ptl_job_source *source)
{
    data_preview p;
    ptl_dataset *d;
    ptl_error err;
    assert_true(data_preview_open(source, &plain, &p));
    assert_int_equal(data_open(source, &plain, &d, &err), PTL_OK);
    assert_int_equal(p.count, 1);
    assert_int_equal(p.rows, data_rows(d));
    assert_true(data_preview_holds(&p, d));
    data_close(d);
    data_preview_close(&p);
}

static void a_preview_is_what_reading_gives(void **state)
{
    (void)state;
    ptl_job_array a;
    static const char *const files[] = {"x.idx", "label.idx", "label.gz"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ptl_job_source s = source_of(&a, "idx", files[i]);
        assert_foreseen(&s);
        for (s.begin = 0; s.begin < 3; s.begin++)
            for (s.end = 8; s.end <= ROWS; s.end++) {
                assert_foreseen(&s);
                for (s.every = 1; s.every < 5; s.every++)
                    assert_foreseen(&s);
                s.every = 0;
                for (s.except = 2; s.except < 5; s.except++)
                    assert_foreseen(&s);
                s.except = 0;
            }
    }
}

static void other_records_are_not_what_was_foreseen(void **state)
{
    (void)state;
    ptl_job_array a, b;
    data_preview p;
    ptl_dataset *d;
    ptl_error err;
    ptl_job_source seen = source_of(&a, "idx", "label.idx");
    ptl_job_source came = source_of(&b, "idx", "x.idx");
    assert_true(data_preview_open(&seen, &plain, &p));
    assert_int_equal(data_open(&came, &plain, &d, &err), PTL_OK);
    assert_false(data_preview_holds(&p, d));
    data_close(d);
    came = seen;
    came.end = ROWS - 1;
    assert_int_equal(data_open(&came, &plain, &d, &err), PTL_OK);
    assert_false(data_preview_holds(&p, d));
    data_close(d);
    data_preview_close(&p);
}

static void nothing_is_foreseen_where_only_reading_tells(void **state)
{
    (void)state;
    ptl_job_array a;
    data_preview p;
    ptl_job_source s = source_of(&a, "csv", "text");
    assert_false(data_preview_open(&s, &plain, &p));
    s = source_of(&a, "idx", "label.idx");
    assert_false(data_preview_open(&s, &skipping, &p));
    s.end = ROWS + 1;
    assert_false(data_preview_open(&s, &plain, &p));
    s = source_of(&a, "idx", "text");
    assert_false(data_preview_open(&s, &plain, &p));
    s = source_of(&a, "idx", "nowhere");
    assert_false(data_preview_open(&s, &plain, &p));
}

static void a_loading_ends_as_opening_does(void **state)
{
    (void)state;
    static const char *const files[] = {"label.gz", "truncated.idx", "text",
                                        "nowhere"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ptl_job_array a;
        data_loading *l;
        ptl_dataset *d = NULL, *by_thread = NULL;
        ptl_error err = {0}, err_of_thread = {0};
        double seconds = -1;
        ptl_job_source s = source_of(&a, "idx", files[i]);
        ptl_status st = data_open(&s, &plain, &d, &err);
        assert_int_equal(data_load(&s, &plain, &l, NULL), PTL_OK);
        assert_int_equal(data_loaded(l, &by_thread, &seconds, &err_of_thread),
                         st);
        assert_string_equal(err.text, err_of_thread.text);
        assert_int_equal(st == PTL_OK, by_thread != NULL);
        assert_true(seconds >= 0);
        data_close(d);
        data_close(by_thread);
    }
}

static void a_loading_can_be_left(void **state)
{
    (void)state;
    ptl_job_array a;
    data_loading *l;
    ptl_job_source s = source_of(&a, "idx", "label.gz");
    assert_int_equal(data_load(&s, &plain, &l, NULL), PTL_OK);
    data_load_abandon(l);
    data_load_abandon(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_preview_is_what_reading_gives),
        cmocka_unit_test(other_records_are_not_what_was_foreseen),
        cmocka_unit_test(nothing_is_foreseen_where_only_reading_tells),
        cmocka_unit_test(a_loading_ends_as_opening_does),
        cmocka_unit_test(a_loading_can_be_left),
    };
    return cmocka_run_group_tests(tests, write_files, remove_files);
}
