/*
 * test_order.c - the order of records is a permutation that depends on seed
 * and epoch alone, and batches gathered ahead follow it.
 */
#include "runtime/fake_job.h"
#include "runtime/order.h"
#include "runtime/prefetch.h"
#include "runtime/run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 1000 };

static void every_epoch_visits_every_record_once(void **state)
{
    (void)state;
    uint32_t order[ROWS];
    for (int64_t epoch = 0; epoch < 20; epoch++) {
        bool seen[ROWS] = {0};
        order_epoch(7, epoch, ROWS, order);
        for (int i = 0; i < ROWS; i++) {
            assert_true(order[i] < ROWS);
            assert_false(seen[order[i]]);
            seen[order[i]] = true;
        }
    }
    order_epoch(7, 0, 1, order);
    assert_int_equal(order[0], 0);
}

static void the_order_is_a_function_of_seed_and_epoch(void **state)
{
    (void)state;
    uint32_t a[ROWS], b[ROWS];
    order_epoch(1, 3, ROWS, a);
    order_epoch(1, 3, ROWS, b);
    assert_memory_equal(a, b, sizeof a);
    order_epoch(1, 4, ROWS, b);
    assert_true(memcmp(a, b, sizeof a) != 0);
    order_epoch(2, 3, ROWS, b);
    assert_true(memcmp(a, b, sizeof a) != 0);
}

/* Each record stands in the first place about equally often: 6000 epochs of
 * 6, chi-squared with 5 degrees of freedom below 20.5 (p = 0.001). */
static void places_are_evenly_filled(void **state)
{
    (void)state;
    enum { SMALL = 6, EPOCHS = 6000 };
    int count[SMALL][SMALL] = {{0}};
    for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
        uint32_t order[SMALL];
        order_epoch(5, epoch, SMALL, order);
        for (int i = 0; i < SMALL; i++)
            count[i][order[i]]++;
    }
    for (int i = 0; i < SMALL; i++) {
        double chi = 0, expected = EPOCHS / (double)SMALL;
        for (int k = 0; k < SMALL; k++)
            chi +=
                (count[i][k] - expected) * (count[i][k] - expected) / expected;
        assert_true(chi < 20.5);
    }
}

static void parts_of_a_batch_follow_one_another(void **state)
{
    (void)state;
    for (int64_t rows = 0; rows < 20; rows++)
        for (int64_t count = 1; count < 9; count++) {
            int64_t next = 0;
            for (int64_t i = 0; i < count; i++) {
                order_part p = order_cut(rows, count, i);
                assert_int_equal(p.first, next);
                assert_true(p.rows == rows / count ||
                            p.rows == rows / count + 1);
                next += p.rows;
            }
            assert_int_equal(next, rows);
        }
    assert_int_equal(order_cut(10, 4, 1).rows, 3);
    assert_int_equal(order_cut(10, 4, 2).rows, 2);
    assert_int_equal(order_cut(2, 4, 3).rows, 0);
}

static void the_last_partial_batch_is_kept(void **state)
{
    (void)state;
    assert_int_equal(order_steps(100, 16), 7);
    assert_int_equal(order_steps(96, 16), 6);
    assert_int_equal(order_steps(3, 16), 1);
    order_place p = order_at(100, 16, 6);
    assert_int_equal(p.epoch, 0);
    assert_int_equal(p.first, 96);
    assert_int_equal(p.rows, 4);
    p = order_at(100, 16, 7);
    assert_int_equal(p.epoch, 1);
    assert_int_equal(p.first, 0);
    assert_int_equal(p.rows, 16);
    p = order_at(3, 16, 5);
    assert_int_equal(p.epoch, 5);
    assert_int_equal(p.rows, 3);
}

static ptl_dataset *open_records(void)
{
    ptl_dataset *d;
    ptl_error err;
    fake_data("", 100);
    ptl_job_array arrays[] = {{"x", fake_path("x.idx"), ""},
                              {"label", fake_path("label.idx"), ""}};
    ptl_job_source from = {
        .reader = "idx", .arrays = arrays, .array_count = 2, .end = -1};
    data_options options = {0};
    if (data_open(&from, &options, &d, &err) != PTL_OK)
        fail_msg("%s", err.text);
    return d;
}

