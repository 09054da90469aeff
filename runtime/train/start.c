/*
 * start.c - everything a run needs before its first step.
 *
 * The run folder is made last: damaged data, a wrong program or a damaged
 * checkpoint leave nothing behind.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/integer.h"
#include "base/plant.h"
#include "runtime/device.h"
#include "runtime/order.h"
#include "train/ahead.h"
#include "train/library.h"
#include "train/training.h"
#include <stdlib.h>
#include <string.h>

/* The program of a full batch, and the data checked against what it was
 * promised. */
static ptl_status check_data(session *s, ptl_program_kind kind,
                             ptl_dataset *data, ptl_error *err)
{
    session_program *p;
    int64_t rows = int_min(s->job->batch, data_rows(data));
    if (kind == PTL_PROGRAM_TRAIN && shards_wanted(s)) {
        kind = PTL_PROGRAM_SHARD;
        rows = shards_first_rows(s, rows);
    }
    ptl_status st = session_build_for(s, kind, rows, data, &p, err);
    return st == PTL_OK ? data_check_program(data, p->program, err) : st;
}

static ptl_status open_data(training *t, ptl_error *err)
{
    session *s = &t->s;
    ahead a;
    ptl_status st = ahead_open(&a, s, err);
    if (st == PTL_OK) {
        ahead_build(&a, s);
        st = ahead_data(&a, s, err);
    }
    ahead_close(&a);
    if (st == PTL_OK)
        st = check_data(s, PTL_PROGRAM_TRAIN, s->train, err);
    if (st == PTL_OK && s->eval)
        st = check_data(s, PTL_PROGRAM_EVAL, s->eval, err);
    return st;
}

static void report_skipped(training *t, const ptl_dataset *data,
                           const char *what)
{
    if (data && data_skipped(data))
        log_note(&t->log, "warning: %lld bad %s record%s left out",
                 (long long)data_skipped(data), what,
                 data_skipped(data) == 1 ? " was" : "s were");
}

void peers_run_plan(const ptl_job *job, const train_options *options,
                    int64_t rows, peers_run *out)
{
    int64_t epoch = order_steps(rows, job->batch);
    int64_t total = job->steps > 0 ? job->steps : job->epochs * epoch;
    *out = (peers_run){.last = options->steps > 0    ? options->steps
                               : options->epochs > 0 ? options->epochs * epoch
                                                     : total,
                       .total_steps = total,
                       .steps_per_epoch = epoch,
                       .rows = rows,
                       .batch = int_min(job->batch, rows)};
}

static ptl_status plan_steps(training *t, ptl_error *err)
{
    const ptl_job *job = t->s.job;
    peers_run run;
    t->rows = data_rows(t->s.train);
    peers_run_plan(job, t->s.options, t->rows, &run);
    t->steps_per_epoch = run.steps_per_epoch;
    t->total_steps = run.total_steps;
    t->last = run.last;
    t->eval_every = job->eval_every > 0 ? job->eval_every
                                        : job->eval_epochs * t->steps_per_epoch;
    t->checkpoint_every = job->checkpoint_every > 0
                              ? job->checkpoint_every
                              : job->checkpoint_epochs * t->steps_per_epoch;
    t->s.average_from =
        job->average_steps + job->average_epochs * t->steps_per_epoch;
    if (t->eval_every <= 0)
        t->eval_every = t->steps_per_epoch;
    if (t->checkpoint_every <= 0)
        t->checkpoint_every = t->steps_per_epoch;
    if (t->last < 1 || job->batch < 1)
        return ptl_fail(err, PTL_E_PROGRAM, "the job has no steps");
    t->log.last_step = t->last;
    return PTL_OK;
}

