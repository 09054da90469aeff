/*
 * test_start.c - processes of a job, here and behind a remote shell.
 *
 * This program is the ptlc that is started: as `run` it says who it is, as
 * `launch --agent` it is the far end of a remote shell. The shell is a script
 * that runs its command on this machine.
 */
#include "base/file.h"
#include "launch/start.h"
#include "net/endpoint.h"
#include "net/keys.h"
#include "runtime/pool.h"
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---------- the process that is started ---------- */

static const char *value_of(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "-";
}

static void say_keys(const char *folder)
{
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort);
    printf("keys");
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.')
            printf(" %s", names[i]->d_name);
        free(names[i]);
    }
    free(names);
    printf("\n");
}

/* What `ptlc run` would see, one fact a line. */
static int be_process(int argc, char **argv)
{
    ptl_error err;
    char at[NET_ENDPOINT_BYTES] = "nothing";
    printf("words");
    for (int i = 2; i < argc; i++)
        printf(" %s", argv[i]);
    printf("\nwho %s %s of %s %s\n", value_of("PTL_ROLE"),
           value_of("PTL_INDEX"), value_of("PTL_SERVERS"),
           value_of("PTL_WORKERS"));
    printf("cuda [%s] machine %s by %s\n", value_of("CUDA_VISIBLE_DEVICES"),
           value_of("FAKE_MACHINE"), value_of("PTL_STARTED_BY"));
    if (*value_of("PTL_LISTEN_FD"))
        net_listening_at(atoi(value_of("PTL_LISTEN_FD")), at, &err);
    printf("listens %s\n", at);
    printf("coordinator %s\njob %s\n", value_of("PTL_COORDINATOR"),
           value_of("PTL_JOB_ID"));
    if (*value_of("PTL_KEYS"))
        say_keys(value_of("PTL_KEYS"));
    fflush(stdout);
    return 0;
}

/* "TYPE.INDEX:STATUS" ends that process so; the others wait for a signal. */
static int be_told(const char *told)
{
    char own[64];
    int length = snprintf(own, sizeof own, "%s.%s:", value_of("PTL_ROLE"),
                          value_of("PTL_INDEX"));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    printf("pid %d\n", (int)getpid());
    fflush(stdout);
    if (!strncmp(told, own, (size_t)length))
        return atoi(told + length);
    int signal = sigtimedwait(&set, NULL, &(struct timespec){60, 0});
    printf("got %d\n", signal);
    fflush(stdout);
    return 128 + signal;
}

static int be_agent(const char *program)
{
    ptl_error err;
    ptl_arena *arena = arena_new();
    int status = 0;
    ptl_status st = start_agent(program, arena, &status, &err);
    if (st != PTL_OK)
        fprintf(stderr, "ptlc: error: %s\n", err.text);
    arena_free(arena);
    return st == PTL_OK ? status : ptl_exit_status(st);
}

/* ---------- a job ---------- */

static const char *const words[] = {"--seed", "3"};
static const char *const server_hosts[] = {"node0:2222"};
static const char *const worker_hosts[] = {"node0:2223", "node1:2223",
                                           "[::1]:2223"};
static char program[4096], folder[] = "/tmp/ptl-test-start-XXXXXX";

static start_job job(void)
{
    return (start_job){.program = program,
                       .file = "a b.ptl",
                       .words = words,
                       .word_count = 2,
                       .servers = 1,
                       .workers = 3,
                       .id = "the job",
                       .keys = "",
                       .quiet = true};
}

static start_job listed_job(void)
{
    start_job j = job();
    j.server_hosts = server_hosts;
    j.worker_hosts = worker_hosts;
    return j;
}

typedef struct outcome {
    int status;
    char *out, *err;
    pid_t pid;
    int fds[2];
} outcome;

static char *content(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = calloc((size_t)size + 1, 1);
    assert_int_equal(pread(fd, text, (size_t)size, 0), size);
    return text;
}

static char *shell_path(void)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/shell", folder);
    return path;
}

