/*
 * test_ps_lock.c - updates by single gradients, with a lock and without: with
 * one none is lost; without, each element is what some of them made of it.
 */
#include "driver/ps_job.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HAMMERS = 64, BLOWS = 10 };

/* Workers of a shard, each with a gradient of ones in each step. */
static void hammer(ps_job *f, int bucket, bool meet)
{
    shard_rules rules = {.aggregate = DIST_APPLY_EACH,
                         .sync = DIST_BARRIER,
                         .workers = HAMMERS,
                         .meet = meet};
    const bucket_layout *b = &f->layout->buckets[bucket];
    float *ones = malloc(b->value_bytes);
    assert_non_null(ones);
    for (size_t i = 0; i < b->value_bytes / sizeof *ones; i++)
        ones[i] = 1;
    dist_shard *s = shard_new(&rules, ps_job_server(f, bucket),
                              (uint32_t)bucket, b->value_bytes, b->value_bytes);
    for (int blow = 0; blow < BLOWS; blow++)
        for (int w = 0; w < HAMMERS; w++) {
            shard_chunk c = {.worker = w,
                             .step = (uint64_t)blow,
                             .bytes = b->value_bytes,
                             .data = (const uint8_t *)ones,
                             .weight = 1,
                             .last = true};
            assert_int_equal(shard_push(s, &c), SHARD_WHOLE);
        }
    assert_int_equal(shard_version(s), BLOWS);
    assert_int_equal(shard_updates(s), HAMMERS * BLOWS);
    shard_free(s);
    free(ones);
}

/* How many updates an element saw: the most, where several come to the same;
 * -1: no number of them makes this of it. */
static int blows_of(float before, float after)
{
    int found = -1;
    for (int n = 0; n <= HAMMERS * BLOWS; n++, before -= 1)
        if (before == after)
            found = n;
    return found;
}

/* The first bucket; calls `judge` for some of its elements. */
static void strike(bool meet, void (*judge)(int blows))
{
    ps_job f = {0};
    ptl_error err = {0};
    ps_job_open(&f, ps_job_mlp, "", "optim.sgd(lr = 1.0);", NULL);
    ps_job_serve(&f, 1, NULL);
    size_t bytes = f.layout->buckets[0].value_bytes;
    const shard_store *s = ps_job_server(&f, 0);
    float *before = malloc(bytes);
    assert_non_null(before);
    memcpy(before, s->value(s->ctx, 0), bytes);
    if (meet)
        ps_job_good(ps_store_meet(f.ps[0], HAMMERS, true, &err), &err, &f.d);
    hammer(&f, 0, meet);
    const float *after = (const float *)s->value(s->ctx, 0);
    for (size_t i = 0; i < bytes / sizeof *before; i += 11)
        judge(blows_of(before[i], after[i]));
    free(before);
    ps_job_close(&f);
}

static void judge_all(int blows)
{
    assert_int_equal(blows, HAMMERS * BLOWS);
}

static void judge_some(int blows)
{
    assert_in_range(blows, 1, HAMMERS * BLOWS);
}

static void with_a_lock_no_update_is_lost(void **state)
{
    (void)state;
    strike(false, judge_all);
}

static void without_one_each_element_is_what_updates_made_of_it(void **state)
{
    (void)state;
    strike(true, judge_some);
}

/* Where there is one lane, nothing meets. */
static void without_one_a_single_worker_has_the_same_bits(void **state)
{
    (void)state;
    ps_job f = {0};
    ptl_error err = {0};
    ps_job_open(&f, ps_job_mlp, "", "optim.adam(lr = 0.1);", NULL);
    ps_job_list_gradients(&f);
    uint8_t *parts[2] = {0};
    for (int meet = 0; meet < 2; meet++) {
        ps_job_serve(&f, 1, NULL);
        if (meet)
            ps_job_good(ps_store_meet(f.ps[0], 1, true, &err), &err, &f.d);
        const bucket_layout *b = &f.layout->buckets[0];
        const shard_store *s = ps_job_server(&f, 0);
        uint8_t *part = malloc(b->value_bytes);
        parts[meet] = malloc(b->value_bytes);
        assert_true(part && parts[meet]);
        for (int step = 0; step < PS_JOB_STEPS; step++) {
            ps_job_make_gradients(&f, step, 0);
            ps_job_good(layout_take_value(b, &f.gradients, part, &err), &err,
                        &f.d);
            if (meet) {
                s->meet(s->ctx, 0, 0, part, ps_job_weight(step),
                        (uint64_t)step);
                continue;
            }
            s->add(s->ctx, 0, (const uint8_t *const[]){part}, 1, b->value_bytes,
                   true);
            s->update(s->ctx, 0, ps_job_weight(step), (uint64_t)step);
        }
        memcpy(parts[meet], s->value(s->ctx, 0), b->value_bytes);
        if (meet)
            assert_memory_equal(parts[0], parts[1], b->value_bytes);
        free(part);
        ps_job_stop(&f);
    }
    free(parts[0]);
    free(parts[1]);
    ps_job_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_a_lock_no_update_is_lost),
        cmocka_unit_test(without_one_each_element_is_what_updates_made_of_it),
        cmocka_unit_test(without_one_a_single_worker_has_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
