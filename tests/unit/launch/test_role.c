/*
 * test_role.c - which process of the job this one is, from environments that
 * stand in a table.
 *
 * A role is shown as one line: why | coordinator | where it listens, by what
 * others reach it. A wrong environment as the exit status and the message.
 */
#include "base/str.h"
#include "dist/wire.h"
#include "launch/role.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

_Static_assert((int)ROLE_PS == (int)WIRE_PS, "one number for a role");
_Static_assert((int)ROLE_WORKER == (int)WIRE_WORKER, "one number for a role");

static ptl_arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* An environment: "NAME=VALUE" between blanks; '_' stands for a blank within
 * TF_CONFIG. */
static const char *lookup(void *ctx, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = ctx; *at; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");
        if (word > length && !strncmp(at, name, length) && at[length] == '=')
            return arena_strndup(arena, at + length + 1, word - length - 1);
        at += word;
    }
    return NULL;
}

static const char *const ps_hosts[] = {"node0:2222", "node1:2222"};
static const char *const worker_hosts[] = {"node0:2223", "127.0.0.1:2223",
                                           "[::1]:2223"};

/* Two ps and three workers, by count. */
static const role_request counts = {.task = -1,
                                    .servers = 2,
                                    .least_workers = 3,
                                    .most_workers = 3,
                                    .get = lookup,
                                    .host = "here"};

static role_request hosts(void)
{
    role_request q = counts;
    q.server_hosts = ps_hosts;
    q.worker_hosts = worker_hosts;
    return q;
}

static role_request workers_alone(int least, int most)
{
    role_request q = counts;
    q.servers = 0;
    q.least_workers = least;
    q.most_workers = most;
    return q;
}

static launch_role resolved(role_request q, const char *environment)
{
    ptl_error err;
    launch_role role;
    q.ctx = (void *)environment;
    assert_int_equal(role_resolve(&q, arena, &role, &err), PTL_OK);
    return role;
}

static const char *shown(role_request q, const char *environment)
{
    ptl_error err = {0};
    launch_role role;
    q.ctx = (void *)environment;
    if (role_resolve(&q, arena, &role, &err) != PTL_OK)
        return arena_printf(arena, "%d: %s", ptl_exit_status(err.status),
                            err.text);
    if (role.source == ROLE_FROM_local)
        return role.why;
    return arena_printf(arena, "%s | %s | %s, %s", role.why, role.coordinator,
                        role.bind, role.host);
}

/* ---------- flags ---------- */

static role_request flags(role_request q, const char *job, int task)
{
    q.job = job;
    q.task = task;
    return q;
}

static void flags_and_listed_hosts(void **state)
{
    (void)state;
    assert_string_equal(shown(flags(hosts(), "ps", 0), ""),
                        "ps 0 of 2 ps and 3 workers, says --job and --task | "
                        "tcp://node0:2222 | tcp://*:2222, node0");
    assert_string_equal(shown(flags(hosts(), "ps", 1), ""),
                        "ps 1 of 2 ps and 3 workers, says --job and --task | "
                        "tcp://node0:2222 | tcp://*:2222, node1");
    assert_string_equal(shown(flags(hosts(), "worker", 1), ""),
                        "worker 1 of 2 ps and 3 workers, says --job and --task "
                        "| tcp://node0:2222 | tcp://127.0.0.1:2223, 127.0.0.1");
    assert_string_equal(shown(flags(hosts(), "worker", 2), ""),
                        "worker 2 of 2 ps and 3 workers, says --job and --task "
                        "| tcp://node0:2222 | tcp://[::1]:2223, [::1]");
}

static void flags_come_before_any_environment(void **state)
{
    (void)state;
    assert_string_equal(
        shown(flags(hosts(), "worker", 0),
              "PTL_ROLE=ps PTL_INDEX=1 SLURM_JOB_ID=7 SLURM_STEP_ID=0 "
              "SLURM_PROCID=3 SLURM_NTASKS=5 RANK=1 WORLD_SIZE=5"),
        "worker 0 of 2 ps and 3 workers, says --job and --task | "
        "tcp://node0:2222 | tcp://*:2223, node0");
}

