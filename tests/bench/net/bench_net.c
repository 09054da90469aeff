/*
 * bench_net.c - bytes per second through hub, link and transport, beside
 * libzmq alone with the same chunks over tcp on loopback: one sender, one
 * receiver, a thread each (and libzmq's two).
 *
 *   bench_net [ROUNDS [BYTES]]
 *
 * prints medians of rounds that take turns, and of their ratios. BYTES: of the
 * buffer that libzmq alone sends from, else the system's. A round ends when the
 * receiver has the last byte.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "dist/hub.h"
#include "net/net.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

enum { MOST_ROUNDS = 200, BUCKETS = 512 };

typedef struct load {
    const char *name;
    size_t bytes; /* of a tensor */
    int tensors, passes;
} load;

static const load loads[] = {{"64 tensors of 1 MiB", 1 << 20, 64, 4},
                             {"512 tensors of 4 KiB", 4 << 10, 512, 20},
                             {"512 tensors of 256 B", 256, 512, 20}};

static double total_bytes(const load *l)
{
    return (double)l->bytes * l->tensors * l->passes;
}

/* ---------- libzmq alone ---------- */

typedef struct raw {
    void *sender_context, *receiver_context, *sender, *receiver;
    const load *load;
    double end;
} raw;

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench_net: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static void raw_open(raw *r, int buffers)
{
    char at[200];
    size_t size = sizeof at;
    r->sender_context = zmq_ctx_new();
    r->receiver_context = zmq_ctx_new();
    r->receiver = zmq_socket(r->receiver_context, ZMQ_ROUTER);
    r->sender = zmq_socket(r->sender_context, ZMQ_DEALER);
    for (int i = 0; i < 2 && buffers > 0; i++) {
        void *socket = i ? r->sender : r->receiver;
        zmq_setsockopt(socket, ZMQ_SNDBUF, &buffers, sizeof buffers);
    }
    check(zmq_bind(r->receiver, "tcp://127.0.0.1:*") == 0, "bind");
    zmq_getsockopt(r->receiver, ZMQ_LAST_ENDPOINT, at, &size);
    check(zmq_connect(r->sender, at) == 0, "connect");
}

static void raw_close(raw *r)
{
    zmq_close(r->sender);
    zmq_close(r->receiver);
    zmq_ctx_term(r->sender_context);
    zmq_ctx_term(r->receiver_context);
}

static void *raw_receive(void *arg)
{
    raw *r = arg;
    int left = 3 * r->load->tensors * r->load->passes; /* frames */
    for (; left > 0; left--) {
        zmq_msg_t m;
        zmq_msg_init(&m);
        check(zmq_msg_recv(&m, r->receiver, 0) >= 0, "receive");
        zmq_msg_close(&m);
    }
    r->end = clock_seconds();
    return NULL;
}

static void keep(void *data, void *hint)
{
    (void)data, (void)hint;
}

static double raw_round(raw *r, const load *l, dist_blob *const *blobs)
{
    pthread_t thread;
    uint8_t head[WIRE_HEADER_BYTES] = {0};
    r->load = l;
    thread_start(&thread, raw_receive, r);
    double begin = clock_seconds();
    for (int i = 0; i < l->tensors * l->passes; i++) {
        zmq_msg_t m;
        zmq_send(r->sender, head, sizeof head, ZMQ_SNDMORE);
        zmq_msg_init_data(&m, blob_bytes(blobs[i % l->tensors]), l->bytes, keep,
                          NULL);
        check(zmq_msg_send(&m, r->sender, 0) >= 0, "send");
    }
    pthread_join(thread, NULL);
    return r->end - begin;
}

/* ---------- ours ---------- */

typedef struct side {
    dist_transport *transport;
    dist_hub *hub;
    bool up;
    int messages;
    atomic_int until; /* messages; then `end` is the time */
    atomic_bool stop;
    double end;
} side;