/* Memory for all tensors any program asks for, bound to those that are. */
static ptl_status open_store(training *t, ptl_error *err)
{
    session *s = &t->s;
    ptl_status st = PTL_OK;
    for (int i = 0; i < s->program_count && st == PTL_OK; i++)
        st = store_add(&s->store, s->programs[i]->program, err);
    if (st == PTL_OK && shards_wanted(s))
        st = shards_open(s, int_min(s->job->batch, t->rows), &t->shards, err);
    if (st == PTL_OK)
        st = store_allocate(&s->store, err);
    if (st == PTL_OK)
        st = session_place(s, err);
    for (int i = 0; i < s->program_count && st == PTL_OK; i++)
        st = store_bind(&s->store, s->programs[i]->run, err);
    return st;
}

static ptl_status initialise(training *t, session_program *init, ptl_error *err)
{
    double start = clock_seconds();
    session_set_scalars(&t->s, init, 0, 0, t->total_steps);
    ptl_status st = run_execute(init->run, err);
    t->init_s += clock_seconds() - start;
    return st;
}

/* A run goes on only as what it was: order and data are functions of these. */
static ptl_status check_same_run(training *t, const checkpoint_info *was,
                                 ptl_error *err)
{
    const ptl_job *job = t->s.job;
    const char *path = t->checkpoint;
    if (was->seed != job->seed)
        return ptl_fail(err, PTL_E_CHECKPOINT,
                        "\"%s\" was made with seed %llu, this run has %llu",
                        path, (unsigned long long)was->seed,
                        (unsigned long long)job->seed);
    if (was->batch != job->batch || was->rows != t->rows)
        return ptl_fail(err, PTL_E_CHECKPOINT,
                        "\"%s\" was made with batches of %lld of %lld records, "
                        "this run has batches of %lld of %lld",
                        path, (long long)was->batch, (long long)was->rows,
                        (long long)job->batch, (long long)t->rows);
    if (was->f64 != job->f64)
        return ptl_fail(err, PTL_E_CHECKPOINT, "\"%s\" was made with real = %s",
                        path, was->f64 ? "f64" : "f32");
    if (was->shards != shards_count(&t->s))
        log_note(&t->log,
                 "warning: \"%s\" was made by %lld shard%s, and this run has "
                 "%lld: sums are rounded in another order",
                 path, (long long)was->shards, was->shards == 1 ? "" : "s",
                 (long long)shards_count(&t->s));
    if (job->source_hash && strcmp(was->hash_found, job->source_hash) != 0)
        log_note(&t->log,
                 "warning: \"%s\" was made by other sources or settings", path);
    return PTL_OK;
}

/* Where the run goes on. */
static ptl_status find_first(training *t, ptl_error *err)
{
    checkpoint_info info;
    if (!t->s.options->resume)
        return PTL_OK;
    ptl_status st = checkpoint_read_info(t->checkpoint, &info, err);
    if (st == PTL_OK)
        st = check_same_run(t, &info, err);
    bool forgets =
        ptl_is_planted(PTL_PLANT_STEP_ZERO) && !peers_is_chief(t->s.peers);
    if (st == PTL_OK)
        t->done = t->checkpoint_step = forgets ? 0 : info.step;
    return st;
}

/* The folder above a checkpoint. */
static void parent_of(const char *path, char *out, size_t size)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length == 0)
        snprintf(out, size, ".");
    else
        snprintf(out, size, "%.*s", (int)length, path);
}

static ptl_status name_folder(training *t, ptl_error *err)
{
    const train_options *o = t->s.options;
    char stamp[32];
    clock_stamp(stamp, sizeof stamp);
    int length = 0;
    if (o->out)
        length = snprintf(t->folder, sizeof t->folder, "%s", o->out);
    else if (o->resume)
        parent_of(t->checkpoint, t->folder, sizeof t->folder);
    else
        length = snprintf(t->folder, sizeof t->folder, "runs/%s-%s",
                          t->s.job->model, stamp);
    if (length >= (int)sizeof t->folder)
        return ptl_fail(err, PTL_E_IO, "\"%s\": the path is too long", o->out);
    return PTL_OK;
}

