/*
 * test_shard.c - gradients of one bucket: what is added up, in what order, when
 * there is an update and which values can be read, for every way to aggregate.
 *
 * The bucket has two numbers. The store writes down what it is asked for:
 * "1+2/5" is 1, 2 added, an update by weight 5.
 */
#include "base/str.h"
#include "dist/shard.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { WORKERS = 3, BYTES = 16, CHUNK = 8 };

static ptl_str said;
static uint64_t value[2];
static dist_shard *shard;

static void add(void *ctx, uint32_t bucket, const uint8_t *const *parts,
                int count, size_t bytes, bool first)
{
    uint64_t words[2];
    (void)ctx;
    assert_int_equal(bucket, 7);
    assert_int_equal(bytes, BYTES);
    for (int i = 0; i < count; i++) {
        memcpy(words, parts[i], bytes);
        assert_int_equal(words[1], words[0] + 100);
        str_printf(&said, "%s%llu", first && i == 0 ? " " : "+",
                   (unsigned long long)words[0]);
    }
}

static void update(void *ctx, uint32_t bucket, double weight, uint64_t updates)
{
    (void)ctx, (void)bucket;
    assert_int_equal(updates, value[0]);
    str_printf(&said, "/%g", weight);
    value[0]++;
}

static void meet(void *ctx, uint32_t bucket, int worker, const uint8_t *part,
                 double weight, uint64_t number)
{
    uint64_t words[2];
    (void)ctx, (void)bucket;
    memcpy(words, part, sizeof words);
    assert_int_equal(number, value[0]);
    str_printf(&said, " %d:%llu/%g", worker, (unsigned long long)words[0],
               weight);
    value[0]++;
}

static const uint8_t *current(void *ctx, uint32_t bucket)
{
    (void)ctx, (void)bucket;
    return (const uint8_t *)value;
}

static const shard_store store = {
    .add = add, .update = update, .meet = meet, .value = current};

static void open_shard(dist_aggregate aggregate, dist_sync sync, bool ordered,
                       int stale)
{
    shard_rules r = {.aggregate = aggregate,
                     .sync = sync,
                     .ordered = ordered,
                     .stale = stale,
                     .workers = WORKERS};
    shard_free(shard);
    str_clear(&said);
    memset(value, 0, sizeof value);
    shard = shard_new(&r, &store, 7, BYTES, CHUNK);
}

static void hold_shard(dist_aggregate aggregate, bool ordered)
{
    shard_rules r = {.aggregate = aggregate,
                     .sync = DIST_BARRIER,
                     .ordered = ordered,
                     .workers = WORKERS,
                     .hold = true};
    shard_free(shard);
    str_clear(&said);
    memset(value, 0, sizeof value);
    shard = shard_new(&r, &store, 7, BYTES, CHUNK);
}

static int teardown(void **state)
{
    (void)state;
    shard_free(shard);
    shard = NULL;
    str_fini(&said);
    return 0;
}

static shard_answer half(int worker, uint64_t step, uint64_t number, int which)
{
    uint64_t word = number + (which ? 100 : 0);
    shard_chunk c = {.worker = worker,
                     .step = step,
                     .offset = which ? CHUNK : 0,
                     .bytes = CHUNK,
                     .data = (const uint8_t *)&word,
                     .weight = (double)(worker + 1),
                     .last = which == 1};
    return shard_push(shard, &c);
}

/* ---------- gradients that stay with their sender ---------- */

/* Both halves in one piece, as a worker has them: `held` lets go at the end. */
static shard_answer half_there(int worker, uint64_t step, const uint64_t *there,
                               int which, dist_blob *holder)
{
    shard_chunk c = {.worker = worker,
                     .step = step,
                     .offset = which ? CHUNK : 0,
                     .bytes = CHUNK,
                     .data = (const uint8_t *)(there + which),
                     .weight = (double)(worker + 1),
                     .last = which == 1,
                     .holder = holder};
    return shard_push(shard, &c);
}

static int acknowledged(int worker, uint64_t step)
{
    uint64_t got;
    int count = 0;
    for (; shard_acknowledges(shard, worker, &got); count++)
        assert_int_equal(got, step);
    return count;
}

