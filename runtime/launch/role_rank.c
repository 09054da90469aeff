/*
 * role_rank.c - sources that number processes from 0 and know no roles: ranks 0
 * to P-1 are ps, the rest workers.
 */
#include "launch/hostlist.h"
#include "role_priv.h"
#include <string.h>

/* Where a source says what. NULL: nowhere. */
typedef struct rank_names {
    const char *rank, *size, *restarts;
} rank_names;

enum { MOST_RANKS = 1 << 24 };

/* A size that fits this cluster, or 0 for none said. */
static bool read_size(role_reading *r, const char *name, int64_t *size)
{
    const role_request *q = r->request;
    int64_t least = q->servers + q->least_workers;
    int64_t most = q->servers + q->most_workers;
    *size = 0;
    if (!name || !role_get(r, name))
        return true;
    if (!role_number(r, name, 1, MOST_RANKS, 0, size))
        return false;
    if (*size >= least && *size <= most)
        return true;
    const char *wanted = least == most
                             ? arena_printf(r->arena, "%lld", (long long)least)
                             : arena_printf(r->arena, "%lld to %lld",
                                            (long long)least, (long long)most);
    role_wrong(r,
               "%s is \"%lld\", and the cluster (%d ps, %d worker%s) has %s "
               "processes",
               name, (long long)*size, q->servers, q->most_workers,
               q->most_workers == 1 ? "" : "s", wanted);
    return false;
}

static role_answer read_rank(role_reading *r, const rank_names *names)
{
    const role_request *q = r->request;
    int64_t size, rank, restarts = 0;
    if (!read_size(r, names->size, &size) ||
        !role_number(r, names->rank, 0, size ? size - 1 : MOST_RANKS, 0, &rank))
        return ROLE_WRONG;
    if (names->restarts &&
        !role_number(r, names->restarts, 0, INT32_MAX, 0, &restarts))
        return ROLE_WRONG;
    r->out->restarts = (int)restarts;
    r->workers = size ? size - q->servers : 0;
    r->said = arena_printf(r->arena, "%s = %lld", names->rank, (long long)rank);
    if (size)
        r->said = arena_printf(r->arena, "%s of %s = %lld", r->said,
                               names->size, (long long)size);
    return rank < q->servers
               ? role_is(r, ROLE_PS, rank, r->said)
               : role_is(r, ROLE_WORKER, rank - q->servers, r->said);
}

static bool meet_at(role_reading *r, const char *host)
{
    const char *port = role_port(r);
    if (port)
        r->meeting =
            arena_printf(r->arena, "%s:%s", role_host(r->arena, host), port);
    return port != NULL;
}

/* ---------- Slurm ---------- */

/* mpirun inside a step of Slurm leaves the step's variables in sight: where
 * MPI's numbers are others, they are the nearer ones. */
static bool mpi_differs(const role_reading *r)
{
    static const char *const pairs[][2] = {
        {"SLURM_PROCID", "OMPI_COMM_WORLD_RANK"},
        {"SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE"},
        {"SLURM_PROCID", "PMI_RANK"},
        {"SLURM_NTASKS", "PMI_SIZE"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *slurm = role_get(r, pairs[i][0]);
        const char *mpi = role_get(r, pairs[i][1]);
        if (mpi && (!slurm || strcmp(slurm, mpi) != 0))
            return true;
    }
    return false;
}

/* srun numbers its steps from 0; the script of a batch job has no number, or
 * one beyond these. */
static bool is_srun(role_reading *r, int64_t *step)
{
    enum { LAST_STEP = 0x7fffffff };
    const char *text = role_get(r, "SLURM_STEP_ID");
    *step = 0;
    return text && strlen(text) < 10 &&
           role_number(r, "SLURM_STEP_ID", 0, LAST_STEP, 0, step);
}

static bool first_machine(role_reading *r)
{
    static const char *const names[] = {"SLURM_STEP_NODELIST",
                                        "SLURM_JOB_NODELIST", "SLURM_NODELIST"};
    ptl_error err;
    host_list hosts = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = role_get(r, names[i]);
        if (!text)
            continue;
        if (hostlist_expand(r->arena, text, &hosts, &err) == PTL_OK)
            return meet_at(r, hosts.data[0]);
        role_wrong(r, "%s: %s", names[i], err.text);
        return false;
    }
    return true;
}