/* Reads steps [begin, end), checking every record; a slow reader now and
 * then, so that the ring is full, and a fast one, so that it is empty. */
static void check_batches(const ptl_dataset *d, int64_t begin, int64_t end)
{
    prefetch_desc desc = {d, 11, 16, begin, end};
    ptl_prefetch *p;
    ptl_error err;
    const data_batch *b;
    uint32_t order[100];
    assert_int_equal(prefetch_open(&desc, &p, &err), PTL_OK);
    for (int64_t step = begin; step < end; step++) {
        assert_int_equal(prefetch_next(p, &b, &err), PTL_OK);
        assert_non_null(b);
        order_place place = order_at(100, 16, step);
        order_epoch(11, place.epoch, 100, order);
        assert_int_equal(b->step, step);
        assert_int_equal(b->epoch, place.epoch);
        assert_int_equal(b->rows, place.rows);
        assert_int_equal((uintptr_t)b->fields[0] % PTL_BUFFER_ALIGN, 0);
        if (step % 9 == 0)
            usleep(500);
        const unsigned char *label = b->fields[1];
        for (int64_t i = 0; i < b->rows; i++) {
            uint32_t row = order[place.first + i];
            float x[2];
            data_gather(d, 0, &row, 0, 1, x);
            assert_int_equal(b->records[i], row);
            assert_int_equal(label[i], row % 10);
            assert_memory_equal((const float *)b->fields[0] + 2 * i, x,
                                sizeof x);
        }
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(prefetch_next(p, &b, &err), PTL_OK);
        assert_null(b);
    }
    prefetch_close(p);
}

static void batches_follow_the_order_from_any_step(void **state)
{
    (void)state;
    ptl_dataset *d = open_records();
    check_batches(d, 0, 40);
    check_batches(d, 17, 23);
    check_batches(d, 5, 6);
    check_batches(d, 5, 5);
    data_close(d);
}

/* Until it is there: the thread gathers it meanwhile. */
static const data_batch *peek(ptl_prefetch *p)
{
    const data_batch *b = NULL;
    for (int i = 0; i < 10000 && !b; i++) {
        b = prefetch_peek(p);
        usleep(b ? 0 : 1000);
    }
    return b;
}

static void what_comes_next_can_be_seen_and_stays(void **state)
{
    (void)state;
    ptl_dataset *d = open_records();
    prefetch_desc desc = {d, 11, 16, 0, 5};
    ptl_prefetch *p;
    const data_batch *b, *next = NULL;
    assert_int_equal(prefetch_open(&desc, &p, NULL), PTL_OK);
    for (int step = 0; step < 5; step++) {
        assert_int_equal(prefetch_next(p, &b, NULL), PTL_OK);
        assert_int_equal(b->step, step);
        assert_true(step == 0 || b == next);
        next = step < 4 ? peek(p) : prefetch_peek(p);
        if (step < 4)
            assert_int_equal(next->step, step + 1);
        else
            assert_null(next);
        assert_int_equal(b->step, step);
    }
    prefetch_close(p);
    data_close(d);
}

static void a_ring_can_be_closed_at_any_time(void **state)
{
    (void)state;
    ptl_dataset *d = open_records();
    for (int taken = 0; taken < 6; taken++) {
        prefetch_desc desc = {d, 11, 16, 0, 1000000};
        ptl_prefetch *p;
        const data_batch *b;
        assert_int_equal(prefetch_open(&desc, &p, NULL), PTL_OK);
        for (int i = 0; i < taken; i++)
            assert_int_equal(prefetch_next(p, &b, NULL), PTL_OK);
        prefetch_close(p);
    }
    data_close(d);
}

static int remove_folder(void **state)
{
    (void)state;
    fake_folder_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_epoch_visits_every_record_once),
        cmocka_unit_test(the_order_is_a_function_of_seed_and_epoch),
        cmocka_unit_test(places_are_evenly_filled),
        cmocka_unit_test(parts_of_a_batch_follow_one_another),
        cmocka_unit_test(the_last_partial_batch_is_kept),
        cmocka_unit_test(batches_follow_the_order_from_any_step),
        cmocka_unit_test(what_comes_next_can_be_seen_and_stays),
        cmocka_unit_test(a_ring_can_be_closed_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
