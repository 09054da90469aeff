/*
 * eval_run.c - `eval`: a checkpoint's parameters on the job's eval data.
 */
#include "base/integer.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/library.h"
#include "train/log.h"

static ptl_status evaluate(session *s, train_log *log, const char *path,
                           const checkpoint_info *info, ptl_error *err)
{
    ptl_job *job = s->job;
    const ptl_job_source *source =
        job->eval.array_count ? &job->eval : &job->train;
    session_program *p;
    evaluation e = {0};
    ptl_status st = session_data(s, source, &s->eval, err);
    if (st == PTL_OK)
        st = session_build_for(s, PTL_PROGRAM_EVAL,
                               int_min(job->batch, data_rows(s->eval)), s->eval,
                               &p, err);
    if (st == PTL_OK)
        st = data_check_program(s->eval, p->program, err);
    if (st == PTL_OK && data_skipped(s->eval))
        log_note(log, "warning: %lld bad records left out",
                 (long long)data_skipped(s->eval));
    if (st == PTL_OK)
        library_report(s, log, p);
    if (st == PTL_OK)
        st = session_load(s, path, err);
    if (st == PTL_OK)
        st = evaluation_open(&e, s, s->eval, err);
    if (st != PTL_OK)
        return st;
    int64_t steps = (info->rows + info->batch - 1) / info->batch;
    int64_t epoch = info->step > 0 ? (info->step - 1) / steps : 0;
    int64_t total = job->steps > 0 ? job->steps : job->epochs * steps;
    st = evaluation_run(&e, s, s->eval, info->step, epoch, total, err);
    if (st == PTL_OK)
        st = log_event_eval(log, info->step, epoch, job->metrics, e.values,
                            e.count, err);
    evaluation_close(&e);
    return st;
}

ptl_status train_eval(ptl_job *job, const train_options *options,
                      ptl_error *err)
{
    char path[CHECKPOINT_PATH];
    checkpoint_info info;
    session s;
    train_log log;
    ptl_status st = session_find_from(options, path, &info, err);
    if (st != PTL_OK)
        return st;
    log_open(&log, options, job->f64);
    st = session_open(&s, job, options, err);
    if (st == PTL_OK)
        st = evaluate(&s, &log, path, &info, err);
    session_report_times(&s);
    session_close(&s);
    log_close(&log);
    return st;
}
