/*
 * sim_net.c - see sim_net.h. A heap of what will happen, by time and, of equal
 * times, by when it was put there.
 */
#include "sim_net.h"
#include "dist/crc32c.h"
#include <stdlib.h>
#include <string.h>

typedef struct packet {
    int count;
    size_t sizes[TRANSPORT_FRAMES];
    uint8_t bytes[];
} packet;

typedef struct happening {
    uint64_t time, order;
    int process;
    transport_kind kind;
    int connection;
    uint32_t node;
    packet *packet; /* MESSAGE */
    void *token;    /* sim_net_later() */
} happening;

typedef struct connection {
    int ends[2]; /* who connected, and to whom */
    uint32_t node;
    bool open, last;     /* nobody makes it anew */
    uint64_t arrives[2]; /* when the last message to this end does */
} connection;

typedef struct sim_transport {
    dist_transport base;
    sim_net *net;
    int process;
} sim_transport;

struct sim_net {
    sim_faults faults;
    sim_random random;
    sim_transport *transports;
    uint64_t now, order;
    happening *heap;
    int count, room;
    connection *connections;
    int connection_count;
    sim_counts counts;
};

/* ---------- the heap ---------- */

static bool earlier(const happening *a, const happening *b)
{
    return a->time != b->time ? a->time < b->time : a->order < b->order;
}

static void swap(happening *a, happening *b)
{
    happening h = *a;
    *a = *b;
    *b = h;
}

static void put(sim_net *n, uint64_t after, happening h)
{
    if (n->count == n->room) {
        n->room = n->room ? 2 * n->room : 256;
        n->heap = realloc(n->heap, (size_t)n->room * sizeof *n->heap);
        if (!n->heap)
            abort();
    }
    h.time = n->now + after;
    h.order = n->order++;
    int i = n->count++;
    n->heap[i] = h;
    for (; i > 0 && earlier(&n->heap[i], &n->heap[(i - 1) / 2]);
         i = (i - 1) / 2)
        swap(&n->heap[i], &n->heap[(i - 1) / 2]);
}

static happening take(sim_net *n)
{
    happening first = n->heap[0];
    n->heap[0] = n->heap[--n->count];
    for (int i = 0;;) {
        int least = i;
        for (int k = 2 * i + 1; k <= 2 * i + 2 && k < n->count; k++)
            if (earlier(&n->heap[k], &n->heap[least]))
                least = k;
        if (least == i)
            return first;
        swap(&n->heap[i], &n->heap[least]);
        i = least;
    }
}

/* ---------- connections ---------- */

static bool chance(sim_net *n, uint64_t per)
{
    return n->now < n->faults.until && sim_chance(&n->random, per);
}

static void begin_connection(sim_net *n, int from, int to, uint32_t node)
{
    size_t bytes = (size_t)(n->connection_count + 1) * sizeof(connection);
    n->connections = realloc(n->connections, bytes);
    if (!n->connections)
        abort();
    int c = n->connection_count++;
    n->connections[c] =
        (connection){.ends = {from, to}, .node = node, .open = true};
    put(n, sim_range(&n->random, 1, 20),
        (happening){.process = from,
                    .kind = TRANSPORT_UP,
                    .connection = c,
                    .node = node});
}

static void break_connection(sim_net *n, int c)
{
    connection *x = &n->connections[c];
    if (!x->open)
        return;
    x->open = false;
    n->counts.broken++;
    for (int end = 0; end < 2; end++)
        put(n, sim_range(&n->random, 0, 10),
            (happening){.process = x->ends[end],
                        .kind = TRANSPORT_DOWN,
                        .connection = c});
}

void sim_net_kill(sim_net *n, int process)
{
    for (int c = 0; c < n->connection_count; c++) {
        connection *x = &n->connections[c];
        x->last |= x->ends[0] == process;
        if (x->ends[0] == process || x->ends[1] == process)
            break_connection(n, c);
    }
}