role_answer role_from_slurm(role_reading *r)
{
    static const rank_names names = {"SLURM_PROCID", "SLURM_NTASKS",
                                     "SLURM_RESTART_COUNT"};
    const role_request *q = r->request;
    int64_t step;
    const char *id = role_get(r, "SLURM_JOB_ID");
    if (!id || !role_get(r, names.rank) || mpi_differs(r))
        return ROLE_SILENT;
    if (!is_srun(r, &step)) {
        if (q->servers + q->most_workers == 1)
            return ROLE_SILENT;
        return role_wrong(r,
                          "SLURM_JOB_ID is \"%s\", and this is the script of "
                          "the batch job: start the processes with `srun ptlc "
                          "launch`, or here with --local",
                          id);
    }
    r->job = arena_printf(r->arena, "slurm %s.%lld", id, (long long)step);
    r->host = role_get(r, "SLURMD_NODENAME");
    role_answer answer = read_rank(r, &names);
    return answer == ROLE_SAID && !first_machine(r) ? ROLE_WRONG : answer;
}

/* ---------- MPI ---------- */

/* Neither says on which machine rank 0 is. */
static role_answer from_mpi(role_reading *r, const rank_names *names,
                            const char *job)
{
    if (!role_get(r, names->rank))
        return ROLE_SILENT;
    r->job = role_get(r, job);
    return read_rank(r, names);
}

role_answer role_from_openmpi(role_reading *r)
{
    static const rank_names names = {"OMPI_COMM_WORLD_RANK",
                                     "OMPI_COMM_WORLD_SIZE", NULL};
    return from_mpi(r, &names, "PMIX_NAMESPACE");
}

role_answer role_from_pmi(role_reading *r)
{
    static const rank_names names = {"PMI_RANK", "PMI_SIZE", NULL};
    return from_mpi(r, &names, "PMI_JOBID");
}

/* ---------- Kubernetes ---------- */

/* The job's name: a pod of an Indexed Job is called JOB-INDEX. */
static const char *pod_job(role_reading *r, const char *pod, const char *index)
{
    const char *end = arena_printf(r->arena, "-%s", index);
    size_t length = pod ? strlen(pod) : 0, tail = strlen(end);
    if (length > tail && !strcmp(pod + length - tail, end))
        return arena_strndup(r->arena, pod, length - tail);
    role_wrong(r,
               "HOSTNAME is \"%s\", and pod %s of an Indexed Job is called "
               "JOB-%s",
               pod ? pod : "", index, index);
    return NULL;
}

/* Within a headless service a pod's address is JOB-INDEX.SERVICE. */
static bool meet_in_service(role_reading *r, const char *index)
{
    const char *pod = role_get(r, "HOSTNAME");
    const char *service = role_get(r, "PTL_SERVICE");
    if (!service)
        return true;
    const char *job = pod_job(r, pod, index);
    const char *port = role_get(r, "PTL_PORT") ? role_port(r) : "2222";
    if (!job || !port)
        return false;
    r->job = arena_printf(r->arena, "kubernetes %s.%s", job, service);
    r->host = arena_printf(r->arena, "%s.%s", pod, service);
    r->meeting = arena_printf(r->arena, "%s-0.%s:%s", job, service, port);
    return true;
}

role_answer role_from_kubernetes(role_reading *r)
{
    static const rank_names names = {"JOB_COMPLETION_INDEX", NULL, NULL};
    const char *index = role_get(r, names.rank);
    if (!index)
        return ROLE_SILENT;
    role_answer answer = read_rank(r, &names);
    return answer == ROLE_SAID && !meet_in_service(r, index) ? ROLE_WRONG
                                                             : answer;
}

/* ---------- torchrun ---------- */

/* Its agent on rank 0's machine may keep MASTER_PORT for itself. */
static bool meet_master(role_reading *r, const char *host)
{
    const char *agent = role_get(r, "TORCHELASTIC_USE_AGENT_STORE");
    int64_t port, taken = agent && !strcmp(agent, "True");
    if (!role_number(r, "MASTER_PORT", 1, 65534, 0, &port))
        return false;
    if (host && port)
        r->meeting =
            arena_printf(r->arena, "%s:%lld", role_host(r->arena, host),
                         (long long)(port + taken));
    return true;
}

role_answer role_from_torchrun(role_reading *r)
{
    static const rank_names names = {"RANK", "WORLD_SIZE",
                                     "TORCHELASTIC_RESTART_COUNT"};
    if (!role_get(r, names.rank) || !role_get(r, names.size))
        return ROLE_SILENT;
    r->job = role_get(r, "TORCHELASTIC_RUN_ID");
    role_answer answer = read_rank(r, &names);
    return answer == ROLE_SAID && !meet_master(r, role_get(r, "MASTER_ADDR"))
               ? ROLE_WRONG
               : answer;
}
