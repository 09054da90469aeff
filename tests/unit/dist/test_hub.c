/*
 * test_hub.c - who may be a peer, what is refused and in which words, and who
 * lives. A worker's hub connects to a server's; frames are handed over by hand.
 */
#include "dist/hub.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 32, HEARTBEAT = 100, DEAD = 500, STALL = 2000 };

static const wire_limits limits = {.job = 9, .chunk = 64};

typedef struct note {
    uint8_t bytes[3][400];
    size_t sizes[3];
    int count;
} note;

/* One process: its hub, what it sent, what its machine was told. */
typedef struct side {
    dist_hub *hub;
    note sent[MOST];
    int count;
    char told[400]; /* the last thing */
    int ups, fresh, messages, closed, verdicts[4];
    bool admits;
} side;

static side server, client;

static void keep(void *ctx, int connection, const wire_frame *frames, int count,
                 dist_blob *payload)
{
    side *s = ctx;
    (void)connection, (void)payload;
    assert_true(s->count < MOST);
    note *n = &s->sent[s->count++];
    n->count = count;
    for (int i = 0; i < count; i++) {
        n->sizes[i] = frames[i].size;
        if (frames[i].size)
            memcpy(n->bytes[i], frames[i].data, frames[i].size);
    }
}

static void close_it(void *ctx, int connection)
{
    (void)connection;
    ((side *)ctx)->closed++;
}

static void tell(side *s, const char *text)
{
    snprintf(s->told, sizeof s->told, "%s", text);
}

static void log_it(void *ctx, const char *line)
{
    tell(ctx, line);
}

static bool admit(void *ctx, const wire_header *hello, bool lives,
                  wire_fault *fault)
{
    side *s = ctx;
    (void)hello;
    if (s->admits && !lives)
        return true;
    fault->code = WIRE_REASON_TAKEN;
    strcpy(fault->text, "somebody is here already");
    return false;
}

static void up(void *ctx, uint32_t node, bool fresh)
{
    side *s = ctx;
    (void)node;
    s->ups++;
    s->fresh += fresh;
}

static void message(void *ctx, uint32_t node, const wire_message *m)
{
    (void)node, (void)m;
    ((side *)ctx)->messages++;
}

static void refused(void *ctx, uint32_t node, wire_reason code,
                    const char *text)
{
    (void)node, (void)code;
    tell(ctx, text);
}

static void verdict(void *ctx, uint32_t node, liveness_verdict what,
                    const char *text)
{
    (void)node;
    ((side *)ctx)->verdicts[what]++;
    tell(ctx, text);
}

static void open_side(side *s, uint32_t self, uint64_t incarnation,
                      const char *agreement)
{
    hub_config c = {.self = self,
                    .job = 9,
                    .incarnation = incarnation,
                    .agreement = agreement,
                    .limits = &limits,
                    .window = 256,
                    .retry = 50,
                    .liveness = {HEARTBEAT, DEAD, STALL}};
    hub_owner owner = {s, admit, up, message, refused, verdict};
    hub_out out = {s, keep, close_it, log_it, NULL};
    hub_free(s->hub);
    *s = (side){.admits = true};
    s->hub = hub_new(&c, &owner, &out, 0);
}

static const uint32_t worker = (uint32_t)WIRE_WORKER << 24 | 3;
static const uint32_t ps = (uint32_t)WIRE_PS << 24;