static shard_answer push(int worker, uint64_t step, uint64_t number)
{
    shard_answer a = half(worker, step, number, 0);
    return a == SHARD_KEPT ? half(worker, step, number, 1) : a;
}

static shard_answer push_empty(int worker, uint64_t step)
{
    shard_chunk c = {
        .worker = worker, .step = step, .last = true, .empty = true};
    return shard_push(shard, &c);
}

/* ---------- one update a step ---------- */

static void a_mean_is_added_up_in_the_order_of_workers(void **state)
{
    (void)state;
    open_shard(DIST_MEAN, DIST_BARRIER, true, 0);
    assert_int_equal(push(2, 0, 30), SHARD_WHOLE);
    assert_int_equal(push(0, 0, 10), SHARD_WHOLE);
    assert_int_equal(shard_version(shard), 0);
    assert_int_equal(push(1, 0, 20), SHARD_WHOLE);
    assert_int_equal(shard_version(shard), 1);
    assert_string_equal(str_text(&said), " 10+20+30/6");
}

static void or_as_they_come(void **state)
{
    (void)state;
    open_shard(DIST_MEAN, DIST_BARRIER, false, 0);
    push(2, 0, 30);
    push(0, 0, 10);
    push(1, 0, 20);
    assert_string_equal(str_text(&said), " 30+10+20/6");
}

static void a_sum_divides_by_1(void **state)
{
    (void)state;
    open_shard(DIST_SUM, DIST_BARRIER, true, 0);
    for (int w = 0; w < WORKERS; w++)
        push(w, 0, 1);
    assert_string_equal(str_text(&said), " 1+1+1/1");
}

static void a_worker_without_rows_adds_nothing(void **state)
{
    (void)state;
    open_shard(DIST_MEAN, DIST_BARRIER, true, 0);
    push_empty(0, 0);
    push(1, 0, 20);
    push(2, 0, 30);
    assert_string_equal(str_text(&said), " 20+30/5");
    for (int w = 0; w < WORKERS; w++)
        assert_int_equal(push_empty(w, 1), SHARD_WHOLE);
    assert_int_equal(shard_version(shard), 2);
    assert_int_equal(shard_updates(shard), 1);
}

static void or_is_an_update_of_weight_0(void **state)
{
    (void)state;
    shard_rules r = {.ordered = true, .workers = WORKERS, .always = true};
    open_shard(DIST_MEAN, DIST_BARRIER, true, 0);
    shard_free(shard);
    shard = shard_new(&r, &store, 7, BYTES, CHUNK);
    for (int w = 0; w < WORKERS; w++)
        push_empty(w, 0);
    assert_string_equal(str_text(&said), "/0");
    assert_int_equal(shard_version(shard), 1);
}

/* ---------- each by itself ---------- */

static void each_is_applied_in_the_order_of_step_and_worker(void **state)
{
    (void)state;
    open_shard(DIST_APPLY_EACH, DIST_STALE, true, 1);
    push(1, 0, 20);
    push(0, 0, 10);
    push(0, 1, 11);
    assert_string_equal(str_text(&said), " 10/1 20/2");
    push(2, 0, 30);
    assert_string_equal(str_text(&said), " 10/1 20/2 30/3 11/1");
    assert_int_equal(shard_version(shard), 1);
}

static void or_when_it_is_there(void **state)
{
    (void)state;
    open_shard(DIST_APPLY_EACH, DIST_ASYNC, false, 0);
    for (uint64_t t = 0; t < 3; t++)
        push(1, t, 20 + t);
    push(0, 0, 10);
    assert_int_equal(shard_version(shard), 0);
    push(2, 0, 30);
    assert_int_equal(shard_version(shard), 1);
    assert_string_equal(str_text(&said), " 20/2 21/2 22/2 10/1 30/3");
}

/* Each is told apart, and what was begun counts. */
static void without_a_lock_each_begins_when_it_is_there(void **state)
{
    (void)state;
    shard_rules r = {.aggregate = DIST_APPLY_EACH,
                     .sync = DIST_BARRIER,
                     .workers = WORKERS,
                     .meet = true};
    open_shard(DIST_APPLY_EACH, DIST_BARRIER, false, 0);
    shard_free(shard);
    shard = shard_new(&r, &store, 7, BYTES, CHUNK);
    push(2, 0, 30);
    push(0, 0, 10);
    assert_int_equal(shard_version(shard), 0);
    push(1, 0, 20);
    assert_string_equal(str_text(&said), " 2:30/3 0:10/1 1:20/2");
    assert_int_equal(shard_version(shard), 1);
    assert_int_equal(shard_updates(shard), 3);
}

