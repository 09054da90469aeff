/*
 * test_share.c - payloads that a peer of this machine reads where they lie.
 */
#include "net/ends.h"
#include "net/net.h"
#include "net/share.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { POOL = 1 << 20, SIZE = 100000 };

static end server, client;
static end *const both[2] = {&server, &client};

static int setup(void **state)
{
    (void)state;
    server = client = (end){.up = -1, .heard = -1};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    end_close(&client);
    end_close(&server);
    return 0;
}

static void open_both(bool server_shares)
{
    end_open(&server, (net_options){.bind = "tcp://127.0.0.1:*",
                                    .pool = POOL,
                                    .share = server_shares});
    end_open(&client, (net_options){.pool = POOL, .share = true});
    end_connect(&client, net_endpoint_of(server.t));
    ends_reach(both, 2, &client.ups, 1);
}

/* ---------- between two ends ---------- */

static dist_blob *filled(end *e, uint8_t first)
{
    dist_blob *b = net_blob(e->t, SIZE);
    assert_non_null(b);
    for (int i = 0; i < SIZE; i++)
        blob_bytes(b)[i] = (uint8_t)(first + i);
    return b;
}

static void check_payload(end *e, const transport_event *event)
{
    const wire_frame *f = event->frames;
    uint8_t first = *(const uint8_t *)e->ctx;
    assert_int_equal(event->count, 3);
    assert_memory_equal(f[0].data, "head", 4);
    assert_int_equal(f[1].size, SIZE);
    for (int i = 0; i < SIZE; i++)
        if (f[1].data[i] != (uint8_t)(first + i))
            fail_msg("byte %d", i);
    assert_memory_equal(f[2].data, "tail", 4);
}

static void say(end *from, int connection, dist_blob *b)
{
    wire_frame frames[3] = {{(const uint8_t *)"head", 4},
                            {blob_bytes(b), SIZE},
                            {(const uint8_t *)"tail", 4}};
    assert_true(from->t->ops->send(from->t, connection, frames, 3, b));
}

/* Until `placed` of them went the short way, or `most` were sent. */
static int send_until_placed(end *from, int connection, end *to, int most)
{
    uint8_t first = 3;
    int sent = 0;
    to->on = check_payload;
    to->ctx = &first;
    dist_blob *b = filled(from, first);
    while (sent < most && net_counts_of(from->t)->placed == 0) {
        int want = to->messages + 1;
        say(from, connection, b);
        sent++;
        ends_reach(both, 2, &to->messages, want);
    }
    blob_drop(b);
    return sent;
}

static void payloads_are_placed_both_ways(void **state)
{
    (void)state;
    open_both(true);
    assert_in_range(send_until_placed(&client, client.up, &server, 1000), 1,
                    999);
    assert_in_range(send_until_placed(&server, server.heard, &client, 1000), 1,
                    999);
    assert_int_equal(net_counts_of(client.t)->placed, 1);
    assert_int_equal(net_counts_of(server.t)->placed, 1);
}

static void who_does_not_share_gets_them_through_the_socket(void **state)
{
    (void)state;
    open_both(false);
    send_until_placed(&client, client.up, &server, 20);
    assert_int_equal(net_counts_of(client.t)->placed, 0);
    assert_int_equal(server.messages, 20);
}

static void other_memory_goes_through_the_socket(void **state)
{
    (void)state;
    uint8_t first = 3;
    open_both(true);
    send_until_placed(&client, client.up, &server, 1000);
    dist_blob *b = blob_new(SIZE);
    for (int i = 0; i < SIZE; i++)
        blob_bytes(b)[i] = (uint8_t)(first + i);
    server.ctx = &first;
    int want = server.messages + 1;
    say(&client, client.up, b);
    ends_reach(both, 2, &server.messages, want);
    assert_int_equal(net_counts_of(client.t)->placed, 1);
    blob_drop(b);
}

static void check_place(end *e, const transport_event *event)
{
    (void)e;
    assert_int_equal(event->count, 2);
    assert_int_equal(event->frames[0].size, SHARE_BYTES);
    assert_memory_equal(event->frames[0].data, "PTLS", 4);
}

/* What the transport cannot follow, those above refuse: no header begins so. */
static void a_place_outside_the_pool_is_handed_up_as_it_came(void **state)
{
    (void)state;
    static const uint64_t places[][2] = {
        {POOL - 10, SIZE}, {UINT64_MAX, 16}, {64, UINT64_MAX}, {POOL * 2, 1}};
    uint8_t frame[SHARE_BYTES];
    open_both(true);
    send_until_placed(&client, client.up, &server, 1000);
    server.on = check_place;
    for (int i = 0; i < 4; i++) {
        int want = server.messages + 1;
        share_write_place(places[i][0], (size_t)places[i][1], frame);
        wire_frame frames[2] = {{frame, sizeof frame},
                                {(const uint8_t *)"head", 4}};
        assert_true(client.t->ops->send(client.t, client.up, frames, 2, NULL));
        ends_reach(both, 2, &server.messages, want);
    }
}

