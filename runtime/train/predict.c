/*
 * predict.c - `predict`: a checkpoint's parameters on records from npy files.
 */
#include "base/integer.h"
#include "base/str.h"
#include "train/checkpoint.h"
#include "train/session.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 64 };

/* What goes in, and what came out of each batch. */
typedef struct prediction {
    session *s;
    int inputs, outputs;
    data_array arrays[MAX_FILES];
    ptl_job_tensor raw[MAX_FILES];
    const char *output_path[MAX_FILES];
    const char *output_name[MAX_FILES]; /* NULL: the only one */
    char *results[MAX_FILES];           /* all records */
    size_t record_bytes[MAX_FILES];
    int64_t rows;
    void *fields[MAX_FILES];
    int64_t batch;
} prediction;

/* Cuts "NAME=PATH"; NAME is copied, NULL: there is none. A '=' behind a '/'
 * belongs to the path. */
static char *cut_name(const char *text, const char **path)
{
    const char *equals = strchr(text, '='), *slash = strchr(text, '/');
    if (!equals || (slash && slash < equals)) {
        *path = text;
        return NULL;
    }
    *path = equals + 1;
    return strndup(text, (size_t)(equals - text));
}

/* A lone input without a name is the job's only field. */
static const char *only_field(const ptl_job *job)
{
    return job->train.array_count == 1 ? job->train.arrays[0].field : NULL;
}

static ptl_status read_input(prediction *p, const char *text, ptl_error *err)
{
    const char *path;
    data_array *a = &p->arrays[p->inputs];
    char *name = cut_name(text, &path);
    ptl_status st = data_read_npy(path, p->s->job->f64, a, err);
    if (st != PTL_OK) {
        free(name);
        return st;
    }
    p->inputs++;
    if (!name && only_field(p->s->job))
        name = strdup(only_field(p->s->job));
    a->field = name;
    if (p->inputs > 1 && a->rows != p->arrays[0].rows)
        return ptl_fail(err, PTL_E_DATA, "\"%s\" has %lld records, \"%s\" %lld",
                        p->arrays[0].path, (long long)p->arrays[0].rows,
                        a->path, (long long)a->rows);
    p->rows = a->rows;
    if (a->rows < 1)
        return ptl_fail(err, PTL_E_DATA, "\"%s\": no records", path);
    return PTL_OK;
}

/* "`a`, `b`": the raw fields. */
static void list_fields(const ptl_job *job, ptl_str *out)
{
    for (int f = 0; f < job->train.array_count; f++)
        str_printf(out, "%s`%s`", f ? ", " : "", job->train.arrays[f].field);
}

static ptl_status check_name(const ptl_job *job, const data_array *a,
                             ptl_error *err)
{
    ptl_str fields = {0};
    ptl_status st;
    for (int f = 0; f < job->train.array_count; f++)
        if (!a->field || strcmp(a->field, job->train.arrays[f].field) == 0)
            return PTL_OK;
    list_fields(job, &fields);
    st = ptl_fail(err, PTL_E_USAGE,
                  "--input %s=%s: the raw fields are %s, and none is `%s`",
                  a->field, a->path, str_text(&fields), a->field);
    str_fini(&fields);
    return st;
}

/* An input without a name takes the first field no other input names. */
static ptl_status name_inputs(prediction *p, ptl_error *err)
{
    const ptl_job *job = p->s->job;
    for (int i = 0; i < p->inputs; i++) {
        data_array *a = &p->arrays[i];
        ptl_status st = check_name(job, a, err);
        if (st != PTL_OK)
            return st;
        for (int f = 0; !a->field && f < job->train.array_count; f++) {
            bool taken = false;
            for (int k = 0; k < p->inputs; k++)
                taken = taken || (p->arrays[k].field &&
                                  strcmp(p->arrays[k].field,
                                         job->train.arrays[f].field) == 0);
            if (!taken)
                a->field = strdup(job->train.arrays[f].field);
        }
        if (!a->field)
            return ptl_fail(err, PTL_E_USAGE,
                            "--input %s: no field is left to take it", a->path);
        p->raw[i] = (ptl_job_tensor){.path = a->field,
                                     .role = PTL_ROLE_DATA,
                                     .dtype = a->dtype,
                                     .rank = a->rank};
        memcpy(p->raw[i].dims, a->dims, sizeof a->dims);
    }
    return PTL_OK;
}

static ptl_status check_bounds(const prediction *p, const ptl_program *program,
                               ptl_error *err)
{
    for (int i = 0; i < program->buffer_count; i++) {
        const ptl_buffer *b = &program->buffers[i];
        for (int k = 0;
             b->role == PTL_ROLE_DATA && b->idx_bound && k < p->inputs; k++) {
            const data_array *a = &p->arrays[k];
            if (strcmp(a->field, b->name) != 0)
                continue;
            ptl_status st = data_array_check(a, b->idx_bound, err);
            if (st != PTL_OK)
                return st;
        }
    }
    return PTL_OK;
}

/* The index of the output that file `i` asks for. */
static int find_result(const prediction *p, const ptl_program *program, int i)
{
    int only = -1, count = 0;
    for (int k = 0; k < program->buffer_count; k++) {
        const ptl_buffer *b = &program->buffers[k];
        if (b->role != PTL_ROLE_OUTPUT)
            continue;
        if (p->output_name[i] && strcmp(b->name, p->output_name[i]) == 0)
            return k;
        only = k;
        count++;
    }
    return !p->output_name[i] && count == 1 ? only : -1;
}

