/*
 * test_net.c - two ends exchange messages; connections break and are made
 * again.
 */
#include "base/clock.h"
#include "net/ends.h"
#include "net/net.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/thread.h"

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

static void open_both(void)
{
    end_listen(&server);
    end_connect(&client, net_endpoint_of(server.t));
    ends_reach(both, 2, &client.ups, 1);
}

/* ---------- messages ---------- */

static const size_t sizes[] = {
    0,    1,    32,   33,   255,   256,     4095,          4096,
    4097, 8191, 8192, 8193, 65536, 1 << 19, (1 << 20) - 1, 1 << 20};
enum { SIZES = sizeof sizes / sizeof *sizes };

static uint8_t byte_of(size_t size, size_t at)
{
    return (uint8_t)(size * 7 + at * 13 + at / 251);
}

static void check_size(end *e, const transport_event *event)
{
    size_t size = sizes[e->messages - 1];
    assert_int_equal(event->count, 2);
    assert_int_equal(event->frames[0].size, 4);
    assert_memory_equal(event->frames[0].data, "head", 4);
    assert_int_equal(event->frames[1].size, size);
    for (size_t i = 0; i < size; i++)
        if (event->frames[1].data[i] != byte_of(size, i))
            fail_msg("byte %zu of %zu", i, size);
}

static dist_blob *blob_of(size_t size)
{
    dist_blob *b = blob_new(size);
    for (size_t i = 0; i < size; i++)
        blob_bytes(b)[i] = byte_of(size, i);
    return b;
}

/* Held, and let go by us before it is there. */
static bool send_blob(end *e, int connection, size_t size)
{
    dist_blob *b = blob_of(size);
    wire_frame frames[2] = {{(const uint8_t *)"head", 4},
                            {blob_bytes(b), size}};
    bool sent = e->t->ops->send(e->t, connection, frames, 2, b);
    blob_drop(b);
    return sent;
}

static void every_size_arrives_in_order_both_ways(void **state)
{
    (void)state;
    open_both();
    server.on = client.on = check_size;
    for (int i = 0; i < SIZES; i++)
        assert_true(send_blob(&client, client.up, sizes[i]));
    ends_reach(both, 2, &server.messages, SIZES);
    for (int i = 0; i < SIZES; i++)
        assert_true(send_blob(&server, server.heard, sizes[i]));
    ends_reach(both, 2, &client.messages, SIZES);
    assert_int_equal(net_counts_of(server.t)->sent, SIZES);
    assert_int_equal(net_counts_of(server.t)->received, SIZES);
}

static void check_order(end *e, const transport_event *event)
{
    int number;
    assert_int_equal(event->frames[1].size, sizeof number);
    memcpy(&number, event->frames[1].data, sizeof number);
    assert_int_equal(number, e->messages - 1);
}

static void thousands_of_messages_stay_in_order(void **state)
{
    (void)state;
    open_both();
    server.on = check_order;
    for (int i = 0; i < 20000;) {
        if (end_send(&client, client.up, &i, sizeof i))
            i++;
        else
            end_turn(&server, 2);
    }
    ends_reach(both, 2, &server.messages, 20000);
}

static void a_full_queue_is_said_and_counted(void **state)
{
    (void)state;
    open_both();
    uint8_t bytes[256] = {0};
    int sent = 0;
    while (sent < 1000000 && end_send(&client, client.up, bytes, sizeof bytes))
        sent++;
    /* It was taken by system and queues, and then no more. */
    assert_in_range(sent, 100000, 999999);
    assert_int_equal(net_counts_of(client.t)->full, 1);
    ends_reach(both, 2, &server.messages, sent);
}

static void count_frames(end *e, const transport_event *event)
{
    *(int *)e->ctx = event->count;
}

static void frames_beyond_the_last_place_are_counted(void **state)
{
    (void)state;
    int count = 0;
    wire_frame frames[9] = {{NULL, 0}};
    open_both();
    server.on = count_frames;
    server.ctx = &count;
    assert_true(client.t->ops->send(client.t, client.up, frames, 9, NULL));
    ends_reach(both, 2, &server.messages, 1);
    assert_int_equal(count, 9);
    assert_true(end_send(&client, client.up, "x", 1));
    ends_reach(both, 2, &server.messages, 2);
    assert_int_equal(count, 2);
}