static void no_place_is_followed_before_an_offer(void **state)
{
    (void)state;
    uint8_t frame[SHARE_BYTES];
    end_open(&server, (net_options){.bind = "tcp://127.0.0.1:*",
                                    .pool = POOL,
                                    .share = true});
    end_connect(&client, net_endpoint_of(server.t));
    ends_reach(both, 2, &client.ups, 1);
    server.on = check_place;
    share_write_place(64, 16, frame);
    wire_frame frames[2] = {{frame, sizeof frame},
                            {(const uint8_t *)"head", 4}};
    assert_true(client.t->ops->send(client.t, client.up, frames, 2, NULL));
    ends_reach(both, 2, &server.messages, 1);
}

/* ---------- what is offered ---------- */

static void a_pool_is_read_by_name(void **state)
{
    (void)state;
    pool_name name;
    net_pool *p = pool_new(POOL);
    dist_blob *b = pool_blob(p, SIZE);
    memset(blob_bytes(b), 7, SIZE);
    pool_name_of(p, &name);
    dist_blob *map = pool_map(&name);
    uint64_t offset;
    assert_non_null(map);
    assert_true(pool_has(p, blob_bytes(b), SIZE, &offset));
    assert_memory_equal(blob_bytes(map) + offset, blob_bytes(b), SIZE);
    blob_drop(map);
    blob_drop(b);
    pool_free(p);
}

static void expect_unread(int fd, uint64_t capacity)
{
    pool_name name = {
        .pid = (uint32_t)getpid(), .fd = (uint32_t)fd, .capacity = capacity};
    assert_null(pool_map(&name));
}

static void nothing_else_is_read(void **state)
{
    (void)state;
    pool_name name;
    net_pool *p = pool_new(POOL);
    pool_name_of(p, &name);
    name.cookie[3] ^= 1; /* another pool has the descriptor by now */
    assert_null(pool_map(&name));
    name.cookie[3] ^= 1;
    name.capacity += 4096;
    assert_null(pool_map(&name));
    pool_free(p);
    assert_null(pool_map(&name));
    int ends[2], memory = memfd_create("t", MFD_CLOEXEC); /* it may shrink */
    assert_int_equal(ftruncate(memory, 4096), 0);
    expect_unread(memory, 4096);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    expect_unread(file, (uint64_t)lseek(file, 0, SEEK_END));
    assert_int_equal(pipe(ends), 0);
    expect_unread(ends[0], 0); /* does not wait for a writer */
    expect_unread(-1, 4096);
    close(memory);
    close(file);
    close(ends[0]);
    close(ends[1]);
}

/* Killed as nobody can prepare for: what it shared is gone with it. */
static void nothing_is_left_of_who_was_killed(void **state)
{
    (void)state;
    int ends[2];
    pool_name name;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        net_pool *p = pool_new(POOL);
        pool_name_of(p, &name);
        if (write(ends[1], &name, sizeof name) == sizeof name)
            for (;;)
                pause();
        _exit(1);
    }
    assert_int_equal(read(ends[0], &name, sizeof name), sizeof name);
    dist_blob *map = pool_map(&name);
    assert_non_null(map);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    /* Until we let go. */
    assert_memory_equal(blob_bytes(map), name.cookie, POOL_COOKIE);
    assert_null(pool_map(&name));
    blob_drop(map);
    close(ends[0]);
    close(ends[1]);
}

/* ---------- the pool's room ---------- */

static void what_is_dropped_is_given_again(void **state)
{
    (void)state;
    enum { COUNT = 8 };
    dist_blob *blobs[COUNT];
    net_pool *p = pool_new(COUNT * 8192);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++)
            assert_non_null(blobs[i] = pool_blob(p, 8190));
        assert_null(pool_blob(p, 8192));
        for (int i = 0; i < COUNT; i++) /* in another order each time */
            blob_drop(blobs[i * (2 * round + 1) % COUNT]);
        dist_blob *all = pool_blob(p, COUNT * 8192);
        assert_non_null(all);
        blob_drop(all);
    }
    assert_null(pool_blob(p, COUNT * 8192 + 1));
    assert_null(pool_blob(p, 100)); /* too small for it */
    assert_null(pool_blob(NULL, 8192));
    pool_free(p);
}

static void blobs_outlive_their_pool(void **state)
{
    (void)state;
    net_pool *p = pool_new(POOL);
    dist_blob *b = pool_blob(p, SIZE);
    pool_free(p);
    memset(blob_bytes(b), 1, SIZE);
    blob_drop(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(payloads_are_placed_both_ways),
        TEST(who_does_not_share_gets_them_through_the_socket),
        TEST(other_memory_goes_through_the_socket),
        TEST(a_place_outside_the_pool_is_handed_up_as_it_came),
        TEST(no_place_is_followed_before_an_offer),
        TEST(a_pool_is_read_by_name),
        TEST(nothing_else_is_read),
        TEST(nothing_is_left_of_who_was_killed),
        TEST(what_is_dropped_is_given_again),
        TEST(blobs_outlive_their_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
