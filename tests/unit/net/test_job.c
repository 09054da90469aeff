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
        cmocka_unit_test(it_does_over_ipc),
        cmocka_unit_test(connections_that_break_change_nothing),
        cmocka_unit_test(nothing_stays_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