static void a_message_too_long_ends_its_connection_alone(void **state)
{
    (void)state;
    end other = {.up = -1};
    end *const all[3] = {&server, &client, &other};
    enum { SIZE = (1 << 20) + (64 << 10) + 1 };
    uint8_t *bytes = calloc(1, SIZE);
    open_both();
    end_connect(&other, net_endpoint_of(server.t));
    ends_reach(all, 3, &other.ups, 1);
    assert_true(end_send(&client, client.up, bytes, SIZE));
    ends_reach(all, 3, &client.downs, 1);
    assert_int_equal(server.messages, 0);
    assert_true(end_send(&other, other.up, bytes, SIZE - 1));
    ends_reach(all, 3, &server.messages, 1);
    assert_int_equal(other.downs, 0);
    ends_reach(all, 3, &client.ups, 2);
    free(bytes);
    end_close(&other);
}

/* ---------- connections ---------- */

static void up_says_who_connected_to_whom(void **state)
{
    (void)state;
    open_both();
    assert_int_equal(client.from, wire_node(WIRE_WORKER, 0));
    assert_int_equal(client.node, wire_node(WIRE_PS, 0));
}

static void a_connection_that_we_close_is_made_anew(void **state)
{
    (void)state;
    open_both();
    for (int i = 1; i <= 3; i++) {
        client.t->ops->close(client.t, client.up);
        ends_reach(both, 2, &client.downs, i);
        ends_reach(both, 2, &client.ups, i + 1);
        assert_true(end_send(&client, client.up, "x", 1));
        ends_reach(both, 2, &server.messages, i);
    }
}

static void a_peer_that_we_close_is_cut_off_and_comes_again(void **state)
{
    (void)state;
    open_both();
    assert_true(end_send(&client, client.up, "x", 1));
    ends_reach(both, 2, &server.messages, 1);
    int old = server.heard;
    server.t->ops->close(server.t, old);
    assert_false(end_send(&server, old, "x", 1));
    ends_reach(both, 2, &client.downs, 1);
    ends_reach(both, 2, &client.ups, 2);
    assert_true(end_send(&client, client.up, "x", 1));
    ends_reach(both, 2, &server.messages, 2);
    assert_int_not_equal(server.heard, old);
    assert_true(end_send(&server, server.heard, "x", 1));
    ends_reach(both, 2, &client.messages, 1);
}

static void what_a_closed_peer_had_sent_before_is_dropped(void **state)
{
    (void)state;
    open_both();
    for (int i = 0; i < 10; i++)
        assert_true(end_send(&client, client.up, "x", 1));
    transport_event event = {.kind = TRANSPORT_NOTHING};
    uint64_t deadline = clock_ms() + END_DEADLINE_MS;
    server.t->ops->next(server.t, deadline, &event);
    assert_int_equal(event.kind, TRANSPORT_MESSAGE);
    server.t->ops->done(server.t, &event);
    server.t->ops->close(server.t, event.connection);
    ends_reach(both, 2, &client.downs, 1);
    ends_reach(both, 2, &client.ups, 2);
    assert_true(end_send(&client, client.up, "x", 1));
    ends_reach(both, 2, &server.messages, 1);
    assert_int_equal(server.downs, 1);
    assert_int_equal(net_counts_of(server.t)->received, 2);
}

static void a_peer_that_is_gone_is_down_when_it_is_spoken_to(void **state)
{
    (void)state;
    open_both();
    assert_true(end_send(&client, client.up, "x", 1));
    ends_reach(both, 2, &server.messages, 1);
    end_close(&client);
    uint64_t deadline = clock_ms() + END_DEADLINE_MS;
    while (server.downs == 0 && clock_ms() < deadline) {
        end_send(&server, server.heard, "x", 1);
        end_turn(&server, 5);
    }
    assert_int_equal(server.downs, 1);
    assert_false(end_send(&server, server.heard, "x", 1));
}

static void a_server_that_restarts_is_found_again(void **state)
{
    (void)state;
    char at[NET_ENDPOINT_BYTES];
    open_both();
    snprintf(at, sizeof at, "%s", net_endpoint_of(server.t));
    for (int i = 1; i <= 3; i++) {
        end_close(&server);
        ends_reach(both, 2, &client.downs, i);
        /* Nothing goes to who is not there, and nothing of it comes late. */
        assert_false(end_send(&client, client.up, "old", 3));
        end_open(&server, (net_options){.bind = at});
        ends_reach(both, 2, &client.ups, i + 1);
        assert_true(end_send(&client, client.up, "new", 3));
        ends_reach(both, 2, &server.messages, i);
    }
    assert_int_equal(net_counts_of(server.t)->received, 1);
}