static ptl_status open_folder(training *t, ptl_error *err)
{
    char path[CHECKPOINT_PATH];
    const char *config = t->s.job->config_json;
    ptl_status st = folder_make(t->folder, err);
    if (st != PTL_OK)
        return st;
    checkpoint_sweep(t->folder);
    if (!t->s.options->resume && checkpoint_any(t->folder)) {
        t->replaces_old = true;
        log_note(&t->log,
                 "warning: \"%s\" holds another run; its checkpoints go when "
                 "this one's first is written",
                 t->folder);
    }
    snprintf(path, sizeof path, "%s/config.json", t->folder);
    st = file_write_whole(path, config, strlen(config), err);
    if (st != PTL_OK)
        return st;
    snprintf(path, sizeof path, "%s/metrics.jsonl", t->folder);
    return log_metrics_file(&t->log, path, t->s.options->resume ? t->done : -1,
                            err);
}

/* The programs of a full batch and, if a step will need it, of an epoch's
 * last, smaller one. */
static ptl_status pick_programs(training *t, ptl_error *err)
{
    int64_t batch = t->s.job->batch, left = t->rows % batch;
    int64_t tail_step = t->done - t->done % t->steps_per_epoch +
                        t->steps_per_epoch; /* the next that is one */
    ptl_status st = PTL_OK;
    if (t->shards)
        return shards_begin(t->shards, tail_step <= t->last ? left : 0,
                            t->steps_per_epoch, t->total_steps, err);
    if (t->rows >= batch)
        st = session_build_for(&t->s, PTL_PROGRAM_TRAIN, batch, t->s.train,
                               &t->full, err);
    if (st == PTL_OK && left && tail_step <= t->last)
        st = session_build_for(&t->s, PTL_PROGRAM_TRAIN, left, t->s.train,
                               &t->tail, err);
    session_program *one = t->full ? t->full : t->tail;
    if (st == PTL_OK && one && one->loss < 0)
        st = ptl_fail(err, PTL_E_INTERNAL, "the training step gives no loss");
    return st;
}

static ptl_status take_memory(training *t, ptl_error *err)
{
    t->times = calloc(STEP_TIMES, sizeof *t->times);
    if (t->s.options->on_nan != TRAIN_NAN_STOP)
        t->backup = memory_map(t->s.store.block_bytes);
    if (!t->times || (t->s.options->on_nan != TRAIN_NAN_STOP && !t->backup))
        return ptl_fail(err, PTL_E_MEMORY, "no memory for training");
    return PTL_OK;
}

static ptl_status open_batches(training *t, ptl_error *err)
{
    prefetch_desc desc = {.data = t->s.train,
                          .seed = t->s.job->seed,
                          .batch = int_min(t->s.job->batch, t->rows),
                          .begin = t->done,
                          .end = t->last > t->done ? t->last : t->done};
    return prefetch_open(&desc, &t->batches, err);
}

/* Everything is there by now: no step takes more. */
static int64_t planned_bytes(const training *t)
{
    size_t bytes = prefetch_bytes(t->batches);
    if (t->s.eval)
        bytes += memory_padded(t->evaluation.memory_bytes);
    if (t->backup)
        bytes += memory_padded(t->s.store.block_bytes);
    if (t->shards)
        bytes += shards_bytes(t->shards);
    return session_bytes(&t->s) + (int64_t)bytes;
}

static ptl_status log_start_of(training *t, ptl_error *err)
{
    if (!peers_is_chief(t->s.peers))
        return PTL_OK;
    const ptl_job *job = t->s.job;
    log_start e = {.model = job->model,
                   .config_json = job->config_json,
                   .parameters = job->parameter_count,
                   .steps = t->last,
                   .records = t->rows,
                   .shards = shards_count(&t->s),
                   .peak_bytes = planned_bytes(t),
                   .device = job->device ? device_name(job->device) : "cpu",
                   .threads = pool_threads(t->s.pool)};
    return log_event_start(&t->log, &e, err);
}

