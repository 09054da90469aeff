/*
 * test_reactor.c - what other threads post is run, in order; and how a reactor
 * ends. Machines in one: test_job.c.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "net/reactor.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { POSTERS = 4, POSTS = 2000 };

typedef struct poster {
    net_reactor *reactor;
    pthread_t thread, run_in;
    int ran[POSTS + 1]; /* what ran, by when */
    int count;
} poster;

typedef struct errand {
    poster *from;
    int number;
} errand;

static dist_transport *transport;
static net_reactor *reactor;

static int setup(void **state)
{
    (void)state;
    net_options o = {.bind = "tcp://127.0.0.1:*"};
    if (net_open(&o, &transport, NULL) != PTL_OK)
        return 1;
    reactor = reactor_new(transport, net_endpoint_of(transport));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    reactor_free(reactor);
    net_close(transport, 0);
    return 0;
}

static void *run_reactor(void *arg)
{
    reactor_run(arg);
    return NULL;
}

static void note(void *ctx)
{
    errand *e = ctx;
    e->from->ran[e->from->count++] = e->number;
    e->from->run_in = pthread_self();
    free(e);
}

static void *post_all(void *arg)
{
    poster *p = arg;
    for (int i = 0; i < POSTS; i++) {
        errand *e = malloc(sizeof *e);
        assert_non_null(e);
        *e = (errand){p, i};
        reactor_post(p->reactor, note, e);
    }
    return NULL;
}

static void errands_run_in_its_thread_in_their_order(void **state)
{
    (void)state;
    static poster posters[POSTERS];
    pthread_t thread;
    assert_int_equal(thread_start(&thread, run_reactor, reactor), 0);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (poster){.reactor = reactor};
        assert_int_equal(
            thread_start(&posters[i].thread, post_all, &posters[i]), 0);
    }
    for (int i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    reactor_stop(reactor, 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < POSTERS; i++) {
        assert_int_equal(posters[i].count, POSTS);
        assert_true(pthread_equal(posters[i].run_in, thread));
        for (int k = 0; k < POSTS; k++)
            assert_int_equal(posters[i].ran[k], k);
    }
}

static void stop_it(void *ctx)
{
    (void)ctx;
    reactor_stop(reactor, 0);
}

static void it_ends_from_within_too(void **state)
{
    (void)state;
    reactor_post(reactor, stop_it, NULL);
    reactor_run(reactor);
}

static void ended(void *ctx, ptl_status status, const char *text)
{
    (void)text;
    *(ptl_status *)ctx = status;
    reactor_stop(reactor, 0);
}

/* A worker alone: nobody coordinates. */
static void a_machine_that_waits_in_vain_ends_at_its_deadline(void **state)
{
    (void)state;
    ptl_status status = PTL_OK;
    wire_limits limits = {.job = 1, .chunk = 64};
    machine_job job = {.id = 1,
                       .workers = 1,
                       .servers = 1,
                       .agreement = "",
                       .limits = &limits,
                       .window = 256,
                       .retry = 100,
                       .liveness = {50, 500, 5000},
                       .join_wait = 300};
    worker_owner owner = {0};
    reactor_owner o = {&status, ended, NULL};
    machine_out out = reactor_outside(reactor, wire_node(WIRE_WORKER, 0), &o);
    dist_worker *w = worker_new(&job, 0, 7, &owner, &out, clock_ms());
    reactor_add_worker(reactor, w);
    reactor_run(reactor);
    assert_int_equal(status, PTL_E_PEER_LOST);
    reactor_remove(reactor, WIRE_WORKER);
    worker_free(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(errands_run_in_its_thread_in_their_order),
        TEST(it_ends_from_within_too),
        TEST(a_machine_that_waits_in_vain_ends_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
