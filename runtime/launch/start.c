/*
 * start.c - processes of a job on this machine.
 */
#include "base/plant.h"
#include "net/endpoint.h"
#include "runtime/pool.h"
#include "start_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* ---------- one process ---------- */

typedef VEC(const char *) words;

static const char *kind_text(role_kind kind)
{
    return kind == ROLE_PS ? "ps" : "worker";
}

/* Ends with NULL. */
static const char *const *command(const start_job *job, ptl_arena *arena,
                                  start_member m, int threads)
{
    words w = {0};
    vec_push(arena, &w, job->program);
    vec_push(arena, &w, "run");
    for (int i = 0; i < job->word_count; i++)
        vec_push(arena, &w, job->words[i]);
    if (threads > 0) {
        vec_push(arena, &w, "--threads");
        vec_push(arena, &w, arena_printf(arena, "%d", threads));
    }
    vec_push(arena, &w, "--job");
    vec_push(arena, &w, kind_text(m.kind));
    vec_push(arena, &w, "--task");
    vec_push(arena, &w, arena_printf(arena, "%d", m.index));
    vec_push(arena, &w, "--");
    vec_push(arena, &w, job->file);
    vec_push(arena, &w, NULL);
    return w.data;
}

static void set(ptl_arena *arena, words *env, const char *name,
                const char *value)
{
    if (value)
        vec_push(arena, env, arena_printf(arena, "%s=%s", name, value));
}

static const char *number(ptl_arena *arena, int n)
{
    return arena_printf(arena, "%d", n);
}

/* What every process of the job is told beside its flags. A ps computes nothing
 * a device would help with, and must not take one's memory. */
static words environment(const start_job *job, ptl_arena *arena, start_member m)
{
    words env = {0};
    set(arena, &env, "PTL_ROLE", kind_text(m.kind));
    set(arena, &env, "PTL_INDEX", number(arena, m.index));
    set(arena, &env, "PTL_SERVERS", number(arena, job->servers));
    set(arena, &env, "PTL_WORKERS", number(arena, job->workers));
    set(arena, &env, "PTL_JOB_ID", job->id);
    set(arena, &env, "PTL_KEYS", job->keys);
    if (m.kind == ROLE_PS && !ptl_is_planted(PTL_PLANT_PS_DEVICES))
        set(arena, &env, "CUDA_VISIBLE_DEVICES", "");
    return env;
}

static bool coordinates(const start_job *job, start_member m)
{
    launch_role r = {.kind = m.kind, .index = m.index, .servers = job->servers};
    return role_coordinates(&r);
}

static child_spec spec_of(const start_group *g, ptl_arena *arena,
                          start_member m, int threads)
{
    words env = environment(g->job, arena, m);
    bool first = g->listen_fd >= 0 && coordinates(g->job, m);
    set(arena, &env, "PTL_COORDINATOR", g->coordinator);
    set(arena, &env, "PTL_LISTEN_FD", first ? number(arena, CHILD_FD) : "");
    set(arena, &env, "PTL_STARTED_BY", g->started_by);
    vec_push(arena, &env, NULL);
    return (child_spec){
        .name = arena_printf(arena, "%s%d", kind_text(m.kind), m.index),
        .argv = command(g->job, arena, m, threads),
        .env = env.data,
        .pass_fd = first ? g->listen_fd : -1,
    };
}

/* ---------- a group ---------- */

/* Of each process: the cores we may use, divided among the workers here. */
static int share_of_threads(const start_group *g)
{
    int workers = 0;
    for (int i = 0; i < g->members.count; i++)
        workers += g->members.data[i].kind == ROLE_WORKER;
    if (g->job->threads > 0)
        return g->job->threads;
    int share = pool_cores() / (workers > 0 ? workers : 1);
    return share > 0 ? share : 1;
}

