/*
 * test_endpoint.c - what is an endpoint, what may go there in the clear, and
 * what is said where nobody can listen.
 */
#include "net/endpoint.h"
#include "net/ends.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

static void endpoints_are_read(void **state)
{
    (void)state;
    net_endpoint e;
    assert_int_equal(net_endpoint_read("tcp://node0:2222", &e, NULL), PTL_OK);
    assert_string_equal(e.host, "node0");
    assert_int_equal(e.port, 2222);
    assert_int_equal(net_endpoint_read("tcp://[::1]:*", &e, NULL), PTL_OK);
    assert_string_equal(e.host, "::1");
    assert_int_equal(e.port, 0);
    assert_int_equal(net_endpoint_read("ipc:///tmp/x", &e, NULL), PTL_OK);
    assert_true(e.ipc);
    assert_string_equal(e.path, "/tmp/x");
}

static void what_is_no_endpoint_is_named(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "node0:2222",
                                        "udp://a:1",
                                        "tcp://",
                                        "tcp://a",
                                        "tcp://a:",
                                        "tcp://a:65536",
                                        "tcp://a:-1",
                                        "tcp://:1",
                                        "tcp://a:1x",
                                        "tcp://a:1:2",
                                        "tcp://[]:1",
                                        "tcp://a/b:1",
                                        "tcp://a:1000000",
                                        "ipc://"};
    net_endpoint e;
    ptl_error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(net_endpoint_read(wrong[i], &e, &err), PTL_E_IO);
        assert_non_null(strstr(err.text, wrong[i]));
    }
    assert_int_equal(ptl_exit_status(PTL_E_IO), 3);
}

static void a_path_too_long_for_a_socket_is_told_with_its_length(void **state)
{
    (void)state;
    char text[200] = "ipc:///tmp/";
    net_endpoint e;
    ptl_error err;
    memset(text + strlen(text), 'x', 103); /* 108 with the rest */
    assert_int_equal(net_endpoint_read(text, &e, &err), PTL_E_IO);
    assert_non_null(strstr(err.text, "has 108 bytes"));
    assert_non_null(strstr(err.text, "107 at most"));
    text[strlen(text) - 1] = '\0';
    assert_int_equal(net_endpoint_read(text, &e, &err), PTL_OK);
}

/* Mode, endpoint, insecure; then the answer: c(urve), p(lain), r(efused). */
static const struct {
    ptl_security mode;
    const char *endpoint;
    bool insecure;
    char answer;
} rules[] = {
    {PTL_SECURITY_AUTO, "tcp://127.0.0.1:1", false, 'p'},
    {PTL_SECURITY_AUTO, "tcp://127.9.9.9:1", false, 'p'},
    {PTL_SECURITY_AUTO, "tcp://localhost:1", false, 'p'},
    {PTL_SECURITY_AUTO, "tcp://[::1]:1", false, 'p'},
    {PTL_SECURITY_AUTO, "ipc:///tmp/x", false, 'p'},
    {PTL_SECURITY_AUTO, "tcp://10.0.0.1:1", false, 'c'},
    {PTL_SECURITY_AUTO, "tcp://*:1", false, 'c'},
    {PTL_SECURITY_AUTO, "tcp://0.0.0.0:1", false, 'c'},
    {PTL_SECURITY_AUTO, "tcp://127.example.org:1", false, 'c'},
    {PTL_SECURITY_AUTO, "tcp://node0:1", true, 'c'},
    {PTL_SECURITY_CURVE, "tcp://127.0.0.1:1", false, 'c'},
    {PTL_SECURITY_CURVE, "ipc:///tmp/x", false, 'c'},
    {PTL_SECURITY_CURVE, "tcp://node0:1", true, 'c'},
    {PTL_SECURITY_NONE, "tcp://127.0.0.1:1", false, 'p'},
    {PTL_SECURITY_NONE, "ipc:///tmp/x", false, 'p'},
    {PTL_SECURITY_NONE, "tcp://node0:1", false, 'r'},
    {PTL_SECURITY_NONE, "tcp://*:1", false, 'r'},
    {PTL_SECURITY_NONE, "tcp://node0:1", true, 'p'},
};