/* In a process of its own: as the launcher is, and its output apart. */
static outcome begin(const start_job *j, const char *shell, int out)
{
    outcome o = {.fds = {out >= 0 ? out : memfd_create("out", 0),
                         memfd_create("err", 0)}};
    fflush(NULL);
    o.pid = fork();
    assert_true(o.pid >= 0);
    if (o.pid)
        return o;
    ptl_error err;
    int status = 0;
    ptl_arena *arena = arena_new();
    dup2(o.fds[0], 1);
    dup2(o.fds[1], 2);
    ptl_status st = shell ? start_there(j, shell, arena, &status, &err)
                          : start_here(j, arena, &status, &err);
    if (st != PTL_OK)
        fprintf(stderr, "%s\n", err.text);
    fflush(NULL);
    _exit(st == PTL_OK ? status : ptl_exit_status(st));
}

static void finish(outcome *o)
{
    int status;
    assert_int_equal(waitpid(o->pid, &status, 0), o->pid);
    o->status = WEXITSTATUS(status);
    o->out = content(o->fds[0]);
    o->err = content(o->fds[1]);
    close(o->fds[0]);
    close(o->fds[1]);
}

static outcome run(const start_job *j, const char *shell)
{
    outcome o = begin(j, shell, -1);
    finish(&o);
    return o;
}

static void drop(outcome *o)
{
    free(o->out);
    free(o->err);
}

/* How many lines of `text` hold `part`. */
static int lines_with(const char *text, const char *part)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

static void has(const outcome *o, const char *line)
{
    if (lines_with(o->out, line) != 1)
        fail_msg("not once \"%s\" in:\n%s%s", line, o->out, o->err);
}

/* ---------- here ---------- */

static void each_process_is_told_who_it_is(void **state)
{
    (void)state;
    char line[256];
    start_job j = job();
    outcome o = run(&j, NULL);
    int share = pool_cores() / 3 > 0 ? pool_cores() / 3 : 1;
    assert_int_equal(o.status, 0);
    snprintf(line, sizeof line,
             "worker2| words --seed 3 --threads %d --job worker --task 2 -- a "
             "b.ptl\n",
             share);
    has(&o, line);
    has(&o, "ps0| who ps 0 of 1 3\n");
    has(&o, "worker1| who worker 1 of 1 3\n");
    has(&o, "ps0| cuda [] machine - by ptlc launch --local\n");
    has(&o, "worker0| cuda [-] machine - by ptlc launch --local\n");
    assert_int_equal(lines_with(o.out, "| job the job\n"), 4);
    drop(&o);
}

static void the_coordinator_has_a_socket_that_listens(void **state)
{
    (void)state;
    start_job j = job();
    outcome o = run(&j, NULL);
    assert_int_equal(lines_with(o.out, "| coordinator tcp://127.0.0.1:"), 4);
    has(&o, "ps0| listens tcp://127.0.0.1:");
    assert_int_equal(lines_with(o.out, "| listens nothing\n"), 3);
    char *at = strstr(o.out, "ps0| listens ") + strlen("ps0| listens ");
    char *end = strchr(at, '\n');
    *end = '\0';
    assert_non_null(strstr(o.out, at));
    drop(&o);
    j.servers = 0;
    o = run(&j, NULL);
    has(&o, "worker0| listens tcp://127.0.0.1:");
    drop(&o);
}

static void threads_that_were_given_stay(void **state)
{
    (void)state;
    start_job j = job();
    j.threads = 7;
    outcome o = run(&j, NULL);
    assert_int_equal(lines_with(o.out, " --threads 7 "), 4);
    drop(&o);
}

static void a_port_in_use_is_named_before_anything_starts(void **state)
{
    (void)state;
    int fd;
    ptl_error err;
    char at[NET_ENDPOINT_BYTES];
    assert_int_equal(net_listen("tcp://127.0.0.1:*", &fd, &err), PTL_OK);
    assert_int_equal(net_listening_at(fd, at, &err), PTL_OK);
    const char *hosts[] = {at + strlen("tcp://")};
    start_job j = job();
    j.server_hosts = hosts;
    outcome o = run(&j, NULL);
    assert_int_equal(o.status, 3);
    assert_string_equal(o.out, "");
    assert_int_equal(lines_with(o.err, at), 1);
    close(fd);
    drop(&o);
}

