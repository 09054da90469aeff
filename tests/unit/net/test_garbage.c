/*
 * test_garbage.c - whatever connects to the port and says whatever: two real
 * ends meanwhile lose nothing, and it is told why the others did not get in.
 */
#include "base/clock.h"
#include "net/ends.h"
#include "sim_random.h"
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST = 1000, HANDSHAKE_MS = 1000 };

static end server, client;
static end *const both[2] = {&server, &client};
static int strangers[MOST], stranger_count;
static int sent, wrong_order;
static int came[2]; /* messages of the real ends: at the server, the client */
static int connection; /* of the real client, at the server */

static void check_order(end *e, const transport_event *event)
{
    int number, *count = &came[e == &client];
    if (event->count != 2 || event->frames[0].size != 4 ||
        memcmp(event->frames[0].data, "head", 4) != 0 ||
        event->frames[1].size != sizeof number)
        return;
    memcpy(&number, event->frames[1].data, sizeof number);
    wrong_order += number != (*count)++;
    if (e == &server) {
        wrong_order += number > 0 && connection != event->connection;
        connection = event->connection;
    }
}

static int setup(void **state)
{
    (void)state;
    server = client = (end){.up = -1, .heard = -1, .on = check_order};
    stranger_count = sent = wrong_order = came[0] = came[1] = 0;
    end_open(&server, (net_options){.bind = "tcp://127.0.0.1:*",
                                    .handshake = HANDSHAKE_MS});
    end_connect(&client, net_endpoint_of(server.t));
    ends_reach(both, 2, &client.ups, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < stranger_count; i++)
        close(strangers[i]);
    end_close(&client);
    end_close(&server);
    return 0;
}

/* ---------- strangers ---------- */

static int connect_stranger(void)
{
    net_endpoint e;
    assert_int_equal(net_endpoint_read(net_endpoint_of(server.t), &e, NULL),
                     PTL_OK);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)e.port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    strangers[stranger_count++] = fd;
    return fd;
}

static void say(const void *bytes, size_t size)
{
    /* It may be hung up on before all is said. */
    ssize_t said = send(connect_stranger(), bytes, size, MSG_NOSIGNAL);
    (void)said;
}

/* The real ends go on: both get what the other says, in order. */
static void go_on(int messages)
{
    for (int i = 0; i < messages; i++, sent++) {
        assert_true(end_send(&client, client.up, &sent, sizeof sent));
        ends_reach(both, 2, &came[0], sent + 1);
        assert_true(end_send(&server, connection, &sent, sizeof sent));
        ends_reach(both, 2, &came[1], sent + 1);
    }
    assert_int_equal(wrong_order, 0);
    assert_int_equal(came[0], sent);
    assert_int_equal(came[1], sent);
    assert_int_equal(client.downs, 0);
}

/* Until the server hung up on everyone. */
static void all_are_hung_up_on(void)
{
    uint64_t deadline = clock_ms() + END_DEADLINE_MS;
    for (int i = 0; i < stranger_count; i++) {
        char bytes[4096];
        ssize_t got;
        do {
            go_on(1);
            got = recv(strangers[i], bytes, sizeof bytes, MSG_DONTWAIT);
        } while ((got > 0 || (got < 0 && errno == EAGAIN)) &&
                 clock_ms() < deadline);
        if (got > 0 || (got < 0 && errno == EAGAIN))
            fail_msg("stranger %d is still there", i);
    }
}

/* ---------- what they say ---------- */

static void http_is_hung_up_on(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: node0\r\n\r\n";
    for (int i = 0; i < 20; i++) {
        say(text, sizeof text - 1);
        go_on(2);
    }
    all_are_hung_up_on();
    assert_true(end_logged(&server, "did not get in") >= 1);
    assert_in_range(server.lines, 1, 4); /* not one for each of them */
}

/* ZeroMQ takes what does not begin as ZMTP 3 does for an older version of it,
 * whose peers it lets in without a handshake. One that greets while the socket
 * is being closed stops the process (libzmq 4.3.5, zmtp_engine.cpp, EAGAIN in
 * process_routing_id_msg()). */
static void older_versions_of_zmtp_are_hung_up_on(void **state)
{
    (void)state;
    static const char unversioned[] = "\1\0\5\0abcd",
                      first[] = "\377\0\0\0\0\0\0\0\1\177\0\5",
                      second[] = "\377\0\0\0\0\0\0\0\1\177\1\5";
    say(unversioned, sizeof unversioned - 1);
    say(first, sizeof first - 1);
    say(second, sizeof second - 1);
    all_are_hung_up_on();
}

