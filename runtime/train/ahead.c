/*
 * ahead.c - data read and programs built side by side.
 *
 * The beginning of a file mostly tells what its records are like, so programs
 * are built while the files are unpacked by threads of their own. Nothing is
 * taken on trust: when the data is there and is not as foreseen, what was built
 * for it goes and is built again; and damaged data is reported before anything
 * that was wrong with a program for it.
 */
#include "train/ahead.h"
#include "base/clock.h"
#include "train/shards.h"

static bool has_eval(const session *s)
{
    return s->job->eval.array_count > 0;
}

static ptl_status start(session *s, const ptl_job_source *source,
                        ahead_source *out, ptl_error *err)
{
    data_options options = session_data_options(s);
    out->seen = data_preview_open(source, &options, &out->preview);
    return data_load(source, &options, &out->loading, err);
}

ptl_status ahead_open(ahead *a, session *s, ptl_error *err)
{
    *a = (ahead){0};
    ptl_status st = start(s, &s->job->train, &a->train, err);
    if (st == PTL_OK && has_eval(s))
        st = start(s, &s->job->eval, &a->eval, err);
    return st;
}

static void build(ahead *a, session *s, ptl_program_kind kind, int64_t rows,
                  const data_preview *p)
{
    session_program *made;
    if (a->status == PTL_OK && rows > 0)
        a->status =
            session_build(s, kind, rows, p->raw, p->count, &made, &a->error);
}

void ahead_build(ahead *a, session *s)
{
    int64_t batch = s->job->batch;
    if (a->train.seen) {
        const data_preview *p = &a->train.preview;
        int64_t rows = p->rows < batch ? p->rows : batch;
        if (shards_wanted(s)) {
            build(a, s, PTL_PROGRAM_SHARD, shards_first_rows(s, rows), p);
            build(a, s, PTL_PROGRAM_UPDATE, rows, p);
        } else {
            build(a, s, PTL_PROGRAM_TRAIN, rows, p);
        }
        build(a, s, PTL_PROGRAM_INIT, rows, p);
    }
    if (a->eval.seen) {
        const data_preview *p = &a->eval.preview;
        int64_t rows = p->rows < batch ? p->rows : batch;
        build(a, s, PTL_PROGRAM_EVAL, rows, p);
        build(a, s, PTL_PROGRAM_EVAL, p->rows % rows, p);
    }
}

/* Waits for one source; `*held`: it is as it was foreseen. */
static ptl_status finish(session *s, ahead_source *from, ptl_dataset **out,
                         bool *held, ptl_error *err)
{
    double seconds, since = clock_seconds();
    ptl_status st = data_loaded(from->loading, out, &seconds, err);
    from->loading = NULL;
    s->data_s = seconds > s->data_s ? seconds : s->data_s;
    s->data_wait_s += clock_seconds() - since;
    *held = st == PTL_OK &&
            (!from->seen || data_preview_holds(&from->preview, *out));
    return st;
}

ptl_status ahead_data(ahead *a, session *s, ptl_error *err)
{
    bool train_held, eval_held = true;
    ptl_status st = finish(s, &a->train, &s->train, &train_held, err);
    if (st == PTL_OK && has_eval(s))
        st = finish(s, &a->eval, &s->eval, &eval_held, err);
    if (st != PTL_OK)
        return st;
    if (train_held && eval_held) {
        if (a->status != PTL_OK)
            return ptl_fail(err, a->status, "%s", a->error.text);
        return PTL_OK;
    }
    session_forget(s, PTL_PROGRAM_TRAIN);
    session_forget(s, PTL_PROGRAM_SHARD);
    session_forget(s, PTL_PROGRAM_UPDATE);
    session_forget(s, PTL_PROGRAM_INIT);
    session_forget(s, PTL_PROGRAM_EVAL);
    return PTL_OK;
}

void ahead_close(ahead *a)
{
    data_load_abandon(a->train.loading);
    data_load_abandon(a->eval.loading);
    data_preview_close(&a->train.preview);
    data_preview_close(&a->eval.preview);
}