static void a_listed_coordinator_listens_there(void **state)
{
    (void)state;
    int fd;
    ptl_error err;
    char at[NET_ENDPOINT_BYTES];
    assert_int_equal(net_listen("tcp://127.0.0.1:*", &fd, &err), PTL_OK);
    assert_int_equal(net_listening_at(fd, at, &err), PTL_OK);
    close(fd);
    const char *hosts[] = {at + strlen("tcp://")};
    start_job j = job();
    j.server_hosts = hosts;
    outcome o = run(&j, NULL);
    char line[NET_ENDPOINT_BYTES + 32];
    snprintf(line, sizeof line, "ps0| listens %s\n", at);
    has(&o, line);
    drop(&o);
}

/* ---------- there ---------- */

static void each_machine_has_one_shell_and_its_processes(void **state)
{
    (void)state;
    start_job j = listed_job();
    outcome o = run(&j, shell_path());
    assert_int_equal(o.status, 0);
    has(&o, "ps0| cuda [] machine node0 by ptlc launch --ssh\n");
    has(&o, "worker0| cuda [-] machine node0 by ptlc launch --ssh\n");
    has(&o, "worker1| cuda [-] machine node1 by ptlc launch --ssh\n");
    has(&o, "worker2| cuda [-] machine ::1 by ptlc launch --ssh\n");
    assert_int_equal(lines_with(o.out, "shell for "), 0);
    assert_int_equal(lines_with(o.err, "shell for "), 3);
    assert_int_equal(lines_with(o.out, "| job the job\n"), 4);
    assert_int_equal(lines_with(o.out, "| coordinator -\n"), 4);
    drop(&o);
}

static void a_machine_gets_the_keys_of_its_processes_only(void **state)
{
    (void)state;
    ptl_error err;
    char keys[64];
    struct stat st;
    start_job j = listed_job();
    snprintf(keys, sizeof keys, "%s/keys", folder);
    assert_int_equal(net_keys_make(keys, 1, 3, &err), PTL_OK);
    j.keys = keys;
    outcome o = run(&j, shell_path());
    assert_int_equal(o.status, 0);
    has(&o, "ps0| keys clients ps-0.key server-0.key servers worker-0.key\n");
    has(&o, "worker1| keys clients servers worker-1.key\n");
    assert_int_equal(stat(keys, &st), 0); /* those that were sent are gone */
    drop(&o);
}

static void a_shell_that_fails_is_told(void **state)
{
    (void)state;
    start_job j = listed_job();
    setenv("FAKE_FAILURE", "255", 1);
    outcome o = run(&j, shell_path());
    unsetenv("FAKE_FAILURE");
    assert_int_equal(o.status, 3);
    assert_int_equal(lines_with(o.err, "a remote shell (\""), 1);
    drop(&o);
    o = run(&j, "/nowhere/ssh -q");
    assert_int_equal(o.status, 3);
    assert_int_equal(lines_with(o.err, "could not start node0"), 1);
    drop(&o);
}

static void a_failure_there_ends_all_everywhere(void **state)
{
    (void)state;
    start_job j = listed_job();
    setenv("FAKE_TOLD", "worker.1:3", 1);
    outcome o = run(&j, shell_path());
    unsetenv("FAKE_TOLD");
    assert_int_equal(o.status, 3);
    drop(&o);
}