static void wrong_flags_are_wrong_usage(void **state)
{
    (void)state;
    assert_string_equal(shown(flags(hosts(), "ps", -1), ""),
                        "2: --job ps needs --task I, its number");
    assert_string_equal(shown(flags(hosts(), NULL, 1), ""),
                        "2: --task 1 of which --job, ps or worker?");
    assert_string_equal(shown(flags(hosts(), "chief", 1), ""),
                        "2: --job is ps or worker, not \"chief\"");
    assert_string_equal(
        shown(flags(hosts(), "ps", 2), ""),
        "2: --job ps --task 2 says that this is ps 2, and the cluster has 2 ps "
        "and 3 workers, counted from 0");
    assert_string_equal(
        shown(flags(counts, "worker", 1), ""),
        "2: where is the coordinator (ps 0)? list \"host:port\" of each "
        "process in the cluster block, or set "
        "PTL_COORDINATOR=tcp://HOST:PORT alike in all processes");
}

/* ---------- PTL ---------- */

static void variables_of_ptl_say_everything(void **state)
{
    (void)state;
    launch_role r =
        resolved(counts, "PTL_ROLE=ps PTL_INDEX=0 PTL_SERVERS=2 PTL_WORKERS=3 "
                         "PTL_COORDINATOR=tcp://127.0.0.1:4000 PTL_LISTEN_FD=5 "
                         "PTL_JOB_ID=abc PTL_KEYS=/k PTL_RESTARTS=2 "
                         "PTL_STARTED_BY=launcher");
    assert_int_equal(r.kind, ROLE_PS);
    assert_int_equal(r.index, 0);
    assert_true(role_coordinates(&r));
    assert_int_equal(r.servers, 2);
    assert_int_equal(r.workers, 3);
    assert_int_equal(r.listen_fd, 5);
    assert_int_equal(r.restarts, 2);
    assert_string_equal(r.keys, "/k");
    assert_string_equal(r.bind, "tcp://127.0.0.1:4000");
    assert_string_equal(r.why, "ps 0 of 2 ps and 3 workers, says launcher");
}

static void processes_of_one_job_have_one_id(void **state)
{
    (void)state;
    const char *meet = "PTL_COORDINATOR=tcp://h:1 PTL_JOB_ID=abc";
    const char *other = "PTL_COORDINATOR=tcp://h:1 PTL_JOB_ID=abd";
    const char *none = "PTL_COORDINATOR=tcp://h:1";
    uint64_t job = resolved(flags(counts, "ps", 0), meet).job;
    assert_true(job == resolved(flags(counts, "worker", 2), meet).job);
    assert_true(job != resolved(flags(counts, "ps", 0), other).job);
    assert_true(resolved(flags(counts, "ps", 0), none).job ==
                resolved(flags(counts, "worker", 1), none).job);
}

static void others_listen_on_loopback_where_the_coordinator_does(void **state)
{
    (void)state;
    role_request q = flags(counts, "worker", 1);
    assert_string_equal(resolved(q, "PTL_COORDINATOR=tcp://127.0.0.9:1").bind,
                        "tcp://127.0.0.1:*");
    assert_string_equal(resolved(q, "PTL_COORDINATOR=ipc:///tmp/x").bind,
                        "tcp://127.0.0.1:*");
    launch_role away = resolved(q, "PTL_COORDINATOR=tcp://10.0.0.1:1");
    assert_string_equal(away.bind, "tcp://*:*");
    assert_string_equal(away.host, "here");
    away = resolved(q, "PTL_COORDINATOR=tcp://10.0.0.1:1 PTL_HOST=there "
                       "PTL_BIND=tcp://*:9");
    assert_string_equal(away.bind, "tcp://*:9");
    assert_string_equal(away.host, "there");
}

