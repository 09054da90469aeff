/*
 * test_link.c - two ends of a link, their messages handed over one by one:
 * order, acknowledgement, credit, and what is said again after a connection
 * broke.
 */
#include "dist/link.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RETRY = 100, WINDOW = 256, MOST = 64 };

static const uint64_t bucket_bytes[] = {4096, 4096};
static const ptl_dtype bucket_types[] = {PTL_U8, PTL_U8};
static const wire_limits limits = {.job = 9,
                                   .chunk = 64,
                                   .bucket_count = 2,
                                   .bucket_bytes = bucket_bytes,
                                   .bucket_types = bucket_types};

typedef struct note {
    uint8_t head[WIRE_HEADER_BYTES], payload[64], fields[64];
    wire_frame frames[3];
    int count;
} note;

/* One end, and what it sent that was not taken out yet. */
typedef struct end {
    dist_link *link;
    note sent[MOST];
    int count;
    uint64_t delivered[MOST]; /* steps of the messages, in order */
    int delivered_count;
} end;

static end worker, ps;

static void keep(void *ctx, int connection, const wire_frame *frames, int count,
                 dist_blob *payload)
{
    end *e = ctx;
    (void)connection, (void)payload;
    assert_true(e->count < MOST);
    note *n = &e->sent[e->count++];
    uint8_t *to[] = {n->head, n->payload, n->fields};
    n->count = count;
    for (int i = 0; i < count; i++) {
        if (frames[i].size)
            memcpy(to[i], frames[i].data, frames[i].size);
        n->frames[i] = (wire_frame){to[i], frames[i].size};
    }
}

static void read_note(const note *n, wire_message *m)
{
    wire_fault fault;
    wire_frame frames[3];
    const uint8_t *at[] = {n->head, n->payload, n->fields};
    for (int i = 0; i < n->count; i++)
        frames[i] = (wire_frame){at[i], n->frames[i].size};
    if (wire_read(frames, n->count, &limits, m, &fault) != WIRE_GOOD)
        fail_msg("%s", fault.text);
}

static link_answer give(end *to, const note *n)
{
    wire_message m;
    read_note(n, &m);
    link_answer a = link_take(to->link, &m, 0);
    if (a == LINK_DELIVERED)
        to->delivered[to->delivered_count++] = m.head.step;
    return a;
}

static void give_all(end *from, end *to)
{
    int count = from->count;
    from->count = 0;
    for (int i = 0; i < count; i++)
        give(to, &from->sent[i]);
}

static int count_type(const end *e, wire_type type)
{
    int count = 0;
    for (int i = 0; i < e->count; i++)
        count += wire_get(e->sent[i].head + 6, 2) == type;
    return count;
}

static void open_end(end *e, uint32_t self, uint32_t peer, uint64_t incarnation)
{
    link_config c = {.self = self,
                     .peer = peer,
                     .job = 9,
                     .incarnation = incarnation,
                     .window = WINDOW,
                     .retry = RETRY,
                     .agreement = {(const uint8_t *)"x\n", 2},
                     .send = keep,
                     .ctx = e};
    *e = (end){.link = link_new(&c)};
}

/* The worker connects and both greet; what else they say stays in `sent`. */
static void greet(bool fresh_for_ps, bool fresh_for_worker)
{
    wire_message m;
    worker.count = ps.count = 0;
    link_connected(worker.link, 1, 0);
    read_note(&worker.sent[0], &m);
    worker.count = 0;
    assert_int_equal(link_accept(ps.link, 1, &m, 0), fresh_for_ps);
    read_note(&ps.sent[0], &m);
    assert_int_equal(m.head.type, WIRE_WELCOME);
    memmove(&ps.sent[0], &ps.sent[1], (size_t)--ps.count * sizeof(note));
    assert_int_equal(link_accept(worker.link, 1, &m, 0), fresh_for_worker);
}

