/*
 * cmd_launch.c - `ptlc launch FILE`: the processes of the file's cluster,
 * started here, on the machines it lists, or by whoever started this one.
 *
 * Which processes there are is read from the checked cluster block; how they
 * are started is the runtime's (launch/start.h).
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/trace.h"
#include "cluster/cluster.h"
#include "cluster_role.h"
#include "compile_file.h"
#include "launch/manifest.h"
#include "launch/start.h"
#include "net/endpoint.h"
#include "net/keys.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of --local ps=P,worker=N. */
typedef struct local_counts {
    int64_t ps, worker; /* -1: not given */
} local_counts;

typedef struct launching {
    local_counts counts;
    driver *d;
    const char *file;
    const typed_program *program;
    const typed_cluster *cluster;
    launch_role role; /* what the environment says */
    start_job job;
    char program_path[4096];
} launching;

/* ---------- --local ps=P,worker=N ---------- */

static bool read_count(const char **text, const char *name, int64_t *count)
{
    size_t length = strlen(name);
    if (strncmp(*text, name, length) != 0 || (*text)[length] != '=')
        return false;
    const char *digits = *text + length + 1;
    size_t width = strspn(digits, "0123456789");
    if (width == 0 || width > 6 || *count >= 0)
        return false;
    *count = atoll(digits);
    *text = digits + width;
    return true;
}

static bool read_local(const char *text, local_counts *counts)
{
    *counts = (local_counts){-1, -1};
    for (;; text++) {
        if (!read_count(&text, "ps", &counts->ps) &&
            !read_count(&text, "worker", &counts->worker))
            return false;
        if (*text != ',')
            return *text == '\0';
    }
}

/* ---------- the file ---------- */

static bool load(launching *l, ptl_error *err)
{
    driver *d = l->d;
    lang_modules *modules = driver_load_checked(d, l->file, err);
    if (!modules || diags_error_count(d->diags))
        return false;
    if (!elab_has_train(modules)) {
        ptl_fail(err, PTL_E_USAGE, "\"%s\" has no train block", l->file);
        return false;
    }
    l->program = driver_elaborate(d, modules, LOWER_TRAIN, err);
    l->cluster = l->program ? &l->program->cluster : NULL;
    return l->program != NULL;
}

static void set_key(driver *d, const char *key, int64_t value)
{
    vec_push(d->arena, &d->options.set,
             arena_printf(d->arena, "cluster.%s=%lld", key, (long long)value));
}

static bool fits(const cluster_hosts *h, int64_t count)
{
    return count < 0 || (!h->hosts && count >= h->least && count <= h->most);
}

/* Counts of --local that are not the file's are settings like any other: the
 * file is checked with them, and every process is told. */
static bool load_with(launching *l, ptl_error *err)
{
    const local_counts *counts = &l->counts;
    if (!load(l, err))
        return false;
    bool ps = fits(&l->cluster->ps, counts->ps);
    bool worker = fits(&l->cluster->worker, counts->worker);
    if (!ps)
        set_key(l->d, "ps", counts->ps);
    if (!worker)
        set_key(l->d, "worker", counts->worker);
    return (ps && worker) || load(l, err);
}

/* ---------- the job ---------- */

static void find_program(launching *l)
{
    ssize_t length =
        readlink("/proc/self/exe", l->program_path, sizeof l->program_path - 1);
    if (length <= 0)
        strcpy(l->program_path, "/proc/self/exe");
    l->job.program = l->program_path;
}

static const char *first_host(const launching *l)
{
    const cluster_hosts *h =
        l->cluster->ps.most > 0 ? &l->cluster->ps : &l->cluster->worker;
    return h->hosts ? h->hosts[0] : NULL;
}

/* All processes write and look in one folder, so it has one name. */
static void name_out(launching *l)
{
    driver_options *o = &l->d->options;
    const char *model = l->program->settings.model;
    char stamp[32];
    if (o->out || o->resume)
        return;
    clock_stamp(stamp, sizeof stamp);
    o->out =
        arena_printf(l->d->arena, "runs/%s-%s", model ? model : "model", stamp);
}

static void fill_job(launching *l)
{
    int64_t workers = l->counts.worker;
    driver *d = l->d;
    const driver_options *o = &d->options;
    option_texts words = {0};
    options_words(d->table, "run", o, d->arena, &words);
    l->job.file = l->file;
    l->job.words = words.data;
    l->job.word_count = words.count;
    l->job.servers = (int)l->cluster->ps.most;
    l->job.workers = (int)(workers > 0 ? workers : l->cluster->worker.most);
    l->job.server_hosts = l->cluster->ps.hosts;
    l->job.worker_hosts = l->cluster->worker.hosts;
    l->job.id = start_new_id(d->arena);
    l->job.keys = "";
    l->job.threads = o->threads.given ? (int)o->threads.value : 0;
    l->job.json = o->log && !strcmp(o->log, "json");
    l->job.quiet = o->quiet;
}

