/*
 * test_children.c - small shell commands started, watched and ended together.
 *
 * What should wait for ever waits a minute: a test that hangs ends, and fails.
 */
#include "launch/children.h"
#include <errno.h>
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FOREVER                                                                \
    "while :; do sleep 0.05; i=$((i+1)); [ $i -gt 1200 ] && exit 99; done"

/* One tells another, through a pipe that is descriptor 3 of both, that it is
 * ready. */
#define READY "echo ready >&3; "
#define AFTER "read x <&3; "

enum { MOST = 50 };

/* Commands for sh, and what became of them. */
typedef struct family {
    child_spec specs[MOST];
    const char *argv[MOST][4];
    char names[MOST][16];
    int count;
    int ready[2]; /* pipe */
    children_options options;
    ptl_status st;
    ptl_error err;
    int status;
    char *out, *other; /* standard output and error */
} family;

static family *new_family(void)
{
    family *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->options = (children_options){
        .grace_ms = 60000, .drain_ms = 60000, .control = -1, .quiet = true};
    assert_int_equal(pipe2(f->ready, O_CLOEXEC), 0);
    f->options.out = memfd_create("out", MFD_CLOEXEC);
    f->options.err = memfd_create("err", MFD_CLOEXEC);
    return f;
}

static child_spec *add(family *f, const char *command)
{
    int i = f->count++;
    const char *argv[] = {"sh", "-c", command, NULL};
    memcpy(f->argv[i], argv, sizeof argv);
    snprintf(f->names[i], sizeof f->names[i], "w%d", i);
    f->specs[i] =
        (child_spec){.name = f->names[i], .argv = f->argv[i], .pass_fd = -1};
    if (strstr(command, READY))
        f->specs[i].pass_fd = fcntl(f->ready[1], F_DUPFD_CLOEXEC, 0);
    if (strstr(command, AFTER))
        f->specs[i].pass_fd = fcntl(f->ready[0], F_DUPFD_CLOEXEC, 0);
    return &f->specs[i];
}

static char *content(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = calloc((size_t)size + 1, 1);
    assert_non_null(text);
    assert_int_equal(pread(fd, text, (size_t)size, 0), size);
    return text;
}