/* Tensors: initialised, or from the checkpoint. */
static ptl_status open_tensors(training *t, ptl_error *err)
{
    session_program *init;
    const char *from = t->s.options->resume;
    ptl_status st = session_build_for(&t->s, PTL_PROGRAM_INIT,
                                      int_min(t->s.job->batch, t->rows),
                                      t->s.train, &init, err);
    if (st == PTL_OK)
        st = open_store(t, err);
    if (st != PTL_OK)
        return st;
    st = from ? checkpoint_load(t->checkpoint, &t->s.store,
                                peers_is_chief(t->s.peers), err)
              : initialise(t, init, err);
    session_forget(&t->s, PTL_PROGRAM_INIT);
    return st;
}

/* What lies where in the cluster, before the store is made after it. */
static ptl_status plan_peers(training *t, ptl_error *err)
{
    train_peers *p = t->s.peers;
    peers_run run;
    peers_run_plan(t->s.job, t->s.options, t->rows, &run);
    run.first = t->done;
    run.checkpoint = t->s.options->resume ? t->checkpoint : NULL;
    return p ? p->plan(p, &t->s, &run, err) : PTL_OK;
}

/* Evaluation, checkpoints and the run folder are the chief's. */
static ptl_status open_chief(training *t, ptl_error *err)
{
    ptl_status st = PTL_OK;
    if (!peers_is_chief(t->s.peers))
        return PTL_OK;
    if (t->s.eval)
        st = evaluation_open(&t->evaluation, &t->s, t->s.eval, err);
    if (st == PTL_OK)
        st = name_folder(t, err);
    return st == PTL_OK ? open_folder(t, err) : st;
}

static ptl_status begin_peers(training *t, ptl_error *err)
{
    train_peers *p = t->s.peers;
    ptl_status st = p ? p->begin(p->ctx, err) : PTL_OK;
    if (p)
        session_changed(&t->s);
    return st;
}

ptl_status training_open(training *t, ptl_job *job,
                         const train_options *options, train_peers *peers,
                         ptl_error *err)
{
    *t = (training){.began = clock_seconds(), .checkpoint_step = -1};
    memory_peak_begin();
    t->memory_before = (int64_t)memory_in_use();
    log_open(&t->log, options, job->f64);
    ptl_status st = session_open(&t->s, job, options, err);
    t->s.peers = peers;
    job->device_updates = !peers;
    if (st == PTL_OK)
        st = shards_check(&t->s, err);
    /* Before the long work: is there anything to resume from? */
    if (st == PTL_OK && options->resume)
        st = checkpoint_find(options->resume, t->checkpoint, err);
    if (st == PTL_OK)
        st = open_data(t, err);
    if (st == PTL_OK)
        st = plan_steps(t, err);
    if (st == PTL_OK)
        st = find_first(t, err);
    if (st == PTL_OK)
        st = plan_peers(t, err);
    if (st == PTL_OK)
        st = open_tensors(t, err);
    if (st == PTL_OK)
        st = pick_programs(t, err);
    if (st == PTL_OK)
        st = take_memory(t, err);
    if (st == PTL_OK)
        st = open_chief(t, err);
    if (st == PTL_OK && t->shards &&
        shards_save_late(t->shards, t->checkpoint_every))
        log_note(&t->log,
                 "warning: a state without a word after `sync` is saved as "
                 "`state_sync` left it last, which is not at every checkpoint");
    report_skipped(t, t->s.train, "training");
    report_skipped(t, t->s.eval, "evaluation");
    if (st == PTL_OK)
        st = open_batches(t, err);
    if (st == PTL_OK)
        st = log_start_of(t, err);
    for (int i = 0; i < t->s.program_count && st == PTL_OK; i++)
        library_report(&t->s, &t->log, t->s.programs[i]);
    return st == PTL_OK ? begin_peers(t, err) : st;
}

void training_close(training *t)
{
    const train_peers *peers = t->s.peers;
    if (peers && peers->close)
        peers->close(peers->ctx);
    prefetch_close(t->batches);
    shards_close(t->shards);
    evaluation_close(&t->evaluation);
    memory_unmap(t->backup, t->s.store.block_bytes);
    free(t->times);
    log_close(&t->log);
    session_close(&t->s);
}