static void a_tls_hello_is_hung_up_on(void **state)
{
    (void)state;
    static const uint8_t hello[] = {0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3};
    uint8_t bytes[205] = {0};
    memcpy(bytes, hello, sizeof hello);
    for (int i = 0; i < 20; i++) {
        say(bytes, sizeof bytes);
        go_on(2);
    }
    all_are_hung_up_on();
}

static void random_bytes_are_hung_up_on(void **state)
{
    (void)state;
    sim_random r = {1};
    uint8_t bytes[3000];
    for (int i = 0; i < 200; i++) {
        size_t size = (size_t)sim_range(&r, 1, sizeof bytes);
        for (size_t k = 0; k < size; k++)
            bytes[k] = (uint8_t)sim_draw(&r, 256);
        if (i % 2) /* as ZMTP begins, and then not */
            memcpy(bytes, "\xff\0\0\0\0\0\0\0\1\x7f\3", size < 11 ? size : 11);
        say(bytes, size);
        go_on(1);
    }
    all_are_hung_up_on();
}

/* A whole greeting, a READY and the beginning of a message, of ZMTP 3.1. */
static size_t zmtp(uint8_t out[200])
{
    static const uint8_t ready[] = "\4\x26\5READY\x0bSocket-Type\0\0\0\6DEALER"
                                   "\x08Identity\0\0\0\0";
    memset(out, 0, 200);
    memcpy(out, "\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL", 16);
    memcpy(out + 64, ready, sizeof ready - 1);
    size_t at = 64 + sizeof ready - 1;
    out[1 + 64] = (uint8_t)(sizeof ready - 1 - 2);
    memcpy(out + at, "\1\4head\0\4\0\0\0", 11);
    return at + 11;
}

static void zmtp_that_breaks_off_anywhere_does_no_harm(void **state)
{
    (void)state;
    uint8_t bytes[200];
    size_t size = zmtp(bytes);
    for (size_t part = 1; part < size; part++) {
        int fd = connect_stranger();
        assert_int_equal(send(fd, bytes, part, MSG_NOSIGNAL), part);
        shutdown(fd, SHUT_WR);
        go_on(1);
    }
    all_are_hung_up_on();
}

static void a_frame_that_claims_2_gib_ends_its_connection(void **state)
{
    (void)state;
    uint8_t bytes[220];
    size_t size = zmtp(bytes) - 11;
    memcpy(bytes + size, "\2\0\0\0\0\x80\0\0\0", 9); /* long, of 2^31 */
    say(bytes, size + 9);
    all_are_hung_up_on();
    go_on(2);
}

static void a_thousand_idle_connections_are_hung_up_on(void **state)
{
    (void)state;
    for (int i = 0; i < MOST; i++) {
        connect_stranger();
        if (i % 20 == 0)
            go_on(1);
    }
    go_on(20);
    all_are_hung_up_on();
    assert_int_equal(end_logged(&server, "said nothing in time"), 1);
    assert_int_equal(net_counts_of(server.t)->refused, MOST);
}

/* One byte now and then, and never all of a greeting. */
static void who_speaks_slowly_is_hung_up_on(void **state)
{
    (void)state;
    uint8_t bytes[200];
    zmtp(bytes);
    int fd = connect_stranger();
    uint64_t deadline = clock_ms() + END_DEADLINE_MS;
    for (int i = 0; i < 60 && clock_ms() < deadline; i++) {
        if (send(fd, bytes + i, 1, MSG_NOSIGNAL) < 0)
            break;
        uint64_t next = clock_ms() + HANDSHAKE_MS / 20;
        while (clock_ms() < next)
            go_on(1);
    }
    all_are_hung_up_on();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(http_is_hung_up_on),
        TEST(older_versions_of_zmtp_are_hung_up_on),
        TEST(a_tls_hello_is_hung_up_on),
        TEST(random_bytes_are_hung_up_on),
        TEST(zmtp_that_breaks_off_anywhere_does_no_harm),
        TEST(a_frame_that_claims_2_gib_ends_its_connection),
        TEST(a_thousand_idle_connections_are_hung_up_on),
        TEST(who_speaks_slowly_is_hung_up_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