/* Every child is waited for: none is left, dead or alive. */
static void run(family *f)
{
    f->st = children_run(f->specs, f->count, &f->options, &f->status, &f->err);
    f->out = content(f->options.out);
    f->other = content(f->options.err);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void end(family *f)
{
    close(f->options.out);
    close(f->options.err);
    close(f->ready[0]);
    close(f->ready[1]);
    free(f->out);
    free(f->other);
    free(f);
}

static int lines_with(const char *text, const char *begin)
{
    int count = 0;
    for (const char *at = text; *at; at = strchr(at, '\n') + 1)
        count += !strncmp(at, begin, strlen(begin));
    return count;
}

/* ---------- what they write ---------- */

static void whole_lines_say_whose_they_are_and_none_is_lost(void **state)
{
    (void)state;
    family *f = new_family();
    for (int i = 0; i < 3; i++)
        add(f, "seq 1 20000; printf 'last without end'; echo oops >&2");
    run(f);
    assert_int_equal(f->status, 0);
    assert_int_equal(lines_with(f->out, ""), 3 * 20001);
    assert_int_equal(lines_with(f->out, "w0| "), 20001);
    assert_int_equal(lines_with(f->out, "w2| last without end\n"), 1);
    assert_int_equal(lines_with(f->other, "w1| oops\n"), 1);
    const char *at = f->out;
    for (int i = 1; i <= 20000; i++) {
        char line[32];
        snprintf(line, sizeof line, "w1| %d\n", i);
        at = strstr(at, line);
        assert_non_null(at);
    }
    end(f);
}

static void noise_and_long_lines_pass(void **state)
{
    (void)state;
    family *f = new_family();
    add(f, "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo after");
    add(f, "head -c 200000 /dev/urandom");
    run(f);
    assert_int_equal(f->status, 0);
    size_t size = (size_t)lseek(f->options.out, 0, SEEK_END);
    assert_true(size > 3200000);
    assert_non_null(memmem(f->out, size, "xxxx\nw0| after\n", 15));
    end(f);
}

static void json_lines_get_a_role_and_others_go_to_standard_error(void **state)
{
    (void)state;
    family *f = new_family();
    f->options.json = true;
    add(f, "echo '{\"event\":\"step\"}'; echo text; echo '{\"a\":1}' >&2");
    run(f);
    assert_string_equal(f->out, "{\"role\":\"w0\",\"event\":\"step\"}\n");
    assert_int_equal(lines_with(f->other, "w0| text\n"), 1);
    assert_int_equal(lines_with(f->other, "w0| {\"a\":1}\n"), 1);
    end(f);
}

static void plain_children_write_as_they_are(void **state)
{
    (void)state;
    family *f = new_family();
    add(f, "echo 'worker3| x'")->plain = true;
    run(f);
    assert_string_equal(f->out, "worker3| x\n");
    end(f);
}

static void output_that_is_gone_ends_all(void **state)
{
    (void)state;
    int ends[2];
    family *f = new_family();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    f->options.out = ends[1];
    add(f, "echo x; " FOREVER);
    add(f, FOREVER);
    assert_int_equal(
        children_run(f->specs, f->count, &f->options, &f->status, &f->err),
        PTL_OK);
    assert_int_equal(f->status, 3);
    end(f);
}

/* ---------- what they are given ---------- */

static void they_have_the_standard_descriptors_and_no_more(void **state)
{
    (void)state;
    family *f = new_family();
    int stray = open("/dev/null", O_RDONLY), given[2];
    assert_int_equal(pipe2(given, O_CLOEXEC), 0);
    add(f, "cat; ls /proc/$$/fd; true");
    add(f, "echo told >&3; ls /proc/$$/fd; true")->pass_fd = given[1];
    run(f);
    assert_int_equal(lines_with(f->out, "w0| "), 3);
    assert_int_equal(lines_with(f->out, "w0| 3\n"), 0);
    assert_int_equal(lines_with(f->out, "w1| "), 4);
    assert_int_equal(lines_with(f->out, "w1| 3\n"), 1);
    char told[8] = {0};
    assert_int_equal(read(given[0], told, sizeof told - 1), 5);
    assert_string_equal(told, "told\n");
    close(stray);
    assert_int_equal(read(given[0], told, 1), 0); /* ours is closed too */
    close(given[0]);
    end(f);
}

static void their_environment_is_ours_with_changes(void **state)
{
    (void)state;
    family *f = new_family();
    static const char *const env[] = {"PTL_TEST_A=new", "PTL_TEST_AB=other",
                                      NULL};
    setenv("PTL_TEST_A", "old", 1);
    setenv("PTL_TEST_B", "kept", 1);
    add(f, "env | grep -c ^PTL_TEST; echo $PTL_TEST_A $PTL_TEST_AB $PTL_TEST_B")
        ->env = env;
    run(f);
    assert_string_equal(f->out, "w0| 3\nw0| new other kept\n");
    unsetenv("PTL_TEST_A");
    unsetenv("PTL_TEST_B");
    end(f);
}

static void input_is_written_and_signals_follow_as_lines(void **state)
{
    (void)state;
    family *f = new_family();
    add(f, "read a; echo $a; kill -INT $PPID; read b; echo $b")->input =
        "first line\n";
    run(f);
    assert_string_equal(f->out, "w0| first line\nw0| INT\n");
    assert_int_equal(f->status, 130);
    end(f);
}

static void more_input_than_a_pipe_holds_arrives(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    family *f = new_family();
    char *input = malloc(SIZE + 1);
    memset(input, 'x', SIZE);
    input[SIZE] = '\0';
    add(f, "head -c 1048576 | wc -c")->input = input;
    run(f);
    assert_string_equal(f->out, "w0| 1048576\n");
    free(input);
    end(f);
}

/* ---------- how they end ---------- */

static void the_first_failure_is_the_status_and_the_others_end(void **state)
{
    (void)state;
    family *f = new_family();
    add(f, "trap 'echo ended; exit 75' TERM; " READY FOREVER);
    add(f, AFTER "exit 3");
    add(f, "exit 0");
    f->options.quiet = false;
    run(f);
    assert_int_equal(f->st, PTL_OK);
    assert_int_equal(f->status, 3);
    assert_int_equal(lines_with(f->out, "w0| ended\n"), 1);
    assert_int_equal(lines_with(f->other,
                                "ptlc: w1 failed with exit status 3; the "
                                "others are told to end\n"),
                     1);
    end(f);
}

static void an_end_by_a_signal_is_a_failure(void **state)
{
    (void)state;
    family *f = new_family();
    add(f, "kill -SEGV $$");
    add(f, FOREVER);
    run(f);
    assert_int_equal(f->status, 128 + SIGSEGV);
    end(f);
}

static void who_does_not_end_in_time_is_killed(void **state)
{
    (void)state;
    family *f = new_family();
    f->options.grace_ms = 100;
    f->options.quiet = false;
    add(f, "trap '' TERM; " READY FOREVER);
    add(f, AFTER "exit 2");
    run(f);
    assert_int_equal(f->status, 2);
    assert_int_equal(
        lines_with(f->other, "ptlc: w0 did not end in time and is killed\n"),
        1);
    end(f);
}

static void a_signal_is_passed_on_once(void **state)
{
    (void)state;
    family *f = new_family();
    add(f, "n=0; trap 'n=$((n+1))' INT; " READY
           "while [ $n = 0 ]; do sleep 0.05; done; "
           "for i in 1 2 3 4; do sleep 0.05; done; echo $n; exit 130");
    add(f, "trap 'exit 0' INT; " AFTER "kill -INT $PPID; " FOREVER);
    run(f);
    assert_string_equal(f->out, "w0| 1\n");
    assert_int_equal(f->status, 130);
    end(f);
}

static void a_hangup_ends_all_unless_it_is_ignored(void **state)
{
    (void)state;
    family *f = new_family();
    add(f, "kill -HUP $PPID; " FOREVER);
    run(f);
    assert_int_equal(f->status, 143);
    end(f);
    f = new_family();
    signal(SIGHUP, SIG_IGN);
    add(f, "kill -HUP $PPID");
    run(f);
    signal(SIGHUP, SIG_DFL);
    assert_int_equal(f->status, 0);
    end(f);
}

static void a_second_signal_kills(void **state)
{
    (void)state;
    family *f = new_family();
    add(f,
        "trap 'echo got; kill -TERM $PPID' TERM; kill -TERM $PPID; " FOREVER);
    add(f, "trap '' TERM; " FOREVER);
    run(f);
    assert_string_equal(f->out, "w0| got\n");
    assert_int_equal(f->status, 143);
    end(f);
}

static void after_a_signal_too_there_is_a_deadline(void **state)
{
    (void)state;
    family *f = new_family();
    f->options.drain_ms = 100;
    add(f, "trap '' TERM; kill -TERM $PPID; " FOREVER);
    run(f);
    assert_int_equal(f->status, 143);
    end(f);
}

static void orders_come_by_the_control_descriptor(void **state)
{
    (void)state;
    int ends[2];
    family *f = new_family();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "INT\n", 4), 4);
    f->options.control = ends[0];
    add(f, "trap 'exit 0' INT; " FOREVER);
    run(f);
    assert_int_equal(f->status, 130);
    close(ends[0]);
    close(ends[1]);
    end(f);
}

