/*
 * children.c - see launch/children.h.
 *
 * One loop over one poll(): signals come through a descriptor, so nothing is
 * interrupted and nothing is missed between looking and waiting.
 */
#include "launch/children.h"
#include "base/clock.h"
#include "child.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

typedef struct family {
    child *children;
    int count, running;
    const children_options *options;
    int signals;     /* descriptor */
    int control;     /* descriptor, -1 */
    ptl_str ordered; /* of control: a line that is not whole */
    int passed_on;   /* the signal that was; 0: none */
    int failure;     /* of the first that failed; 0: none */
    bool told;    /* all were told to end: once, a second signal is no order */
    bool killing; /* all got SIGKILL */
    double deadline;  /* clock_seconds() when that is due; 0: never */
    bool mute;        /* our own output takes nothing any more */
    ptl_str out, err; /* lines to be written */
} family;

/* Pipes that are still open when all have ended are held by somebody who left
 * his group; what was written by then is read, and no more waited for. */
static const double last_words_s = 1.0;

/* ---------- our own output ---------- */

static bool write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t done = write(fd, bytes, count);
        if (done > 0) {
            bytes += done;
            count -= (size_t)done;
        } else if (errno == EAGAIN) {
            struct pollfd p = {fd, POLLOUT, 0};
            poll(&p, 1, 1000);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void end_all(family *f, int signal, int patience_ms);

static void flush(family *f)
{
    bool good = write_all(f->options->out, f->out.data, f->out.length);
    write_all(f->options->err, f->err.data, f->err.length);
    str_clear(&f->out);
    str_clear(&f->err);
    if (good || f->mute)
        return;
    f->mute = true;
    if (f->failure == 0)
        f->failure = ptl_exit_status(PTL_E_IO);
    end_all(f, SIGTERM, f->options->grace_ms);
}

__attribute__((format(printf, 2, 3))) static void say(family *f,
                                                      const char *format, ...)
{
    va_list args;
    if (f->options->quiet)
        return;
    va_start(args, format);
    str_add(&f->err, "ptlc: ");
    str_vprintf(&f->err, format, args);
    str_addc(&f->err, '\n');
    va_end(args);
}

/* ---------- ending ---------- */

static void end_one(child *c, int signal)
{
    const char *word = signal == SIGINT ? "INT\n" : "TERM\n";
    bool listens = c->spec->input && c->in >= 0 && !c->spec->input[c->sent];
    if (listens && signal != SIGKILL &&
        write(c->in, word, strlen(word)) == (ssize_t)strlen(word))
        return;
    child_kill(c, signal);
}

static void kill_all(family *f)
{
    for (int i = 0; i < f->count; i++)
        end_one(&f->children[i], SIGKILL);
    f->killing = true;
}

/* `signal` to all, once, and SIGKILL after `patience_ms`, or earlier where that
 * is due. */
static void end_all(family *f, int signal, int patience_ms)
{
    double due = clock_seconds() + patience_ms / 1000.0;
    for (int i = 0; i < f->count && !f->told; i++)
        end_one(&f->children[i], signal);
    f->told = true;
    if (f->deadline == 0 || due < f->deadline)
        f->deadline = due;
}

static const char *signal_text(int signal)
{
    return signal == SIGINT   ? "SIGINT"
           : signal == SIGHUP ? "SIGHUP"
                              : "SIGTERM";
}

static void on_signal(family *f, int signal)
{
    if (f->told) {
        say(f, "%s: all processes are killed", signal_text(signal));
        kill_all(f);
        return;
    }
    f->passed_on = signal == SIGINT ? SIGINT : SIGTERM;
    say(f, "%s: passed on; processes end in order, a second signal kills them",
        signal_text(signal));
    end_all(f, f->passed_on, f->options->drain_ms);
}

static void on_deadline(family *f)
{
    if (f->deadline == 0 || clock_seconds() < f->deadline || f->killing)
        return;
    for (int i = 0; i < f->count; i++)
        if (f->children[i].pid)
            say(f, "%s did not end in time and is killed",
                f->children[i].spec->name);
    kill_all(f);
}

/* ---------- who ended ---------- */

/* What a process may say when it was told to end. */
static bool is_failure(const family *f, int status)
{
    return status != 0 && !(f->passed_on && status == 128 + f->passed_on) &&
           !(f->killing && status == 128 + SIGKILL);
}

static void tell_failure(family *f, const child *c)
{
    if (c->status > 128)
        say(f, "%s was ended by signal %d (%s); the others are told to end",
            c->spec->name, c->status - 128, strsignal(c->status - 128));
    else
        say(f, "%s failed with exit status %d; the others are told to end",
            c->spec->name, c->status);
}

/* Takes in all that have ended; returns the one that failed, NULL: none. */
static const child *reap(family *f)
{
    const child *failed = NULL;
    for (int i = 0; i < f->count; i++) {
        child *c = &f->children[i];
        if (!child_reap(c))
            continue;
        f->running--;
        child_read(c, false, &f->out, &f->err);
        child_read(c, true, &f->out, &f->err);
        bool lost_peer = failed && failed->status == 75;
        if (is_failure(f, c->status) && (!failed || lost_peer))
            failed = c;
    }
    return failed;
}

static void on_child(family *f)
{
    const child *failed = reap(f);
    if (!failed || f->failure)
        return;
    f->failure = failed->status;
    tell_failure(f, failed);
    if (f->running > 0)
        end_all(f, SIGTERM, f->options->grace_ms);
}

/* ---------- what came in ---------- */

static void on_signals(family *f)
{
    struct signalfd_siginfo info;
    while (read(f->signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGCHLD)
            on_signal(f, (int)info.ssi_signo);
    on_child(f);
}

static void on_line(family *f, const char *line)
{
    if (!strcmp(line, "INT"))
        on_signal(f, SIGINT);
    else if (!strcmp(line, "TERM"))
        on_signal(f, SIGTERM);
}

static void on_control(family *f)
{
    char bytes[256];
    ssize_t count = read(f->control, bytes, sizeof bytes);
    if (count < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (count <= 0) { /* whoever started us is gone */
        f->control = -1;
        if (!f->told)
            f->passed_on = SIGTERM;
        end_all(f, SIGTERM, f->options->grace_ms);
        return;
    }
    for (ssize_t i = 0; i < count; i++) {
        if (bytes[i] != '\n') {
            str_addc(&f->ordered, bytes[i]);
            continue;
        }
        on_line(f, str_text(&f->ordered));
        str_clear(&f->ordered);
    }
}

/* ---------- the loop ---------- */

enum { OF_A_CHILD = 3, OWN = 2 }; /* descriptors that are polled */

static void list_descriptors(const family *f, struct pollfd *p)
{
    p[0] = (struct pollfd){f->signals, POLLIN, 0};
    p[1] = (struct pollfd){f->control, POLLIN, 0};
    for (int i = 0; i < f->count; i++) {
        const child *c = &f->children[i];
        bool more = c->spec->input && c->spec->input[c->sent];
        p[OWN + i * OF_A_CHILD] = (struct pollfd){c->out, POLLIN, 0};
        p[OWN + i * OF_A_CHILD + 1] = (struct pollfd){c->err, POLLIN, 0};
        p[OWN + i * OF_A_CHILD + 2] =
            (struct pollfd){more ? c->in : -1, POLLOUT, 0};
    }
}

static bool any_open(const family *f)
{
    for (int i = 0; i < f->count; i++)
        if (f->children[i].out >= 0 || f->children[i].err >= 0)
            return true;
    return false;
}

static int wait_ms(const family *f, double end)
{
    enum { LOOK_AGAIN_MS = 1000 };
    double due = f->running == 0 ? end : f->killing ? 0 : f->deadline;
    double left = due > 0 ? (due - clock_seconds()) * 1000 + 1 : LOOK_AGAIN_MS;
    return left < 0 ? 0 : left > LOOK_AGAIN_MS ? LOOK_AGAIN_MS : (int)left;
}

static void serve(family *f, const struct pollfd *p)
{
    for (int i = 0; i < f->count; i++) {
        const struct pollfd *q = &p[OWN + i * OF_A_CHILD];
        if (q[0].revents)
            child_read(&f->children[i], false, &f->out, &f->err);
        if (q[1].revents)
            child_read(&f->children[i], true, &f->out, &f->err);
        if (q[2].revents)
            child_feed(&f->children[i]);
        flush(f);
    }
    if (p[0].revents)
        on_signals(f);
    if (p[1].revents)
        on_control(f);
    on_deadline(f);
    flush(f);
}

static void watch(family *f)
{
    int count = OWN + OF_A_CHILD * f->count;
    struct pollfd *p = calloc((size_t)count, sizeof *p);
    double end = 0;
    PTL_ASSERT(p != NULL);
    while (f->running > 0 || any_open(f)) {
        if (f->running == 0 && end == 0)
            end = clock_seconds() + last_words_s;
        if (end > 0 && clock_seconds() > end)
            break;
        list_descriptors(f, p);
        if (poll(p, (nfds_t)count, wait_ms(f, end)) >= 0)
            serve(f, p);
    }
    free(p);
}

/* ---------- from start to end ---------- */

/* What of the process is changed while children run. */
typedef struct before {
    sigset_t mask;
    struct sigaction pipe;
} before;

static void take_signals(family *f, before *b)
{
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, hangup;
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        sigaddset(&set, ours[i]);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler == SIG_IGN)
        sigdelset(&set, SIGHUP); /* nohup */
    sigprocmask(SIG_BLOCK, &set, &b->mask);
    sigaction(SIGPIPE, &ignore, &b->pipe);
    f->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    PTL_ASSERT(f->signals >= 0);
}

static void give_back(const family *f, const before *b)
{
    close(f->signals);
    sigaction(SIGPIPE, &b->pipe, NULL);
    sigprocmask(SIG_SETMASK, &b->mask, NULL);
}

static ptl_status start_all(family *f, const child_spec *specs, ptl_error *err)
{
    for (int i = 0; i < f->count; i++) {
        if (child_start(&f->children[i], &specs[i], f->options->json)) {
            f->running++;
            continue;
        }
        ptl_fail(err, PTL_E_IO, "could not start %s (\"%s\"): %s",
                 specs[i].name, specs[i].argv[0], strerror(errno));
        kill_all(f);
        for (i++; i < f->count; i++)
            if (specs[i].pass_fd >= 0)
                close(specs[i].pass_fd);
        return PTL_E_IO;
    }
    return PTL_OK;
}

static int exit_of(const family *f)
{
    if (f->failure)
        return f->failure;
    if (f->passed_on)
        return 128 + f->passed_on;
    return f->killing ? 128 + SIGKILL : 0;
}

ptl_status children_run(const child_spec *specs, int count,
                        const children_options *options, int *exit_status,
                        ptl_error *err)
{
    before b;
    family f = {.children = calloc((size_t)count + 1, sizeof(child)),
                .count = count,
                .options = options,
                .control = options->control};
    PTL_ASSERT(f.children != NULL);
    for (int i = 0; i < count; i++)
        f.children[i] =
            (child){.spec = &specs[i], .in = -1, .out = -1, .err = -1};
    take_signals(&f, &b);
    ptl_status st = start_all(&f, specs, err);
    watch(&f);
    for (int i = 0; i < count; i++)
        child_close(&f.children[i], &f.out, &f.err);
    flush(&f);
    *exit_status = exit_of(&f);
    give_back(&f, &b);
    str_fini(&f.out);
    str_fini(&f.err);
    str_fini(&f.ordered);
    free(f.children);
    return st;
}
