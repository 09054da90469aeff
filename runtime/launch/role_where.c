/*
 * role_where.c - where a process listens, and where the coordinator does.
 */
#include "net/endpoint.h"
#include "role_priv.h"
#include <arpa/inet.h>
#include <string.h>

/* ---------- the coordinator ---------- */

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
    net_endpoint e;
    ptl_error why;
    if (net_endpoint_read(text, &e, &why) == PTL_OK)
        return true;
    role_wrong(r, "%s: %s", name, why.text);
    return false;
}

static bool meeting_agrees(role_reading *r, const char *host)
{
    if (!r->meeting_binds || !host || !strcmp(r->meeting, host))
        return true;
    role_wrong(r,
               "%s puts the coordinator at \"%s\", and the cluster block at "
               "\"%s\"",
               role_said(r), r->meeting, host);
    return false;
}

bool role_meet(role_reading *r)
{
    launch_role *role = r->out;
    const char *given = role_get(r, "PTL_COORDINATOR");
    const char *host = listed_coordinator(r->request);
    role->coordinator = given ? arena_strdup(r->arena, given) : NULL;
    if (given)
        return endpoint_is_good(r, "PTL_COORDINATOR", given);
    if (!meeting_agrees(r, host))
        return false;
    if (!host && role->servers + role->workers == 1)
        host = "127.0.0.1:*"; /* nobody else comes */
    if (!host)
        host = r->meeting;
    if (host) {
        role->coordinator = arena_printf(r->arena, "tcp://%s", host);
        return endpoint_is_good(r, role_said(r), role->coordinator);
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

/* ---------- this process ---------- */

static bool is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 ||
           inet_pton(AF_INET6, host, address) == 1;
}

const char *role_host(ptl_arena *arena, const char *host)
{
    return *host != '[' && strchr(host, ':') ? arena_printf(arena, "[%s]", host)
                                             : arena_strdup(arena, host);
}

/* All of the machine's addresses where `host` is a name: a name may stand for
 * an address of somebody between, or for 127.0.1.1 on the machine itself. */
static const char *bind_address(role_reading *r, const net_endpoint *e)
{
    if (is_numeric(e->host))
        return role_host(r->arena, e->host);
    return net_endpoint_is_local(e) ? "127.0.0.1" : "*";
}

static void listen_at(role_reading *r, const char *text)
{
    net_endpoint e;
    launch_role *role = r->out;
    net_endpoint_read(text, &e, r->err);
    role->bind = arena_strdup(r->arena, text);
    role->host = "";
    if (e.ipc)
        return;
    role->host = role_host(r->arena, e.host);
    role->bind = arena_printf(r->arena, "tcp://%s:%s", bind_address(r, &e),
                              strrchr(text, ':') + 1);
}

/* A free port, on loopback if the coordinator is there. */
static void listen_anywhere(role_reading *r)
{
    net_endpoint e;
    const char *host = r->host ? r->host : r->request->host;
    net_endpoint_read(r->out->coordinator, &e, r->err);
    if (net_endpoint_is_local(&e))
        host = "127.0.0.1";
    listen_at(r,
              arena_printf(r->arena, "tcp://%s:*", role_host(r->arena, host)));
}

bool role_listen(role_reading *r)
{
    launch_role *role = r->out;
    const char *given = role_get(r, "PTL_BIND");
    const char *host = listed(r->request, role->kind, role->index);
    if (given && !endpoint_is_good(r, "PTL_BIND", given))
        return false;
    if (!host)
        host = r->own;
    if (given)
        listen_at(r, given);
    else if (role_coordinates(role))
        listen_at(r, role->coordinator);
    else if (host)
        listen_at(r, arena_printf(r->arena, "tcp://%s", host));
    else
        listen_anywhere(r);
    if (role_get(r, "PTL_HOST") && *role->host)
        role->host = role_host(r->arena, role_get(r, "PTL_HOST"));
    return true;
}