static void who_connects_first_waits_for_the_server(void **state)
{
    (void)state;
    int fd;
    char at[NET_ENDPOINT_BYTES];
    ptl_error err;
    assert_int_equal(net_listen("tcp://127.0.0.1:*", &fd, &err), PTL_OK);
    assert_int_equal(net_listening_at(fd, at, &err), PTL_OK);
    close(fd);
    end_connect(&client, at);
    for (int i = 0; i < 30; i++)
        end_turn(&client, 5);
    assert_int_equal(client.ups, 0);
    end_open(&server, (net_options){.bind = at});
    ends_reach(both, 2, &client.ups, 1);
    assert_int_equal(client.lines, 0); /* that is nothing to tell */
}

static void a_socket_that_listens_already_is_used(void **state)
{
    (void)state;
    int fd;
    char at[NET_ENDPOINT_BYTES];
    ptl_error err;
    assert_int_equal(net_listen("tcp://127.0.0.1:*", &fd, &err), PTL_OK);
    assert_int_equal(net_listening_at(fd, at, &err), PTL_OK);
    end_connect(&client, at); /* before anybody looks */
    end_open(&server, (net_options){.listen_fd = fd});
    assert_string_equal(net_endpoint_of(server.t), at);
    ends_reach(both, 2, &client.ups, 1);
}

static void a_name_is_found(void **state)
{
    (void)state;
    char at[NET_ENDPOINT_BYTES];
    end_open(&server, (net_options){.bind = "tcp://localhost:*"});
    snprintf(at, sizeof at, "tcp://localhost%s",
             strrchr(net_endpoint_of(server.t), ':'));
    end_connect(&client, at);
    ends_reach(both, 2, &client.ups, 1);
}

static void ipv6_is_spoken(void **state)
{
    (void)state;
    int fd;
    if (net_listen("tcp://[::1]:*", &fd, NULL) != PTL_OK)
        return; /* a machine without it */
    end_open(&server, (net_options){.listen_fd = fd});
    end_connect(&client, net_endpoint_of(server.t));
    ends_reach(both, 2, &client.ups, 1);
    assert_true(end_send(&client, client.up, "x", 1));
    ends_reach(both, 2, &server.messages, 1);
}

static void ipc_works_and_removes_its_path(void **state)
{
    (void)state;
    char folder[64], text[100];
    temporary_folder(folder);
    snprintf(text, sizeof text, "ipc://%s/s", folder);
    end_open(&server, (net_options){.bind = text});
    end_connect(&client, text);
    ends_reach(both, 2, &client.ups, 1);
    assert_true(end_send(&client, client.up, "x", 1));
    ends_reach(both, 2, &server.messages, 1);
    server.t->ops->close(server.t, server.heard);
    ends_reach(both, 2, &client.downs, 1);
    end_close(&server);
    assert_int_equal(rmdir(folder), 0);
}

static void an_end_connects_to_itself(void **state)
{
    (void)state;
    end *const one[1] = {&server};
    end_listen(&server);
    end_connect(&server, net_endpoint_of(server.t));
    ends_reach(one, 1, &server.ups, 1);
    assert_true(end_send(&server, server.up, "there", 5));
    ends_reach(one, 1, &server.messages, 1);
    assert_int_not_equal(server.heard, server.up);
    assert_true(end_send(&server, server.heard, "back", 4));
    ends_reach(one, 1, &server.messages, 2);
    assert_int_equal(server.heard, server.up);
}

static void a_peer_that_moved_is_found_at_its_new_endpoint(void **state)
{
    (void)state;
    end moved = {.heard = -1};
    end *const all[3] = {&server, &client, &moved};
    open_both();
    end_listen(&moved);
    end_connect(&client, net_endpoint_of(moved.t));
    ends_reach(all, 3, &client.ups, 2);
    assert_int_equal(client.downs, 1);
    assert_true(end_send(&client, client.up, "x", 1));
    ends_reach(all, 3, &moved.messages, 1);
    end_connect(&client, net_endpoint_of(moved.t)); /* nothing new */
    assert_true(end_send(&client, client.up, "x", 1));
    ends_reach(all, 3, &moved.messages, 2);
    assert_int_equal(client.downs, 1);
    end_close(&moved);
}