/* ---------- once ---------- */

static void what_is_said_again_counts_once(void **state)
{
    (void)state;
    open_shard(DIST_MEAN, DIST_BARRIER, true, 0);
    half(0, 0, 10, 0);
    assert_int_equal(half(0, 0, 10, 0), SHARD_KEPT);
    assert_int_equal(half(0, 0, 10, 1), SHARD_WHOLE);
    assert_int_equal(half(0, 0, 10, 1), SHARD_BEFORE);
    push(1, 0, 20);
    push(2, 0, 30);
    assert_int_equal(push(1, 0, 20), SHARD_BEFORE);
    assert_string_equal(str_text(&said), " 10+20+30/6");
}

static void steps_beyond_the_window_are_ahead(void **state)
{
    (void)state;
    open_shard(DIST_MEAN, DIST_BARRIER, true, 0);
    assert_int_equal(push(0, 1, 1), SHARD_AHEAD);
    assert_int_equal(push(0, UINT64_MAX, 1), SHARD_AHEAD);
    open_shard(DIST_MEAN, DIST_STALE, true, 2);
    assert_int_equal(push(0, 2, 1), SHARD_WHOLE);
    assert_int_equal(push(0, 3, 1), SHARD_AHEAD);
}

static void another_weight_is_another_gradient(void **state)
{
    (void)state;
    open_shard(DIST_MEAN, DIST_BARRIER, true, 0);
    half(0, 0, 10, 0);
    assert_int_equal(push_empty(0, 0), SHARD_UNLIKE);
}

static void half_a_gradient_of_the_dead_is_forgotten(void **state)
{
    (void)state;
    open_shard(DIST_MEAN, DIST_BARRIER, true, 0);
    half(0, 0, 99, 0);
    push(1, 0, 20);
    shard_replaced(shard, 0);
    shard_replaced(shard, 1);
    push(0, 0, 10);
    push(2, 0, 30);
    assert_string_equal(str_text(&said), " 10+20+30/6");
}

/* ---------- values ---------- */

static int64_t read_value(uint64_t version, bool exact)
{
    uint64_t words[2];
    dist_blob *b = shard_value(shard, version, exact);
    if (!b)
        return -1;
    memcpy(words, blob_bytes(b), sizeof words);
    blob_drop(b);
    return (int64_t)words[0];
}

static void a_version_can_be_read_until_the_next_but_one(void **state)
{
    (void)state;
    open_shard(DIST_MEAN, DIST_BARRIER, true, 0);
    assert_int_equal(read_value(0, true), 0);
    assert_int_equal(read_value(1, false), -1);
    for (uint64_t t = 0; t < 2; t++)
        for (int w = 0; w < WORKERS; w++)
            push(w, t, 1);
    assert_int_equal(read_value(0, true), -1);
    assert_int_equal(read_value(1, true), 1);
    assert_int_equal(read_value(2, true), 2);
    assert_int_equal(read_value(0, false), 2);
}

/* Within a step of `apply_each` its version is what it was before. */
static void half_a_step_is_no_version(void **state)
{
    (void)state;
    open_shard(DIST_APPLY_EACH, DIST_BARRIER, true, 0);
    push(0, 0, 1);
    assert_int_equal(value[0], 1);
    assert_int_equal(read_value(0, true), 0);
    push(1, 0, 1);
    push(2, 0, 1);
    assert_int_equal(read_value(0, true), 0);
    assert_int_equal(read_value(1, true), 3);
}

/* ---------- what is told ---------- */

static void note(void *ctx, shard_event what, uint32_t bucket, int worker,
                 uint64_t round)
{
    static const char *const words[] = {
#define SHARD_EVENT(name, word) word,
#include "dist/shard_events.def"
    };
    (void)ctx;
    assert_int_equal(bucket, 7);
    str_printf(&said, " %s %d:%d", words[what], worker, (int)round);
}

static const shard_notice listener = {NULL, note};

