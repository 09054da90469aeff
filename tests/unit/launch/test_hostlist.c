/*
 * test_hostlist.c - lists of machines as Slurm writes them, good and bad.
 */
#include "base/str.h"
#include "launch/hostlist.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *expanded(ptl_arena *arena, const char *text)
{
    ptl_error err;
    host_list hosts = {0};
    ptl_str s = {0};
    if (hostlist_expand(arena, text, &hosts, &err) != PTL_OK) {
        assert_int_equal(err.status, PTL_E_DATA);
        return arena_strdup(arena, err.text);
    }
    for (int i = 0; i < hosts.count; i++)
        str_printf(&s, "%s%s", i ? " " : "", hosts.data[i]);
    return str_keep(&s, arena);
}

static const char *const good[][2] = {
    {"node", "node"},
    {"a,b,c", "a b c"},
    {"node[01-03,7],other", "node01 node02 node03 node7 other"},
    {"n[8-11]", "n8 n9 n10 n11"},
    {"n[098-101]", "n098 n099 n100 n101"},
    {"rack[1-2]node[3-4]", "rack1node3 rack1node4 rack2node3 rack2node4"},
    {"n[1-2]-ib,n[5]-ib", "n1-ib n2-ib n5-ib"},
    {"[1,3]", "1 3"},
};

static void names_ranges_and_zeros_are_expanded_in_order(void **state)
{
    (void)state;
    ptl_arena *arena = arena_new();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_string_equal(expanded(arena, good[i][0]), good[i][1]);
    arena_free(arena);
}

static const char *const bad[][2] = {
    {"", "a name is empty"},
    {"a,,b", "a name is empty"},
    {"a,", "a name is empty"},
    {"n[1-2", "a bracket is not closed"},
    {"n[1[2]]", "a bracket is closed that was not open"},
    {"n1]", "a bracket is closed that was not open"},
    {"n[]", "a bracket holds numbers and ranges"},
    {"n[1-]", "a bracket holds numbers and ranges"},
    {"n[a]", "a bracket holds numbers and ranges"},
    {"n[1,]", "a bracket holds numbers and ranges"},
    {"n[1 2]", "a bracket holds numbers and ranges"},
    {"n[3-1]", "a range counts upwards"},
    {"n[1-9999999999]", "a bracket holds numbers and ranges"},
    {"n[1-999999999]", "it names too many machines"},
    {"n[1-999][1-999]", "it names too many machines"},
    {"[1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1]",
     "a name has too many brackets"},
};

static void a_wrong_list_is_told_with_the_reason(void **state)
{
    (void)state;
    ptl_arena *arena = arena_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_string_equal(expanded(arena, bad[i][0]),
                            arena_printf(arena,
                                         "\"%s\" is no list of machines: %s",
                                         bad[i][0], bad[i][1]));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_ranges_and_zeros_are_expanded_in_order),
        cmocka_unit_test(a_wrong_list_is_told_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
