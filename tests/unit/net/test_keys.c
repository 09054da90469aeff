/*
 * test_keys.c - a job's keys, who gets in with them, and what is said at both
 * ends where somebody does not.
 *
 * Two jobs, each with a folder of keys; "mixed" folders have some of either.
 */
#include "net/ends.h"
#include "net/keys.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"

enum { HANDSHAKE_MS = 1000 };

static char root[64];
static end server, client, good;
static end *const all[3] = {&server, &client, &good};

static const char *folder(const char *name)
{
    static char paths[16][100];
    static int next;
    char *path = paths[next++ % 16];
    snprintf(path, 100, "%s/%s", root, name);
    return path;
}

static void copy(const char *from, const char *to, const char *name)
{
    char path[160];
    ptl_bytes bytes = {0};
    snprintf(path, sizeof path, "%s/%s", folder(from), name);
    assert_int_equal(file_read(path, &bytes, NULL), PTL_OK);
    assert_int_equal(folder_make(folder(to), NULL), PTL_OK);
    snprintf(path, sizeof path, "%s/%s", folder(to), name);
    assert_int_equal(file_write_whole(path, bytes.data, bytes.size, NULL),
                     PTL_OK);
    bytes_free(&bytes);
}

static int make_jobs(void **state)
{
    (void)state;
    temporary_folder(root);
    assert_int_equal(net_keys_make(folder("job"), 2, 3, NULL), PTL_OK);
    assert_int_equal(net_keys_make(folder("other"), 2, 3, NULL), PTL_OK);
    copy("job", "wrong-server", "worker-0.key");
    copy("other", "wrong-server", "servers");
    copy("other", "wrong-client", "worker-0.key");
    copy("job", "wrong-client", "servers");
    return 0;
}

static int remove_jobs(void **state)
{
    (void)state;
    return folder_remove(root, NULL) != PTL_OK;
}

static int setup(void **state)
{
    (void)state;
    server = client = good = (end){.up = -1, .heard = -1};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    end_close(&client);
    end_close(&good);
    end_close(&server);
    return 0;
}

/* NULL: without keys. */
static net_options with(const char *keys)
{
    net_options o = {.handshake = HANDSHAKE_MS, .curve = keys != NULL};
    if (keys)
        o.keys = folder(keys);
    return o;
}

static void open_server(const char *keys)
{
    net_options o = with(keys);
    o.bind = "tcp://127.0.0.1:*";
    end_open(&server, o);
}

static void open_client(end *e, const char *keys)
{
    end_open(e, with(keys));
    end_connect(e, net_endpoint_of(server.t));
}

/* ---------- making ---------- */