static void signals_reach_processes_there(void **state)
{
    (void)state;
    int ends[2], seen = 0;
    char line[256], all[4096] = "";
    start_job j = listed_job();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    setenv("FAKE_TOLD", "none", 1);
    outcome o = begin(&j, shell_path(), ends[1]);
    unsetenv("FAKE_TOLD");
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    while (fgets(line, sizeof line, in)) {
        strncat(all, line, sizeof all - strlen(all) - 1);
        if (strstr(line, "| pid ") && ++seen == 4)
            kill(o.pid, SIGINT);
    }
    fclose(in);
    int status;
    waitpid(o.pid, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 130);
    assert_int_equal(lines_with(all, "| got 2\n"), 4);
    close(o.fds[1]);
}

static void killing_the_launcher_ends_all_everywhere(void **state)
{
    (void)state;
    int ends[2], seen = 0;
    pid_t pids[4];
    char line[256];
    start_job j = listed_job();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    setenv("FAKE_TOLD", "none", 1);
    outcome o = begin(&j, shell_path(), ends[1]);
    unsetenv("FAKE_TOLD");
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    while (seen < 4 && fgets(line, sizeof line, in))
        if (strstr(line, "| pid "))
            pids[seen++] = (pid_t)atoi(strstr(line, "| pid ") + 6);
    kill(o.pid, SIGKILL);
    /* Agents and processes alike come to us when their parents are gone. */
    while (waitpid(-1, NULL, 0) > 0)
        ;
    for (int i = 0; i < seen; i++)
        assert_int_equal(kill(pids[i], 0), -1);
    assert_int_equal(seen, 4);
    fclose(in);
    close(o.fds[1]);
}

/* ---------- the agent's input ---------- */

static void an_agent_that_is_told_nothing_good_says_so(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "ended before it said what to start"},
        {"{\n", "standard input: "},
        {"{}\n", "another version"},
        {"{\"version\":\"" PTL_VERSION "\"}\n", "describes no processes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[8192];
        snprintf(command, sizeof command,
                 "printf '%%s' '%s' | '%s' launch "
                 "--agent 2>&1",
                 cases[i][0], program);
        FILE *out = popen(command, "r");
        char line[1024] = "";
        char *read = fgets(line, sizeof line, out);
        assert_non_null(read);
        assert_non_null(strstr(line, cases[i][1]));
        assert_int_not_equal(pclose(out), 0);
    }
}

static int set_up(void **state)
{
    (void)state;
    ptl_error err;
    static const char script[] =
        "#!/bin/sh\n"
        "[ -z \"$FAKE_FAILURE\" ] || exit $FAKE_FAILURE\n"
        "export FAKE_MACHINE=$1\n"
        "echo shell for $1 >&2\n"
        "shift\n"
        "sh -c \"$*\"\n"
        "exit $?\n";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(
        file_write_whole(shell_path(), script, sizeof script - 1, &err),
        PTL_OK);
    return chmod(shell_path(), 0700);
}

static int tear_down(void **state)
{
    (void)state;
    ptl_error err;
    return folder_remove(folder, &err) == PTL_OK ? 0 : -1;
}

int main(int argc, char **argv)
{
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(length > 0);
    if (argc > 2 && !strcmp(argv[1], "launch"))
        return be_agent(program);
    if (argc > 2 && getenv("FAKE_TOLD"))
        return be_told(getenv("FAKE_TOLD"));
    if (argc > 2)
        return be_process(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_process_is_told_who_it_is),
        cmocka_unit_test(the_coordinator_has_a_socket_that_listens),
        cmocka_unit_test(threads_that_were_given_stay),
        cmocka_unit_test(a_port_in_use_is_named_before_anything_starts),
        cmocka_unit_test(a_listed_coordinator_listens_there),
        cmocka_unit_test(each_machine_has_one_shell_and_its_processes),
        cmocka_unit_test(a_machine_gets_the_keys_of_its_processes_only),
        cmocka_unit_test(a_shell_that_fails_is_told),
        cmocka_unit_test(a_failure_there_ends_all_everywhere),
        cmocka_unit_test(signals_reach_processes_there),
        cmocka_unit_test(killing_the_launcher_ends_all_everywhere),
        cmocka_unit_test(an_agent_that_is_told_nothing_good_says_so),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
