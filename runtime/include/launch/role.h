/*
 * role.h - which process of the job this one is, and where it meets the others.
 *
 * Whoever starts a process says so in a way of its own: flags, PTL_ variables,
 * those of Slurm, of MPI, ... (sources.def, in the order in which they are
 * asked). role_resolve() reads them into one struct; nobody else looks at them.
 */
#ifndef PTL_LAUNCH_ROLE_H
#define PTL_LAUNCH_ROLE_H

#include "base/arena.h"
#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum role_source {
#define SOURCE(name, text) ROLE_FROM_##name,
#include "launch/sources.def"
    ROLE_SOURCE_COUNT
} role_source;

/* Numbers of dist/wire.h: WIRE_PS, WIRE_WORKER. */
typedef enum role_kind { ROLE_PS = 2, ROLE_WORKER = 3 } role_kind;

/* All texts live in the arena that role_resolve() was given. */
typedef struct launch_role {
    role_kind kind;
    int index;
    int servers, workers; /* of the job */

    /*
     * "tcp://HOST:PORT" or "ipc://PATH": the one endpoint that is known before
     * anybody spoke. The coordinator lives in the process for which
     * role_coordinates() is true; what JOIN tells makes the others known.
     */
    const char *coordinator;
    /*
     * Where this process listens: "tcp://ADDRESS:PORT" or "ipc://PATH". ADDRESS
     * is numeric or "*" (all of the machine's), never a name; PORT may be "*"
     * (any that is free).
     */
    const char *bind;
    /* By what others reach it: what JOIN tells is "tcp://HOST:PORT" with the
     * port that was bound. Brackets stand around an IPv6 address. "": `bind` is
     * no tcp, and is told as it is. */
    const char *host;
    /* A descriptor that listens at `bind` already, inherited from the launcher
     * and from here on this process's to close; -1: none. */
    int listen_fd;

    uint64_t job;     /* the job's id, the same in all its processes; not 0 */
    const char *keys; /* folder of the job's keys; "": none */
    int restarts;     /* how often this process was started again */
    bool insecure;    /* --insecure */

    role_source source; /* what said which process this is */
    const char *by;     /* "Slurm: SLURM_PROCID = 3 of SLURM_NTASKS = 5" */
    const char *why;    /* for the log: "worker 1 of 2 ps and 3 workers, says
                           Slurm: SLURM_PROCID = 3 of SLURM_NTASKS = 5" */
} launch_role;

/* ps 0, or worker 0 of a job without ps. */
static inline bool role_coordinates(const launch_role *r)
{
    return r->index == 0 &&
           (r->kind == ROLE_PS || (r->kind == ROLE_WORKER && r->servers == 0));
}

/* What is looked at. */
typedef struct role_request {
    /* --job and --task; NULL, -1: not given. */
    const char *job;
    int64_t task;
    bool insecure;

    /* The file's cluster block: processes, and the endpoints ("host:port") it
     * lists, NULL where it gives counts. A range of workers has two bounds. */
    int servers, least_workers, most_workers;
    const char *const *server_hosts, *const *worker_hosts;

    /* The environment: NULL for a name that is not set, as getenv(). */
    const char *(*get)(void *ctx, const char *name);
    void *ctx;
    const char *host; /* this machine's name */
} role_request;

/*
 * Pure: the same request gives the same role. Ranks 0 to P-1 are ps, the rest
 * workers. ROLE_FROM_local means that nothing says which process this is: one
 * process alone, or work for a launcher; then all but source, by and why is
 * unset.
 *
 * E_USAGE: wrong flags. E_REFUSED (exit 78, no use in trying again): the
 * environment says what cannot be; the message has the variable and its value.
 */
ptl_status role_resolve(const role_request *request, ptl_arena *arena,
                        launch_role *out, ptl_error *err);

/* The environment of this process, for role_request.get. */
const char *role_getenv(void *ctx, const char *name);

/* "worker 1", "ps 0": `index` of role `kind`. */
const char *role_name(ptl_arena *arena, role_kind kind, int index);

#endif