static void wrong_variables_of_ptl_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"PTL_ROLE=ps", "78: PTL_ROLE is \"ps\", and PTL_INDEX is not set"},
        {"PTL_INDEX=1", "78: PTL_INDEX is \"1\", and PTL_ROLE is not set"},
        {"PTL_ROLE=chief PTL_INDEX=0",
         "78: PTL_ROLE is \"chief\", and not ps or worker"},
        {"PTL_ROLE=ps PTL_INDEX=-1",
         "78: PTL_INDEX is \"-1\", and not a number from 0 to 2147483647"},
        {"PTL_ROLE=worker PTL_INDEX=3",
         "78: PTL_ROLE = worker, PTL_INDEX = 3 says that this is worker 3, and "
         "the cluster has 2 ps and 3 workers, counted from 0"},
        {"PTL_ROLE=worker PTL_INDEX=0 PTL_SERVERS=1",
         "78: PTL_SERVERS is \"1\", and the cluster has 2 ps and 3 workers"},
        {"PTL_ROLE=worker PTL_INDEX=0 PTL_WORKERS=4",
         "78: PTL_WORKERS is \"4\", and not a number from 3 to 3"},
        {"PTL_ROLE=worker PTL_INDEX=0 PTL_COORDINATOR=h:1",
         "78: PTL_COORDINATOR: \"h:1\" is no endpoint: it begins with neither "
         "tcp:// nor ipc://"},
        {"PTL_ROLE=worker PTL_INDEX=0 PTL_COORDINATOR=tcp://h",
         "78: PTL_COORDINATOR: \"tcp://h\" is no endpoint: tcp://HOST:PORT is "
         "one"},
        {"PTL_ROLE=ps PTL_INDEX=0 PTL_COORDINATOR=tcp://h:1 PTL_LISTEN_FD=1",
         "78: PTL_LISTEN_FD is \"1\", and not a number from 3 to 2147483647"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(shown(counts, cases[i][0]), cases[i][1]);
}

/* ---------- ranks ---------- */

static void slurm_meets_on_the_first_machine_of_the_step(void **state)
{
    (void)state;
    const char *step = "SLURM_JOB_ID=7 SLURM_STEP_ID=0 SLURM_NTASKS=5 "
                       "SLURM_STEP_NODELIST=n[03-05] SLURM_JOB_NODELIST=n[1-9] "
                       "SLURMD_NODENAME=n04 SLURM_RESTART_COUNT=2 PTL_PORT=99 ";
    assert_string_equal(
        shown(counts, arena_printf(arena, "%sSLURM_PROCID=0", step)),
        "ps 0 of 2 ps and 3 workers, says Slurm: SLURM_PROCID = 0 of "
        "SLURM_NTASKS = 5 | tcp://n03:99 | tcp://*:99, n03");
    const char *last = arena_printf(arena, "%sSLURM_PROCID=4", step);
    assert_string_equal(
        shown(counts, last),
        "worker 2 of 2 ps and 3 workers, says Slurm: SLURM_PROCID = 4 of "
        "SLURM_NTASKS = 5 | tcp://n03:99 | tcp://*:*, n04");
    assert_int_equal(resolved(counts, last).restarts, 2);
}

static launch_role of_step(int step, int rank)
{
    return resolved(counts, arena_printf(arena,
                                         "SLURM_JOB_ID=7 SLURM_STEP_ID=%d "
                                         "SLURM_NTASKS=5 SLURM_JOB_NODELIST=n "
                                         "SLURM_PROCID=%d",
                                         step, rank));
}

static void a_port_follows_from_the_step(void **state)
{
    (void)state;
    launch_role a = of_step(0, 0), b = of_step(0, 3), c = of_step(1, 3);
    assert_string_equal(a.coordinator, b.coordinator);
    assert_string_not_equal(b.coordinator, c.coordinator);
    assert_true(a.job == b.job && b.job != c.job);
}

