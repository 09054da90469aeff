/*
 * test_file.c - files appear whole or not at all; folders come and go.
 */
#include "base/file.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static const char *path(const char *name)
{
    static char paths[4][128];
    static int next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", folder, name);
    return p;
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ptl-file-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return folder_remove(folder, NULL) == PTL_OK ? 0 : -1;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    ptl_bytes b;
    assert_int_equal(file_write_whole(path("a"), "one\0two", 7, NULL), PTL_OK);
    assert_int_equal(file_read(path("a"), &b, NULL), PTL_OK);
    assert_int_equal(b.size, 7);
    assert_memory_equal(b.data, "one\0two\0", 8);
    bytes_free(&b);
    assert_int_equal(file_write_whole(path("a"), NULL, 0, NULL), PTL_OK);
    assert_int_equal(file_read(path("a"), &b, NULL), PTL_OK);
    assert_int_equal(b.size, 0);
    bytes_free(&b);
}

static void a_failed_write_keeps_the_old_file_and_leaves_no_other(void **state)
{
    (void)state;
    struct rlimit before, small;
    ptl_error err;
    ptl_bytes b;
    char big[1000] = {0};
    assert_int_equal(file_write_whole(path("kept"), "old", 3, NULL), PTL_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 100;
    setrlimit(RLIMIT_FSIZE, &small);
    ptl_status st = file_write_whole(path("kept"), big, sizeof big, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(st, PTL_E_IO);
    assert_non_null(strstr(err.text, "kept"));
    assert_int_equal(file_read(path("kept"), &b, NULL), PTL_OK);
    assert_string_equal((char *)b.data, "old");
    bytes_free(&b);
    char left[160];
    snprintf(left, sizeof left, "%s.tmp-%ld", path("kept"), (long)getpid());
    assert_false(file_exists(left));
}

static void failures_name_the_path(void **state)
{
    (void)state;
    ptl_error err;
    ptl_bytes b;
    assert_int_equal(file_read(path("none"), &b, &err), PTL_E_IO);
    assert_non_null(strstr(err.text, "/none\": No such file"));
    assert_int_equal(file_read(folder, &b, &err), PTL_E_IO);
    assert_int_equal(file_write_whole(path("no/where"), "", 0, &err), PTL_E_IO);
    assert_non_null(strstr(err.text, "/no/where"));
    assert_int_equal(file_write_whole(path("plain"), "", 0, NULL), PTL_OK);
    assert_int_equal(folder_make(path("plain"), &err), PTL_E_IO);
    assert_int_equal(folder_make(path("plain/below"), &err), PTL_E_IO);
}

static void folders_are_replaced_at_once(void **state)
{
    (void)state;
    assert_int_equal(folder_make(path("new/inner"), NULL), PTL_OK);
    assert_int_equal(file_write_whole(path("new/inner/f"), "2", 1, NULL),
                     PTL_OK);
    assert_int_equal(folder_replace(path("new"), path("there"), NULL), PTL_OK);
    assert_true(file_exists(path("there/inner/f")));
    assert_int_equal(folder_make(path("new"), NULL), PTL_OK);
    assert_int_equal(file_write_whole(path("new/g"), "3", 1, NULL), PTL_OK);
    assert_int_equal(folder_replace(path("new"), path("there"), NULL), PTL_OK);
    assert_true(file_exists(path("there/g")));
    assert_false(file_exists(path("there/inner/f")));
    assert_false(folder_exists(path("new")));
}

static void removing_does_not_follow_links(void **state)
{
    (void)state;
    assert_int_equal(folder_make(path("outside"), NULL), PTL_OK);
    assert_int_equal(file_write_whole(path("outside/f"), "", 0, NULL), PTL_OK);
    assert_int_equal(folder_make(path("doomed"), NULL), PTL_OK);
    assert_int_equal(symlink(path("outside"), path("doomed/link")), 0);
    assert_int_equal(folder_remove(path("doomed"), NULL), PTL_OK);
    assert_false(folder_exists(path("doomed")));
    assert_true(file_exists(path("outside/f")));
    assert_int_equal(folder_remove(path("never there"), NULL), PTL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_failed_write_keeps_the_old_file_and_leaves_no_other),
        cmocka_unit_test(failures_name_the_path),
        cmocka_unit_test(folders_are_replaced_at_once),
        cmocka_unit_test(removing_does_not_follow_links),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