static int setup(void **state)
{
    (void)state;
    open_end(&worker, wire_node(WIRE_WORKER, 0), wire_node(WIRE_PS, 0), 7);
    open_end(&ps, wire_node(WIRE_PS, 0), wire_node(WIRE_WORKER, 0), 8);
    greet(true, true);
    link_flush(worker.link, 0); /* tells its first credit */
    give_all(&worker, &ps);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    link_free(worker.link);
    link_free(ps.link);
    return 0;
}

static void say(end *e, wire_type type, uint64_t step)
{
    wire_header h = {.type = (uint16_t)type, .step = step};
    link_say(e->link, &h, NULL, NULL, 0, 0);
}

static void say_chunk_of(end *e, uint32_t bucket, uint64_t step)
{
    wire_header h = {
        .type = WIRE_PUSH, .id = bucket, .step = step, .dtype = 1 + PTL_U8};
    wire_fields f = {.present = 1u << WIRE_FIELD_WEIGHT, .weight = 1};
    dist_blob *b = blob_new(64);
    memset(blob_bytes(b), (int)step, 64);
    link_say(e->link, &h, &f, b, 0, 64);
    blob_drop(b);
}

static void say_chunk(end *e, uint64_t step)
{
    say_chunk_of(e, 0, step);
}

static void check_delivered(const end *e, const uint64_t *steps, int count)
{
    assert_int_equal(e->delivered_count, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(e->delivered[i], steps[i]);
}

/* ---------- tests ---------- */

static void messages_come_in_order_and_control_first(void **state)
{
    (void)state;
    say(&worker, WIRE_PULL, 1);
    say(&worker, WIRE_READY, 2);
    say(&worker, WIRE_PULL, 3);
    link_flush(worker.link, 0);
    give_all(&worker, &ps);
    check_delivered(&ps, (const uint64_t[]){2, 1, 3}, 3);
}

static void a_message_that_comes_twice_is_delivered_once(void **state)
{
    (void)state;
    say(&worker, WIRE_READY, 1);
    link_flush(worker.link, 0);
    assert_int_equal(give(&ps, &worker.sent[0]), LINK_DELIVERED);
    assert_int_equal(give(&ps, &worker.sent[0]), LINK_PASSED);
}

static void what_comes_too_early_waits_to_be_said_again(void **state)
{
    (void)state;
    say(&worker, WIRE_READY, 1);
    say(&worker, WIRE_READY, 2);
    link_flush(worker.link, 0);
    assert_int_equal(give(&ps, &worker.sent[1]), LINK_PASSED);
    assert_int_equal(give(&ps, &worker.sent[0]), LINK_DELIVERED);
    worker.count = 0;
    link_tick(ps.link, 10); /* tells what it has: 1 */
    give_all(&ps, &worker);
    link_tick(worker.link, RETRY);
    give_all(&worker, &ps);
    check_delivered(&ps, (const uint64_t[]){1, 2}, 2);
}

static void an_acknowledged_message_is_let_go(void **state)
{
    (void)state;
    say(&worker, WIRE_READY, 1);
    link_flush(worker.link, 0);
    assert_int_equal(link_waiting(worker.link), 1);
    give_all(&worker, &ps);
    link_tick(ps.link, 1);
    give_all(&ps, &worker);
    assert_int_equal(link_waiting(worker.link), 0);
}

static void what_was_not_sent_cannot_be_acknowledged(void **state)
{
    (void)state;
    say(&worker, WIRE_READY, 1);
    link_flush(worker.link, 0);
    wire_message m;
    read_note(&worker.sent[0], &m);
    m.head.ack = 1;
    assert_int_equal(link_take(ps.link, &m, 0), LINK_WRONG);
}

/* 256 bytes: four chunks. */
static void data_waits_for_credit(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 6; i++)
        say_chunk(&worker, i);
    link_flush(worker.link, 0);
    assert_int_equal(count_type(&worker, WIRE_PUSH), 4);
    say(&worker, WIRE_READY, 9); /* control does not wait */
    link_flush(worker.link, 0);
    assert_int_equal(count_type(&worker, WIRE_READY), 1);
    give_all(&worker, &ps);
    link_flush(ps.link, 0);
    assert_int_equal(count_type(&ps, WIRE_CREDIT), 1);
    give_all(&ps, &worker);
    link_flush(worker.link, 0);
    assert_int_equal(count_type(&worker, WIRE_PUSH), 2);
}

