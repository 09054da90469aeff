/*
 * stranger.c - says rubbish to the port of a job until it is told to end, or
 * dies of SIGALRM where nobody does so in time.
 *
 *   stranger HOST:PORT [KEYS]...
 *
 * A thousand connections that say nothing are there all the time. Meanwhile
 * others speak HTTP, TLS, at random, break off ZMTP anywhere, greet as its
 * first version did, or claim frames of 2 GiB; and for each folder of KEYS
 * ("-": none) somebody who speaks ZMTP well sends messages that are damaged:
 * cut, with a frame too few or too many, too large, a bit flipped. Once the
 * thousand are there it prints "idle 1000", once everything was said "all
 * said"; at SIGTERM how often since then, as "KIND COUNT" lines.
 */
#include "base/clock.h"
#include "dist/wire_samples.h"
#include "net/net.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IDLE = 1000, MOST_ENDS = 8, NO_CONNECTION = -1, MOST_SECONDS = 100 };

static volatile sig_atomic_t over;
static char endpoint[NET_ENDPOINT_BYTES];
static struct sockaddr_in at;
static int idle[IDLE];

#define KIND(name) KIND_##name,
#define KINDS                                                                  \
    KIND(http)                                                                 \
    KIND(tls)                                                                  \
    KIND(random)                                                               \
    KIND(broken_off)                                                           \
    KIND(first_version)                                                        \
    KIND(huge)                                                                 \
    KIND(truncated)                                                            \
    KIND(frames)                                                               \
    KIND(oversized)                                                            \
    KIND(flipped)
typedef enum kind { KINDS KIND_COUNT } kind;
#undef KIND
#define KIND(name) #name,
static const char *const names[] = {KINDS};
static struct counts {
    _Atomic unsigned long long said[KIND_COUNT], got_in, turns;
} * counts; /* of all its processes */

static void end_it(int number)
{
    (void)number;
    over = 1;
}

/* ---------- who speaks no ZMTP, or not to the end ---------- */

/* -1: not now; where too many wait, a connection may take seconds. */
static int connect_one(void)
{
    struct timeval most = {.tv_usec = 50000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void say(kind what, const void *bytes, size_t size)
{
    int fd = connect_one();
    if (fd < 0)
        return;
    counts->said[what] += send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
    usleep(1000);
    close(fd);
}

static void fill(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(rand() >> 8);
}

static size_t zmtp(uint8_t out[300])
{
    static const uint8_t ready[] = "\4\x26\5READY\x0bSocket-Type\0\0\0\6DEALER"
                                   "\x08Identity\0\0\0\0";
    memset(out, 0, 300);
    memcpy(out, "\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL", 16);
    memcpy(out + 64, ready, sizeof ready - 1);
    return 64 + sizeof ready - 1;
}

static void speak_no_zmtp(void)
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: node0\r\n\r\n";
    static const char first[] = "\1\0\5\0abcd"; /* of ZMTP 1.0 */
    uint8_t tls[205] = {0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3};
    uint8_t bytes[3000];
    say(KIND_http, http, sizeof http - 1);
    say(KIND_tls, tls, sizeof tls);
    fill(bytes, sizeof bytes);
    say(KIND_random, bytes, 1 + (size_t)rand() % sizeof bytes);
    size_t whole = zmtp(bytes);
    say(KIND_broken_off, bytes, 1 + (size_t)rand() % (whole - 1));
    say(KIND_first_version, first, sizeof first - 1);
    memcpy(bytes + whole, "\2\0\0\0\0\x80\0\0\0", 9);
    say(KIND_huge, bytes, whole + 9);
}

/* ---------- connections that say nothing ---------- */

/* What the server greets with is read, or its hanging up would not be seen. */
static bool is_open(int fd)
{
    char bytes[256];
    ssize_t got = fd < 0 ? 0 : 1;
    while (got > 0)
        got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    return got < 0 && errno == EAGAIN;
}

/* Does not wait for it: -1, or a connection that is there, or on its way. */
static int begin_one(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) == 0 ||
        errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

static bool is_there(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return fd >= 0 && poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

/* How many are there now. */
static int keep_idle(void)
{
    int open = 0;
    for (int i = 0; i < IDLE; i++) {
        if (!is_open(idle[i])) {
            if (idle[i] >= 0)
                close(idle[i]);
            idle[i] = begin_one();
        }
        open += is_there(idle[i]);
    }
    return open;
}

/* ---------- who speaks it well ---------- */

/* Each a process, which ends where it is hung up on, with what it had to say;
 * the next one begins at once, as the transport alone would not. */
typedef struct end {
    const char *keys;
    pid_t process;
    dist_transport *t;
    int connection;
} end;

static end ends[MOST_ENDS];
static int end_count;

static void drop_line(void *ctx, const char *line)
{
    (void)ctx, (void)line;
}

/* As worker 1, whose key a folder of keys has. */
static void open_end(end *e)
{
    ptl_error err = {0};
    bool curve = strcmp(e->keys, "-") != 0;
    net_options o = {.peers = 4,
                     .curve = curve,
                     .keys = curve ? e->keys : NULL,
                     .log = drop_line};
    e->connection = NO_CONNECTION;
    if (net_open(&o, &e->t, &err) != PTL_OK ||
        !e->t->ops->connect(e->t, endpoint, wire_node(WIRE_WORKER, 1),
                            wire_node(WIRE_PS, 0))) {
        fprintf(stderr, "stranger: %s\n", err.text);
        exit(1);
    }
}

static void send_frames(end *e, kind what, const wire_frame *frames, int count)
{
    if (e->connection != NO_CONNECTION)
        counts->said[what] +=
            e->t->ops->send(e->t, e->connection, frames, count, NULL);
}

static void damage(end *e, int type)
{
    wire_sample s;
    if (!wire_sample_make(type, &s))
        return;
    wire_frame frames[4];
    memcpy(frames, s.frames, sizeof s.frames);
    frames[0].size = (size_t)rand() % WIRE_HEADER_BYTES;
    send_frames(e, KIND_truncated, frames, s.count);
    frames[0] = frames[3] = s.frames[0];
    send_frames(e, KIND_frames, frames, rand() % 2 ? 1 : 4);
    s.head[rand() % WIRE_HEADER_BYTES] ^= (uint8_t)(1 << rand() % 8);
    send_frames(e, KIND_flipped, s.frames, s.count);
}

static void oversize(end *e)
{
    static uint8_t bytes[WIRE_CHUNK_BYTES + (128 << 10)];
    wire_sample s;
    if (!wire_sample_make(WIRE_PUSH, &s))
        return;
    s.frames[1] = (wire_frame){bytes, sizeof bytes};
    send_frames(e, KIND_oversized, s.frames, s.count);
}

static void look(end *e)
{
    transport_event event;
    do {
        e->t->ops->next(e->t, clock_ms(), &event);
        if (event.kind == TRANSPORT_UP) {
            e->connection = event.connection;
            counts->got_in++;
        }
        e->t->ops->done(e->t, &event);
        if (event.kind == TRANSPORT_DOWN && e->connection != NO_CONNECTION)
            _exit(0);
    } while (event.kind != TRANSPORT_NOTHING);
}

_Noreturn static void speak_zmtp(end *e)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < IDLE; i++)
        close(idle[i]);
    srand((unsigned)getpid());
    open_end(e);
    for (;; usleep(2000)) {
        look(e);
        if (e->connection == NO_CONNECTION)
            continue;
        unsigned long long turn = counts->turns++;
        if (turn % 4 == 0)
            oversize(e);
        else
            damage(e, (int)(turn % (WIRE_TOTALS + 1)));
    }
}

