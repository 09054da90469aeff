/*
 * main.c - bench_cluster KEY=VALUE...: makes the processes of one job, and for
 * each line on its standard input, STEPS [MICROSECONDS], has them take so many
 * steps and prints the seconds a step took; the second number is that of a wait
 * that stands in for each step's backward pass. At the end of the input they
 * end.
 *
 *   kind=exchange,barrier   our own: workers and one parameter server
 *   kind=raw,ping           libzmq alone: the same messages, nothing added up
 *   via=tcp,ipc,shared      workers=N  tensors=COUNTxBYTES,resnet50
 *   bucket=BYTES slice=BYTES  ordered=0,1  original=0,1
 */
#include "bench.h"
#include "net/endpoint.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_TENSORS = 1024 };

void bench_fail(const char *what)
{
    fprintf(stderr, "bench_cluster: %s\n", what);
    _exit(1);
}

/* ---------- tensors ---------- */

typedef struct tensor_list {
    place_variable items[MOST_TENSORS];
    int count;
} tensor_list;

static void add(tensor_list *l, int64_t elements)
{
    l->items[l->count++] =
        (place_variable){.elements = elements, .dtype = PTL_F32};
}

/* A convolution and the two vectors of its batch norm. */
static void add_conv(tensor_list *l, int64_t in, int64_t out, int64_t k)
{
    add(l, in * out * k * k);
    add(l, out);
    add(l, out);
}

/* He et al. 2016: 161 parameters of 102 MB. */
static void add_resnet50(tensor_list *l)
{
    static const int blocks[] = {3, 4, 6, 3};
    int64_t in = 64;
    add_conv(l, 3, 64, 7);
    for (int stage = 0; stage < 4; stage++) {
        int64_t width = 64 << stage, out = 4 * width;
        for (int b = 0; b < blocks[stage]; b++) {
            add_conv(l, in, width, 1);
            add_conv(l, width, width, 3);
            add_conv(l, width, out, 1);
            if (b == 0)
                add_conv(l, in, out, 1);
            in = out;
        }
    }
    add(l, 2048 * 1000);
    add(l, 1000);
}

static void read_tensors(tensor_list *l, const char *text)
{
    int count;
    long bytes;
    l->count = 0;
    if (strcmp(text, "resnet50") == 0) {
        add_resnet50(l);
        return;
    }
    if (sscanf(text, "%dx%ld", &count, &bytes) != 2 || count < 1 ||
        count > MOST_TENSORS || bytes < 4)
        bench_fail("tensors=COUNTxBYTES");
    while (count-- > 0)
        add(l, bytes / 4);
}

int64_t work_bytes(const work *w)
{
    int64_t bytes = 0;
    for (int i = 0; i < w->tensor_count; i++)
        bytes += w->tensors[i].elements * 4;
    return bytes;
}

/* ---------- the command line ---------- */

static void read_option(work *w, tensor_list *l, const char *key,
                        const char *value)
{
    if (strcmp(key, "kind") == 0)
        w->kind = value;
    else if (strcmp(key, "via") == 0) {
        w->shared = strcmp(value, "shared") == 0;
        w->via = w->shared ? "ipc" : value;
    } else if (strcmp(key, "workers") == 0)
        w->workers = atoi(value);
    else if (strcmp(key, "tensors") == 0)
        read_tensors(l, value);
    else if (strcmp(key, "bucket") == 0)
        w->bucket = atoll(value);
    else if (strcmp(key, "slice") == 0)
        w->slice = atoll(value);
    else if (strcmp(key, "ordered") == 0)
        w->ordered = atoi(value);
    else if (strcmp(key, "original") == 0)
        w->original = atoi(value);
    else
        bench_fail(key);
}

static void read_options(work *w, tensor_list *l, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            bench_fail(argv[i]);
        *value = '\0';
        read_option(w, l, argv[i], value + 1);
    }
    if (w->workers < 1 || w->workers >= MOST_MEMBERS)
        bench_fail("workers");
    w->tensors = l->items;
    w->tensor_count = l->count;
}

/* ---------- turns ---------- */

void turns_listen(turns *t, const char *via)
{
    char at[200] = "tcp://127.0.0.1:*";
    ptl_error err;
    if (strcmp(via, "ipc") == 0)
        snprintf(at, sizeof at, "ipc:///tmp/bench-cluster-%d", (int)getpid());
    if (net_listen(at, &t->listener, &err) != PTL_OK ||
        net_listening_at(t->listener, t->endpoint, &err) != PTL_OK)
        bench_fail(err.text);
}

int turns_begin(turns *t, int worker)
{
    while (sem_wait(&t->go[worker]) != 0)
        ;
    return t->steps;
}

void turns_end(turns *t, int worker, double seconds)
{
    t->seconds[worker] = seconds;
    sem_post(&t->done[worker]);
}

static turns *make_turns(const work *w)
{
    turns *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t == MAP_FAILED)
        bench_fail("no memory");
    for (int i = 0; i < MOST_MEMBERS; i++) {
        sem_init(&t->go[i], 1, 0);
        sem_init(&t->done[i], 1, 0);
    }
    turns_listen(t, w->via);
    return t;
}

static pid_t make_member(const work *w, turns *t, int member)
{
    pid_t own = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != own)
        _exit(1);
    bool raw = strcmp(w->kind, "raw") == 0 || strcmp(w->kind, "ping") == 0;
    (raw ? raw_member : exchange_member)(w, t, member);
    _exit(0);
}

/* The slowest worker's. */
static double await(const work *w, turns *t)
{
    double seconds = 0;
    for (int i = 0; i < w->workers; i++) {
        while (sem_wait(&t->done[i]) != 0)
            ;
        seconds = t->seconds[i] > seconds ? t->seconds[i] : seconds;
    }
    return seconds;
}

int main(int argc, char **argv)
{
    static tensor_list list;
    work w = {.kind = "exchange",
              .via = "tcp",
              .workers = 2,
              .bucket = 25 << 20,
              .slice = 4 << 20,
              .ordered = true};
    pid_t pids[MOST_MEMBERS];
    char line[64];
    read_tensors(&list, "64x1048576");
    read_options(&w, &list, argc, argv);
    turns *t = make_turns(&w);
    for (int i = 0; i <= w.workers; i++)
        pids[i] = make_member(&w, t, i);
    await(&w, t);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        char *rest;
        t->steps = (int)strtol(line, &rest, 10);
        t->wait = 1e-6 * strtod(rest, NULL);
        for (int i = 0; i < w.workers; i++)
            sem_post(&t->go[i]);
        printf("%.9f\n", await(&w, t) / t->steps);
        fflush(stdout);
    }
    for (int i = 0; i <= w.workers; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    if (strncmp(t->endpoint, "ipc://", 6) == 0)
        unlink(t->endpoint + 6);
    return 0;
}