static bool do_connect(dist_transport *t, const char *endpoint, uint32_t from,
                       uint32_t node)
{
    sim_transport *s = (sim_transport *)t;
    (void)from;
    begin_connection(s->net, s->process, atoi(endpoint), node);
    return true;
}

static void do_close(dist_transport *t, int c)
{
    break_connection(((sim_transport *)t)->net, c);
}

/* ---------- messages ---------- */

static packet *pack(const wire_frame *frames, int count)
{
    size_t all = 0;
    for (int i = 0; i < count; i++)
        all += frames[i].size;
    packet *p = malloc(sizeof *p + all + 1);
    if (!p)
        abort();
    p->count = count;
    all = 0;
    for (int i = 0; i < count; i++) {
        p->sizes[i] = frames[i].size;
        if (frames[i].size)
            memcpy(p->bytes + all, frames[i].data, frames[i].size);
        all += frames[i].size;
    }
    return p;
}

static void damage(sim_net *n, packet *p)
{
    size_t all = 0;
    for (int i = 0; i < p->count; i++)
        all += p->sizes[i];
    uint64_t bit = sim_draw(&n->random, 8 * all);
    p->bytes[bit / 8] = (uint8_t)(p->bytes[bit / 8] ^ 1 << bit % 8);
    n->counts.damaged++;
}

/* A number of the header becomes another, or any bit flips. */
static void lie(sim_net *n, packet *p)
{
    static const struct {
        int at, bytes;
    } numbers[] = {{6, 2},  {8, 4},  {12, 4}, {24, 8}, {32, 4}, {36, 4},
                   {40, 8}, {48, 8}, {56, 8}, {64, 8}, {78, 1}, {80, 8}};
    static const uint64_t edges[] = {0, 1, 2, 3, 255, UINT32_MAX, UINT64_MAX};
    uint8_t *head = p->bytes;
    size_t rest = 0;
    int which = (int)sim_draw(&n->random, 16);
    if (which < 12) {
        uint64_t old = wire_get(head + numbers[which].at, numbers[which].bytes);
        uint64_t edge = edges[sim_draw(&n->random, 7)];
        bool near = sim_draw(&n->random, 2);
        wire_put(head + numbers[which].at,
                 near ? old + sim_draw(&n->random, 5) - 2 : edge,
                 numbers[which].bytes);
    } else {
        damage(n, p);
    }
    for (int i = 1; i < p->count; i++)
        rest += p->sizes[i];
    wire_put(head + 88, crc32c(0, head + WIRE_HEADER_BYTES, rest), 4);
    wire_put(head + 92, crc32c(0, head, 92), 4);
    n->counts.lied++;
}

static void deliver(sim_net *n, int c, int end, packet *p)
{
    connection *x = &n->connections[c];
    bool good = n->now >= n->faults.until;
    uint64_t after = good ? 1
                          : sim_range(&n->random, n->faults.delay_least,
                                      n->faults.delay_most);
    if (chance(n, n->faults.late))
        after += sim_draw(&n->random, n->faults.late_most + 1);
    if (n->faults.in_order && n->now + after < x->arrives[end])
        after = x->arrives[end] - n->now;
    x->arrives[end] = n->now + after;
    put(n, after,
        (happening){.process = x->ends[end],
                    .kind = TRANSPORT_MESSAGE,
                    .connection = c,
                    .packet = p});
}

static bool do_send(dist_transport *t, int c, const wire_frame *frames,
                    int count, dist_blob *payload)
{
    sim_transport *s = (sim_transport *)t;
    (void)payload;
    sim_net *n = s->net;
    if (!n->connections[c].open)
        return false;
    int end = n->connections[c].ends[0] == s->process;
    n->counts.messages++;
    if (chance(n, n->faults.disconnect)) {
        break_connection(n, c);
        return false;
    }
    if (chance(n, n->faults.lose)) {
        n->counts.lost++;
        return true;
    }
    packet *p = pack(frames, count);
    if (chance(n, n->faults.damage))
        damage(n, p);
    if (chance(n, n->faults.lie))
        lie(n, p);
    deliver(n, c, end, p);
    if (chance(n, n->faults.twice)) {
        n->counts.doubled++;
        deliver(n, c, end, pack(frames, count));
    }
    return true;
}