/* ---------- keys ---------- */

/* `coordinator`: "HOST:PORT". */
static ptl_status wants_keys(const launching *l, const char *coordinator,
                             bool *curve, ptl_error *err)
{
    return net_security(driver_security(l->cluster),
                        arena_printf(l->d->arena, "tcp://%s", coordinator),
                        l->d->options.insecure, curve, err);
}

static ptl_status make_keys(const launching *l, const char *folder,
                            ptl_error *err)
{
    return net_keys_make(folder, l->job.servers, l->job.workers, err);
}

/* In a folder that ends with this process. */
static ptl_status make_own_keys(launching *l, const char *coordinator,
                                ptl_error *err)
{
    bool curve;
    ptl_status st = wants_keys(l, coordinator, &curve, err);
    if (st == PTL_OK && curve)
        st = start_key_folder(l->d->arena, &l->job.keys, err);
    return st == PTL_OK && curve ? make_keys(l, l->job.keys, err) : st;
}

/* ---------- ways to start ---------- */

typedef ptl_status (*starter)(launching *l, int *status, ptl_error *err);

static ptl_status here(launching *l, int *status, ptl_error *err)
{
    return start_here(&l->job, l->d->arena, status, err);
}

static ptl_status there(launching *l, int *status, ptl_error *err)
{
    const char *shell = getenv("PTL_SSH");
    /* It has no terminal to ask at. */
    if (!shell || !*shell)
        shell = "ssh -o BatchMode=yes";
    return start_there(&l->job, shell, l->d->arena, status, err);
}

/* One timeline of the processes' parts, as far as they are here. */
static ptl_status merge_traces(const launching *l, ptl_error *err)
{
    ptl_arena *arena = l->d->arena;
    const char *path = l->d->options.trace;
    VEC(const char *) parts = {0};
    for (int i = 0; i < l->job.servers; i++)
        vec_push(arena, &parts, driver_part(arena, path, ROLE_PS, i));
    for (int i = 0; i < l->job.workers; i++)
        vec_push(arena, &parts, driver_part(arena, path, ROLE_WORKER, i));
    return trace_merge(path, parts.data, parts.count, err);
}

/* One schedule of its parts, if they are all here; else they stay. */
static ptl_status merge_schedule(const launching *l, int ended, ptl_error *err)
{
    ptl_arena *arena = l->d->arena;
    const char *path = l->d->options.record;
    bool merged;
    VEC(const char *) parts = {0};
    vec_push(arena, &parts, driver_part(arena, path, ROLE_WORKER, 0));
    for (int i = 0; i < l->job.servers; i++)
        vec_push(arena, &parts, driver_part(arena, path, ROLE_PS, i));
    ptl_status st =
        cluster_merge_schedule(path, parts.data, parts.count, &merged, err);
    if (st == PTL_OK && !merged && ended == EXIT_DONE && !l->d->options.quiet)
        fprintf(stderr,
                "the schedule's parts are where its processes were: "
                "\"%s.worker0\" and so on\n",
                path);
    return st;
}

static int start(launching *l, const char *coordinator, starter run)
{
    ptl_error err, ignored;
    int status = EXIT_DONE;
    ptl_status st = make_own_keys(l, coordinator, &err);
    fflush(stdout);
    if (st == PTL_OK)
        st = run(l, &status, &err);
    if (st == PTL_OK && l->d->options.trace)
        st = merge_traces(l, &err);
    if (st == PTL_OK && l->d->options.record)
        st = merge_schedule(l, status, &err);
    if (*l->job.keys)
        folder_remove(l->job.keys, &ignored);
    return st == PTL_OK ? status : driver_fail(&err);
}

static bool on_loopback(const cluster_hosts *h)
{
    ptl_error err;
    for (int64_t i = 0; h->hosts && i < h->most; i++) {
        net_endpoint e;
        char text[NET_ENDPOINT_BYTES];
        snprintf(text, sizeof text, "tcp://%s", h->hosts[i]);
        if (net_endpoint_read(text, &e, &err) != PTL_OK ||
            !net_endpoint_is_local(&e))
            return false;
    }
    return true;
}

static int launch_local(launching *l)
{
    const char *host = first_host(l);
    name_out(l);
    fill_job(l);
    if (!on_loopback(&l->cluster->ps) || !on_loopback(&l->cluster->worker))
        return driver_usage("launch",
                            "the cluster block lists other machines: --ssh "
                            "starts processes there, --local ps=P,worker=N "
                            "here");
    return start(l, host ? host : "127.0.0.1:0", here);
}

static int launch_ssh(launching *l)
{
    name_out(l);
    fill_job(l);
    if (!l->job.worker_hosts || (l->job.servers > 0 && !l->job.server_hosts))
        return driver_usage("launch",
                            "--ssh needs the machines: ps and worker of the "
                            "cluster block as lists of \"host:port\"");
    return start(l, first_host(l), there);
}

