/*
 * save.c - checkpoints of a run, what happens to a step that was not finite,
 * and where the time went.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/trace.h"
#include "runtime/tensor_file.h"
#include "train/training.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SKIPPED = 100 };

ptl_status training_name_last_good(const training *t, ptl_error *err)
{
    size_t length = strlen(err->text);
    if (t->checkpoint_step >= 0)
        snprintf(err->text + length, sizeof err->text - length,
                 "; the last good checkpoint is \"%s\"", t->checkpoint);
    else
        snprintf(err->text + length, sizeof err->text - length,
                 "; no checkpoint was written before");
    return err->status;
}

static checkpoint_info info_of(const training *t)
{
    const ptl_job *job = t->s.job;
    return (checkpoint_info){.model = job->model,
                             .source_hash =
                                 job->source_hash ? job->source_hash : "",
                             .config_json = job->config_json,
                             .step = t->done,
                             .seed = job->seed,
                             .batch = job->batch,
                             .rows = t->rows,
                             .shards = shards_count(&t->s),
                             .f64 = job->f64};
}

/* In a cluster slots are elsewhere. */
static ptl_status fetch_slots(training *t, bool *gone, ptl_error *err)
{
    train_peers *p = t->s.peers;
    *gone = false;
    if (!p)
        return PTL_OK;
    p->busy(p->ctx, PEERS_SAVE);
    return p->slots(p->ctx, gone, err);
}

ptl_status training_save(training *t, ptl_error *err)
{
    bool gone;
    char path[CHECKPOINT_PATH];
    checkpoint_info info = info_of(t);
    double start = clock_seconds();
    ptl_status st = session_fetch(&t->s, err);
    if (st != PTL_OK)
        return st;
    const store_tensor *wrong = store_nonfinite(&t->s.store);
    if (wrong)
        return ptl_fail(err, PTL_E_NONFINITE,
                        "\"%s\" became non-finite by step %lld", wrong->path,
                        (long long)t->done);
    st = fetch_slots(t, &gone, err);
    if (st == PTL_OK && gone) {
        log_note(&t->log,
                 "warning: no checkpoint at step %lld: this process replaced "
                 "another, and the parameter servers are a step ahead",
                 (long long)t->done);
        return PTL_OK;
    }
    if (st == PTL_OK)
        st = log_sync(&t->log, err);
    if (st == PTL_OK)
        st = checkpoint_write(t->folder, &info, &t->s.store, path, err);
    t->checkpoint_s += clock_seconds() - start;
    trace_span("loop", "checkpoint", start);
    if (st != PTL_OK)
        return st;
    t->save_due = false;
    snprintf(t->checkpoint, sizeof t->checkpoint, "%s", path);
    t->checkpoint_step = t->done;
    if (t->replaces_old)
        checkpoint_remove_others(t->folder, t->done);
    t->replaces_old = false;
    return log_event_checkpoint(&t->log, t->done, path, err);
}

/* The tensors the step began with. */
static ptl_status dump_tensors(const training *t, const char *folder,
                               ptl_error *err)
{
    char path[CHECKPOINT_PATH + 64];
    const ptl_store *s = &t->s.store;
    tensor_entry *entries = calloc((size_t)s->count + 1, sizeof *entries);
    if (!entries)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a dump");
    for (int i = 0; i < s->count; i++) {
        const store_tensor *from = &s->items[i];
        ptrdiff_t offset = (char *)from->memory - (char *)s->block;
        entries[i] = (tensor_entry){.name = from->path,
                                    .dtype = from->dtype,
                                    .rank = from->rank,
                                    .bytes = (char *)t->backup + offset,
                                    .size = from->size};
        memcpy(entries[i].dims, from->dims, sizeof from->dims);
    }
    snprintf(path, sizeof path, "%s/before.safetensors", folder);
    ptl_status st = tensor_file_write(path, entries, s->count, NULL, err);
    free(entries);
    return st;
}

