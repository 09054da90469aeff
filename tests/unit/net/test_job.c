/*
 * test_job.c - a job of a few processes over sockets ends with what its model
 * says: one value for every schedule.
 */
#include "net/ends.h"
#include "net/job.h"
#include "net/keys.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/file.h"

static void one_server_and_two_workers_agree_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++)
        job_run(&(job_options){.servers = 1, .workers = 2}, seed);
}

static void two_servers_and_three_workers_do(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++)
        job_run(&(job_options){.servers = 2, .workers = 3}, seed);
}

static void a_worker_in_the_process_of_a_server_does(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++)
        job_run(&(job_options){.servers = 2, .workers = 2, .together = true},
                seed);
}

static void it_does_with_keys(void **state)
{
    (void)state;
    char folder[64];
    temporary_folder(folder);
    assert_int_equal(net_keys_make(folder, 2, 2, NULL), PTL_OK);
    job_run(&(job_options){.servers = 2, .workers = 2, .keys = folder}, 1);
    job_run(
        &(job_options){
            .servers = 2, .workers = 2, .keys = folder, .together = true},
        2);
    assert_int_equal(folder_remove(folder, NULL), PTL_OK);
}

static void the_right_key_and_the_wrong_role_is_refused(void **state)
{
    (void)state;
    char folder[64], stolen[100], from[140], to[140];
    ptl_bytes key = {0};
    temporary_folder(folder);
    snprintf(stolen, sizeof stolen, "%s/stolen", folder);
    assert_int_equal(net_keys_make(folder, 1, 2, NULL), PTL_OK);
    assert_int_equal(net_keys_make(stolen, 1, 2, NULL), PTL_OK);
    static const char *const files[][2] = {{"servers", "servers"},
                                           {"worker-0.key", "worker-1.key"}};
    for (int i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s/%s", folder, files[i][0]);
        snprintf(to, sizeof to, "%s/%s", stolen, files[i][1]);
        assert_int_equal(file_read(from, &key, NULL), PTL_OK);
        assert_int_equal(file_write_whole(to, key.data, key.size, NULL),
                         PTL_OK);
        bytes_free(&key);
    }
    job_refuses(&(job_options){.servers = 1, .workers = 2, .keys = folder},
                stolen, "worker 1 came with the key of worker 0");
    assert_int_equal(folder_remove(folder, NULL), PTL_OK);
}

static void it_does_over_ipc(void **state)
{
    (void)state;
    char folder[64];
    temporary_folder(folder);
    job_run(&(job_options){.servers = 2, .workers = 2, .folder = folder}, 1);
    assert_int_equal(folder_remove(folder, NULL), PTL_OK);
}

static void connections_that_break_change_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++)
        job_run(&(job_options){.servers = 2, .workers = 2, .breaks = true},
                seed);
}

static void nothing_stays_open(void **state)
{
    (void)state;
    int before = open_descriptors();
    job_run(&(job_options){.servers = 2, .workers = 2}, 1);
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_server_and_two_workers_agree_with_the_model),
        cmocka_unit_test(two_servers_and_three_workers_do),
        cmocka_unit_test(a_worker_in_the_process_of_a_server_does),
        cmocka_unit_test(it_does_with_keys),
        cmocka_unit_test(the_right_key_and_the_wrong_role_is_refused),
        cmocka_unit_test(it_does_over_ipc),
        cmocka_unit_test(connections_that_break_change_nothing),
        cmocka_unit_test(nothing_stays_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