static ptl_status no_result(const prediction *p, const ptl_program *program,
                            int i, ptl_error *err)
{
    ptl_str names = {0};
    const char *name = p->output_name[i];
    for (int k = 0; k < program->buffer_count; k++)
        if (program->buffers[k].role == PTL_ROLE_OUTPUT)
            str_printf(&names, "%s`%s`", names.length ? ", " : "",
                       program->buffers[k].name);
    ptl_status st = ptl_fail(
        err, PTL_E_USAGE, "--output %s%s%s: the model's results are %s%s",
        name ? name : "", name ? "=" : "", p->output_path[i], str_text(&names),
        name ? "" : "; say which, as in NAME=y.npy");
    str_fini(&names);
    return st;
}

static ptl_status plan_outputs(prediction *p, const ptl_program *program,
                               ptl_error *err)
{
    for (int i = 0; i < p->outputs; i++) {
        int k = find_result(p, program, i);
        if (k < 0)
            return no_result(p, program, i, err);
        const ptl_buffer *b = &program->buffers[k];
        if (b->rank < 1 || b->dims[0] != p->batch)
            return ptl_fail(err, PTL_E_DATA,
                            "result \"%s\" does not have one row for each "
                            "record",
                            b->name);
        p->record_bytes[i] = (size_t)(b->size_bytes / b->dims[0]);
        p->results[i] = malloc(p->record_bytes[i] * (size_t)p->rows + 1);
        if (!p->results[i])
            return ptl_fail(err, PTL_E_MEMORY, "no memory for the results");
    }
    return PTL_OK;
}

static ptl_status predict_batch(prediction *p, int64_t first, int64_t count,
                                ptl_error *err)
{
    session_program *program;
    ptl_status st = session_build(p->s, PTL_PROGRAM_PREDICT, count, p->raw,
                                  p->inputs, &program, err);
    if (st != PTL_OK)
        return st;
    for (int i = 0; i < p->inputs; i++) {
        size_t size = p->arrays[i].record_bytes;
        memcpy(p->fields[i], p->arrays[i].bytes + (size_t)first * size,
               (size_t)count * size);
    }
    session_bind_fields(program, p->fields);
    session_set_scalars(p->s, program, 0, 0, 1);
    st = run_execute(program->run, err);
    for (int i = 0; i < p->outputs && st == PTL_OK; i++)
        memcpy(p->results[i] + (size_t)first * p->record_bytes[i],
               run_data(program->run, find_result(p, program->program, i)),
               (size_t)count * p->record_bytes[i]);
    return st;
}

static ptl_status write_outputs(prediction *p, const ptl_program *program,
                                ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int i = 0; i < p->outputs && st == PTL_OK; i++) {
        const ptl_buffer *b = &program->buffers[find_result(p, program, i)];
        int64_t dims[PTL_MAX_RANK];
        memcpy(dims, b->dims, sizeof dims);
        dims[0] = p->rows;
        st = data_write_npy(p->output_path[i], b->dtype, b->rank, dims,
                            p->results[i], err);
    }
    return st;
}

static ptl_status predict(prediction *p, const char *from, ptl_error *err)
{
    session_program *program;
    p->batch = int_min(p->s->job->batch > 0 ? p->s->job->batch : 1, p->rows);
    ptl_status st = name_inputs(p, err);
    if (st == PTL_OK)
        st = session_build(p->s, PTL_PROGRAM_PREDICT, p->batch, p->raw,
                           p->inputs, &program, err);
    if (st == PTL_OK)
        st = check_bounds(p, program->program, err);
    if (st == PTL_OK)
        st = plan_outputs(p, program->program, err);
    if (st == PTL_OK)
        st = session_load(p->s, from, err);
    for (int i = 0; i < p->inputs && st == PTL_OK; i++) {
        p->fields[i] = memory_map((size_t)p->batch * p->arrays[i].record_bytes);
        if (!p->fields[i])
            st = ptl_fail(err, PTL_E_MEMORY, "no memory for a batch");
    }
    for (int64_t at = 0; at < p->rows && st == PTL_OK; at += p->batch)
        st = predict_batch(p, at, int_min(p->batch, p->rows - at), err);
    return st == PTL_OK ? write_outputs(p, program->program, err) : st;
}

static void prediction_fini(prediction *p)
{
    for (int i = 0; i < p->inputs; i++) {
        memory_unmap(p->fields[i],
                     (size_t)p->batch * p->arrays[i].record_bytes);
        data_array_fini(&p->arrays[i]);
    }
    for (int i = 0; i < p->outputs; i++) {
        free(p->results[i]);
        free((char *)p->output_name[i]);
    }
}

ptl_status train_predict(ptl_job *job, const train_options *options,
                         const train_predict_files *files, ptl_error *err)
{
    char from[CHECKPOINT_PATH];
    checkpoint_info info;
    session s;
    prediction p = {.s = &s};
    if (files->input_count < 1 || files->input_count > MAX_FILES ||
        files->output_count < 1 || files->output_count > MAX_FILES)
        return ptl_fail(err, PTL_E_USAGE,
                        "predict takes 1 to %d inputs and outputs", MAX_FILES);
    ptl_status st = session_find_from(options, from, &info, err);
    if (st != PTL_OK)
        return st;
    st = session_open(&s, job, options, err);
    for (int i = 0; i < files->input_count && st == PTL_OK; i++)
        st = read_input(&p, files->inputs[i], err);
    for (; p.outputs < files->output_count; p.outputs++)
        p.output_name[p.outputs] =
            cut_name(files->outputs[p.outputs], &p.output_path[p.outputs]);
    if (st == PTL_OK)
        st = predict(&p, from, err);
    prediction_fini(&p);
    session_report_times(&s);
    session_close(&s);
    return st;
}