static uint64_t bucket_bytes[BUCKETS];
static ptl_dtype bucket_types[BUCKETS];
static wire_limits limits = {.job = 1,
                             .chunk = WIRE_CHUNK_BYTES,
                             .bucket_count = BUCKETS,
                             .bucket_bytes = bucket_bytes,
                             .bucket_types = bucket_types};

static void send_it(void *ctx, int connection, const wire_frame *frames,
                    int count, dist_blob *payload)
{
    dist_transport *t = ((side *)ctx)->transport;
    t->ops->send(t, connection, frames, count, payload);
}

static void close_it(void *ctx, int connection)
{
    dist_transport *t = ((side *)ctx)->transport;
    t->ops->close(t, connection);
}

static void log_it(void *ctx, const char *line)
{
    (void)ctx;
    fprintf(stderr, "bench_net: %s\n", line);
}

static bool admit(void *ctx, const wire_header *hello, bool lives,
                  wire_fault *fault)
{
    (void)ctx, (void)hello, (void)lives, (void)fault;
    return true;
}

static void up(void *ctx, uint32_t node, bool fresh)
{
    (void)node, (void)fresh;
    ((side *)ctx)->up = true;
}

static void message(void *ctx, uint32_t node, const wire_message *m)
{
    side *s = ctx;
    (void)node, (void)m;
    if (++s->messages == atomic_load(&s->until)) {
        s->end = clock_seconds();
        atomic_store(&s->until, -1);
    }
}

static void refused(void *ctx, uint32_t node, wire_reason code,
                    const char *text)
{
    (void)node, (void)code;
    log_it(ctx, text);
}

static void verdict(void *ctx, uint32_t node, liveness_verdict what,
                    const char *text)
{
    (void)node, (void)what;
    log_it(ctx, text);
}

static void turn(side *s, uint64_t *next_tick)
{
    transport_event e;
    s->transport->ops->next(s->transport, *next_tick, &e);
    uint64_t now = clock_ms();
    if (e.kind == TRANSPORT_UP)
        hub_connected(s->hub, e.connection, e.node, now);
    else if (e.kind == TRANSPORT_DOWN)
        hub_disconnected(s->hub, e.connection, now);
    else if (e.kind == TRANSPORT_MESSAGE)
        hub_receive(s->hub, e.connection, e.frames, e.count, now);
    s->transport->ops->done(s->transport, &e);
    if (now >= *next_tick) {
        hub_tick(s->hub, now);
        *next_tick = now + 10;
    }
}

static void *receive(void *arg)
{
    side *s = arg;
    uint64_t next_tick = 0;
    while (!atomic_load(&s->stop))
        turn(s, &next_tick);
    return NULL;
}

static void open_side(side *s, uint32_t self, net_options o)
{
    ptl_error err;
    o.log = log_it;
    if (net_open(&o, &s->transport, &err) != PTL_OK) {
        fprintf(stderr, "bench_net: %s\n", err.text);
        exit(1);
    }
    hub_config c = {.self = self,
                    .job = 1,
                    .incarnation = 1 + self,
                    .agreement = "",
                    .limits = &limits,
                    .window = 8 * WIRE_CHUNK_BYTES,
                    .retry = 5000,
                    .liveness = {1000, 60000, 600000}};
    hub_owner owner = {s, admit, up, message, refused, verdict};
    hub_out out = {s, send_it, close_it, log_it, NULL};
    s->hub = hub_new(&c, &owner, &out, clock_ms());
}

static void say(side *s, uint32_t to, uint32_t bucket, dist_blob *blob,
                size_t bytes)
{
    wire_header h = {.type = WIRE_PUSH,
                     .flags = WIRE_LAST,
                     .epoch = 1,
                     .id = bucket,
                     .dtype = 1 + PTL_F32};
    wire_fields f = {.present = 1u << WIRE_FIELD_WEIGHT, .weight = 1};
    hub_say(s->hub, to, &h, &f, blob, 0, bytes);
}