/* ---------- what happens ---------- */

static void give_packet(const happening *h, transport_event *out)
{
    size_t at = 0;
    out->count = h->packet->count;
    out->token = h->packet;
    for (int i = 0; i < h->packet->count; i++) {
        out->frames[i] =
            (wire_frame){h->packet->bytes + at, h->packet->sizes[i]};
        at += h->packet->sizes[i];
    }
}

/* False: it came to nothing, its connection is broken. */
static bool give(sim_net *n, const happening *h, transport_event *out)
{
    *out = (transport_event){.kind = h->kind,
                             .connection = h->connection,
                             .node = h->node,
                             .token = h->token};
    if (h->token)
        return true;
    connection x = n->connections[h->connection];
    if (h->kind == TRANSPORT_DOWN) {
        if (x.ends[0] == h->process && !x.last)
            begin_connection(n, x.ends[0], x.ends[1], x.node);
        return true;
    }
    if (!x.open) {
        free(h->packet);
        return false;
    }
    if (h->packet)
        give_packet(h, out);
    return true;
}

static void do_next(dist_transport *t, uint64_t deadline, transport_event *out)
{
    sim_transport *s = (sim_transport *)t;
    sim_net *n = s->net;
    while (n->count > 0 && n->heap[0].process == s->process &&
           n->heap[0].time <= deadline) {
        happening h = take(n);
        if (give(n, &h, out))
            return;
    }
    *out = (transport_event){.kind = TRANSPORT_NOTHING, .connection = -1};
}

static void do_done(dist_transport *t, transport_event *event)
{
    (void)t;
    if (event->kind == TRANSPORT_MESSAGE)
        free(event->token);
}

static const transport_ops ops = {do_connect, do_close, do_send, do_next,
                                  do_done,    NULL,     NULL};

void sim_net_later(sim_net *n, int process, uint64_t after, void *token,
                   int value)
{
    put(n, after,
        (happening){.process = process, .token = token, .connection = value});
}

bool sim_net_peek(const sim_net *n, uint64_t *time, int *process)
{
    if (n->count == 0)
        return false;
    *time = n->heap[0].time;
    *process = n->heap[0].process;
    return true;
}

void sim_net_defer(sim_net *n, uint64_t time)
{
    happening h = take(n);
    put(n, time - n->now, h);
}

uint64_t sim_net_now(const sim_net *n)
{
    return n->now;
}

void sim_net_advance(sim_net *n, uint64_t time)
{
    n->now = time;
}

const sim_counts *sim_net_counts(const sim_net *n)
{
    return &n->counts;
}

/* ---------- life ---------- */

sim_net *sim_net_new(int processes, const sim_faults *faults, uint64_t seed)
{
    sim_net *n = calloc(1, sizeof *n);
    if (!n)
        abort();
    n->faults = *faults;
    n->random.state = seed;
    n->transports = calloc((size_t)processes, sizeof *n->transports);
    if (!n->transports)
        abort();
    for (int i = 0; i < processes; i++)
        n->transports[i] =
            (sim_transport){.base = {&ops}, .net = n, .process = i};
    return n;
}

dist_transport *sim_net_transport(sim_net *n, int process)
{
    return &n->transports[process].base;
}

void sim_net_free(sim_net *n)
{
    for (int i = 0; i < n->count; i++)
        free(n->heap[i].packet);
    free(n->heap);
    free(n->connections);
    free(n->transports);
    free(n);
}