static ptl_status dump_batch(const training *t, const data_batch *batch,
                             const char *folder, ptl_error *err)
{
    char path[CHECKPOINT_PATH + 64];
    int count;
    data_raw(t->s.train, &count);
    tensor_entry *entries = calloc((size_t)count + 1, sizeof *entries);
    if (!entries)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a dump");
    for (int i = 0; i < count; i++) {
        const data_array *a = data_array_at(t->s.train, i);
        int rank = a->rank < PTL_MAX_RANK ? a->rank : PTL_MAX_RANK - 1;
        entries[i] =
            (tensor_entry){.name = a->field,
                           .dtype = a->dtype,
                           .rank = rank + 1,
                           .dims = {batch->rows},
                           .bytes = batch->fields[i],
                           .size = (size_t)batch->rows * a->record_bytes};
        memcpy(entries[i].dims + 1, a->dims, (size_t)rank * sizeof *a->dims);
    }
    snprintf(path, sizeof path, "%s/batch.safetensors", folder);
    ptl_status st = tensor_file_write(path, entries, count, NULL, err);
    free(entries);
    return st;
}

static ptl_status dump(const training *t, const data_batch *batch,
                       ptl_error *err)
{
    char folder[CHECKPOINT_PATH];
    snprintf(folder, sizeof folder, "%s/nan-step-%lld", t->folder,
             (long long)t->done);
    ptl_status st = folder_make(folder, err);
    if (st == PTL_OK)
        st = dump_tensors(t, folder, err);
    if (st == PTL_OK)
        st = dump_batch(t, batch, folder, err);
    return st;
}

/* Takes the update back; the step counts as done, its data is passed over. */
static ptl_status skip(training *t, const data_batch *batch, double loss,
                       ptl_error *err)
{
    memcpy(t->s.store.block, t->backup, t->s.store.block_bytes);
    session_changed(&t->s);
    t->skipped++;
    log_step e = {.step = t->done,
                  .epoch = batch->epoch,
                  .loss = loss,
                  .lr = (double)NAN};
    ptl_status st = log_event_skip(&t->log, &e, err);
    if (st == PTL_OK && t->skipped == MOST_SKIPPED)
        st = ptl_fail(err, PTL_E_NONFINITE,
                      "%d steps in a row were non-finite, the last is step "
                      "%lld",
                      MOST_SKIPPED, (long long)t->done);
    return st;
}

ptl_status training_nonfinite(training *t, const data_batch *batch, double loss,
                              ptl_error *err)
{
    if (t->s.options->on_nan == TRAIN_NAN_SKIP)
        return skip(t, batch, loss, err);
    if (t->s.options->on_nan == TRAIN_NAN_DUMP) {
        ptl_status st = dump(t, batch, err);
        if (st != PTL_OK)
            return st;
    }
    return ptl_fail(err, PTL_E_NONFINITE,
                    "the loss became non-finite (%s) at step %lld%s",
                    isnan(loss) ? "nan"
                    : loss > 0  ? "inf"
                                : "-inf",
                    (long long)t->done,
                    t->s.options->on_nan == TRAIN_NAN_DUMP
                        ? "; the step's start and batch are in the run folder"
                        : "");
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double training_median_ms(training *t)
{
    size_t count =
        t->timed < STEP_TIMES ? (size_t)t->timed : (size_t)STEP_TIMES;
    if (!count)
        return 0;
    qsort(t->times, count, sizeof *t->times, by_value);
    return 1e3 * t->times[count / 2];
}

void training_report_times(training *t)
{
    const struct {
        const char *name;
        double seconds;
    } phases[] = {{"read data, beside the compiler", t->s.data_s},
                  {"compile", t->s.compile_s},
                  {"wait for data", t->s.data_wait_s},
                  {"initialise", t->init_s},
                  {"from the process' start to the first step", t->start_s},
                  {"wait for batches", t->wait_s},
                  {"steps", t->step_s},
                  {"evaluation", t->eval_s},
                  {"checkpoints", t->checkpoint_s}};
    size_t count = sizeof phases / sizeof *phases;
    for (size_t i = 0; t->s.options->time && i < count; i++)
        log_note(&t->log, "  %9.3f s  %s", phases[i].seconds, phases[i].name);
    for (int i = 0; t->s.options->profile && i < t->s.program_count; i++)
        profile_report(&t->log, t->s.programs[i], pool_threads(t->s.pool));
}