static double our_round(side *sender, side *receiver, const load *l,
                        dist_blob *const *blobs)
{
    static int said; /* in all: the receiver counts all its messages */
    uint64_t next_tick = 0;
    uint32_t to = wire_node(WIRE_PS, 0);
    int count = l->tensors * l->passes;
    for (int i = 0; i < BUCKETS; i++)
        bucket_bytes[i] = l->bytes;
    said += count;
    atomic_store(&receiver->until, said);
    double begin = clock_seconds();
    for (int i = 0; i < count; i++)
        say(sender, to, (uint32_t)(i % l->tensors), blobs[i % l->tensors],
            l->bytes);
    hub_flush(sender->hub, clock_ms());
    while (hub_waiting(sender->hub) > 0)
        turn(sender, &next_tick);
    return receiver->end - begin;
}

/* ---------- both ---------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times, int count)
{
    qsort(times, (size_t)count, sizeof *times, by_value);
    return times[count / 2];
}

/* Processor time of all threads: what is left where others have the cores. */
static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void measure(raw *r, side *sender, side *receiver, const load *l,
                    int rounds)
{
    double alone[MOST_ROUNDS], ours[MOST_ROUNDS];
    double ratio[MOST_ROUNDS], ratio_cpu[MOST_ROUNDS];
    dist_blob *blobs[BUCKETS];
    for (int i = 0; i < l->tensors; i++) {
        blobs[i] = blob_new(l->bytes);
        memset(blob_bytes(blobs[i]), i, l->bytes);
    }
    raw_round(r, l, blobs); /* warms up */
    our_round(sender, receiver, l, blobs);
    for (int i = 0; i < rounds; i++) {
        double begin = processor_seconds();
        alone[i] = raw_round(r, l, blobs);
        double middle = processor_seconds();
        ours[i] = our_round(sender, receiver, l, blobs);
        ratio[i] = alone[i] / ours[i];
        ratio_cpu[i] = (middle - begin) / (processor_seconds() - middle);
    }
    for (int i = 0; i < l->tensors; i++)
        blob_drop(blobs[i]);
    double a = median(alone, rounds), o = median(ours, rounds);
    printf("%-21s libzmq %6.0f MB/s, %7.0f messages/s; ours %6.0f MB/s, %7.0f "
           "messages/s; ratio %.3f, of processor time %.3f\n",
           l->name, total_bytes(l) / a / 1e6, l->tensors * l->passes / a,
           total_bytes(l) / o / 1e6, l->tensors * l->passes / o,
           median(ratio, rounds), median(ratio_cpu, rounds));
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 15;
    raw r = {0};
    side sender = {0}, receiver = {0};
    pthread_t thread;
    uint64_t next_tick = 0;
    uint32_t worker = wire_node(WIRE_WORKER, 0), ps = wire_node(WIRE_PS, 0);
    if (rounds < 1 || rounds > MOST_ROUNDS)
        rounds = 15;
    for (int i = 0; i < BUCKETS; i++) {
        bucket_types[i] = PTL_F32;
        bucket_bytes[i] = 4;
    }
    raw_open(&r, argc > 2 ? atoi(argv[2]) : 0);
    open_side(&receiver, ps, (net_options){.bind = "tcp://127.0.0.1:*"});
    open_side(&sender, worker, (net_options){0});
    sender.transport->ops->connect(
        sender.transport, net_endpoint_of(receiver.transport), worker, ps);
    thread_start(&thread, receive, &receiver);
    while (!sender.up)
        turn(&sender, &next_tick);
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
        measure(&r, &sender, &receiver, &loads[i], rounds);
    atomic_store(&receiver.stop, true);
    pthread_join(thread, NULL);
    raw_close(&r);
    hub_free(sender.hub);
    hub_free(receiver.hub);
    net_close(sender.transport, 0);
    net_close(receiver.transport, 0);
    return 0;
}
