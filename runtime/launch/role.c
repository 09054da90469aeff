/*
 * role.c - asks each source in turn, then completes what it did not say.
 */
#include "base/map.h"
#include "base/plant.h"
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
    if ((index < 0 || index >= count) && !ptl_is_planted(PTL_PLANT_ANY_INDEX)) {
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
const char *role_said(const role_reading *r)
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
                   r->out->index, (long long)workers, role_said(r));
        return false;
    }
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
    role->by = own && starter ? starter : role_said(r);
    role->why = arena_printf(r->arena, "%s of %d ps and %d worker%s, says %s",
                             role_name(r->arena, role->kind, role->index),
                             role->servers, role->workers,
                             role->workers == 1 ? "" : "s", role->by);
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
        out->by = "nothing";
        out->why = "nothing in the environment says which process this is";
        return PTL_OK;
    }
    if (!settle_counts(&r) || !role_meet(&r) || !role_listen(&r) ||
        !settle_rest(&r))
        return err->status;
    tell_why(&r);
    return PTL_OK;
}