/* One that went wrong ends all. */
static void keep_ends(void)
{
    for (int i = 0; i < end_count; i++) {
        int status = 0;
        if (ends[i].process && waitpid(ends[i].process, &status, WNOHANG) == 0)
            continue;
        if (status) {
            fprintf(stderr, "stranger: its process ended with %d\n", status);
            exit(1);
        }
        pid_t process = fork();
        if (process == 0)
            speak_zmtp(&ends[i]);
        ends[i].process = process < 0 ? 0 : process;
    }
}

static bool all_said(void)
{
    for (int i = 0; i < KIND_COUNT; i++)
        if (!counts->said[i])
            return false;
    return true;
}

static void begin_count(void)
{
    for (int i = 0; i < KIND_COUNT; i++)
        counts->said[i] = 0;
    printf("all said\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    net_endpoint e;
    if (argc < 2 || argc - 2 > MOST_ENDS)
        return 2;
    snprintf(endpoint, sizeof endpoint, "tcp://%s", argv[1]);
    if (net_endpoint_read(endpoint, &e, NULL) != PTL_OK)
        return 2;
    at = (struct sockaddr_in){.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)e.port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    signal(SIGTERM, end_it);
    alarm(MOST_SECONDS);
    memset(idle, -1, sizeof idle);
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED)
        return 2;
    for (int i = 2; i < argc; i++)
        ends[end_count++].keys = argv[i];
    while (!over && keep_idle() < IDLE)
        usleep(10000);
    printf("idle %d\n", IDLE);
    fflush(stdout);
    bool all = false;
    for (int round = 0; !over; round++) {
        speak_no_zmtp();
        keep_ends();
        if (round % 100 == 0)
            keep_idle();
        if (!all && (all = all_said()))
            begin_count();
        usleep(2000);
    }
    for (int i = 0; i < KIND_COUNT; i++)
        printf("%s %llu\n", names[i], counts->said[i]);
    printf("got_in %llu\n", counts->got_in);
    for (int i = 0; i < end_count; i++)
        if (ends[i].process > 0)
            kill(ends[i].process, SIGKILL);
    return 0;
}
