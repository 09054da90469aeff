/*
 * test_blocks.c - blocks of the host's memory and their copies on devices: who
 * has what, and where it comes from (runtime/device/block.h).
 */
#include "device/block.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 64, DEVICES = 3 };
#define PIECE_BYTES (WORDS * sizeof(uint32_t))

static uint32_t host[2 * WORDS];
static ptl_device *all;
static device_block *block;

static int open_devices(void **state)
{
    ptl_error err;
    (void)state;
    setenv("PTL_CUDA_DRIVER", PTL_VIRTUAL_CUDA, 1);
    setenv("PTL_VIRTUAL_DEVICES", "3", 1);
    return device_open("cuda:0,1,2", &all, &err) != PTL_OK;
}

static int close_devices(void **state)
{
    (void)state;
    device_close(all);
    return 0;
}

static void fill(uint32_t *words, uint32_t value)
{
    for (int i = 0; i < WORDS; i++)
        words[i] = value;
}

static void open_pieces(bool on_first)
{
    /* Out of order, and an empty one where another begins. */
    static const device_block_piece pieces[] = {{PIECE_BYTES, PIECE_BYTES, 2},
                                                {PIECE_BYTES, 0, DEVICE_ANY},
                                                {0, PIECE_BYTES, DEVICE_ANY}};
    const device_block_desc desc = {.host = host,
                                    .bytes = sizeof host,
                                    .pieces = pieces,
                                    .piece_count = 3,
                                    .resident = true,
                                    .on_first = on_first,
                                    .what = "a test"};
    ptl_error err;
    assert_int_equal(device_block_open(all, &desc, &block, &err), PTL_OK);
}

static int open_block(void **state)
{
    (void)state;
    fill(host, 1);
    fill(host + WORDS, 2);
    open_pieces(false);
    return 0;
}

static int close_block(void **state)
{
    (void)state;
    device_block_close(block);
    return 0;
}

static block_place place_on(int device, int piece)
{
    block_place p = block_find(device_member(all, device),
                               host + (size_t)piece * WORDS, PIECE_BYTES);
    assert_ptr_equal(p.block, block);
    return p;
}

static void bring(int device, int piece)
{
    ptl_device *d = device_member(all, device);
    block_place p = place_on(device, piece);
    ptl_error err;
    assert_int_equal(device_use(d, &err), PTL_OK);
    assert_int_equal(block_bring(d, &p, &err), PTL_OK);
}

/* As a run does that updates it. */
static void change(int device, int piece, uint32_t value)
{
    static uint32_t words[WORDS];
    ptl_device *d = device_member(all, device);
    block_place p = place_on(device, piece);
    ptl_error err;
    fill(words, value);
    assert_int_equal(device_use(d, &err), PTL_OK);
    assert_int_equal(device_upload(d, p.at, words, PIECE_BYTES, &err), PTL_OK);
    assert_int_equal(block_mark(d, &err), PTL_OK);
    block_changed_by(d, &p);
}

static void expect_on(int device, int piece, uint32_t value)
{
    uint32_t words[WORDS];
    ptl_device *d = device_member(all, device);
    ptl_error err;
    assert_int_equal(device_use(d, &err), PTL_OK);
    assert_int_equal(device_download(d, words, place_on(device, piece).at,
                                     PIECE_BYTES, &err),
                     PTL_OK);
    assert_int_equal(device_wait(d, &err), PTL_OK);
    for (int i = 0; i < WORDS; i++)
        assert_int_equal(words[i], value);
}

static void each_device_gets_the_piece_it_reads(void **state)
{
    (void)state;
    bring(0, 0);
    bring(2, 1);
    expect_on(0, 0, 1);
    expect_on(2, 1, 2);
}

static void what_a_device_changed_goes_to_others_past_the_host(void **state)
{
    (void)state;
    bring(0, 0);
    bring(1, 0);
    change(1, 0, 7);
    bring(0, 0);
    bring(2, 0);
    expect_on(0, 0, 7);
    expect_on(2, 0, 7);
    assert_int_equal(host[0], 1);
}

static void what_has_a_home_leaves_the_host_once(void **state)
{
    (void)state;
    bring(0, 1); /* its home is device 2 */
    fill(host + WORDS, 9);
    bring(1, 1);
    bring(2, 1);
    for (int device = 0; device < DEVICES; device++)
        expect_on(device, 1, 2);
    device_block_changed(block);
    bring(1, 1);
    expect_on(1, 1, 9);
}

static void the_last_change_counts(void **state)
{
    (void)state;
    change(0, 0, 3);
    bring(1, 0);
    change(1, 0, 4);
    bring(0, 0);
    expect_on(0, 0, 4);
}

static void the_host_fetches_what_it_has_not(void **state)
{
    ptl_error err;
    (void)state;
    change(0, 0, 5);
    change(2, 1, 6);
    assert_int_equal(device_block_fetch(block, &err), PTL_OK);
    assert_int_equal(host[WORDS - 1], 5);
    assert_int_equal(host[WORDS], 6);
    fill(host, 9); /* of which nobody was told: there is nothing to fetch */
    assert_int_equal(device_block_fetch(block, &err), PTL_OK);
    assert_int_equal(host[0], 9);
}

static void what_the_host_wrote_is_brought_again(void **state)
{
    (void)state;
    change(1, 0, 5);
    change(1, 1, 6);
    fill(host, 8);
    device_block_wrote(block, host);
    bring(1, 0);
    bring(1, 1);
    expect_on(1, 0, 8);
    expect_on(1, 1, 6);
    device_block_changed(block);
    bring(1, 1);
    expect_on(1, 1, 2);
}

static void a_range_is_found_in_its_piece_and_not_across_two(void **state)
{
    ptl_device *d = device_member(all, 1);
    block_place inside = block_find(d, host + WORDS + 3, 8);
    (void)state;
    assert_ptr_equal(inside.piece, place_on(1, 1).piece);
    assert_int_equal(inside.at - place_on(1, 1).at, 12);
    assert_null(block_find(d, host + WORDS - 1, 8).block);
    assert_null(block_find(d, host + 2 * WORDS - 1, 8).block);
    assert_null(block_find(d, &all, sizeof all).block);
}

static void others_have_no_copy_of_what_is_on_the_first(void **state)
{
    (void)state;
    device_block_close(block);
    open_pieces(true);
    bring(0, 0);
    expect_on(0, 0, 1);
    assert_null(block_find(device_member(all, 1), host, 4).block);
}

int main(void)
{
#define FACT(name)                                                             \
    cmocka_unit_test_setup_teardown(name, open_block, close_block)
    const struct CMUnitTest tests[] = {
        FACT(each_device_gets_the_piece_it_reads),
        FACT(what_a_device_changed_goes_to_others_past_the_host),
        FACT(what_has_a_home_leaves_the_host_once),
        FACT(the_last_change_counts),
        FACT(the_host_fetches_what_it_has_not),
        FACT(what_the_host_wrote_is_brought_again),
        FACT(a_range_is_found_in_its_piece_and_not_across_two),
        FACT(others_have_no_copy_of_what_is_on_the_first),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
