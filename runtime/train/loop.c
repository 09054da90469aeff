/*
 * loop.c - the training loop: batch, step, line; evaluation and checkpoints
 * when they are due.
 *
 * At one step, evaluation comes before the checkpoint: whoever resumes from it
 * has all lines up to its step behind them, so lines are neither missing nor
 * double. A step without evaluation and checkpoint allocates nothing.
 */
#include "base/clock.h"
#include "base/integer.h"
#include "base/trace.h"
#include "train/stop.h"
#include "train/training.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COMM_STEPS = 100 }; /* from one line about exchanges to the next */

static bool due(const training *t, int64_t every)
{
    return t->done % every == 0 || t->done == t->last;
}

static int64_t epoch_of_done(const training *t)
{
    return (t->done - 1) / t->steps_per_epoch;
}

static void tell(training *t, peers_work work)
{
    if (t->s.peers)
        t->s.peers->busy(t->s.peers->ctx, work);
}

static ptl_status evaluate(training *t, ptl_error *err)
{
    session *s = &t->s;
    if (!s->eval)
        return PTL_OK;
    double start = clock_seconds();
    ptl_status st = session_settle(s, err);
    if (st != PTL_OK)
        return st;
    tell(t, PEERS_EVALUATE);
    st = evaluation_run(&t->evaluation, s, s->eval, t->done, epoch_of_done(t),
                        t->total_steps, err);
    t->eval_s += clock_seconds() - start;
    trace_span("loop", "evaluate", start);
    if (st != PTL_OK)
        return st;
    return log_event_eval(&t->log, t->done, epoch_of_done(t), s->job->metrics,
                          t->evaluation.values, t->evaluation.count, err);
}

static bool comm_due(const training *t)
{
    int64_t every = int_max(t->log.log_every, COMM_STEPS);
    return t->s.peers && t->done % every == 0;
}

static ptl_status log_step_of(training *t, const data_batch *batch,
                              const shards_result *r, ptl_error *err)
{
    log_step e = {
        .step = t->done, .epoch = batch->epoch, .loss = r->loss, .lr = r->lr};
    double now = clock_seconds();
    if (!peers_is_chief(t->s.peers))
        return PTL_OK;
    t->logged_records += batch->rows;
    e.examples_per_s = (double)t->logged_records / (now - t->logged_at);
    ptl_status st = log_event_step(&t->log, &e, err);
    if (st == PTL_OK && comm_due(t))
        st = log_event_comm(&t->log, t->done, &r->comm, err);
    if (t->done % t->log.log_every == 0) {
        t->logged_at = now;
        t->logged_records = 0;
    }
    return st;
}

static session_program *program_for(const training *t, const data_batch *batch)
{
    return t->full && batch->rows == t->full->rows ? t->full : t->tail;
}

/* The device gets the next batch while it computes with this one. */
static ptl_status execute_on_device(training *t, const session_program *p,
                                    ptl_error *err)
{
    ptl_status st = run_begin(p->run, 0, err);
    if (st != PTL_OK)
        return st;
    const data_batch *next = prefetch_peek(t->batches);
    if (next) {
        session_program *reader = program_for(t, next);
        session_bind_fields(reader, next->fields);
        st = run_ahead(reader->run, 0, err);
    }
    return st == PTL_OK ? run_finish(p->run, 0, err) : st;
}

/* Gradients and update in one program. */
static ptl_status step_fused(training *t, const data_batch *batch,
                             shards_result *r, ptl_error *err)
{
    session_program *p = program_for(t, batch);
    session_bind_fields(p, batch->fields);
    session_set_scalars(&t->s, p, t->done, batch->epoch, t->total_steps);
    ptl_status st = t->s.job->device ? execute_on_device(t, p, err)
                                     : run_execute(p->run, err);
    if (st == PTL_OK)
        *r = (shards_result){.loss = session_scalar(p, p->loss),
                             .lr = session_scalar(p, p->lr)};
    return st;
}

static ptl_status back_up(training *t, ptl_error *err)
{
    ptl_status st = t->backup ? session_fetch(&t->s, err) : PTL_OK;
    if (t->backup && st == PTL_OK)
        memcpy(t->backup, t->s.store.block, t->s.store.block_bytes);
    return st;
}

static void trace_step(int64_t step, double began)
{
    char name[40];
    if (!trace_is_open())
        return;
    snprintf(name, sizeof name, "step %lld", (long long)step);
    trace_span("loop", name, began);
}

