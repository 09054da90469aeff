/*
 * test_available.c - the least of what the system and the control groups leave,
 * read below a folder that stands for /.
 */
#include "runtime/available.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char root[] = "/tmp/ptl_available_XXXXXX";

/* Writes a file below root, and the folders it lies in. */
static void put(const char *path, const char *text)
{
    char full[400];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = '\0';
        mkdir(full, 0755);
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int begin(void **state)
{
    (void)state;
    strcpy(root + strlen(root) - 6, "XXXXXX");
    assert_non_null(mkdtemp(root));
    put("/proc/meminfo", "MemTotal: 4000 kB\nMemAvailable:    3000 kB\n");
    return 0;
}

static int end(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

static void without_groups_the_system_says(void **state)
{
    (void)state;
    assert_int_equal(memory_available(root), 3000 * 1024);
}

static void nothing_told_is_no_limit(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemTotal: 4000 kB\n");
    assert_true(memory_available(root) == INT64_MAX);
}

static void a_group_s_cached_files_count_as_free(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/box/job\n");
    put("/sys/fs/cgroup/box/job/memory.max", "1000000\n");
    put("/sys/fs/cgroup/box/job/memory.current", "700000\n");
    put("/sys/fs/cgroup/box/job/memory.stat",
        "anon 1\ninactive_file 200000\nactive_file 5\n");
    assert_int_equal(memory_available(root), 500000);
}

static void the_tightest_group_around_counts(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/box/job\n");
    put("/sys/fs/cgroup/box/job/memory.max", "max\n");
    put("/sys/fs/cgroup/box/job/memory.current", "10\n");
    put("/sys/fs/cgroup/box/memory.max", "900000\n");
    put("/sys/fs/cgroup/box/memory.current", "100000\n");
    put("/sys/fs/cgroup/memory.max", "2000000\n");
    put("/sys/fs/cgroup/memory.current", "100000\n");
    assert_int_equal(memory_available(root), 800000);
}

static void a_group_that_is_full_leaves_nothing(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "1000\n");
    put("/sys/fs/cgroup/memory.current", "1200\n");
    assert_int_equal(memory_available(root), 0);
}

static void the_first_version_is_read_too(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "5:cpu:/a\n4:memory:/not/there\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "5000\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "4500\n");
    put("/sys/fs/cgroup/memory/memory.stat",
        "cache 7\ntotal_inactive_file 300\n");
    assert_int_equal(memory_available(root), 800);
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROOT(without_groups_the_system_says),
        WITH_ROOT(nothing_told_is_no_limit),
        WITH_ROOT(a_group_s_cached_files_count_as_free),
        WITH_ROOT(the_tightest_group_around_counts),
        WITH_ROOT(a_group_that_is_full_leaves_nothing),
        WITH_ROOT(the_first_version_is_read_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
