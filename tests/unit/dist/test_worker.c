/*
 * test_worker.c - what a worker is not: a server. How it goes through its steps
 * is for the simulator.
 */
#include "dist/worker.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const wire_limits limits = {.job = 9, .chunk = 64};
static const uint32_t node = (uint32_t)WIRE_WORKER << 24;

/* The last message of each side. */
typedef struct side {
    uint8_t bytes[3][400];
    wire_frame frames[3];
    int count;
} side;

static side asked, answered;

static void keep(void *ctx, int connection, const wire_frame *frames, int count,
                 dist_blob *payload)
{
    side *s = ctx;
    (void)connection, (void)payload;
    s->count = count;
    for (int i = 0; i < count; i++) {
        s->frames[i] = (wire_frame){s->bytes[i], frames[i].size};
        if (frames[i].size)
            memcpy(s->bytes[i], frames[i].data, frames[i].size);
    }
}

static void close_it(void *ctx, int connection)
{
    (void)ctx, (void)connection;
}

static void pass_over(void *ctx, const char *line)
{
    (void)ctx, (void)line;
}

static void connect_to(void *ctx, uint32_t to, const char *endpoint)
{
    (void)ctx, (void)to, (void)endpoint;
}

static void a_worker_serves_nobody(void **state)
{
    (void)state;
    machine_job job = {.id = 9,
                       .workers = 2,
                       .agreement = "",
                       .limits = &limits,
                       .window = 256,
                       .liveness = {100, 500, 2000}};
    hub_out wire = {&answered, keep, close_it, pass_over, NULL};
    machine_out out = {.wire = wire, .connect = connect_to};
    worker_owner owner = {0};
    hub_config other = {.self = node | 1,
                        .job = 9,
                        .incarnation = 7,
                        .agreement = "",
                        .limits = &limits,
                        .window = 256,
                        .retry = 50,
                        .liveness = job.liveness};
    hub_out others = {&asked, keep, close_it, pass_over, NULL};
    dist_worker *w = worker_new(&job, 0, 8, &owner, &out, 0);
    dist_hub *h = hub_new(&other, &(hub_owner){0}, &others, 0);
    hub_connected(h, 1, node, 0);
    assert_int_equal(wire_get(asked.bytes[0] + 6, 2), WIRE_HELLO);
    hub_receive(worker_hub(w), 1, asked.frames, asked.count, 0);
    assert_int_equal(wire_get(answered.bytes[0] + 6, 2), WIRE_REJECT);
    assert_false(hub_is_up(worker_hub(w), node | 1));
    hub_free(h);
    worker_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_serves_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
