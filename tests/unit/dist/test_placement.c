/*
 * test_placement.c - owners, slices, buckets, caches, barriers and towers, each
 * against a table worked out by hand.
 */
#include "dist/placement.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
enum { MIB = 1 << 20 };

static ptl_arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static place_plan *make(const place_variable *v, int count, int owners,
                        place_balance balance)
{
    place_options o = {.owners = owners,
                       .balance = balance,
                       .slice = 4 * MIB,
                       .bucket = 25 * MIB};
    return place_make(arena, v, count, &o);
}

/* ---------- owners ---------- */

/* Bytes: 400, 400, 100, 300, 300, 4 (a scalar). */
static const place_variable six[] = {
    {100, PTL_F32, false}, {50, PTL_F64, false}, {100, PTL_U8, false},
    {75, PTL_F32, false},  {75, PTL_I32, false}, {1, PTL_F32, false}};

static void check_owners(const place_plan *p, const int *wanted, int count)
{
    assert_int_equal(p->piece_count, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(p->pieces[i].owner, wanted[i]);
}

/* Loads of ps 0, 1, 2 before each: 0 0 0 | 400 0 0 | 400 400 0 |
 * 400 400 100 | 400 400 400: a tie, ps 0 | 700 400 400. */
static void greedy_takes_the_fewest_bytes_and_the_lowest_of_equals(void **state)
{
    (void)state;
    place_plan *p = make(six, 6, 3, PLACE_GREEDY_BYTES);
    check_owners(p, (const int[]){0, 1, 2, 2, 0, 1}, 6);
    assert_int_equal(p->owner_bytes[0], 700);
    assert_int_equal(p->owner_bytes[1], 404);
    assert_int_equal(p->owner_bytes[2], 400);
    assert_true(place_imbalance(p, 3) == 700.0 * 3 / 1504);
}

static void greedy_depends_on_the_order_of_creation(void **state)
{
    (void)state;
    const place_variable turned[] = {
        {1, PTL_F32, false},  {75, PTL_I32, false}, {75, PTL_F32, false},
        {100, PTL_U8, false}, {50, PTL_F64, false}, {100, PTL_F32, false}};
    place_plan *p = make(turned, 6, 3, PLACE_GREEDY_BYTES);
    check_owners(p, (const int[]){0, 1, 2, 0, 0, 1}, 6);
}

static void bytes_are_counted_not_elements(void **state)
{
    (void)state;
    const place_variable v[] = {
        {3, PTL_F64, false}, {4, PTL_F32, false}, {1, PTL_U8, false}};
    check_owners(make(v, 3, 2, PLACE_GREEDY_BYTES), (const int[]){0, 1, 1}, 3);
}

static void round_robin_takes_turns(void **state)
{
    (void)state;
    check_owners(make(six, 6, 3, PLACE_ROUND_ROBIN),
                 (const int[]){0, 1, 2, 0, 1, 2}, 6);
    check_owners(make(six, 6, 4, PLACE_ROUND_ROBIN),
                 (const int[]){0, 1, 2, 3, 0, 1}, 6);
}

static void no_owner_is_fuller_than_the_mean_and_one_piece(void **state)
{
    (void)state;
    for (int owners = 1; owners < 9; owners++) {
        place_variable v[40];
        int64_t all = 0;
        for (int i = 0; i < 40; i++) {
            v[i] = (place_variable){1 + (i * 7919) % 5000, PTL_F32, false};
            all += 4 * v[i].elements;
        }
        place_plan *p = make(v, 40, owners, PLACE_GREEDY_BYTES);
        for (int k = 0; k < owners; k++)
            assert_true(p->owner_bytes[k] <= all / owners + 4 * 5000);
    }
}

/* ---------- slices ---------- */

/* 4 MiB are 2^20 elements of f32 and 2^19 of f64. */
static void slices_are_whole_blocks(void **state)
{
    (void)state;
    const place_variable v[] = {{(1 << 20) + 1, PTL_F32, false},
                                {1 << 20, PTL_F64, false}};
    place_plan *p = make(v, 2, 2, PLACE_GREEDY_BYTES);
    assert_int_equal(p->piece_count, 4);
    assert_int_equal(p->pieces[0].count, 1 << 20);
    assert_int_equal(p->pieces[1].first, 1 << 20);
    assert_int_equal(p->pieces[1].count, 1);
    assert_int_equal(p->pieces[3].first, 1 << 19);
    check_owners(p, (const int[]){0, 1, 1, 0}, 4);
}

/* 384 KiB hold one and a half blocks of f32, and not one of f64. */
static void a_slice_is_at_least_a_block(void **state)
{
    (void)state;
    const place_variable v[] = {{3 * PLACE_BLOCK, PTL_F32, false},
                                {2 * PLACE_BLOCK, PTL_F64, false}};
    place_options o = {.owners = 1, .slice = 384 << 10, .bucket = MIB};
    place_plan *p = place_make(arena, v, 2, &o);
    assert_int_equal(p->piece_count, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(p->pieces[i].count, PLACE_BLOCK);
}

static void what_is_whole_is_not_cut(void **state)
{
    (void)state;
    const place_variable v[] = {{3 * PLACE_BLOCK, PTL_F32, true},
                                {3 * PLACE_BLOCK, PTL_F32, false}};
    place_options o = {.owners = 2, .slice = 256 << 10, .bucket = MIB};
    place_plan *p = place_make(arena, v, 2, &o);
    assert_int_equal(p->piece_count, 4);
    assert_int_equal(p->pieces[0].count, 3 * PLACE_BLOCK);
    assert_int_equal(p->pieces[1].count, PLACE_BLOCK);
    check_owners(p, (const int[]){0, 1, 1, 1}, 4);
}

static void one_large_tensor_is_spread(void **state)
{
    (void)state;
    const place_variable v[] = {{100 * MIB, PTL_F32, false}};
    place_plan *p = make(v, 1, 4, PLACE_GREEDY_BYTES);
    for (int k = 0; k < 4; k++)
        assert_int_equal(p->owner_bytes[k], 100 * MIB);
    assert_true(place_imbalance(p, 4) == 1);
}

/* ---------- buckets ---------- */

static void check_bucket(const place_plan *p, int b, int owner, int64_t bytes,
                         const int *pieces, int count)
{
    assert_int_equal(p->buckets[b].owner, owner);
    assert_int_equal(p->buckets[b].bytes, bytes);
    assert_int_equal(p->buckets[b].pieces.count, count);
    int64_t offset = 0;
    for (int i = 0; i < count; i++) {
        const place_piece *piece = &p->pieces[pieces[i]];
        assert_int_equal(p->buckets[b].pieces.data[i], pieces[i]);
        assert_int_equal(piece->bucket, b);
        assert_int_equal(piece->offset, offset);
        offset += piece->count * dtype_size(p->buckets[b].dtype);
    }
}

/*
 * Buckets of 1000 bytes, one owner. Completion: 4, 3, 2, 1, 0 with 400, 700,
 * 200, 100, 600 bytes: 4 | 3 2 1 (700 + 200 + 100 fit just) | 0.
 */
static const place_variable five[] = {{150, PTL_F32, false},
                                      {25, PTL_F32, false},
                                      {50, PTL_F32, false},
                                      {175, PTL_F32, false},
                                      {100, PTL_F32, false}};

static void buckets_are_filled_from_the_last_variable_on(void **state)
{
    (void)state;
    place_options o = {.owners = 1, .slice = MIB, .bucket = 1000};
    place_plan *p = place_make(arena, five, 5, &o);
    assert_int_equal(p->bucket_count, 3);
    check_bucket(p, 0, 0, 400, (const int[]){4}, 1);
    check_bucket(p, 1, 0, 1000, (const int[]){3, 2, 1}, 3);
    check_bucket(p, 2, 0, 600, (const int[]){0}, 1);
}

/* 600 + 200 | 100 + 700 | 400, by completion 0, 2, 1, 3, 4. */
static void or_in_the_order_that_is_given(void **state)
{
    (void)state;
    const int order[] = {0, 2, 1, 3, 4};
    place_options o = {
        .owners = 1, .slice = MIB, .bucket = 850, .completion = order};
    place_plan *p = place_make(arena, five, 5, &o);
    assert_int_equal(p->bucket_count, 3);
    check_bucket(p, 0, 0, 800, (const int[]){0, 2}, 2);
    check_bucket(p, 1, 0, 800, (const int[]){1, 3}, 2);
    check_bucket(p, 2, 0, 400, (const int[]){4}, 1);
}

/*
 * Round robin over two: 4 2 0 belong to ps 0 (400, 200, 600 bytes), 3 1 to ps 1
 * (700, 100). Of ps 0: 4 2 is complete when 2 is, 0 when 0 is; of ps 1: 3 1,
 * when 1 is, between them.
 */
static void each_owner_has_its_own_in_the_order_they_are_complete(void **state)
{
    (void)state;
    place_options o = {.owners = 2,
                       .balance = PLACE_ROUND_ROBIN,
                       .slice = MIB,
                       .bucket = 1000};
    place_plan *p = place_make(arena, five, 5, &o);
    assert_int_equal(p->bucket_count, 3);
    check_bucket(p, 0, 0, 600, (const int[]){4, 2}, 2);
    check_bucket(p, 1, 1, 800, (const int[]){3, 1}, 2);
    check_bucket(p, 2, 0, 600, (const int[]){0}, 1);
}

static void a_bucket_has_one_type(void **state)
{
    (void)state;
    const place_variable v[] = {
        {10, PTL_F32, false}, {10, PTL_F64, false}, {10, PTL_F32, false}};
    place_plan *p = make(v, 3, 1, PLACE_GREEDY_BYTES);
    assert_int_equal(p->bucket_count, 2);
    assert_int_equal(p->buckets[0].dtype, PTL_F64);
    check_bucket(p, 1, 0, 80, (const int[]){2, 0}, 2);
}

static void a_piece_larger_than_a_bucket_has_one_of_its_own(void **state)
{
    (void)state;
    const place_variable v[] = {
        {1, PTL_F32, false}, {500, PTL_F32, false}, {1, PTL_F32, false}};
    place_options o = {.owners = 1, .slice = MIB, .bucket = 1000};
    place_plan *p = place_make(arena, v, 3, &o);
    assert_int_equal(p->bucket_count, 3);
    check_bucket(p, 1, 0, 2000, (const int[]){1}, 1);
}

/* Of 16 variables of 1 MiB: 1, 1 and 2 (as many as before), 4 and 4 (no more),
 * 2 (of 4 that are left), 1 (of 2), 1. */
static void buckets_grow_and_become_smaller_towards_the_end(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 1, 2, 4, 4, 2, 1, 1};
    place_variable v[16];
    for (int i = 0; i < 16; i++)
        v[i] = (place_variable){MIB / 4, PTL_F32, false};
    place_options o = {.owners = 1, .slice = MIB, .bucket = 4 * MIB};
    place_plan *p = place_make(arena, v, 16, &o);
    assert_int_equal(p->bucket_count, 8);
    for (int b = 0; b < 8; b++)
        assert_int_equal(p->buckets[b].bytes, sizes[b] * MIB);
}

static void every_piece_lies_in_one_bucket(void **state)
{
    (void)state;
    place_variable v[60];
    for (int i = 0; i < 60; i++)
        v[i] = (place_variable){1 + i * i * 997 % 300000, PTL_F32, false};
    place_options o = {.owners = 3, .slice = MIB / 2, .bucket = 2 * MIB};
    place_plan *p = place_make(arena, v, 60, &o);
    int seen = 0;
    for (int b = 0; b < p->bucket_count; b++) {
        int64_t bytes = 0;
        for (int i = 0; i < p->buckets[b].pieces.count; i++, seen++) {
            const place_piece *piece = &p->pieces[p->buckets[b].pieces.data[i]];
            assert_int_equal(piece->owner, p->buckets[b].owner);
            bytes += 4 * piece->count;
        }
        assert_int_equal(bytes, p->buckets[b].bytes);
        assert_true(bytes <= 2 * MIB);
    }
    assert_int_equal(seen, p->piece_count);
}

/* ---------- caches, barriers, towers ---------- */

static void small_variables_are_cached_on_the_cpu_by_elements(void **state)
{
    (void)state;
    const place_variable v[] = {{65535, PTL_F64, false},
                                {65536, PTL_F32, false},
                                {65537, PTL_U8, false},
                                {1, PTL_F32, false}};
    int device[4];
    place_caches(v, 4, 1, device);
    assert_int_equal(device[0], PLACE_CPU);
    assert_int_equal(device[1], 0);
    assert_int_equal(device[2], 0);
    assert_int_equal(device[3], PLACE_CPU);
}

/* Loads in thousands, 3 devices: 0 0 0 | 100 0 0 | 100 300 0 | 100 300 70 |
 * 100 300 270 | 400 300 270. */
static void large_ones_go_to_the_device_with_the_fewest_elements(void **state)
{
    (void)state;
    const place_variable v[] = {
        {100000, PTL_F64, false}, {300000, PTL_F32, false},
        {70000, PTL_F32, false},  {200000, PTL_F32, false},
        {300000, PTL_F32, false}, {70000, PTL_F32, false}};
    const int three[] = {0, 1, 2, 2, 0, 2}, two[] = {0, 1, 0, 0, 1, 0};
    int device[6];
    place_caches(v, 6, 3, device);
    assert_memory_equal(device, three, sizeof device);
    place_caches(v, 6, 2, device);
    assert_memory_equal(device, two, sizeof device);
    place_caches(v, 6, 0, device);
    for (int i = 0; i < 6; i++)
        assert_int_equal(device[i], PLACE_CPU);
}

static void barriers_count_before_they_are_placed(void **state)
{
    (void)state;
    static const int owners[5][6] = {{0, 0, 0, 0, 0, 0},
                                     {1, 0, 1, 0, 1, 0},
                                     {1, 2, 0, 1, 2, 0},
                                     {1, 2, 3, 0, 1, 2},
                                     {1, 2, 3, 4, 0, 1}};
    for (int p = 1; p <= 5; p++) {
        uint32_t counter = 0;
        for (uint32_t b = 1; b <= 6; b++) {
            assert_int_equal(place_next_barrier(&counter), b);
            assert_int_equal(place_barrier_owner(b, p), owners[p - 1][b - 1]);
        }
    }
}

static void towers_take_turns_from_the_last_variable_on(void **state)
{
    (void)state;
    const int wanted[] = {0, 2, 1, 0, 2, 1, 0};
    for (int i = 0; i < 7; i++)
        assert_int_equal(place_tower(i, 7, 3), wanted[i]);
}

/* ---------- traffic ---------- */

/* Buckets of ps 0: 600, 600; of ps 1: 800; chunks of 256: 3, 3 and 4. Strict:
 * five barriers of parameters and one more; 1 3 5 are with ps 1, 2 4 6 with
 * ps 0. */
static void traffic_is_chunks_pulls_and_acknowledgements(void **state)
{
    (void)state;
    place_options o = {.owners = 2,
                       .balance = PLACE_ROUND_ROBIN,
                       .slice = MIB,
                       .bucket = 1000};
    place_plan *p = place_make(arena, five, 5, &o);
    place_traffic w = place_worker_traffic(p, 256, 0);
    assert_int_equal(w.messages_out, 3 + 3 + 4 + 3);
    assert_int_equal(w.messages_in, 3 + 3 + 4 + 3);
    assert_int_equal(w.bytes_out, 2000);
    assert_int_equal(w.bytes_in, 2000);
    place_traffic s = place_ps_traffic(p, 0, 2, 4, 256, 6);
    assert_int_equal(s.messages_in, 4 * (3 + 3 + 2 + 3));
    assert_int_equal(s.messages_out, 4 * (3 + 3 + 2 + 3));
    assert_int_equal(s.bytes_in, 4 * 1200);
    assert_int_equal(place_ps_traffic(p, 1, 2, 4, 256, 0).bytes_out, 4 * 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            greedy_takes_the_fewest_bytes_and_the_lowest_of_equals),
        cmocka_unit_test(greedy_depends_on_the_order_of_creation),
        cmocka_unit_test(bytes_are_counted_not_elements),
        cmocka_unit_test(round_robin_takes_turns),
        cmocka_unit_test(no_owner_is_fuller_than_the_mean_and_one_piece),
        cmocka_unit_test(slices_are_whole_blocks),
        cmocka_unit_test(a_slice_is_at_least_a_block),
        cmocka_unit_test(what_is_whole_is_not_cut),
        cmocka_unit_test(one_large_tensor_is_spread),
        cmocka_unit_test(buckets_are_filled_from_the_last_variable_on),
        cmocka_unit_test(or_in_the_order_that_is_given),
        cmocka_unit_test(each_owner_has_its_own_in_the_order_they_are_complete),
        cmocka_unit_test(a_bucket_has_one_type),
        cmocka_unit_test(a_piece_larger_than_a_bucket_has_one_of_its_own),
        cmocka_unit_test(buckets_grow_and_become_smaller_towards_the_end),
        cmocka_unit_test(every_piece_lies_in_one_bucket),
        cmocka_unit_test(small_variables_are_cached_on_the_cpu_by_elements),
        cmocka_unit_test(large_ones_go_to_the_device_with_the_fewest_elements),
        cmocka_unit_test(barriers_count_before_they_are_placed),
        cmocka_unit_test(towers_take_turns_from_the_last_variable_on),
        cmocka_unit_test(traffic_is_chunks_pulls_and_acknowledgements),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