static void keys_are_for_their_owner_alone(void **state)
{
    (void)state;
    static const char *const names[] = {
        "server-0.key", "server-1.key", "ps-0.key", "ps-1.key",
        "worker-0.key", "worker-2.key", "servers",  "clients"};
    char path[160];
    struct stat info;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder("job"), names[i]);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
    assert_int_equal(stat(folder("job"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
}

static void keys_that_cannot_be_made_are_told(void **state)
{
    (void)state;
    ptl_error err;
    assert_int_equal(net_keys_make("/proc/no", 1, 1, &err), PTL_E_IO);
    assert_non_null(strstr(err.text, "/proc/no"));
}

static void a_server_without_its_key_does_not_open(void **state)
{
    (void)state;
    net_options o = with("job");
    ptl_error err;
    o.bind = "tcp://127.0.0.1:*";
    o.server = 7;
    assert_int_equal(net_open(&o, &server.t, &err), PTL_E_IO);
    assert_non_null(strstr(err.text, "server-7.key"));
    o = with("nowhere");
    o.bind = "tcp://127.0.0.1:*";
    assert_int_equal(net_open(&o, &server.t, &err), PTL_E_IO);
    assert_non_null(strstr(err.text, "nowhere"));
}

static void damaged_keys_are_told(void **state)
{
    (void)state;
    ptl_error err;
    net_options o = with("damaged");
    o.bind = "tcp://127.0.0.1:*";
    copy("job", "damaged", "clients");
    copy("job", "damaged", "servers");
    char path[160];
    snprintf(path, sizeof path, "%s/server-0.key", folder("damaged"));
    assert_int_equal(file_write_whole(path, "x\n", 2, NULL), PTL_OK);
    assert_int_equal(net_open(&o, &server.t, &err), PTL_E_DATA);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(file_write_whole(path, "x y\n", 4, NULL), PTL_OK);
    assert_int_equal(net_open(&o, &server.t, &err), PTL_E_DATA);
}

/* ---------- who gets in ---------- */

static void a_message_comes_with_the_node_whose_key_it_is(void **state)
{
    (void)state;
    open_server("job");
    open_client(&client, "job");
    ends_reach(all, 3, &client.ups, 1);
    assert_true(end_send(&client, client.up, "x", 1));
    ends_reach(all, 3, &server.messages, 1);
    assert_int_equal(server.sender, wire_node(WIRE_WORKER, 0));
    /* Another node of the same process has a connection of its own. */
    assert_true(client.t->ops->connect(client.t, net_endpoint_of(server.t),
                                       wire_node(WIRE_PS, 1),
                                       wire_node(WIRE_COORDINATOR, 0)));
    ends_reach(all, 3, &client.ups, 2);
    assert_true(end_send(&client, client.up, "x", 1));
    ends_reach(all, 3, &server.messages, 2);
    assert_int_equal(server.sender, wire_node(WIRE_PS, 1));
    assert_int_equal(net_counts_of(server.t)->refused, 0);
}

static void without_keys_nobody_has_proved_anything(void **state)
{
    (void)state;
    open_server(NULL);
    open_client(&client, NULL);
    ends_reach(all, 3, &client.ups, 1);
    assert_true(end_send(&client, client.up, "x", 1));
    ends_reach(all, 3, &server.messages, 1);
    assert_int_equal(server.sender, 0);
}

static bool both_told(end *const *ends)
{
    return ends[0]->lines > 0 && ends[1]->lines > 0;
}

static bool tried_again(end *const *ends)
{
    return net_counts_of(ends[1]->t)->refused >= 4;
}

static const char mismatch[] = "one end uses curve, the other does not";

static const struct {
    const char *what, *server, *client;
    const char *server_says, *client_says;
} refusals[] = {
    {"another key of the server", "job", "wrong-server",
     "did not get in: it has another key of this server",
     "it may expect other keys"},
    {"a key that is not known", "job", "wrong-client",
     "did not get in: its key is not one of this job",
     "the server does not know our key"},
    {"plain to curve", "job", NULL, "did not get in", "could not connect"},
    {"curve to plain", NULL, "job", "did not get in", "could not connect"},
};

static void who_does_not_get_in_is_told_once_at_both_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        /* Who finds out first that the other has no keys says so and closes;
         * the other sees just that. */
        int reasons = refusals[i].server && refusals[i].client ? 1 : 2;
        setup(NULL);
        open_server(refusals[i].server);
        open_client(&client, refusals[i].client);
        ends_until(all, 3, both_told);
        print_message("%s:\n  %s\n  %s\n", refusals[i].what, server.log[0],
                      client.log[0]);
        assert_non_null(strstr(server.log[0], refusals[i].server_says));
        assert_non_null(strstr(server.log[0], net_endpoint_of(server.t)));
        assert_non_null(strstr(client.log[0], refusals[i].client_says));
        assert_non_null(strstr(client.log[0], net_endpoint_of(server.t)));
        /* Others are not held up, and more tries are no more lines. */
        open_client(&good, refusals[i].server);
        ends_reach(all, 3, &good.ups, 1);
        ends_until(all, 3, tried_again);
        /* A second one if its address was known one time and not another. */
        assert_in_range(server.lines, 1, 2 * reasons);
        assert_in_range(client.lines, 1, reasons);
        if (reasons == 2)
            assert_true(end_logged(&server, mismatch) ||
                        end_logged(&client, mismatch));
        assert_int_equal(client.ups + client.downs, 0);
        assert_int_equal(server.messages + server.downs, 0);
        assert_int_equal(good.downs, 0);
        teardown(NULL);
    }
}

static void a_client_without_its_key_does_not_connect(void **state)
{
    (void)state;
    end_open(&client, with("job"));
    assert_false(client.t->ops->connect(client.t, "tcp://127.0.0.1:1",
                                        wire_node(WIRE_WORKER, 9),
                                        wire_node(WIRE_PS, 0)));
    assert_int_equal(end_logged(&client, "worker-9.key"), 1);
}

static void nothing_stays_open(void **state)
{
    (void)state;
    int before = 0;
    for (int i = 0; i < 100; i++) {
        setup(NULL);
        open_server("job");
        open_client(&client, "job");
        if (i % 10 == 0)
            ends_reach(all, 3, &client.ups, 1);
        teardown(NULL);
        if (i == 0)
            before = open_descriptors();
    }
    assert_int_equal(open_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_are_for_their_owner_alone),
        TEST(keys_that_cannot_be_made_are_told),
        TEST(a_server_without_its_key_does_not_open),
        TEST(damaged_keys_are_told),
        TEST(a_message_comes_with_the_node_whose_key_it_is),
        TEST(without_keys_nobody_has_proved_anything),
        TEST(who_does_not_get_in_is_told_once_at_both_ends),
        TEST(a_client_without_its_key_does_not_connect),
        TEST(nothing_stays_open),
    };
    return cmocka_run_group_tests(tests, make_jobs, remove_jobs);
}
