/*
 * cmd_run.c - `ptlc run`, `eval` and `predict`: options in, the runtime's
 * engines called, failures told.
 */
#include "base/trace.h"
#include "cluster/cluster.h"
#include "cluster_role.h"
#include "compile_file.h"
#include "job_build.h"
#include "runtime/device.h"
#include "runtime/train.h"
#include <stdio.h>
#include <string.h>

static bool is(const char *given, const char *word)
{
    return given && strcmp(given, word) == 0;
}

static train_options options_of(const driver_options *o)
{
    return (train_options){
        .threads = o->threads.given ? (int)o->threads.value : 0,
        .steps = o->steps.given ? o->steps.value : 0,
        .epochs = o->epochs.given ? o->epochs.value : 0,
        .out = o->out,
        .resume = o->resume,
        .from = o->from,
        .shards = o->shards.given ? o->shards.value : 0,
        .on_nan = is(o->on_nan, "skip")   ? TRAIN_NAN_SKIP
                  : is(o->on_nan, "dump") ? TRAIN_NAN_DUMP
                                          : TRAIN_NAN_STOP,
        .skip_bad = is(o->on_bad_record, "skip"),
        .json = is(o->log, "json"),
        .log_every = o->log_every.given ? o->log_every.value : 0,
        .quiet = o->quiet,
        .time = o->time,
        .profile = o->profile,
    };
}

int driver_check_options(const driver *d, const char *command)
{
    const driver_options *o = &d->options;
    const struct {
        const char *name;
        option_int value;
    } positive[] = {{"--threads", o->threads},
                    {"--steps", o->steps},
                    {"--epochs", o->epochs},
                    {"--log-every", o->log_every},
                    {"--shards", o->shards}};
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++)
        if (positive[i].value.given && positive[i].value.value < 1)
            return driver_usage(command, "%s must be at least 1",
                                positive[i].name);
    if (o->threads.given && o->threads.value > 1024)
        return driver_usage(command, "--threads is at most 1024");
    if (o->record && strcmp(command, "run") == 0 && !o->job && !o->task.given)
        return driver_usage(command, "--record is for the processes of a "
                                     "cluster: --job, or ptlc launch");
    if (o->replay && !o->shards.given)
        return driver_usage(command, "--replay wants --shards N: how many the "
                                     "job had");
    if (o->replay && (o->job || o->task.given))
        return driver_usage(command, "--replay is one process, and --job one "
                                     "of many");
    if (o->cublas && !driver_wants_device(o))
        return driver_usage(command, "--cublas wants --device cuda");
    if (o->cublas && o->portable_bits)
        return driver_usage(command, "--cublas gives cuBLASLt's bits, and "
                                     "--portable-bits asks for PTL's");
    return 0;
}

/* Errors in the program stand in d->diags, all others in `err`. */
static int end(driver *d, ptl_status st, const ptl_error *err)
{
    int wrong = driver_report(d);
    if (st == PTL_OK || (wrong != EXIT_DONE && st == PTL_E_PROGRAM))
        return wrong;
    return driver_fail(err);
}

typedef ptl_status (*engine)(driver *d, ptl_job *job, const train_options *o,
                             ptl_error *err);

static int carry_out(driver *d, const char *command, engine run)
{
    ptl_job *job = NULL;
    ptl_error err = {0};
    int refused = driver_check_options(d, command);
    if (refused)
        return refused;
    if (d->args.count != 1)
        return driver_usage(command, d->args.count ? "one FILE at a time"
                                                   : "which FILE?");
    train_options options = options_of(&d->options);
    ptl_status st = job_open(d, d->args.data[0], &job, &err);
    if (st == PTL_OK) {
        st = run(d, job, &options, &err);
        job->free(job);
    }
    return end(d, st, &err);
}

static ptl_status run_alone(ptl_job *job, const train_options *o,
                            ptl_error *err)
{
    train_options alone = *o;
    int devices = device_count(job->device);
    if (!alone.shards && devices > 1) /* a shard on each */
        alone.shards = devices;
    return train_run(job, &alone, err);
}

static ptl_status run_here(const driver *d, ptl_job *job,
                           const train_options *o, ptl_error *err)
{
    const char *schedule = d->options.replay;
    return schedule ? cluster_replay(job, o, schedule, err)
                    : run_alone(job, o, err);
}

/* `role` NULL: not of a cluster. */
static ptl_status run_traced(driver *d, ptl_job *job, const train_options *o,
                             const launch_role *role, ptl_error *err)
{
    ptl_error later;
    const char *path = d->options.trace, *name = "ptlc run";
    if (role)
        name = role_name(d->arena, role->kind, role->index);
    if (role && path)
        path = driver_part(d->arena, path, role->kind, role->index);
    ptl_status st = path ? trace_open(path, name, err) : PTL_OK;
    if (st != PTL_OK)
        return st;
    st = role ? cluster_run(job, o, role, err) : run_here(d, job, o, err);
    ptl_status closed = trace_close(&later);
    if (st != PTL_OK || closed == PTL_OK)
        return st;
    *err = later;
    return closed;
}

static ptl_status run_engine(driver *d, ptl_job *job, const train_options *o,
                             ptl_error *err)
{
    launch_role role;
    train_options options = *o;
    const char *record = d->options.record;
    if (!d->options.job && !d->options.task.given)
        return run_traced(d, job, o, NULL, err);
    ptl_status st = driver_check_record(d, job_typed_cluster(job), err);
    if (st == PTL_OK)
        st = driver_role(d, job_typed_cluster(job), &role, err);
    if (st != PTL_OK)
        return st;
    if (d->options.verbose)
        fprintf(stderr, "%s\n", role.why);
    if (record)
        options.record = driver_part(d->arena, record, role.kind, role.index);
    return run_traced(d, job, &options, &role, err);
}

static ptl_status eval_engine(driver *d, ptl_job *job, const train_options *o,
                              ptl_error *err)
{
    (void)d;
    return train_eval(job, o, err);
}

static ptl_status predict_engine(driver *d, ptl_job *job,
                                 const train_options *o, ptl_error *err)
{
    train_predict_files files = {d->options.input.data, d->options.input.count,
                                 &d->options.output, 1};
    return train_predict(job, o, &files, err);
}

int cmd_run(driver *d)
{
    return carry_out(d, "run", run_engine);
}

int cmd_eval(driver *d)
{
    if (!d->options.from)
        return driver_usage("eval", "--from CKPT is missing");
    return carry_out(d, "eval", eval_engine);
}

int cmd_predict(driver *d)
{
    if (!d->options.from)
        return driver_usage("predict", "--from CKPT is missing");
    if (d->options.input.count == 0)
        return driver_usage("predict", "--input [NAME=]x.npy is missing");
    if (!d->options.output)
        return driver_usage("predict", "--output y.npy is missing");
    return carry_out(d, "predict", predict_engine);
}
