/*
 * cluster_role.c - see cluster_role.h.
 */
#include "cluster_role.h"
#include <unistd.h>

ptl_status driver_role(driver *d, const typed_cluster *cluster,
                       launch_role *out, ptl_error *err)
{
    char host[256] = "localhost";
    const driver_options *o = &d->options;
    gethostname(host, sizeof host - 1);
    role_request request = {
        .job = o->job,
        .task = o->task.given ? o->task.value : -1,
        .insecure = o->insecure,
        .servers = (int)cluster->ps.most,
        .least_workers = (int)cluster->worker.least,
        .most_workers = (int)cluster->worker.most,
        .server_hosts = cluster->ps.hosts,
        .worker_hosts = cluster->worker.hosts,
        .get = role_getenv,
        .host = arena_strdup(d->arena, host),
    };
    return role_resolve(&request, d->arena, out, err);
}

ptl_status driver_check_record(const driver *d, const typed_cluster *cluster,
                               ptl_error *err)
{
    if (!d->options.record)
        return PTL_OK;
    if (cluster->sync == CLUSTER_BARRIER)
        return ptl_fail(err, PTL_E_USAGE,
                        "--record: under `sync = barrier` all take each step "
                        "together, which --shards replays without a schedule");
    if (!cluster->locking)
        return ptl_fail(err, PTL_E_USAGE,
                        "--record: under `locking = false` updates meet, and "
                        "what is lost then follows from no schedule");
    if (cluster->ps.most == 0)
        return ptl_fail(err, PTL_E_USAGE,
                        "--record: what is recorded is what parameter servers "
                        "do, and this cluster has none");
    return PTL_OK;
}

const char *driver_part(ptl_arena *arena, const char *path, role_kind kind,
                        int index)
{
    return arena_printf(arena, "%s.%s%d", path,
                        kind == ROLE_PS ? "ps" : "worker", index);
}

ptl_security driver_security(const typed_cluster *cluster)
{
    static const ptl_security securities[] = {
        [CLUSTER_SECURITY_AUTO] = PTL_SECURITY_AUTO,
        [CLUSTER_SECURITY_CURVE] = PTL_SECURITY_CURVE,
        [CLUSTER_SECURITY_NONE] = PTL_SECURITY_NONE};
    return securities[cluster->security];
}