/* Before what it is about is carried out. */
static void what_becomes_of_gradients_is_told_in_order(void **state)
{
    (void)state;
    open_shard(DIST_APPLY_EACH, DIST_ASYNC, false, 0);
    shard_tells(shard, &listener);
    push(2, 0, 30);
    push(0, 0, 10);
    push_empty(1, 0);
    push(2, 1, 31);
    assert_string_equal(str_text(&said),
                        " apply 2:0 30/3 apply 0:0 10/1 empty 1:0"
                        " apply 2:1 31/3");
}

/* A sum is told of as it is added up. */
static void and_in_the_order_of_a_sum(void **state)
{
    (void)state;
    open_shard(DIST_MEAN, DIST_STALE, false, 1);
    shard_tells(shard, &listener);
    push(2, 0, 30);
    push(2, 1, 31);
    push(0, 0, 10);
    push_empty(1, 0);
    assert_string_equal(str_text(&said),
                        " apply 2:0 30 apply 0:0+10 empty 1:0/4 apply 2:1 31");
}

/* ---------- updates that wait ---------- */

static void an_update_waits_until_it_is_released(void **state)
{
    (void)state;
    double weight;
    hold_shard(DIST_MEAN, true);
    push(2, 0, 30);
    push(0, 0, 10);
    assert_false(shard_holds(shard, &weight));
    push(1, 0, 20);
    assert_true(shard_holds(shard, &weight));
    assert_true(weight == 6);
    assert_string_equal(str_text(&said), " 10+20+30");
    assert_int_equal(shard_version(shard), 0);
    assert_int_equal(read_value(1, false), -1);
    shard_release(shard);
    assert_false(shard_holds(shard, &weight));
    assert_string_equal(str_text(&said), " 10+20+30/6");
    assert_int_equal(shard_version(shard), 1);
}

static void or_of_those_that_came_in_any_order(void **state)
{
    (void)state;
    double weight;
    hold_shard(DIST_SUM, false);
    push(2, 0, 30);
    push(0, 0, 10);
    push(1, 0, 20);
    assert_true(shard_holds(shard, &weight));
    assert_true(weight == 1);
    shard_release(shard);
    assert_string_equal(str_text(&said), " 30+10+20/1");
}

static void each_waits_for_totals_of_its_own(void **state)
{
    (void)state;
    double weight;
    hold_shard(DIST_APPLY_EACH, true);
    push(1, 0, 20);
    push(0, 0, 10);
    push_empty(2, 0);
    assert_true(shard_holds(shard, &weight));
    assert_string_equal(str_text(&said), " 10");
    shard_release(shard);
    assert_true(shard_holds(shard, &weight));
    assert_true(weight == 2);
    assert_string_equal(str_text(&said), " 10/1 20");
    assert_int_equal(shard_version(shard), 0);
    shard_release(shard);
    assert_false(shard_holds(shard, &weight));
    assert_string_equal(str_text(&said), " 10/1 20/2");
    assert_int_equal(shard_version(shard), 1);
}

/* Nothing came, so nothing is updated. */
static void a_step_without_rows_waits_for_nothing(void **state)
{
    (void)state;
    double weight;
    hold_shard(DIST_MEAN, true);
    for (int w = 0; w < WORKERS; w++)
        push_empty(w, 0);
    assert_false(shard_holds(shard, &weight));
    assert_int_equal(shard_version(shard), 1);
    assert_string_equal(str_text(&said), "");
}

/* Its bytes are read when all are there, not before: what the sender has then
 * counts, and it is told only when they are not needed any more. */
static void
what_stays_with_its_sender_is_acknowledged_once_it_was_added(void **state)
{
    (void)state;
    uint64_t there[2] = {0, 0};
    dist_blob *holder = blob_new(1);
    open_shard(DIST_MEAN, DIST_BARRIER, true, 0);
    assert_int_equal(half_there(0, 0, there, 1, holder), SHARD_KEPT);
    assert_int_equal(half_there(0, 0, there, 0, holder), SHARD_WHOLE);
    assert_int_equal(acknowledged(0, 0), 0);
    assert_int_equal(half_there(0, 0, there, 1, holder), SHARD_KEPT);
    there[0] = 5, there[1] = 105;
    for (int w = 1; w < WORKERS; w++)
        assert_int_equal(push(w, 0, (uint64_t)w), SHARD_WHOLE);
    assert_int_equal(strncmp(str_text(&said), " 5+1", 4), 0);
    assert_int_equal(acknowledged(0, 0), 1);
    assert_int_equal(acknowledged(1, 0), 1);
    assert_int_equal(half_there(0, 0, there, 1, holder), SHARD_BEFORE);
    blob_drop(holder);
}

