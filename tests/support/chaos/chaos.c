/*
 * chaos.c - a bad network between the processes of a job, until it is told to
 * end, or dies of SIGALRM where nobody does so in time.
 *
 *   chaos [--no-sharing] [--cut] SEED PORT...
 *
 * Who connects to 127.0.0.3:PORT gets through to 127.0.0.2:PORT. Either way of
 * each connection holds up what it reads, in pieces of any size: some moments
 * as a rule, now and then for long, while other connections go on; so what
 * processes send to one another arrives late and in another order than it was
 * sent, except on one connection, as TCP has it. --cut also breaks connections
 * off, with what is under way on them. --no-sharing spoils the offers to read a
 * process' memory, as between machines ("Shared memory" in runtime/README.md).
 * At SIGTERM it prints what it did, as "KIND COUNT" lines; `overtaken` counts
 * pieces that reached a process after one that was sent later.
 */
#include "base/clock.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MOST_PORTS = 16,
    MOST_PAIRS = 256,
    MOST_PIECES = 64, /* of one way; a sender waits while there are so many */
    PIECE_BYTES = 16 << 10,
    MOST_SECONDS = 200,
    OFFER_BYTES = 16, /* of an offer's frame, up to where the memory is */
    OFFER_PREFIX = 8
};

/* What is under way. */
typedef struct piece {
    double due;                /* clock_seconds() */
    unsigned long long number; /* of all that were read */
    size_t size, sent;
    char bytes[PIECE_BYTES];
} piece;

/* One direction of a connection. */
typedef struct way {
    int from, to;
    piece *pieces[MOST_PIECES]; /* the oldest first */
    int count, matched;         /* bytes of an offer that passed just now */
    bool ended; /* `from` has said all; `to` knows when closed */
    bool closed;
    unsigned long long *latest; /* number that reached the process; or NULL */
} way;

typedef struct pair {
    bool used;
    way there, back;
    long long left; /* bytes until it is cut */
} pair;

typedef struct door {
    uint16_t port;
    int fd;
    unsigned long long latest;
} door;

static volatile sig_atomic_t over;
static bool spoils, cuts;
static uint64_t dice;
static door doors[MOST_PORTS];
static int door_count;
static pair pairs[MOST_PAIRS];
static struct {
    unsigned long long connections, pieces, bytes, overtaken, cut, offers;
} counts;

static void end_it(int number)
{
    (void)number;
    over = 1;
}

/* xorshift64* (Marsaglia 2003; Vigna 2016): below `n`. */
static uint64_t roll(uint64_t n)
{
    dice ^= dice >> 12;
    dice ^= dice << 25;
    dice ^= dice >> 27;
    return (dice * UINT64_C(2685821657736338717) >> 16) % n;
}

/* Seconds that a piece is held up. */
static double delay(void)
{
    bool long_one = roll(48) == 0;
    return 1e-6 * (double)(long_one ? 10000 + roll(30000) : roll(1500));
}

/* ---------- connections ---------- */

static struct sockaddr_in address(const char *host, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &at.sin_addr);
    return at;
}

static int open_socket(void)
{
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0) {
        fprintf(stderr, "chaos: no socket: %s\n", strerror(errno));
        exit(1);
    }
    return fd;
}

