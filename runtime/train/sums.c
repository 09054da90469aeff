/*
 * sums.c - accumulators of metrics: added up batch by batch, then their values.
 */
#include "train/evaluate.h"
#include <stdlib.h>

static int64_t total_count(const ptl_job *job)
{
    int64_t count = 0;
    for (int i = 0; i < job->sum_count; i++)
        count += job_tensor_elements(&job->sums[i]);
    return count;
}

ptl_status sums_open(evaluation *e, session *s, const ptl_dataset *data,
                     ptl_error *err)
{
    const ptl_job *job = s->job;
    if (!job->sum_count)
        return PTL_OK;
    e->sums = calloc((size_t)total_count(job) + 1, sizeof *e->sums);
    if (!e->sums)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for evaluation");
    return session_build_for(s, PTL_PROGRAM_METRICS, e->batch, data,
                             &e->of_sums, err);
}

void sums_clear(evaluation *e, const session *s)
{
    int64_t count = total_count(s->job);
    for (int64_t i = 0; i < count; i++)
        e->sums[i] = 0;
}

void sums_add(evaluation *e, const session *s, const session_program *p)
{
    double *to = e->sums;
    for (int i = 0; i < s->job->sum_count; i++) {
        int64_t count = job_tensor_elements(&s->job->sums[i]);
        int buffer = program_find(p->program, s->job->sums[i].path);
        const void *from = run_data(p->run, buffer);
        for (int64_t k = 0; k < count; k++)
            to[k] += s->job->f64 ? ((const double *)from)[k]
                                 : (double)((const float *)from)[k];
        to += count;
    }
}

/* The sums stand where the program reads them as reals of the job. */
static void bind_sums(evaluation *e, const session *s)
{
    const ptl_program *program = e->of_sums->program;
    char *at = e->sum_memory;
    const double *from = e->sums;
    for (int i = 0; i < s->job->sum_count; i++) {
        int64_t count = job_tensor_elements(&s->job->sums[i]);
        int buffer = program_find(program, s->job->sums[i].path);
        for (int64_t k = 0; k < count; k++) {
            if (s->job->f64)
                ((double *)(void *)at)[k] = from[k];
            else
                ((float *)(void *)at)[k] = (float)from[k];
        }
        if (buffer >= 0)
            run_bind(e->of_sums->run, buffer, at);
        at += memory_padded((size_t)count * sizeof(double));
        from += count;
    }
}

ptl_status sums_values(evaluation *e, const session *s, ptl_error *err)
{
    bind_sums(e, s);
    ptl_status st = run_execute(e->of_sums->run, err);
    for (int i = 0; i < s->job->metric_count && st == PTL_OK; i++) {
        const char *name = s->job->metrics[i];
        if (s->job->summed[i])
            e->values[i + 1] = session_scalar(
                e->of_sums, program_find(e->of_sums->program, name));
    }
    return st;
}

size_t sums_bytes(const session *s)
{
    size_t bytes = 0;
    for (int i = 0; i < s->job->sum_count; i++)
        bytes += memory_padded((size_t)job_tensor_elements(&s->job->sums[i]) *
                               sizeof(double));
    return bytes;
}
