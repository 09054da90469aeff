/*
 * role.c - asks each source in turn, then completes what it did not say.
 */
#include "base/map.h"
#include "launch/endpoint.h"
#include "role_priv.h"
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    role_answer (*ask)(role_reading *r);
} sources[] = {
#define SOURCE(name, text) {text, role_from_##name},
#include "launch/sources.def"
};

const char *role_getenv(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}

const char *role_name(ptl_arena *arena, role_kind kind, int index)
{
    return arena_printf(arena, "%s %d", kind == ROLE_PS ? "ps" : "worker",
                        index);
}

/* ---------- for those who ask a source ---------- */

const char *role_get(const role_reading *r, const char *name)
{
    const char *value = r->request->get(r->request->ctx, name);
    return value && *value ? value : NULL;
}

role_answer role_wrong(role_reading *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ptl_fail(r->err, PTL_E_REFUSED, "%s",
             arena_vprintf(r->arena, format, args));
    va_end(args);
    return ROLE_WRONG;
}

bool role_number(role_reading *r, const char *name, int64_t low, int64_t high,
                 int64_t absent, int64_t *out)
{
    const char *text = role_get(r, name);
    *out = absent;
    if (!text)
        return true;
    size_t digits = strspn(text, "0123456789");
    bool number = digits > 0 && digits < 19 && !text[digits];
    *out = number ? strtoll(text, NULL, 10) : 0;
    if (number && *out >= low && *out <= high)
        return true;
    role_wrong(r, "%s is \"%s\", and not a number from %lld to %lld", name,
               text, (long long)low, (long long)high);
    return false;
}

/* "2 ps and 4 to 8 workers" */
static const char *cluster_text(const role_reading *r)
{
    const role_request *q = r->request;
    const char *range =
        q->least_workers == q->most_workers
            ? ""
            : arena_printf(r->arena, "%d to ", q->least_workers);
    return arena_printf(r->arena, "%d ps and %s%d worker%s", q->servers, range,
                        q->most_workers, q->most_workers == 1 ? "" : "s");
}

role_answer role_is(role_reading *r, role_kind kind, int64_t index,
                    const char *name)
{
    const role_request *q = r->request;
    int count = kind == ROLE_PS ? q->servers : q->most_workers;
    if (index < 0 || index >= count) {
        role_wrong(r,
                   "%s says that this is %s %lld, and the cluster has %s, "
                   "counted from 0",
                   name, kind == ROLE_PS ? "ps" : "worker", (long long)index,
                   cluster_text(r));
        return ROLE_WRONG;
    }
    r->out->kind = kind;
    r->out->index = (int)index;
    return ROLE_SAID;
}

const char *role_port(role_reading *r)
{
    enum { FIRST = 20000, PORTS = 10000 };
    int64_t port;
    if (!role_number(r, "PTL_PORT", 1, 65535, 0, &port))
        return NULL;
    if (port == 0)
        port = FIRST + (int64_t)(ptl_hash(r->job, strlen(r->job)) % PORTS);
    return arena_printf(r->arena, "%lld", (long long)port);
}

/* "Slurm: SLURM_PROCID = 3 of SLURM_NTASKS = 5" */
static const char *said_by(const role_reading *r)
{
    const char *source = sources[r->out->source].text;
    return r->said ? arena_printf(r->arena, "%s: %s", source, r->said) : source;
}

/* ---------- flags, and nothing ---------- */

role_answer role_from_flags(role_reading *r)
{
    const role_request *q = r->request;
    if (!q->job && q->task < 0)
        return ROLE_SILENT;
    role_answer answer = ROLE_WRONG;
    if (!q->job)
        role_wrong(r, "--task %lld of which --job, ps or worker?",
                   (long long)q->task);
    else if (strcmp(q->job, "ps") != 0 && strcmp(q->job, "worker") != 0)
        role_wrong(r, "--job is ps or worker, not \"%s\"", q->job);
    else if (q->task < 0)
        role_wrong(r, "--job %s needs --task I, its number", q->job);
    else
        answer = role_is(r, strcmp(q->job, "ps") == 0 ? ROLE_PS : ROLE_WORKER,
                         q->task,
                         arena_printf(r->arena, "--job %s --task %lld", q->job,
                                      (long long)q->task));
    r->err->status = PTL_E_USAGE;
    return answer;
}