static void listed_hosts_come_before_those_of_slurm(void **state)
{
    (void)state;
    assert_string_equal(
        shown(hosts(), "SLURM_JOB_ID=7 SLURM_STEP_ID=0 SLURM_NTASKS=5 "
                       "SLURM_JOB_NODELIST=n[1-9] SLURM_PROCID=3"),
        "worker 1 of 2 ps and 3 workers, says Slurm: SLURM_PROCID = 3 of "
        "SLURM_NTASKS = 5 | tcp://node0:2222 | tcp://127.0.0.1:2223, "
        "127.0.0.1");
}

static void mpirun_within_slurm_is_the_nearer_one(void **state)
{
    (void)state;
    const char *both = "SLURM_JOB_ID=7 SLURM_STEP_ID=0 SLURM_NTASKS=2 "
                       "SLURM_PROCID=1 OMPI_COMM_WORLD_SIZE=5 "
                       "OMPI_COMM_WORLD_RANK=4 PTL_COORDINATOR=tcp://h:1";
    assert_int_equal(resolved(counts, both).source, ROLE_FROM_openmpi);
    const char *same = "SLURM_JOB_ID=7 SLURM_STEP_ID=0 SLURM_NTASKS=5 "
                       "SLURM_PROCID=4 PMI_SIZE=5 PMI_RANK=4 "
                       "SLURM_NODELIST=n";
    assert_int_equal(resolved(counts, same).source, ROLE_FROM_slurm);
}

static const char *const ranks[][2] = {
    {"OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=5 "
     "PTL_COORDINATOR=tcp://h:1",
     "ps 1 of 2 ps and 3 workers, says Open MPI: OMPI_COMM_WORLD_RANK = 1 of "
     "OMPI_COMM_WORLD_SIZE = 5 | tcp://h:1 | tcp://*:*, here"},
    {"PMI_RANK=2 PMI_SIZE=5 PTL_COORDINATOR=tcp://h:1",
     "worker 0 of 2 ps and 3 workers, says PMI: PMI_RANK = 2 of PMI_SIZE = 5 | "
     "tcp://h:1 | tcp://*:*, here"},
    {"JOB_COMPLETION_INDEX=3 HOSTNAME=lenet-3 PTL_SERVICE=svc",
     "worker 1 of 2 ps and 3 workers, says Kubernetes: JOB_COMPLETION_INDEX = "
     "3 "
     "| tcp://lenet-0.svc:2222 | tcp://*:*, lenet-3.svc"},
    {"RANK=4 WORLD_SIZE=5 MASTER_ADDR=10.0.0.1 MASTER_PORT=29500",
     "worker 2 of 2 ps and 3 workers, says torchrun: RANK = 4 of WORLD_SIZE = "
     "5 | tcp://10.0.0.1:29500 | tcp://*:*, here"},
    {"RANK=0 WORLD_SIZE=5 MASTER_ADDR=::1 MASTER_PORT=29500 "
     "TORCHELASTIC_USE_AGENT_STORE=True",
     "ps 0 of 2 ps and 3 workers, says torchrun: RANK = 0 of WORLD_SIZE = 5 | "
     "tcp://[::1]:29501 | tcp://[::1]:29501, [::1]"},
    {"DMLC_ROLE=server DMLC_SERVER_ID=1 DMLC_NUM_SERVER=2 DMLC_NUM_WORKER=3 "
     "DMLC_PS_ROOT_URI=10.0.0.1 DMLC_PS_ROOT_PORT=9000",
     "ps 1 of 2 ps and 3 workers, says DMLC: DMLC_ROLE = server, "
     "DMLC_SERVER_ID "
     "= 1 | tcp://10.0.0.1:9000 | tcp://*:*, here"},
    {"DMLC_ROLE=worker DMLC_TASK_ID=0 DMLC_PS_ROOT_URI=h "
     "DMLC_PS_ROOT_PORT=9000",
     "worker 0 of 2 ps and 3 workers, says DMLC: DMLC_ROLE = worker, "
     "DMLC_TASK_ID = 0 | tcp://h:9000 | tcp://*:*, here"},
    {"TF_CONFIG={\"cluster\":{\"ps\":[\"a:1\",\"b:1\"],\"chief\":[\"c:1\"],"
     "\"worker\":[\"d:1\",\"e:1\"]},\"task\":{\"type\":\"worker\",\"index\":1}"
     "}",
     "worker 2 of 2 ps and 3 workers, says TF_CONFIG: task worker 1 | "
     "tcp://a:1 "
     "| tcp://*:1, e"},
    {"", "nothing in the environment says which process this is"},
    {"RANK=1", "nothing in the environment says which process this is"},
};

