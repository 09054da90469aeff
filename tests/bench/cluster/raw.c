/*
 * raw.c - libzmq alone, with its defaults.
 *
 * raw: each worker sends every tensor as a message, from where it lies; who
 * serves answers a tensor to all once it came from all. Nothing is looked at.
 * ping: one worker after another sends a small message and gets it back.
 */
#include "base/clock.h"
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum { HEAD_BYTES = 96, PING = 1 << 30 };

static void check(bool good)
{
    if (!good)
        bench_fail(zmq_strerror(zmq_errno()));
}

static void keep(void *data, void *hint)
{
    (void)data, (void)hint;
}

/* The tensor's number, then its bytes; who gets it is said before. */
static void send_tensor(void *socket, int tensor, void *bytes, size_t size)
{
    uint8_t head[HEAD_BYTES] = {0};
    zmq_msg_t m;
    memcpy(head, &tensor, sizeof tensor);
    check(zmq_send(socket, head, sizeof head, ZMQ_SNDMORE) >= 0);
    zmq_msg_init_data(&m, bytes, size, keep, NULL);
    check(zmq_msg_send(&m, socket, 0) >= 0);
}

static int receive_tensor(void *socket)
{
    uint8_t head[HEAD_BYTES];
    int tensor;
    zmq_msg_t m;
    check(zmq_recv(socket, head, sizeof head, 0) == sizeof head);
    memcpy(&tensor, head, sizeof tensor);
    zmq_msg_init(&m);
    if (tensor != PING)
        check(zmq_msg_recv(&m, socket, 0) >= 0);
    zmq_msg_close(&m);
    return tensor;
}

static void *bytes_of(const work *w)
{
    size_t most = 0;
    for (int i = 0; i < w->tensor_count; i++)
        if ((size_t)w->tensors[i].elements * 4 > most)
            most = (size_t)w->tensors[i].elements * 4;
    void *bytes = malloc(most * (size_t)w->tensor_count);
    if (!bytes)
        bench_fail("no memory");
    memset(bytes, 1, most * (size_t)w->tensor_count);
    return bytes;
}

/* ---------- who serves ---------- */

typedef struct caller {
    uint8_t id[255];
    int size;
} caller;

static int find_caller(caller *callers, int *count, const caller *one)
{
    for (int i = 0; i < *count; i++)
        if (callers[i].size == one->size &&
            memcmp(callers[i].id, one->id, (size_t)one->size) == 0)
            return i;
    callers[*count] = *one;
    return (*count)++;
}

static void answer_ping(void *socket, const caller *one)
{
    uint8_t head[HEAD_BYTES] = {0};
    int ping = PING;
    memcpy(head, &ping, sizeof ping);
    check(zmq_send(socket, one->id, (size_t)one->size, ZMQ_SNDMORE) >= 0);
    check(zmq_send(socket, head, sizeof head, 0) >= 0);
}

static void serve(const work *w, void *socket)
{
    caller callers[MOST_MEMBERS];
    int count = 0, *came = calloc((size_t)w->tensor_count, sizeof *came);
    uint8_t *bytes = bytes_of(w);
    size_t size = (size_t)w->tensors[0].elements * 4;
    for (;;) {
        caller one;
        one.size = zmq_recv(socket, one.id, sizeof one.id, 0);
        check(one.size > 0);
        find_caller(callers, &count, &one);
        int tensor = receive_tensor(socket);
        if (tensor == PING) {
            answer_ping(socket, &one);
            continue;
        }
        if (++came[tensor] < w->workers)
            continue;
        came[tensor] = 0;
        for (int i = 0; i < count; i++) {
            check(zmq_send(socket, callers[i].id, (size_t)callers[i].size,
                           ZMQ_SNDMORE) >= 0);
            send_tensor(socket, tensor, bytes + (size_t)tensor * size, size);
        }
    }
}

/* ---------- a worker ---------- */

static void ping(void *socket)
{
    uint8_t head[HEAD_BYTES] = {0};
    int what = PING;
    memcpy(head, &what, sizeof what);
    check(zmq_send(socket, head, sizeof head, 0) >= 0);
    receive_tensor(socket);
}

static void take_step(const work *w, void *socket, uint8_t *bytes)
{
    size_t size = (size_t)w->tensors[0].elements * 4;
    if (strcmp(w->kind, "ping") == 0) {
        ping(socket);
        return;
    }
    for (int i = 0; i < w->tensor_count; i++)
        send_tensor(socket, i, bytes + (size_t)i * size, size);
    for (int i = 0; i < w->tensor_count; i++)
        receive_tensor(socket);
}

static void use(const work *w, turns *t, int worker, void *socket)
{
    uint8_t *bytes = bytes_of(w);
    ping(socket); /* who serves knows of it */
    turns_end(t, worker, 0);
    for (;;) {
        int steps = turns_begin(t, worker);
        double begin = clock_seconds();
        for (int i = 0; i < steps; i++)
            take_step(w, socket, bytes);
        turns_end(t, worker, clock_seconds() - begin);
    }
}

void raw_member(const work *w, turns *t, int member)
{
    void *context = zmq_ctx_new();
    bool serves = member == w->workers;
    void *socket = zmq_socket(context, serves ? ZMQ_ROUTER : ZMQ_DEALER);
    if (!serves) {
        check(zmq_connect(socket, t->endpoint) == 0);
        use(w, t, member, socket);
    }
    check(zmq_setsockopt(socket, ZMQ_USE_FD, &t->listener,
                         sizeof t->listener) == 0);
    check(zmq_bind(socket, t->endpoint) == 0);
    serve(w, socket);
}