static int launch_manifest(launching *l)
{
    driver_options *o = &l->d->options;
    bool sbatch = !strcmp(o->manifest, "sbatch");
    const char *model = l->program->settings.model, *folder = o->out;
    const char *name = model ? model : "model";
    ptl_error err;
    ptl_str out = {0};
    bool curve;
    if (sbatch)
        o->out = NULL; /* the script says where */
    fill_job(l);
    /* Wherever it will run, it is another machine's. */
    if (wants_keys(l, first_host(l) ? first_host(l) : "elsewhere:1", &curve,
                   &err) != PTL_OK)
        return driver_fail(&err);
    if (sbatch)
        manifest_sbatch(&l->job, name, folder, curve, &out);
    else
        manifest_k8s(&l->job, name, curve, &out);
    fputs(str_text(&out), stdout);
    str_fini(&out);
    return EXIT_DONE;
}

static int launch_keys(launching *l)
{
    ptl_error err;
    fill_job(l);
    ptl_status st = make_keys(l, l->d->options.make_keys, &err);
    return st == PTL_OK ? EXIT_DONE : driver_fail(&err);
}

static int lacks_keys(const launching *l)
{
    ptl_error err;
    ptl_fail(&err, PTL_E_REFUSED,
             "PTL_KEYS is not set, and \"%s\" is reached over a network: make "
             "keys with `ptlc launch FILE --make-keys DIR` where all processes "
             "can read them, and set PTL_KEYS=DIR",
             l->role.coordinator);
    return driver_fail(&err);
}

/* Somebody started all processes, and this is one of them. */
static int launch_role_here(launching *l)
{
    ptl_error err;
    driver *d = l->d;
    bool curve;
    fill_job(l);
    if (net_security(driver_security(l->cluster), l->role.coordinator,
                     d->options.insecure, &curve, &err) != PTL_OK)
        return driver_fail(&err);
    if (curve && !*l->role.keys)
        return lacks_keys(l);
    if (d->options.verbose)
        fprintf(stderr, "ptlc: %s; coordinator %s\n", l->role.why,
                l->role.coordinator);
    l->job.id =
        arena_printf(d->arena, "%016llx", (unsigned long long)l->role.job);
    l->job.keys = l->role.keys;
    l->job.workers = l->role.workers;
    fflush(stdout);
    start_role(&l->job, &l->role, d->arena, &err);
    return driver_fail(&err);
}

/* ---------- which ---------- */

static int launch_as_told(launching *l)
{
    ptl_error err;
    if (driver_role(l->d, l->cluster, &l->role, &err) != PTL_OK)
        return driver_fail(&err);
    if (l->role.source != ROLE_FROM_local)
        return launch_role_here(l);
    return launch_local(l);
}

static int launch_file(launching *l)
{
    const driver_options *o = &l->d->options;
    ptl_error err = {0};
    bool loaded = load_with(l, &err);
    int wrong = driver_report(l->d);
    if (!loaded)
        return wrong != EXIT_DONE ? wrong : driver_fail(&err);
    if (driver_check_record(l->d, l->cluster, &err) != PTL_OK)
        return driver_fail(&err);
    return o->local       ? launch_local(l)
           : o->ssh       ? launch_ssh(l)
           : o->manifest  ? launch_manifest(l)
           : o->make_keys ? launch_keys(l)
                          : launch_as_told(l);
}

static int launch_agent(launching *l)
{
    ptl_error err;
    int status = EXIT_DONE;
    if (l->d->args.count != 0)
        return driver_usage("launch", "--agent reads what to start, and takes "
                                      "no FILE");
    ptl_status st = start_agent(l->job.program, l->d->arena, &status, &err);
    return st == PTL_OK ? status : driver_fail(&err);
}

int cmd_launch(driver *d)
{
    const driver_options *o = &d->options;
    launching *l = ARENA_NEW(d->arena, launching);
    int refused = driver_check_options(d, "launch");
    l->d = d;
    l->counts = (local_counts){-1, -1};
    find_program(l);
    if (refused)
        return refused;
    if (!!o->local + o->ssh + !!o->manifest + !!o->make_keys + o->agent > 1)
        return driver_usage("launch", "one of --local, --ssh, --manifest, "
                                      "--make-keys and --agent at a time");
    if (o->agent)
        return launch_agent(l);
    if (d->args.count != 1)
        return driver_usage("launch", d->args.count ? "one FILE at a time"
                                                    : "which FILE?");
    if (o->local && !read_local(o->local, &l->counts))
        return driver_usage("launch", "--local wants ps=P,worker=N, not \"%s\"",
                            o->local);
    l->file = d->args.data[0];
    return launch_file(l);
}
