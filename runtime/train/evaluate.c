/*
 * evaluate.c - batch by batch through the eval programs.
 */
#include "train/evaluate.h"
#include <stdlib.h>

static ptl_status take_memory(evaluation *e, const session *s,
                              const ptl_dataset *data, ptl_error *err)
{
    int fields;
    data_raw(data, &fields);
    for (int i = 0; i < fields; i++)
        e->memory_bytes += memory_padded((size_t)e->batch *
                                         data_array_at(data, i)->record_bytes);
    e->memory_bytes += sums_bytes(s);
    e->memory = memory_map(e->memory_bytes);
    e->fields = calloc((size_t)fields + 1, sizeof *e->fields);
    e->values = calloc((size_t)e->count, sizeof *e->values);
    if (!e->memory || !e->fields || !e->values)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for evaluation");
    char *at = e->memory;
    for (int i = 0; i < fields; i++) {
        e->fields[i] = at;
        at += memory_padded((size_t)e->batch *
                            data_array_at(data, i)->record_bytes);
    }
    e->sum_memory = at;
    return PTL_OK;
}

/* What one batch gives: means, and accumulators. */
static ptl_status check_outputs(const session *s, const ptl_program *p,
                                ptl_error *err)
{
    const ptl_job *job = s->job;
    for (int i = 0; i < job->metric_count; i++)
        if (!job->summed[i] && program_find(p, job->metrics[i]) < 0)
            return ptl_fail(err, PTL_E_INTERNAL, "evaluation gives no \"%s\"",
                            job->metrics[i]);
    for (int i = 0; i < job->sum_count; i++)
        if (program_find(p, job->sums[i].path) < 0)
            return ptl_fail(err, PTL_E_INTERNAL, "evaluation gives no \"%s\"",
                            job->sums[i].path);
    return PTL_OK;
}

/* The programs of the full batch and of what is left at the end. */
static ptl_status build_both(evaluation *e, session *s, const ptl_dataset *data,
                             ptl_error *err)
{
    session_program *p;
    int64_t rows = data_rows(data), left = rows % e->batch;
    ptl_status st =
        session_build_for(s, PTL_PROGRAM_EVAL, e->batch, data, &p, err);
    if (st == PTL_OK && p->loss < 0)
        st = ptl_fail(err, PTL_E_INTERNAL, "evaluation gives no loss");
    if (st == PTL_OK)
        st = check_outputs(s, p->program, err);
    if (st == PTL_OK && left)
        st = session_build_for(s, PTL_PROGRAM_EVAL, left, data, &p, err);
    return st;
}

ptl_status evaluation_open(evaluation *e, session *s, const ptl_dataset *data,
                           ptl_error *err)
{
    int64_t rows = data_rows(data);
    *e = (evaluation){.batch = rows < s->job->batch ? rows : s->job->batch};
    ptl_status st = build_both(e, s, data, err);
    e->count = 1 + s->job->metric_count; /* known once a program was built */
    if (st == PTL_OK)
        st = take_memory(e, s, data, err);
    if (st == PTL_OK)
        st = sums_open(e, s, data, err);
    if (st != PTL_OK)
        evaluation_close(e);
    return st;
}

void evaluation_close(evaluation *e)
{
    memory_unmap(e->memory, e->memory_bytes);
    free(e->fields);
    free(e->values);
    free(e->sums);
    *e = (evaluation){0};
}

static ptl_status run_batch(evaluation *e, session *s, session_program *p,
                            ptl_error *err)
{
    session_bind_fields(p, e->fields);
    ptl_status st = run_execute(p->run, err);
    if (st != PTL_OK)
        return st;
    e->values[0] += session_scalar(p, p->loss) * (double)p->rows;
    for (int i = 0; i < s->job->metric_count; i++) {
        if (s->job->summed[i])
            continue;
        int buffer = program_find(p->program, s->job->metrics[i]);
        e->values[i + 1] += session_scalar(p, buffer) * (double)p->rows;
    }
    sums_add(e, s, p);
    return PTL_OK;
}

ptl_status evaluation_run(evaluation *e, session *s, const ptl_dataset *data,
                          int64_t step, int64_t epoch, int64_t total_steps,
                          ptl_error *err)
{
    int fields;
    int64_t rows = data_rows(data);
    data_raw(data, &fields);
    for (int i = 0; i < e->count; i++)
        e->values[i] = 0;
    sums_clear(e, s);
    for (int64_t first = 0; first < rows; first += e->batch) {
        int64_t count = rows - first < e->batch ? rows - first : e->batch;
        session_program *p;
        ptl_status st =
            session_build_for(s, PTL_PROGRAM_EVAL, count, data, &p, err);
        if (st != PTL_OK)
            return st;
        for (int i = 0; i < fields; i++)
            data_gather(data, i, NULL, first, count, e->fields[i]);
        session_set_scalars(s, p, step, epoch, total_steps);
        st = run_batch(e, s, p, err);
        if (st != PTL_OK)
            return st;
    }
    for (int i = 0; i < e->count; i++)
        e->values[i] /= (double)rows;
    return e->of_sums ? sums_values(e, s, err) : PTL_OK;
}