static int setup(void **state)
{
    (void)state;
    open_side(&server, ps, 8, "model lenet\nbucket 7 = 2097152 B\n");
    open_side(&client, worker, 7, "model lenet\nbucket 7 = 2097152 B\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hub_free(server.hub);
    hub_free(client.hub);
    server.hub = client.hub = NULL;
    return 0;
}

static void receive(side *to, int connection, const note *n, uint64_t now)
{
    wire_frame frames[3];
    for (int i = 0; i < n->count; i++)
        frames[i] = (wire_frame){n->bytes[i], n->sizes[i]};
    hub_receive(to->hub, connection, frames, n->count, now);
}

/* Everything both said, until they are silent. */
static void exchange(uint64_t now)
{
    while (client.count + server.count > 0) {
        side *from = client.count ? &client : &server;
        side *to = from == &client ? &server : &client;
        note first = from->sent[0];
        memmove(from->sent, from->sent + 1,
                (size_t)--from->count * sizeof(note));
        receive(to, 1, &first, now);
    }
}

static void greet(uint64_t now)
{
    hub_connected(client.hub, 1, ps, now);
    exchange(now);
}

static int type_of(const note *n)
{
    return (int)wire_get(n->bytes[0] + 6, 2);
}

/* ---------- greeting ---------- */

static void who_agrees_is_welcome(void **state)
{
    (void)state;
    greet(0);
    assert_true(hub_is_up(server.hub, worker) && hub_is_up(client.hub, ps));
    assert_int_equal(server.fresh, 1);
    assert_int_equal(client.fresh, 1);
    assert_int_equal(hub_incarnation(server.hub, worker), 7);
    hub_say_plain(client.hub, ps, &(wire_header){.type = WIRE_READY});
    hub_flush(client.hub, 0);
    exchange(0);
    assert_int_equal(server.messages, 1);
}

static void the_first_difference_is_said_to_both(void **state)
{
    (void)state;
    const char *text = "worker 3 has `bucket 7 = 4194304 B`, the cluster has "
                       "`bucket 7 = 2097152 B`";
    open_side(&client, worker, 7, "model lenet\nbucket 7 = 4194304 B\nx\n");
    greet(0);
    assert_false(hub_is_up(server.hub, worker));
    assert_string_equal(client.told, text);
    assert_string_equal(server.told + strlen("refused: "), text);
}

static void a_line_that_is_missing_is_a_difference(void **state)
{
    (void)state;
    open_side(&client, worker, 7, "model lenet\n");
    greet(0);
    assert_string_equal(client.told, "worker 3 has ``, the cluster has `bucket "
                                     "7 = 2097152 B`");
}

static void who_is_not_admitted_is_told_why(void **state)
{
    (void)state;
    server.admits = false;
    greet(0);
    assert_string_equal(client.told, "somebody is here already");
}

static void a_second_process_waits_until_the_first_is_dead(void **state)
{
    (void)state;
    greet(0);
    open_side(&client, worker, 77, "model lenet\nbucket 7 = 2097152 B\n");
    greet(DEAD - 1);
    assert_string_equal(client.told, "somebody is here already");
    greet(DEAD);
    assert_true(hub_is_up(client.hub, ps));
    assert_int_equal(hub_incarnation(server.hub, worker), 77);
    assert_int_equal(server.fresh, 2);
}

static void who_comes_back_is_not_new(void **state)
{
    (void)state;
    greet(0);
    hub_disconnected(client.hub, 1, 10);
    hub_disconnected(server.hub, 1, 10);
    greet(20);
    assert_int_equal(server.ups, 2);
    assert_int_equal(server.fresh, 1);
}

static void who_says_something_else_first_is_asked_who_it_is(void **state)
{
    (void)state;
    greet(0);
    hub_say_plain(client.hub, ps, &(wire_header){.type = WIRE_READY});
    hub_flush(client.hub, 0);
    note ready = client.sent[0];
    client.count = 0;
    receive(&server, 2, &ready, 0);
    assert_int_equal(server.messages, 0);
    assert_int_equal(type_of(&server.sent[0]), WIRE_WHO);
}

static void another_job_is_refused(void **state)
{
    (void)state;
    hub_connected(client.hub, 1, ps, 0);
    note hello = client.sent[0];
    wire_header h = {
        .type = WIRE_HELLO, .job = 10, .incarnation = 7, .sender = worker};
    wire_write(&h, (wire_frame){hello.bytes[1], hello.sizes[1]},
               (wire_frame){hello.bytes[2], hello.sizes[2]}, hello.bytes[0]);
    receive(&server, 1, &hello, 0);
    assert_string_equal(server.told,
                        "refused: worker 3 belongs to another job");
    assert_int_equal(type_of(&server.sent[0]), WIRE_REJECT);
}

/* ---------- broken rules ---------- */

static void three_broken_messages_in_a_row_disconnect(void **state)
{
    (void)state;
    greet(0);
    note bad = {.sizes = {96, 0}, .count = 2};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(server.closed, 0);
        receive(&server, 1, &bad, 0);
        assert_int_equal(type_of(&server.sent[i]), WIRE_ERROR);
    }
    assert_int_equal(server.closed, 1);
    assert_false(hub_is_up(server.hub, worker));
}

static void a_good_message_between_them_does_not(void **state)
{
    (void)state;
    greet(0);
    note bad = {.sizes = {96, 0}, .count = 2};
    for (int i = 0; i < 6; i++) {
        receive(&server, 1, &bad, 0);
        hub_say_plain(client.hub, ps, &(wire_header){.type = WIRE_READY});
        hub_flush(client.hub, 0);
        exchange(0);
    }
    assert_int_equal(server.closed, 0);
    assert_int_equal(server.messages, 6);
}

/* ---------- who lives ---------- */

static void who_is_silent_is_asked_and_answers(void **state)
{
    (void)state;
    dist_progress at = {WIRE_PHASE_TRAINING, 120, 3};
    greet(0);
    hub_progress(client.hub, &at);
    hub_tick(server.hub, HEARTBEAT);
    assert_int_equal(type_of(&server.sent[0]), WIRE_PING);
    exchange(HEARTBEAT);
    const dist_pulse *p = hub_pulse(server.hub, worker);
    assert_int_equal(p->heard, HEARTBEAT);
    assert_int_equal(p->at.step, 120);
    assert_int_equal(p->at.bucket, 3);
}