children_options start_options(const start_job *job, int control)
{
    enum { GRACE_MS = 10000, DRAIN_MS = 300000 };
    return (children_options){.out = STDOUT_FILENO,
                              .err = STDERR_FILENO,
                              .json = job->json,
                              .grace_ms = GRACE_MS,
                              .drain_ms = DRAIN_MS,
                              .control = control,
                              .quiet = job->quiet};
}

ptl_status start_and_watch(const start_group *g, ptl_arena *arena,
                           int *exit_status, ptl_error *err)
{
    int count = g->members.count, threads = share_of_threads(g);
    child_spec *specs = ARENA_ARRAY(arena, child_spec, count + 1);
    children_options options = start_options(g->job, g->control);
    for (int i = 0; i < count; i++)
        specs[i] = spec_of(g, arena, g->members.data[i], threads);
    return children_run(specs, count, &options, exit_status, err);
}

/* ---------- all of a job, here ---------- */

const char *start_new_id(ptl_arena *arena)
{
    unsigned long long bits[2];
    PTL_ASSERT(getrandom(bits, sizeof bits, 0) == sizeof bits);
    return arena_printf(arena, "%016llx%016llx", bits[0], bits[1]);
}

ptl_status start_key_folder(ptl_arena *arena, const char **out, ptl_error *err)
{
    const char *temporary = getenv("TMPDIR");
    char *folder = arena_printf(arena, "%s/ptl-keys-XXXXXX",
                                temporary ? temporary : "/tmp");
    if (!mkdtemp(folder))
        return ptl_fail(err, PTL_E_IO, "could not make \"%s\": %s", folder,
                        strerror(errno));
    *out = folder;
    return PTL_OK;
}

start_members start_all_members(const start_job *job, ptl_arena *arena)
{
    start_members all = {0};
    for (int i = 0; i < job->servers; i++)
        vec_push(arena, &all, ((start_member){ROLE_PS, i}));
    for (int i = 0; i < job->workers; i++)
        vec_push(arena, &all, ((start_member){ROLE_WORKER, i}));
    return all;
}

/* Nobody else can take the port between this and the coordinator's start. */
static ptl_status listen_first(const start_job *job, ptl_arena *arena,
                               start_group *g, ptl_error *err)
{
    char at[NET_ENDPOINT_BYTES];
    const char *const *hosts =
        job->servers > 0 ? job->server_hosts : job->worker_hosts;
    const char *endpoint =
        arena_printf(arena, "tcp://%s", hosts ? hosts[0] : "127.0.0.1:*");
    ptl_status st = net_listen(endpoint, &g->listen_fd, err);
    if (st != PTL_OK)
        return st;
    st = net_listening_at(g->listen_fd, at, err);
    if (st != PTL_OK)
        close(g->listen_fd);
    g->coordinator = arena_strdup(arena, at);
    return st;
}

ptl_status start_here(const start_job *job, ptl_arena *arena, int *exit_status,
                      ptl_error *err)
{
    start_group g = {.job = job,
                     .members = start_all_members(job, arena),
                     .started_by = "ptlc launch --local",
                     .control = -1};
    ptl_status st = listen_first(job, arena, &g, err);
    return st == PTL_OK ? start_and_watch(&g, arena, exit_status, err) : st;
}

/* ---------- this process ---------- */

ptl_status start_role(const start_job *job, const launch_role *role,
                      ptl_arena *arena, ptl_error *err)
{
    start_member m = {role->kind, role->index};
    const char *const *argv = command(job, arena, m, job->threads);
    words env = environment(job, arena, m);
    set(arena, &env, "PTL_COORDINATOR", role->coordinator);
    set(arena, &env, "PTL_BIND", role->bind);
    if (*role->host)
        set(arena, &env, "PTL_HOST", role->host);
    set(arena, &env, "PTL_RESTARTS", number(arena, role->restarts));
    set(arena, &env, "PTL_STARTED_BY", role->by);
    for (int i = 0; i < env.count; i++)
        putenv((char *)env.data[i]);
    execv(job->program, (char *const *)argv);
    return ptl_fail(err, PTL_E_IO, "could not start \"%s\": %s", job->program,
                    strerror(errno));
}