/* One update; on return the step counts as completed. */
static ptl_status step(training *t, const data_batch *batch, ptl_error *err)
{
    shards_result r;
    double start = clock_seconds();
    if (!t->timed)
        t->start_s = start - clock_began();
    ptl_status st = back_up(t, err);
    if (st != PTL_OK)
        return st;
    st = t->shards ? shards_step(t->shards, batch, prefetch_peek(t->batches),
                                 t->done, &r, err)
                   : step_fused(t, batch, &r, err);
    if (st != PTL_OK)
        return st;
    double spent = clock_seconds() - start;
    trace_step(t->done + 1, start);
    t->done++;
    t->times[t->timed++ % STEP_TIMES] = spent;
    t->step_s += spent;
    bool skips = t->s.options->on_nan == TRAIN_NAN_SKIP;
    st = skips ? session_fetch(&t->s, err) : PTL_OK;
    if (st != PTL_OK)
        return st;
    if (!isfinite(r.loss) || (skips && store_nonfinite(&t->s.store)))
        return training_nonfinite(t, batch, r.loss, err);
    t->skipped = 0;
    return log_step_of(t, batch, &r, err);
}

static bool may_save(const training *t)
{
    return !t->shards || shards_may_save(t->shards, t->done);
}

static ptl_status end_by_signal(training *t, int signal_number, ptl_error *err)
{
    ptl_status st = PTL_OK;
    bool chief = peers_is_chief(t->s.peers);
    if (chief && t->checkpoint_step != t->done && t->timed && may_save(t))
        st = training_save(t, err);
    if (st != PTL_OK)
        return st;
    bool interrupted = signal_number == SIGINT;
    ptl_status ended = interrupted ? PTL_E_INTERRUPTED : PTL_E_TERMINATED;
    if (!chief)
        return ptl_fail(err, ended, "ended by %s after step %lld",
                        interrupted ? "SIGINT" : "SIGTERM", (long long)t->done);
    if (t->checkpoint_step < 0)
        return ptl_fail(err, ended, "ended by %s before the first step",
                        interrupted ? "SIGINT" : "SIGTERM");
    return ptl_fail(
        err, ended, "ended by %s after step %lld; go on with --resume %s",
        interrupted ? "SIGINT" : "SIGTERM", (long long)t->done, t->folder);
}

/* What is due after a step. */
static ptl_status after_step(training *t, ptl_error *err)
{
    ptl_status st = PTL_OK;
    if (t->s.peers)
        t->last = t->s.peers->last(t->s.peers->ctx);
    if (!peers_is_chief(t->s.peers))
        return PTL_OK;
    if (due(t, t->eval_every))
        st = evaluate(t, err);
    t->save_due |= due(t, t->checkpoint_every);
    if (st == PTL_OK && t->save_due && may_save(t))
        st = training_save(t, err);
    tell(t, PEERS_TRAIN);
    return st;
}

static ptl_status log_end_of(training *t, ptl_error *err)
{
    log_end e = {.steps = t->done,
                 .wall_s = clock_seconds() - t->began,
                 .compile_s = t->s.compile_s,
                 .step_ms_median = training_median_ms(t)};
    e.peak_bytes = (int64_t)memory_peak() - t->memory_before;
    return log_event_end(&t->log, &e, err);
}

/* The status of a run that ended is kept, whatever its last line does. */
static ptl_status finish(training *t, ptl_status ended, ptl_error *err)
{
    ptl_error later = {0};
    train_peers *peers = t->s.peers;
    ptl_status st = peers ? peers->end(peers->ctx, &later) : PTL_OK;
    if (st == PTL_OK && peers_is_chief(peers))
        st = log_end_of(t, &later);
    training_report_times(t);
    if (ended == PTL_OK && st != PTL_OK) {
        *err = later;
        return st;
    }
    return ended;
}

ptl_status training_loop(training *t, ptl_error *err)
{
    ptl_status st = PTL_OK;
    t->logged_at = clock_seconds();
    for (;;) {
        const data_batch *batch;
        int signal_number = stop_signal();
        if (signal_number && (!t->s.peers || t->done >= t->last))
            return finish(t, end_by_signal(t, signal_number, err), err);
        if (t->done >= t->last)
            return finish(t, PTL_OK, err);
        if (signal_number)
            t->s.peers->drain(t->s.peers->ctx);
        double start = clock_seconds();
        st = prefetch_next(t->batches, &batch, err);
        t->wait_s += clock_seconds() - start;
        trace_span("wait", "for the batch", start);
        if (st != PTL_OK)
            return st;
        PTL_ASSERT(batch);
        st = step(t, batch, err);
        if (st == PTL_OK)
            st = after_step(t, err);
        if (st != PTL_OK)
            return training_name_last_good(t, err);
    }
}

ptl_status training_run(ptl_job *job, const train_options *options,
                        train_peers *peers, ptl_error *err)
{
    ptl_error own;
    training t;
    stop_guard guard;
    err = err ? err : &own;
    stop_watch(&guard);
    ptl_status st = training_open(&t, job, options, peers, err);
    if (st == PTL_OK)
        st = training_loop(&t, err);
    training_close(&t);
    stop_unwatch(&guard);
    return st;
}

ptl_status train_run(ptl_job *job, const train_options *options, ptl_error *err)
{
    return training_run(job, options, NULL, err);
}