role_answer role_from_local(role_reading *r)
{
    (void)r;
    return ROLE_SAID;
}

/* ---------- how many ---------- */

static bool settle_counts(role_reading *r)
{
    const role_request *q = r->request;
    int64_t servers, workers;
    if (!role_number(r, "PTL_SERVERS", 0, q->servers, q->servers, &servers) ||
        !role_number(r, "PTL_WORKERS", q->least_workers, q->most_workers,
                     r->workers ? r->workers : q->most_workers, &workers))
        return false;
    if (servers != q->servers) {
        role_wrong(r, "PTL_SERVERS is \"%lld\", and the cluster has %s",
                   (long long)servers, cluster_text(r));
        return false;
    }
    r->out->servers = q->servers;
    r->out->workers = (int)workers;
    if (r->out->kind == ROLE_WORKER && r->out->index >= workers) {
        role_wrong(r, "this is worker %d of %lld, counted from 0 (%s)",
                   r->out->index, (long long)workers, said_by(r));
        return false;
    }
    return true;
}

/* ---------- where ---------- */

/* What the cluster block lists for a process; NULL: nothing. */
static const char *listed(const role_request *q, role_kind kind, int index)
{
    const char *const *hosts =
        kind == ROLE_PS ? q->server_hosts : q->worker_hosts;
    return hosts ? hosts[index] : NULL;
}

static const char *listed_coordinator(const role_request *q)
{
    return listed(q, q->servers > 0 ? ROLE_PS : ROLE_WORKER, 0);
}

static bool endpoint_is_good(role_reading *r, const char *name,
                             const char *text)
{
    endpoint e;
    if (endpoint_read(r->arena, text, &e))
        return true;
    role_wrong(r, "%s is \"%s\", and not tcp://HOST:PORT or ipc://PATH", name,
               text);
    return false;
}

static bool meeting_agrees(role_reading *r, const char *host)
{
    if (!r->meeting_binds || !host || !strcmp(r->meeting, host))
        return true;
    role_wrong(r,
               "%s puts the coordinator at \"%s\", and the cluster block at "
               "\"%s\"",
               said_by(r), r->meeting, host);
    return false;
}

static bool settle_coordinator(role_reading *r)
{
    launch_role *role = r->out;
    const char *given = role_get(r, "PTL_COORDINATOR");
    const char *host = listed_coordinator(r->request);
    role->coordinator = given;
    if (given)
        return endpoint_is_good(r, "PTL_COORDINATOR", given);
    if (!meeting_agrees(r, host))
        return false;
    if (!host)
        host = r->meeting;
    if (!host && role->servers + role->workers == 1)
        host = "127.0.0.1:*";
    if (host) {
        role->coordinator = arena_printf(r->arena, "tcp://%s", host);
        return endpoint_is_good(r, said_by(r), role->coordinator);
    }
    role_wrong(r,
               "where is the coordinator (%s)? list \"host:port\" of each "
               "process in the cluster block, or set "
               "PTL_COORDINATOR=tcp://HOST:PORT alike in all processes",
               role->servers > 0 ? "ps 0" : "worker 0");
    if (role->source == ROLE_FROM_flags)
        r->err->status = PTL_E_USAGE;
    return false;
}

/* All of the machine's addresses where `host` is a name: a name may stand for
 * an address of somebody between, or for 127.0.1.1 on the machine itself. */
static const char *bind_address(role_reading *r, const char *host)
{
    if (host_is_numeric(host))
        return host_text(r->arena, host);
    return host_is_loopback(host) ? "127.0.0.1" : "*";
}

static void listen_at(role_reading *r, const char *host, const char *port)
{
    r->out->host = host_text(r->arena, host);
    r->out->bind =
        arena_printf(r->arena, "tcp://%s:%s", bind_address(r, host), port);
}