/* Other messages keep the link alive, and say nothing of steps. */
static void who_says_much_says_where_it_is_too(void **state)
{
    (void)state;
    dist_progress at = {WIRE_PHASE_TRAINING, 120, 3};
    greet(0);
    hub_progress(client.hub, &at);
    for (uint64_t t = HEARTBEAT / 2; t <= 4 * HEARTBEAT; t += HEARTBEAT / 2) {
        hub_say_plain(client.hub, ps, &(wire_header){.type = WIRE_READY});
        hub_tick(client.hub, t);
        hub_tick(server.hub, t);
        exchange(t);
    }
    assert_int_equal(hub_pulse(server.hub, worker)->at.step, 120);
}

static void who_does_not_answer_is_unreachable_once(void **state)
{
    (void)state;
    greet(0);
    hub_tick(server.hub, DEAD - 1);
    assert_int_equal(server.verdicts[LIVENESS_UNREACHABLE], 0);
    hub_tick(server.hub, DEAD);
    hub_tick(server.hub, DEAD + 1);
    assert_int_equal(server.verdicts[LIVENESS_UNREACHABLE], 1);
    server.count = 0;
    hub_tick(client.hub, DEAD + 2); /* it was only slow */
    exchange(DEAD + 2);
    assert_int_equal(server.verdicts[LIVENESS_BACK], 1);
}

/* Answers, but stands at one step: TRAINING for `stall`, LOADING for five times
 * that. */
static int stalled_after(wire_phase phase, uint64_t ms)
{
    dist_progress at = {phase, 120, 3};
    setup(NULL);
    greet(0);
    hub_progress(client.hub, &at);
    for (uint64_t t = HEARTBEAT; t <= ms; t += HEARTBEAT) {
        hub_tick(server.hub, t);
        exchange(t);
    }
    return server.verdicts[LIVENESS_STALLED];
}

static void who_answers_and_stands_still_is_stalled(void **state)
{
    (void)state;
    assert_int_equal(stalled_after(WIRE_PHASE_TRAINING, STALL), 0);
    assert_int_equal(stalled_after(WIRE_PHASE_TRAINING, 2 * STALL), 1);
    assert_string_equal(server.told, "worker 3 is stalled: step 120, bucket 3, "
                                     "TRAINING, since 2 s");
    assert_int_equal(stalled_after(WIRE_PHASE_LOADING, 4 * STALL), 0);
    assert_int_equal(stalled_after(WIRE_PHASE_LOADING, 6 * STALL), 1);
}

/* The coordinator has no steps to stand still at. */
static void who_has_no_phase_is_not_stalled(void **state)
{
    (void)state;
    assert_int_equal(stalled_after((wire_phase)0, 6 * STALL), 0);
}

static void a_lost_coordinator_is_called_so(void **state)
{
    const dist_pulse p = {.heard = 1000};
    char text[120];
    (void)state;
    liveness_text(&p, wire_node(WIRE_COORDINATOR, 0), LIVENESS_UNREACHABLE,
                  6000, text);
    assert_string_equal(text, "the coordinator is lost: nothing heard for 5 s");
}

static void a_key_is_good_for_its_own_node_alone(void **state)
{
    (void)state;
    hub_connected(client.hub, 0, ps, 10);
    hub_proved(server.hub, 0, wire_node(WIRE_WORKER, 2));
    receive(&server, 0, &client.sent[0], 11);
    assert_int_equal(server.ups, 0);
    assert_string_equal(server.told,
                        "refused: worker 3 came with the key of worker 2");
    receive(&client, 0, &server.sent[0], 12);
    assert_string_equal(client.told, "worker 3 came with the key of worker 2");
    hub_proved(server.hub, 0, worker);
    receive(&server, 0, &client.sent[0], 13);
    assert_int_equal(server.ups, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_agrees_is_welcome),
        TEST(the_first_difference_is_said_to_both),
        TEST(a_line_that_is_missing_is_a_difference),
        TEST(who_is_not_admitted_is_told_why),
        TEST(a_second_process_waits_until_the_first_is_dead),
        TEST(who_comes_back_is_not_new),
        TEST(who_says_something_else_first_is_asked_who_it_is),
        TEST(another_job_is_refused),
        TEST(three_broken_messages_in_a_row_disconnect),
        TEST(a_good_message_between_them_does_not),
        TEST(who_is_silent_is_asked_and_answers),
        TEST(who_says_much_says_where_it_is_too),
        TEST(who_does_not_answer_is_unreachable_once),
        TEST(who_answers_and_stands_still_is_stalled),
        TEST(who_has_no_phase_is_not_stalled),
        TEST(a_lost_coordinator_is_called_so),
        cmocka_unit_test_setup_teardown(a_key_is_good_for_its_own_node_alone,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