/* Another piece of memory, as after a new connection: what was there is
 * copied. */
static void what_lies_in_two_places_is_brought_together(void **state)
{
    (void)state;
    uint64_t there[2] = {5, 105}, elsewhere[2] = {5, 105};
    dist_blob *holder = blob_new(1), *other = blob_new(1);
    open_shard(DIST_MEAN, DIST_BARRIER, true, 0);
    assert_int_equal(half_there(0, 0, there, 0, holder), SHARD_KEPT);
    assert_int_equal(half_there(0, 0, elsewhere, 1, other), SHARD_WHOLE);
    assert_int_equal(acknowledged(0, 0), 1);
    memset(there, 0, sizeof there);
    memset(elsewhere, 0, sizeof elsewhere);
    for (int w = 1; w < WORKERS; w++)
        push(w, 0, (uint64_t)w);
    assert_int_equal(strncmp(str_text(&said), " 5+1", 4), 0);
    blob_drop(holder);
    blob_drop(other);
}

/* Where nobody waits for the others, neither does memory. */
static void without_a_barrier_nothing_stays(void **state)
{
    (void)state;
    uint64_t there[2] = {5, 105};
    dist_blob *holder = blob_new(1);
    open_shard(DIST_MEAN, DIST_STALE, true, 1);
    half_there(0, 0, there, 0, holder);
    assert_int_equal(half_there(0, 0, there, 1, holder), SHARD_WHOLE);
    assert_int_equal(acknowledged(0, 0), 1);
    blob_drop(holder);
}

/* A process that is replaced takes what is not whole with it. */
static void what_is_not_whole_is_let_go_with_its_process(void **state)
{
    (void)state;
    uint64_t old[2] = {9, 109};
    dist_blob *holder = blob_new(1);
    open_shard(DIST_MEAN, DIST_BARRIER, true, 0);
    half_there(0, 0, old, 0, holder);
    shard_replaced(shard, 0);
    memset(old, 0, sizeof old);
    for (int w = 0; w < WORKERS; w++)
        assert_int_equal(push(w, 0, 5 + (uint64_t)w), SHARD_WHOLE);
    assert_int_equal(strncmp(str_text(&said), " 5+6", 4), 0);
    blob_drop(holder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mean_is_added_up_in_the_order_of_workers),
        cmocka_unit_test(or_as_they_come),
        cmocka_unit_test(a_sum_divides_by_1),
        cmocka_unit_test(a_worker_without_rows_adds_nothing),
        cmocka_unit_test(or_is_an_update_of_weight_0),
        cmocka_unit_test(each_is_applied_in_the_order_of_step_and_worker),
        cmocka_unit_test(or_when_it_is_there),
        cmocka_unit_test(without_a_lock_each_begins_when_it_is_there),
        cmocka_unit_test(what_is_said_again_counts_once),
        cmocka_unit_test(steps_beyond_the_window_are_ahead),
        cmocka_unit_test(another_weight_is_another_gradient),
        cmocka_unit_test(half_a_gradient_of_the_dead_is_forgotten),
        cmocka_unit_test(a_version_can_be_read_until_the_next_but_one),
        cmocka_unit_test(half_a_step_is_no_version),
        cmocka_unit_test(what_becomes_of_gradients_is_told_in_order),
        cmocka_unit_test(and_in_the_order_of_a_sum),
        cmocka_unit_test(an_update_waits_until_it_is_released),
        cmocka_unit_test(or_of_those_that_came_in_any_order),
        cmocka_unit_test(each_waits_for_totals_of_its_own),
        cmocka_unit_test(a_step_without_rows_waits_for_nothing),
        cmocka_unit_test(
            what_stays_with_its_sender_is_acknowledged_once_it_was_added),
        cmocka_unit_test(what_lies_in_two_places_is_brought_together),
        cmocka_unit_test(without_a_barrier_nothing_stays),
        cmocka_unit_test(what_is_not_whole_is_let_go_with_its_process),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