static void no_plain_connection_leaves_the_machine(void **state)
{
    (void)state;
    end_open(&client, (net_options){0});
    assert_false(client.t->ops->connect(client.t, "tcp://192.0.2.1:1", 1, 2));
    assert_false(client.t->ops->connect(client.t, "nowhere", 1, 2));
    assert_int_equal(client.lines, 2);
}

/* Of a server that was told of no peers 64 have a place. */
static void who_was_silent_longest_gives_its_place(void **state)
{
    (void)state;
    enum { PEERS = 70 };
    static int silent; /* the connection that spoke first */
    end_listen(&server);
    end_open(&client, (net_options){.peers = PEERS});
    for (int i = 0; i < PEERS; i++) {
        assert_true(client.t->ops->connect(client.t, net_endpoint_of(server.t),
                                           wire_node(WIRE_WORKER, 0),
                                           wire_node(WIRE_PS, i)));
        ends_reach(both, 2, &client.ups, i + 1);
        assert_true(end_send(&client, client.up, "x", 1));
        ends_reach(both, 2, &server.messages, i + 1);
        if (i == 0)
            silent = server.heard;
    }
    assert_int_equal(server.downs, PEERS - 64);
    assert_int_equal(net_counts_of(server.t)->evicted, PEERS - 64);
    /* The place was used again, by one that is there. */
    assert_true(end_send(&server, silent, "x", 1));
    ends_reach(both, 2, &client.messages, 1);
    assert_int_equal(client.downs, 0);
}

/* ---------- threads and descriptors ---------- */

static void *wake_it(void *arg)
{
    net_wake(arg);
    return NULL;
}

static void another_thread_wakes_it(void **state)
{
    (void)state;
    pthread_t thread;
    transport_event event;
    end_listen(&server);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(thread_start(&thread, wake_it, server.t), 0);
        uint64_t begin = clock_ms();
        server.t->ops->next(server.t, begin + END_DEADLINE_MS, &event);
        assert_int_equal(event.kind, TRANSPORT_NOTHING);
        assert_true(clock_ms() < begin + END_DEADLINE_MS);
        pthread_join(thread, NULL);
    }
}

static void the_deadline_is_kept(void **state)
{
    (void)state;
    transport_event event;
    end_listen(&server);
    uint64_t deadline = clock_ms() + 30;
    server.t->ops->next(server.t, deadline, &event);
    assert_int_equal(event.kind, TRANSPORT_NOTHING);
    assert_true(clock_ms() >= deadline);
}

static void nothing_stays_open(void **state)
{
    (void)state;
    open_both(); /* what is opened once, is */
    teardown(NULL);
    int before = open_descriptors();
    for (int i = 0; i < 100; i++) {
        setup(NULL);
        end_listen(&server);
        end_connect(&client, net_endpoint_of(server.t));
        if (i % 10 == 0)
            ends_reach(both, 2, &client.ups, 1);
        teardown(NULL);
    }
    assert_int_equal(open_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_size_arrives_in_order_both_ways),
        TEST(thousands_of_messages_stay_in_order),
        TEST(a_full_queue_is_said_and_counted),
        TEST(frames_beyond_the_last_place_are_counted),
        TEST(a_message_too_long_ends_its_connection_alone),
        TEST(up_says_who_connected_to_whom),
        TEST(a_connection_that_we_close_is_made_anew),
        TEST(a_peer_that_we_close_is_cut_off_and_comes_again),
        TEST(what_a_closed_peer_had_sent_before_is_dropped),
        TEST(a_peer_that_is_gone_is_down_when_it_is_spoken_to),
        TEST(a_server_that_restarts_is_found_again),
        TEST(who_connects_first_waits_for_the_server),
        TEST(a_socket_that_listens_already_is_used),
        TEST(a_name_is_found),
        TEST(ipv6_is_spoken),
        TEST(ipc_works_and_removes_its_path),
        TEST(an_end_connects_to_itself),
        TEST(a_peer_that_moved_is_found_at_its_new_endpoint),
        TEST(no_plain_connection_leaves_the_machine),
        TEST(who_was_silent_longest_gives_its_place),
        TEST(another_thread_wakes_it),
        TEST(the_deadline_is_kept),
        TEST(nothing_stays_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