static void nothing_goes_over_a_network_in_the_clear_unless_told(void **state)
{
    (void)state;
    ptl_error err;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        bool curve = false;
        ptl_status st = net_security(rules[i].mode, rules[i].endpoint,
                                     rules[i].insecure, &curve, &err);
        char answer = st != PTL_OK ? 'r' : curve ? 'c' : 'p';
        if (answer != rules[i].answer)
            fail_msg("row %zu: %c", i, answer);
        if (answer == 'r') {
            assert_int_equal(st, PTL_E_USAGE);
            assert_non_null(strstr(err.text, rules[i].endpoint));
            assert_non_null(strstr(err.text, "--insecure"));
        }
    }
}

static void a_transport_listens_to_a_network_with_keys_only(void **state)
{
    (void)state;
    net_options o = {.bind = "tcp://*:*"};
    dist_transport *t;
    ptl_error err;
    assert_int_equal(net_open(&o, &t, &err), PTL_E_USAGE);
    o.curve = true;
    assert_int_equal(net_open(&o, &t, &err), PTL_E_USAGE);
    assert_non_null(strstr(err.text, "keys"));
    o.keys = "";
    assert_int_equal(net_open(&o, &t, &err), PTL_E_USAGE);
}

static void a_port_in_use_is_told(void **state)
{
    (void)state;
    int first, second;
    char text[NET_ENDPOINT_BYTES];
    ptl_error err;
    assert_int_equal(net_listen("tcp://127.0.0.1:*", &first, &err), PTL_OK);
    assert_int_equal(net_listening_at(first, text, &err), PTL_OK);
    assert_null(strstr(text, ":0"));
    assert_int_equal(net_listen(text, &second, &err), PTL_E_IO);
    assert_non_null(strstr(err.text, text));
    assert_non_null(strstr(err.text, "in use"));
    close(first);
}

static void
an_ipc_path_in_use_is_told_and_one_left_behind_is_taken(void **state)
{
    (void)state;
    int first, second;
    char folder[64], text[100];
    ptl_error err;
    temporary_folder(folder);
    snprintf(text, sizeof text, "ipc://%s/s", folder);
    assert_int_equal(net_listen(text, &first, &err), PTL_OK);
    assert_int_equal(net_listen(text, &second, &err), PTL_E_IO);
    assert_non_null(strstr(err.text, text));
    close(first); /* as one that died: the path stays */
    assert_int_equal(net_listen(text, &second, &err), PTL_OK);
    close(second);
    assert_int_equal(folder_remove(folder, &err), PTL_OK);
}

static void a_name_that_nobody_has_is_told(void **state)
{
    (void)state;
    int fd;
    ptl_error err;
    assert_int_equal(net_listen("tcp://nobody.invalid:1", &fd, &err), PTL_E_IO);
    assert_non_null(strstr(err.text, "tcp://nobody.invalid:1"));
}

static void too_few_descriptors_are_told_before_they_lack(void **state)
{
    (void)state;
    struct rlimit old, low;
    net_options o = {.bind = "tcp://127.0.0.1:*", .peers = 1000};
    dist_transport *t;
    ptl_error err;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = 1024;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    ptl_status st = net_open(&o, &t, &err);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(st, PTL_E_IO);
    assert_non_null(strstr(err.text, "1000 peers"));
    assert_non_null(strstr(err.text, "ulimit -n"));
}

static void ipv6_is_listened_to(void **state)
{
    (void)state;
    int fd;
    char text[NET_ENDPOINT_BYTES];
    ptl_error err;
    if (net_listen("tcp://[::1]:*", &fd, &err) != PTL_OK)
        return; /* a machine without it */
    assert_int_equal(net_listening_at(fd, text, &err), PTL_OK);
    assert_int_equal(strncmp(text, "tcp://[::1]:", 12), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_are_read),
        cmocka_unit_test(what_is_no_endpoint_is_named),
        cmocka_unit_test(a_path_too_long_for_a_socket_is_told_with_its_length),
        cmocka_unit_test(nothing_goes_over_a_network_in_the_clear_unless_told),
        cmocka_unit_test(a_transport_listens_to_a_network_with_keys_only),
        cmocka_unit_test(a_port_in_use_is_told),
        cmocka_unit_test(
            an_ipc_path_in_use_is_told_and_one_left_behind_is_taken),
        cmocka_unit_test(a_name_that_nobody_has_is_told),
        cmocka_unit_test(too_few_descriptors_are_told_before_they_lack),
        cmocka_unit_test(ipv6_is_listened_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