static void each_launcher_is_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        assert_string_equal(shown(counts, ranks[i][0]), ranks[i][1]);
}

static const char *const wrong_ranks[][2] = {
    {"SLURM_JOB_ID=7 SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_NTASKS=4",
     "78: SLURM_NTASKS is \"4\", and the cluster (2 ps, 3 workers) has 5 "
     "processes"},
    {"SLURM_JOB_ID=7 SLURM_STEP_ID=0 SLURM_PROCID=5 SLURM_NTASKS=5",
     "78: SLURM_PROCID is \"5\", and not a number from 0 to 4"},
    {"SLURM_JOB_ID=7 SLURM_PROCID=0 SLURM_NTASKS=5",
     "78: SLURM_JOB_ID is \"7\", and this is the script of the batch job: "
     "start "
     "the processes with `srun ptlc launch`, or here with --local"},
    {"SLURM_JOB_ID=7 SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_NTASKS=5 "
     "SLURM_JOB_NODELIST=n[1",
     "78: SLURM_JOB_NODELIST: \"n[1\" is no list of machines: a bracket is not "
     "closed"},
    {"OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=5",
     "78: where is the coordinator (ps 0)? list \"host:port\" of each process "
     "in the cluster block, or set PTL_COORDINATOR=tcp://HOST:PORT alike in "
     "all "
     "processes"},
    {"PMI_RANK=x PMI_SIZE=5",
     "78: PMI_RANK is \"x\", and not a number from 0 to 4"},
    {"JOB_COMPLETION_INDEX=5 HOSTNAME=lenet-5 PTL_SERVICE=svc",
     "78: JOB_COMPLETION_INDEX = 5 says that this is worker 3, and the cluster "
     "has 2 ps and 3 workers, counted from 0"},
    {"JOB_COMPLETION_INDEX=1 HOSTNAME=lenet PTL_SERVICE=svc",
     "78: HOSTNAME is \"lenet\", and pod 1 of an Indexed Job is called JOB-1"},
    {"RANK=0 WORLD_SIZE=5 MASTER_ADDR=h MASTER_PORT=x",
     "78: MASTER_PORT is \"x\", and not a number from 1 to 65534"},
    {"TF_CONFIG={", "78: TF_CONFIG is not JSON: byte 1: expected a key"},
    {"TF_CONFIG={}",
     "78: TF_CONFIG has no \"task\" with \"type\" and \"index\""},
    {"TF_CONFIG={\"cluster\":{\"ps\":[1]},\"task\":{\"type\":\"ps\",\"index\":"
     "0}}",
     "78: TF_CONFIG: \"ps\" is not a list of \"host:port\""},
    {"TF_CONFIG={\"cluster\":{\"ps\":[\"a:1\"]},\"task\":{\"type\":\"ps\","
     "\"index\":0}}",
     "78: TF_CONFIG lists 1 ps and 0 workers, and the cluster block has 2 and "
     "3"},
    {"TF_CONFIG={\"cluster\":{\"ps\":[\"a:1\",\"b:1\"],\"worker\":[\"d:1\","
     "\"e:1\",\"f:1\"]},\"task\":{\"type\":\"evaluator\",\"index\":0}}",
     "78: TF_CONFIG: the task is \"evaluator\" 0, which its cluster does not "
     "list"},
    {"DMLC_ROLE=scheduler",
     "78: DMLC_ROLE is \"scheduler\": start servers and workers only; the "
     "coordinator is in server 0"},
    {"DMLC_ROLE=worker",
     "78: DMLC_ROLE is \"worker\", and DMLC_WORKER_ID is not set"},
    {"DMLC_ROLE=worker DMLC_WORKER_ID=0 DMLC_NUM_WORKER=2",
     "78: DMLC_NUM_WORKER is \"2\", and the cluster has 3"},
};