/* What the next step needs first is complete last. */
static void a_later_bucket_overtakes_what_waits(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 6; i++)
        say_chunk_of(&worker, 0, i);
    link_flush(worker.link, 0); /* four of them */
    say_chunk_of(&worker, 1, 10);
    say_chunk_of(&worker, 0, 6);
    say_chunk_of(&worker, 1, 11);
    give_all(&worker, &ps);
    link_flush(ps.link, 0);
    give_all(&ps, &worker);
    link_flush(worker.link, 0);
    give_all(&worker, &ps);
    check_delivered(&ps, (const uint64_t[]){0, 1, 2, 3, 10, 11, 4, 5}, 8);
}

static void who_sends_more_than_the_credit_is_wrong(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 4; i++)
        say_chunk(&worker, i);
    link_flush(worker.link, 0);
    give_all(&worker, &ps);
    say(&worker, WIRE_READY, 9);
    link_flush(worker.link, 0);
    wire_message m;
    read_note(&worker.sent[0], &m);
    m.head.type = WIRE_PUSH;
    m.payload.size = 64;
    assert_int_equal(link_take(ps.link, &m, 0), LINK_WRONG);
}

static void a_new_connection_brings_what_the_old_one_lost(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3; i++)
        say(&worker, WIRE_READY, i);
    link_flush(worker.link, 0);
    give(&ps, &worker.sent[0]); /* the others are lost, and the ack too */
    link_disconnected(worker.link);
    link_disconnected(ps.link);
    say(&worker, WIRE_READY, 3); /* while it is down */
    greet(false, false);
    assert_int_equal(count_type(&worker, WIRE_READY), 2);
    assert_true(wire_get(worker.sent[0].head + 8, 4) & WIRE_RETRANSMIT);
    link_flush(worker.link, 0);
    give_all(&worker, &ps);
    check_delivered(&ps, (const uint64_t[]){0, 1, 2, 3}, 4);
}

static void a_new_process_begins_anew(void **state)
{
    (void)state;
    say(&ps, WIRE_PUSH_ACK, 5);
    link_flush(ps.link, 0);
    assert_int_equal(link_waiting(ps.link), 1);
    link_free(worker.link);
    open_end(&worker, wire_node(WIRE_WORKER, 0), wire_node(WIRE_PS, 0), 77);
    greet(true, true);
    assert_int_equal(link_waiting(ps.link), 0);
    say(&worker, WIRE_READY, 1);
    link_flush(worker.link, 0);
    give_all(&worker, &ps);
    check_delivered(&ps, (const uint64_t[]){1}, 1);
}

static void hello_is_said_until_there_is_an_answer(void **state)
{
    (void)state;
    link_disconnected(worker.link);
    worker.count = 0;
    link_connected(worker.link, 2, 1000);
    link_tick(worker.link, 1000 + RETRY - 1);
    assert_int_equal(count_type(&worker, WIRE_HELLO), 1);
    link_tick(worker.link, 1000 + RETRY);
    assert_int_equal(count_type(&worker, WIRE_HELLO), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(messages_come_in_order_and_control_first),
        TEST(a_message_that_comes_twice_is_delivered_once),
        TEST(what_comes_too_early_waits_to_be_said_again),
        TEST(an_acknowledged_message_is_let_go),
        TEST(what_was_not_sent_cannot_be_acknowledged),
        TEST(data_waits_for_credit),
        TEST(a_later_bucket_overtakes_what_waits),
        TEST(who_sends_more_than_the_credit_is_wrong),
        TEST(a_new_connection_brings_what_the_old_one_lost),
        TEST(a_new_process_begins_anew),
        TEST(hello_is_said_until_there_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
