/*
 * test_rounds.c - totals on the side of who adds up: when they are there, and
 * what is passed over. The sum of what is sent is its bytes, one after another.
 */
#include "base/str.h"
#include "dist/rounds.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { SERVERS = 3 };

static dist_blob *add_up(void *ctx, int round, dist_blob *const *sent)
{
    ptl_str text = {0};
    (void)ctx;
    str_printf(&text, "%d:", round);
    for (int i = 0; i < SERVERS; i++)
        if (sent[i])
            str_printf(&text, "%.*s", (int)blob_size(sent[i]),
                       (const char *)blob_bytes(sent[i]));
    dist_blob *all = blob_copy(text.data, text.length);
    str_fini(&text);
    return all;
}

/* The second of three has nothing that takes part. */
static dist_adder *open_adder(void)
{
    static const machine_totals totals = {.rounds = 2, .add_up = add_up};
    static const wire_limits limits = {.bucket_count = 4};
    static const machine_bucket buckets[] = {{.owner = 0, .rules.hold = true},
                                             {.owner = 1},
                                             {.owner = 2, .rules.hold = true},
                                             {.owner = 2}};
    machine_job job = {.servers = SERVERS,
                       .limits = &limits,
                       .buckets = buckets,
                       .totals = &totals};
    return adder_new(&job);
}

static void expect(dist_blob *totals, const char *wanted)
{
    if (!wanted) {
        assert_null(totals);
        return;
    }
    assert_non_null(totals);
    assert_int_equal(blob_size(totals), strlen(wanted));
    assert_memory_equal(blob_bytes(totals), wanted, strlen(wanted));
    blob_drop(totals);
}

static dist_blob *take(dist_adder *a, int ps, uint64_t turn, int round,
                       const char *text)
{
    return adder_take(a, ps, turn, round, (const uint8_t *)text, strlen(text));
}

static void totals_are_there_when_all_who_take_part_have_sent(void **state)
{
    (void)state;
    dist_adder *a = open_adder();
    assert_true(adder_knows(a, 0) && !adder_knows(a, 1) && adder_knows(a, 2));
    expect(take(a, 2, 0, 0, "b"), NULL);
    expect(take(a, 0, 0, 0, "a"), "0:ab");
    expect(take(a, 0, 0, 1, "c"), NULL);
    expect(take(a, 2, 0, 1, "d"), "1:cd");
    expect(take(a, 0, 1, 0, "e"), NULL);
    expect(take(a, 2, 1, 0, "f"), "0:ef");
    adder_free(a);
}

static void what_nobody_can_have_sent_is_passed_over(void **state)
{
    (void)state;
    dist_adder *a = open_adder();
    expect(take(a, 0, 0, 0, "a"), NULL);
    expect(take(a, 1, 0, 0, "x"), NULL);
    expect(take(a, -1, 0, 0, "x"), NULL);
    expect(take(a, SERVERS, 0, 0, "x"), NULL);
    expect(take(a, 2, 0, 2, "x"), NULL);
    expect(take(a, 2, 0, -1, "x"), NULL);
    expect(take(a, 2, 0, 0, "b"), "0:ab");
    adder_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals_are_there_when_all_who_take_part_have_sent),
        cmocka_unit_test(what_nobody_can_have_sent_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