static void open_door(door *d, uint16_t port)
{
    struct sockaddr_in at = address("127.0.0.3", port);
    *d = (door){.port = port, .fd = open_socket()};
    if (bind(d->fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(d->fd, 64) != 0) {
        fprintf(stderr, "chaos: could not listen at 127.0.0.3:%d: %s\n", port,
                strerror(errno));
        exit(1);
    }
}

static void at_once(int fd)
{
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

static pair *free_pair(void)
{
    for (int i = 0; i < MOST_PAIRS; i++)
        if (!pairs[i].used)
            return &pairs[i];
    fprintf(stderr, "chaos: more than %d connections\n", MOST_PAIRS);
    exit(1);
}

/* Where nobody listens it is closed at once, and its sender tries again. */
static void let_in(door *d)
{
    struct sockaddr_in at = address("127.0.0.2", d->port);
    int in = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (in < 0)
        return;
    int out = open_socket();
    if (connect(out, (struct sockaddr *)&at, sizeof at) != 0 &&
        errno != EINPROGRESS) {
        close(in);
        close(out);
        return;
    }
    at_once(in);
    at_once(out);
    pair *p = free_pair();
    *p = (pair){.used = true,
                .there = {.from = in, .to = out, .latest = &d->latest},
                .back = {.from = out, .to = in},
                .left = 20000 + (long long)roll(400000)};
    counts.connections++;
}

static void forget(way *w)
{
    while (w->count > 0)
        free(w->pieces[--w->count]);
}

static void close_pair(pair *p)
{
    close(p->there.from);
    close(p->there.to);
    forget(&p->there);
    forget(&p->back);
    p->used = false;
}

/* With a reset, so that nobody reads on in what had reached him. */
static void break_off(pair *p)
{
    const struct linger none = {.l_onoff = 1};
    setsockopt(p->there.from, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    setsockopt(p->there.to, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close_pair(p);
}

/* ---------- pieces ---------- */

/* Zeros for the process and descriptor of each offer's memory that passes. */
static void spoil(way *w, char *bytes, size_t size)
{
    static const char offer[OFFER_PREFIX] = "PTLS\1\0\0";
    for (size_t i = 0; i < size; i++) {
        if (w->matched >= OFFER_PREFIX)
            bytes[i] = 0;
        else if (bytes[i] != offer[w->matched])
            w->matched = bytes[i] == offer[0] ? 0 : -1;
        if (++w->matched == OFFER_BYTES) {
            w->matched = 0;
            counts.offers++;
        }
    }
}

/* False: the connection is gone. */
static bool take(way *w)
{
    piece *p = malloc(sizeof *p);
    if (!p)
        abort();
    ssize_t got = recv(w->from, p->bytes, 1 + roll(PIECE_BYTES), 0);
    if (got <= 0) {
        bool well = got == 0 || errno == EAGAIN || errno == EINTR;
        free(p);
        w->ended = got == 0;
        return well;
    }
    double due = clock_seconds() + delay();
    double before = w->count ? w->pieces[w->count - 1]->due : 0;
    p->due = due > before ? due : before;
    p->size = (size_t)got;
    p->sent = 0;
    p->number = ++counts.pieces;
    counts.bytes += p->size;
    if (spoils)
        spoil(w, p->bytes, p->size);
    w->pieces[w->count++] = p;
    return true;
}

static void arrived(way *w, const piece *p)
{
    if (!w->latest)
        return;
    if (p->number < *w->latest)
        counts.overtaken++;
    else
        *w->latest = p->number;
}

/* What is due, as far as `to` takes it. False: the connection is gone. */
static bool give(way *w, double now)
{
    while (w->count > 0 && w->pieces[0]->due <= now) {
        piece *p = w->pieces[0];
        ssize_t sent =
            send(w->to, p->bytes + p->sent, p->size - p->sent, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        p->sent += (size_t)sent;
        if (p->sent < p->size)
            return true;
        arrived(w, p);
        free(p);
        memmove(w->pieces, w->pieces + 1, (size_t)--w->count * sizeof(piece *));
    }
    if (w->count == 0 && w->ended && !w->closed) {
        shutdown(w->to, SHUT_WR);
        w->closed = true;
    }
    return true;
}

/* ---------- waiting ---------- */

/* Seconds until a piece of `w` is due, at most `most`. One that is due already
 * waits for its receiver (watch()). */
static double until_due(const way *w, double now, double most)
{
    double wait = w->count ? w->pieces[0]->due - now : most;
    return wait > 0 && wait < most ? wait : most;
}

/* What to wait for at `from`, and at `to` where it takes no more of what is
 * due. */
static void watch(const way *w, double now, struct pollfd *from,
                  struct pollfd *to)
{
    from->fd = w->from;
    to->fd = w->to;
    if (!w->ended && w->count < MOST_PIECES)
        from->events |= POLLIN;
    if (w->count && w->pieces[0]->due <= now)
        to->events |= POLLOUT;
}

static struct pollfd polled[MOST_PORTS + 2 * MOST_PAIRS];

/* Fills `polled`; returns for how long to wait. */
static double prepare(double now)
{
    double wait = 0.1;
    for (int i = 0; i < door_count; i++)
        polled[i] = (struct pollfd){.fd = doors[i].fd, .events = POLLIN};
    for (int i = 0; i < MOST_PAIRS; i++) {
        const pair *p = &pairs[i];
        struct pollfd *two = &polled[MOST_PORTS + 2 * i];
        two[0] = two[1] = (struct pollfd){.fd = -1};
        if (!p->used)
            continue;
        watch(&p->there, now, &two[0], &two[1]);
        watch(&p->back, now, &two[1], &two[0]);
        wait = until_due(&p->there, now, wait);
        wait = until_due(&p->back, now, wait);
    }
    return wait;
}

/* False: both have said all, or one is gone. */
static bool carry(pair *p, const struct pollfd *two, double now)
{
    bool well = !((two[0].revents | two[1].revents) & (POLLERR | POLLNVAL));
    unsigned long long before = counts.bytes;
    if (well && (two[0].events & two[0].revents & POLLIN))
        well = take(&p->there);
    if (well && (two[1].events & two[1].revents & POLLIN))
        well = take(&p->back);
    p->left -= (long long)(counts.bytes - before);
    return well && give(&p->there, now) && give(&p->back, now) &&
           !(p->there.closed && p->back.closed);
}

static void serve(pair *p, const struct pollfd *two, double now)
{
    bool goes_on = carry(p, two, now);
    if (cuts && p->left < 0) {
        counts.cut++;
        break_off(p);
    } else if (!goes_on) {
        close_pair(p);
    }
}

static void turn(void)
{
    double wait = prepare(clock_seconds());
    struct timespec most = {.tv_nsec = (long)(wait * 1e9)};
    for (int i = door_count; i < MOST_PORTS; i++)
        polled[i] = (struct pollfd){.fd = -1};
    if (ppoll(polled, MOST_PORTS + 2 * MOST_PAIRS, &most, NULL) < 0)
        return;
    double now = clock_seconds();
    for (int i = 0; i < MOST_PAIRS; i++)
        if (pairs[i].used)
            serve(&pairs[i], &polled[MOST_PORTS + 2 * i], now);
    for (int i = 0; i < door_count; i++)
        if (polled[i].revents & POLLIN)
            let_in(&doors[i]);
}

static void tell(void)
{
    printf("connections %llu\npieces %llu\nbytes %llu\novertaken %llu\n"
           "cut %llu\noffers %llu\n",
           counts.connections, counts.pieces, counts.bytes, counts.overtaken,
           counts.cut, counts.offers);
}

int main(int argc, char **argv)
{
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        spoils = spoils || strcmp(argv[at], "--no-sharing") == 0;
        cuts = cuts || strcmp(argv[at], "--cut") == 0;
    }
    if (argc - at < 2 || argc - at - 1 > MOST_PORTS)
        return 2;
    dice = strtoull(argv[at++], NULL, 10) * 2 + 1;
    signal(SIGTERM, end_it);
    alarm(MOST_SECONDS);
    for (; at < argc; at++)
        open_door(&doors[door_count++], (uint16_t)atoi(argv[at]));
    while (!over)
        turn();
    tell();
    return 0;
}