static void a_control_descriptor_that_ends_is_an_order(void **state)
{
    (void)state;
    int ends[2];
    family *f = new_family();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[1]);
    f->options.control = ends[0];
    f->options.grace_ms = 100;
    add(f, "trap '' TERM; " FOREVER);
    add(f, FOREVER);
    run(f);
    assert_int_equal(f->status, 143);
    close(ends[0]);
    end(f);
}

static void fifty_end_and_leave_nothing(void **state)
{
    (void)state;
    family *f = new_family();
    for (int i = 0; i < MOST; i++)
        add(f, "echo here");
    run(f);
    assert_int_equal(f->status, 0);
    assert_int_equal(lines_with(f->out, ""), MOST);
    end(f);
}

static void what_cannot_be_started_is_named_and_none_is_left(void **state)
{
    (void)state;
    family *f = new_family();
    add(f, FOREVER);
    add(f, "");
    f->argv[1][0] = "/nowhere/ptlc";
    run(f);
    assert_int_equal(f->st, PTL_E_IO);
    assert_string_equal(f->err.text,
                        "could not start w1 (\"/nowhere/ptlc\"): No such file "
                        "or directory");
    end(f);
}

/* ---------- nobody is left ---------- */

/* Waits until it has ended; this process takes orphans in. */
static void assert_ends(pid_t pid)
{
    int status;
    for (int i = 0; i < 6000; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    fail_msg("process %d goes on", (int)pid);
}

static void what_a_child_leaves_behind_is_ended(void **state)
{
    (void)state;
    family *f = new_family();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    add(f, "sleep 60 & echo $!");
    f->st = children_run(f->specs, f->count, &f->options, &f->status, &f->err);
    f->out = content(f->options.out);
    assert_int_equal(f->status, 0);
    assert_ends((pid_t)atoi(f->out + 4));
    end(f);
}

static void killing_the_parent_leaves_nobody(void **state)
{
    (void)state;
    int ends[2], count = 0;
    pid_t pids[8];
    char text[256] = {0};
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t parent = fork();
    if (parent == 0) {
        family *f = new_family();
        f->options.out = ends[1];
        for (int i = 0; i < 8; i++)
            add(f, "echo $$; exec sleep 60");
        children_run(f->specs, f->count, &f->options, &f->status, &f->err);
        _exit(0);
    }
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    while (count < 8 && fgets(text, sizeof text, in))
        pids[count++] = (pid_t)atoi(strchr(text, ' '));
    assert_int_equal(count, 8);
    kill(parent, SIGKILL);
    assert_ends(parent);
    for (int i = 0; i < 8; i++)
        assert_ends(pids[i]);
    fclose(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_lines_say_whose_they_are_and_none_is_lost),
        cmocka_unit_test(noise_and_long_lines_pass),
        cmocka_unit_test(json_lines_get_a_role_and_others_go_to_standard_error),
        cmocka_unit_test(plain_children_write_as_they_are),
        cmocka_unit_test(output_that_is_gone_ends_all),
        cmocka_unit_test(they_have_the_standard_descriptors_and_no_more),
        cmocka_unit_test(their_environment_is_ours_with_changes),
        cmocka_unit_test(input_is_written_and_signals_follow_as_lines),
        cmocka_unit_test(more_input_than_a_pipe_holds_arrives),
        cmocka_unit_test(the_first_failure_is_the_status_and_the_others_end),
        cmocka_unit_test(an_end_by_a_signal_is_a_failure),
        cmocka_unit_test(who_does_not_end_in_time_is_killed),
        cmocka_unit_test(a_signal_is_passed_on_once),
        cmocka_unit_test(a_hangup_ends_all_unless_it_is_ignored),
        cmocka_unit_test(a_second_signal_kills),
        cmocka_unit_test(after_a_signal_too_there_is_a_deadline),
        cmocka_unit_test(orders_come_by_the_control_descriptor),
        cmocka_unit_test(a_control_descriptor_that_ends_is_an_order),
        cmocka_unit_test(fifty_end_and_leave_nothing),
        cmocka_unit_test(what_cannot_be_started_is_named_and_none_is_left),
        cmocka_unit_test(what_a_child_leaves_behind_is_ended),
        cmocka_unit_test(killing_the_parent_leaves_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
