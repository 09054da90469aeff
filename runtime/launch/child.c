/*
 * child.c - see child.h.
 */
#include "child.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---------- in the child ---------- */

/* The ends of the child's pipes, and where it tells why it could not begin. */
typedef struct ends {
    int in, out, err, pass, report;
} ends;

static void close_above(int last)
{
    struct rlimit limit = {0};
    if (close_range((unsigned)last + 1, ~0U, 0) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = last + 1; fd < (int)limit.rlim_cur; fd++)
        close(fd);
}

/* A duplicate beyond all that are laid out anew below. */
static int out_of_the_way(int fd)
{
    enum { BEYOND = 16 };
    return fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, BEYOND);
}

/* Descriptors 0 to 2 or 3, then the report, which closes as the program begins;
 * nothing else. Returns the report's. */
static int lay_out(const ends *e)
{
    enum { REPORT = CHILD_FD + 1 };
    int in = out_of_the_way(e->in), out = out_of_the_way(e->out);
    int err = out_of_the_way(e->err), pass = out_of_the_way(e->pass);
    int report = out_of_the_way(e->report);
    dup2(in, 0);
    dup2(out, 1);
    dup2(err, 2);
    dup3(report, REPORT, O_CLOEXEC);
    if (pass >= 0)
        dup2(pass, CHILD_FD);
    else
        close(CHILD_FD);
    close_above(REPORT);
    return REPORT;
}

static void usual_signals(void)
{
    sigset_t none;
    struct sigaction usual = {.sa_handler = SIG_DFL};
    static const int changed[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE};
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++)
        sigaction(changed[i], &usual, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Only what may be called between fork() and exec. */
static _Noreturn void begin(const child_spec *spec, char **env, const ends *e,
                            pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    int report = lay_out(e);
    usual_signals();
    execvpe(spec->argv[0], (char *const *)spec->argv, env);
    int reason = errno;
    ssize_t ignored = write(report, &reason, sizeof reason);
    (void)ignored;
    _exit(EXIT_FAILURE);
}

/* ---------- in the parent ---------- */

static bool is_named(const char *entry, const char *setting)
{
    size_t name = strcspn(setting, "=") + 1;
    return !strncmp(entry, setting, name);
}

/* The caller's environment with spec->env; on the heap, texts borrowed. */
static char **environment(const child_spec *spec)
{
    size_t count = 0, more = 0, n = 0;
    while (environ && environ[count])
        count++;
    while (spec->env && spec->env[more])
        more++;
    char **env = calloc(count + more + 1, sizeof *env);
    for (size_t i = 0; env && i < count; i++) {
        size_t k = 0;
        while (k < more && !is_named(environ[i], spec->env[k]))
            k++;
        if (k == more)
            env[n++] = environ[i];
    }
    for (size_t k = 0; env && k < more; k++)
        env[n++] = (char *)spec->env[k];
    return env;
}

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

typedef struct pipes {
    int in[2], out[2], err[2], report[2];
} pipes;

static void shut_all(pipes *p)
{
    for (int i = 0; i < 2; i++) {
        shut(&p->in[i]);
        shut(&p->out[i]);
        shut(&p->err[i]);
        shut(&p->report[i]);
    }
}

static bool open_all(pipes *p, bool fed)
{
    *p = (pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    if (fed ? pipe2(p->in, O_CLOEXEC) != 0
            : (p->in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
        return false;
    if (pipe2(p->out, O_CLOEXEC) != 0 || pipe2(p->err, O_CLOEXEC) != 0 ||
        pipe2(p->report, O_CLOEXEC) != 0)
        return false;
    fcntl(p->out[0], F_SETFL, O_NONBLOCK);
    fcntl(p->err[0], F_SETFL, O_NONBLOCK);
    if (fed)
        fcntl(p->in[1], F_SETFL, O_NONBLOCK);
    return true;
}

/* Waits until the program runs, or has told why it cannot: 0 or errno. */
static int reported(int fd)
{
    int reason = 0;
    ssize_t count;
    do
        count = read(fd, &reason, sizeof reason);
    while (count < 0 && errno == EINTR);
    return count == sizeof reason ? reason : 0;
}

static int run_program(child *c, pipes *p)
{
    char **env = environment(c->spec);
    pid_t parent = getpid();
    ends e = {p->in[0], p->out[1], p->err[1], c->spec->pass_fd, p->report[1]};
    c->pid = env ? fork() : -1;
    if (c->pid == 0)
        begin(c->spec, env, &e, parent);
    int reason = c->pid < 0 ? errno : 0;
    free(env);
    if (reason)
        return reason;
    setpgid(c->pid, c->pid); /* here too: whoever comes first */
    shut(&p->report[1]);
    reason = reported(p->report[0]);
    if (reason)
        waitpid(c->pid, NULL, 0);
    return reason;
}

bool child_start(child *c, const child_spec *spec, bool json)
{
    const char *name = spec->plain ? NULL : spec->name;
    pipes p;
    *c = (child){.spec = spec, .in = -1, .out = -1, .err = -1};
    int reason = open_all(&p, spec->input != NULL) ? run_program(c, &p) : errno;
    if (reason == 0) {
        c->in = p.in[1];
        c->out = p.out[0];
        c->err = p.err[0];
        p.in[1] = p.out[0] = p.err[0] = -1;
        c->out_lines = (child_lines){.name = name, .json = json};
        c->err_lines = (child_lines){.name = name};
    } else {
        c->pid = 0;
    }
    shut_all(&p);
    if (spec->pass_fd >= 0)
        close(spec->pass_fd);
    errno = reason;
    return reason == 0;
}

void child_kill(const child *c, int signal)
{
    if (c->pid > 0)
        kill(-c->pid, signal);
}

/* Its number is its own until it was waited for, so the group that is killed
 * before cannot be somebody else's. */
bool child_reap(child *c)
{
    siginfo_t info = {0};
    int status;
    if (c->pid == 0 ||
        waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid == 0)
        return false;
    child_kill(c, SIGKILL);
    waitpid(c->pid, &status, 0);
    c->pid = 0;
    c->status =
        WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return true;
}

void child_feed(child *c)
{
    size_t left = strlen(c->spec->input) - c->sent;
    ssize_t count = write(c->in, c->spec->input + c->sent, left);
    if (count > 0)
        c->sent += (size_t)count;
    else if (count < 0 && errno != EAGAIN && errno != EINTR)
        shut(&c->in);
}

bool child_read(child *c, bool err, ptl_str *out, ptl_str *other)
{
    char bytes[1 << 16];
    int *fd = err ? &c->err : &c->out;
    child_lines *lines = err ? &c->err_lines : &c->out_lines;
    ptl_str *to = err ? other : out;
    while (*fd >= 0) {
        ssize_t count = read(*fd, bytes, sizeof bytes);
        if (count > 0) {
            lines_take(lines, bytes, (size_t)count, to, other);
        } else if (count < 0 && errno == EAGAIN) {
            return false;
        } else if (count == 0 || errno != EINTR) {
            lines_end(lines, to, other);
            shut(fd);
        }
        if (count > 0 && to->length + other->length > sizeof bytes)
            return false;
    }
    return true;
}

void child_close(child *c, ptl_str *out, ptl_str *other)
{
    shut(&c->in);
    shut(&c->out);
    shut(&c->err);
    lines_end(&c->out_lines, out, other);
    lines_end(&c->err_lines, other, other);
}
