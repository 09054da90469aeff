/*
 * loading.c - a source read by a thread of its own, and what its records will
 * be like before they are there.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "base/trace.h"
#include "data/reader.h"
#include <stdlib.h>
#include <string.h>

struct data_loading {
    const ptl_job_source *source;
    data_options options;
    pthread_t thread;
    bool started;
    /* The thread's until it was joined. */
    ptl_dataset *data;
    ptl_status status;
    ptl_error error;
    double seconds;
};

static void *load(void *arg)
{
    data_loading *l = arg;
    double start = clock_seconds();
    l->status = data_open(l->source, &l->options, &l->data, &l->error);
    l->seconds = clock_seconds() - start;
    trace_span("start", "read data", start);
    return NULL;
}

static void *load_apart(void *arg)
{
    trace_thread("data");
    return load(arg);
}

ptl_status data_load(const ptl_job_source *source, const data_options *options,
                     data_loading **out, ptl_error *err)
{
    data_loading *l = calloc(1, sizeof *l);
    if (!l)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for the data");
    l->source = source;
    l->options = *options;
    l->started = thread_start(&l->thread, load_apart, l) == 0;
    *out = l;
    return PTL_OK;
}

/* A thread that could not start is no reason to fail: the work is done here. */
static void await(data_loading *l)
{
    if (l->started)
        pthread_join(l->thread, NULL);
    else
        load(l);
}

ptl_status data_loaded(data_loading *l, ptl_dataset **out, double *seconds,
                       ptl_error *err)
{
    await(l);
    ptl_status st = l->status;
    if (st == PTL_OK)
        *out = l->data;
    else
        ptl_fail(err, st, "%s", l->error.text);
    *seconds = l->seconds;
    free(l);
    return st;
}

void data_load_abandon(data_loading *l)
{
    if (!l)
        return;
    await(l);
    data_close(l->data);
    free(l);
}

/* ---------- before they are there ---------- */

static int64_t chosen_rows(const ptl_job_source *s, int64_t rows)
{
    int64_t end = s->end < 0 ? rows : s->end;
    if (s->begin < 0 || s->begin > end || end > rows)
        return 0;
    rows = end - s->begin;
    if (s->every > 0)
        return (rows + s->every - 1) / s->every;
    if (s->except > 0)
        return rows - (rows + s->except - 1) / s->except;
    return rows;
}

bool data_preview_open(const ptl_job_source *source,
                       const data_options *options, data_preview *out)
{
    data_peeker peek = data_find_peeker(source->reader);
    *out = (data_preview){0};
    if (!peek || options->skip_bad || source->array_count < 1)
        return false;
    out->raw = calloc((size_t)source->array_count, sizeof *out->raw);
    bool known = out->raw != NULL;
    for (int i = 0; i < source->array_count && known; i++) {
        data_array a = {0};
        known = peek(&source->arrays[i], options, &a);
        out->raw[i] = data_tensor_of(&a);
        out->raw[i].path = source->arrays[i].field;
        out->rows = chosen_rows(source, a.rows);
        out->count++;
    }
    if (known && out->rows > 0)
        return true;
    data_preview_close(out);
    return false;
}

static bool equal_tensors(const ptl_job_tensor *a, const ptl_job_tensor *b)
{
    return strcmp(a->path, b->path) == 0 && a->dtype == b->dtype &&
           a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

bool data_preview_holds(const data_preview *p, const ptl_dataset *data)
{
    int count;
    const ptl_job_tensor *raw = data_raw(data, &count);
    bool same = count == p->count && data_rows(data) == p->rows;
    for (int i = 0; i < count && same; i++)
        same = equal_tensors(&raw[i], &p->raw[i]);
    return same;
}

void data_preview_close(data_preview *p)
{
    free(p->raw);
    *p = (data_preview){0};
}
