/*
 * test_memory.c - what is counted as mapped is what the system gives.
 */
#include "runtime/run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Resident memory of this process, in bytes. */
static double resident(void)
{
    long total = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &total, &pages), 2);
    fclose(f);
    return 4096.0 * (double)pages;
}

static void touched_blocks_are_as_large_as_counted(void **state)
{
    (void)state;
    /* The last just over a huge page: its end must not become one more. */
    static const size_t sizes[] = {100 << 10, 33 << 20, (2 << 20) + 64};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    void *blocks[COUNT];
    size_t before = memory_in_use(), all = 0;
    double start = resident();
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = memory_map(sizes[i]);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, sizes[i]);
        all += sizes[i];
    }
    double grown = resident() - start;
    assert_int_equal(memory_in_use() - before, all);
    if (grown < 0.95 * (double)all || grown > 1.05 * (double)all)
        fail_msg("%zu bytes were counted, %.0f are resident", all, grown);
    for (int i = 0; i < COUNT; i++)
        memory_unmap(blocks[i], sizes[i]);
    assert_int_equal(memory_in_use(), before);
}

static void the_peak_stays_after_blocks_go(void **state)
{
    (void)state;
    size_t before = memory_in_use();
    memory_peak_begin();
    assert_int_equal(memory_peak(), before);
    void *a = memory_map(6400), *b = memory_map(640);
    memory_unmap(a, 6400);
    a = memory_map(64);
    assert_int_equal(memory_peak() - before, 7040);
    memory_unmap(a, 64);
    memory_unmap(b, 640);
    assert_int_equal(memory_peak() - before, 7040);
    memory_peak_begin();
    assert_int_equal(memory_peak(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(touched_blocks_are_as_large_as_counted),
        cmocka_unit_test(the_peak_stays_after_blocks_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