static void a_wrong_environment_is_told_by_variable_and_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong_ranks / sizeof *wrong_ranks; i++)
        assert_string_equal(shown(counts, wrong_ranks[i][0]),
                            wrong_ranks[i][1]);
}

static void lists_of_tf_config_and_of_the_block_are_the_same(void **state)
{
    (void)state;
    assert_string_equal(
        shown(hosts(),
              "TF_CONFIG={\"cluster\":{\"ps\":[\"a:1\",\"b:1\"],\"worker\":["
              "\"d:1\",\"e:1\",\"f:1\"]},\"task\":{\"type\":\"ps\",\"index\":"
              "0}}"),
        "78: TF_CONFIG: task ps 0 puts the coordinator at \"a:1\", and the "
        "cluster block at \"node0:2222\"");
}

/* ---------- counts that may differ ---------- */

static void a_range_of_workers_takes_what_was_started(void **state)
{
    (void)state;
    launch_role r = resolved(workers_alone(2, 4),
                             "RANK=2 WORLD_SIZE=3 MASTER_ADDR=h MASTER_PORT=9");
    assert_int_equal(r.workers, 3);
    assert_false(role_coordinates(&r));
    assert_string_equal(
        shown(workers_alone(2, 4),
              "RANK=2 WORLD_SIZE=5 MASTER_ADDR=h MASTER_PORT=9"),
        "78: WORLD_SIZE is \"5\", and the cluster (0 ps, 4 workers) has 2 to 4 "
        "processes");
    assert_string_equal(
        shown(flags(workers_alone(2, 4), "worker", 3),
              "PTL_WORKERS=3 PTL_COORDINATOR=tcp://h:1"),
        "78: this is worker 3 of 3, counted from 0 (--job and --task)");
}

static void a_single_worker_needs_no_address(void **state)
{
    (void)state;
    launch_role r = resolved(flags(workers_alone(1, 1), "worker", 0), "");
    assert_true(role_coordinates(&r));
    assert_string_equal(r.bind, "tcp://127.0.0.1:*");
    r = resolved(workers_alone(1, 1),
                 "RANK=0 WORLD_SIZE=1 MASTER_ADDR=h MASTER_PORT=9");
    assert_string_equal(r.bind, "tcp://127.0.0.1:*");
    assert_string_equal(
        shown(workers_alone(1, 1), "SLURM_JOB_ID=7 SLURM_PROCID=0"),
        "nothing in the environment says which process this is");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_and_listed_hosts),
        cmocka_unit_test(flags_come_before_any_environment),
        cmocka_unit_test(wrong_flags_are_wrong_usage),
        cmocka_unit_test(variables_of_ptl_say_everything),
        cmocka_unit_test(processes_of_one_job_have_one_id),
        cmocka_unit_test(others_listen_on_loopback_where_the_coordinator_does),
        cmocka_unit_test(wrong_variables_of_ptl_are_named),
        cmocka_unit_test(slurm_meets_on_the_first_machine_of_the_step),
        cmocka_unit_test(a_port_follows_from_the_step),
        cmocka_unit_test(listed_hosts_come_before_those_of_slurm),
        cmocka_unit_test(mpirun_within_slurm_is_the_nearer_one),
        cmocka_unit_test(each_launcher_is_understood),
        cmocka_unit_test(a_wrong_environment_is_told_by_variable_and_value),
        cmocka_unit_test(lists_of_tf_config_and_of_the_block_are_the_same),
        cmocka_unit_test(a_range_of_workers_takes_what_was_started),
        cmocka_unit_test(a_single_worker_needs_no_address),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