static void listen_at_endpoint(role_reading *r, const char *text)
{
    endpoint e;
    endpoint_read(r->arena, text, &e);
    r->out->bind = text;
    r->out->host = "";
    if (e.host)
        listen_at(r, e.host, e.port);
}

/* A free port, on loopback if the coordinator is there. */
static void listen_anywhere(role_reading *r)
{
    endpoint e;
    endpoint_read(r->arena, r->out->coordinator, &e);
    if (!e.host || host_is_loopback(e.host))
        listen_at(r, "127.0.0.1", "*");
    else
        listen_at(r, r->host ? r->host : r->request->host, "*");
}

static bool settle_bind(role_reading *r)
{
    launch_role *role = r->out;
    const char *given = role_get(r, "PTL_BIND");
    const char *host = listed(r->request, role->kind, role->index);
    if (given && !endpoint_is_good(r, "PTL_BIND", given))
        return false;
    if (!host)
        host = r->own;
    if (given)
        listen_at_endpoint(r, given);
    else if (role_coordinates(role))
        listen_at_endpoint(r, role->coordinator);
    else if (host)
        listen_at_endpoint(r, arena_printf(r->arena, "tcp://%s", host));
    else
        listen_anywhere(r);
    if (role_get(r, "PTL_HOST") && *role->host)
        role->host = host_text(r->arena, role_get(r, "PTL_HOST"));
    return true;
}

/* ---------- the rest ---------- */

/* Where nothing names the job, those who would meet are one. */
static void settle_job(role_reading *r)
{
    const char *text = role_get(r, "PTL_JOB_ID");
    if (!text)
        text = r->job;
    if (!text)
        text = r->out->coordinator;
    r->out->job = ptl_hash(text, strlen(text));
    if (r->out->job == 0)
        r->out->job = 1;
}

static bool settle_rest(role_reading *r)
{
    int64_t restarts, fd;
    const char *keys = role_get(r, "PTL_KEYS");
    if (!role_number(r, "PTL_RESTARTS", 0, INT32_MAX, r->out->restarts,
                     &restarts) ||
        !role_number(r, "PTL_LISTEN_FD", 3, INT32_MAX, -1, &fd))
        return false;
    settle_job(r);
    r->out->restarts = (int)restarts;
    r->out->listen_fd = (int)fd;
    r->out->keys = keys ? arena_strdup(r->arena, keys) : "";
    r->out->insecure = r->request->insecure;
    return true;
}

static void tell_why(role_reading *r)
{
    launch_role *role = r->out;
    const char *starter = role_get(r, "PTL_STARTED_BY");
    bool own = role->source == ROLE_FROM_flags || role->source == ROLE_FROM_ptl;
    role->why = arena_printf(r->arena, "%s of %d ps and %d worker%s, says %s",
                             role_name(r->arena, role->kind, role->index),
                             role->servers, role->workers,
                             role->workers == 1 ? "" : "s",
                             own && starter ? starter : said_by(r));
}

static role_answer ask_sources(role_reading *r)
{
    role_answer answer = ROLE_SILENT;
    for (int i = 0; answer == ROLE_SILENT; i++) {
        r->out->source = (role_source)i;
        answer = sources[i].ask(r);
    }
    return answer;
}

ptl_status role_resolve(const role_request *request, ptl_arena *arena,
                        launch_role *out, ptl_error *err)
{
    role_reading r = {
        .request = request, .arena = arena, .out = out, .err = err};
    *out = (launch_role){.listen_fd = -1};
    if (ask_sources(&r) == ROLE_WRONG)
        return err->status;
    if (out->source == ROLE_FROM_local) {
        out->why = "nothing in the environment says which process this is";
        return PTL_OK;
    }
    if (!settle_counts(&r) || !settle_coordinator(&r) || !settle_bind(&r) ||
        !settle_rest(&r))
        return err->status;
    tell_why(&r);
    return PTL_OK;
}
