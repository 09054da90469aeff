/*
 * session.c - data, tensors and programs of a job, held together.
 */
#include "train/session.h"
#include "base/clock.h"
#include "base/trace.h"
#include "runtime/device.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

ptl_status session_open(session *s, ptl_job *job, const train_options *options,
                        ptl_error *err)
{
    *s = (session){.job = job, .options = options};
    s->output = options->output ? options->output : stdout;
    s->notes = options->notes ? options->notes : stderr;
    return pool_open(options->threads, &s->pool, err);
}

static void program_free(session_program *p)
{
    if (!p)
        return;
    run_close(p->run);
    if (p->program && p->program->release)
        p->program->release(p->program);
    free(p->field_of);
    free(p);
}

void session_close(session *s)
{
    for (int i = 0; i < s->program_count; i++)
        program_free(s->programs[i]);
    data_close(s->train);
    data_close(s->eval);
    device_block_close(s->copy);
    store_fini(&s->store);
    memory_unmap(s->arena, s->arena_bytes);
    pool_close(s->pool);
}

data_options session_data_options(const session *s)
{
    return (data_options){.f64 = s->job->f64, .skip_bad = s->options->skip_bad};
}

ptl_status session_data(session *s, const ptl_job_source *source,
                        ptl_dataset **out, ptl_error *err)
{
    data_options options = session_data_options(s);
    double start = clock_seconds();
    ptl_status st = data_open(source, &options, out, err);
    s->data_s += clock_seconds() - start;
    trace_span("start", "read data", start);
    return st;
}

void session_forget(session *s, ptl_program_kind kind)
{
    int kept = 0;
    for (int i = 0; i < s->program_count; i++)
        if (s->programs[i]->kind == kind)
            program_free(s->programs[i]);
        else
            s->programs[kept++] = s->programs[i];
    s->program_count = kept;
    if (kept > 0)
        return;
    memory_unmap(s->arena, s->arena_bytes);
    s->arena = NULL;
    s->arena_bytes = 0;
}

static int raw_named(const ptl_job_tensor *raw, int raw_count, const char *name)
{
    for (int i = 0; i < raw_count; i++)
        if (strcmp(raw[i].path, name) == 0)
            return i;
    return -1;
}

/* Is buffer `b` a batch of `rows` records of the raw field? */
static bool fits_field(const ptl_buffer *b, const ptl_job_tensor *raw,
                       int64_t rows)
{
    return b->dtype == raw->dtype && b->rank == raw->rank + 1 &&
           b->dims[0] == rows &&
           memcmp(b->dims + 1, raw->dims,
                  (size_t)raw->rank * sizeof *raw->dims) == 0;
}

/* The halves of a step also take what the loop has: see job.h. */
static bool is_field(const session_program *p, const ptl_buffer *b)
{
    return p->kind != PTL_PROGRAM_UPDATE && p->kind != PTL_PROGRAM_METRICS &&
           strncmp(b->name, PTL_OWN_PREFIX, strlen(PTL_OWN_PREFIX)) != 0;
}

static ptl_status map_fields(session_program *p, const ptl_job_tensor *raw,
                             int raw_count, ptl_error *err)
{
    const ptl_program *program = p->program;
    p->field_of = calloc((size_t)program->buffer_count + 1, sizeof(int));
    if (!p->field_of)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a program");
    for (int i = 0; i < program->buffer_count; i++) {
        const ptl_buffer *b = &program->buffers[i];
        p->field_of[i] = -1;
        if (b->role != PTL_ROLE_DATA || !is_field(p, b))
            continue;
        int field = raw_named(raw, raw_count, b->name);
        if (field < 0)
            return ptl_fail(err, PTL_E_DATA,
                            "the program reads raw.%s, which no data gives",
                            b->name);
        if (!fits_field(b, &raw[field], p->rows))
            return ptl_fail(err, PTL_E_INTERNAL,
                            "program \"%s\" takes raw.%s in another shape",
                            program->name, b->name);
        p->field_of[i] = field;
    }
    return PTL_OK;
}

static int find_output(const ptl_program *program, const char *name)
{
    int i = program_find(program, name);
    if (i < 0 || program->buffers[i].role != PTL_ROLE_OUTPUT ||
        program->buffers[i].rank != 0)
        return -1;
    return i;
}

/* Makes the arena large enough for `p`; what stands in it is lost. */
static ptl_status share_arena(session *s, session_program *p, ptl_error *err)
{
    size_t wanted = program_memory_of(p->program).arena;
    if (wanted > s->arena_bytes) {
        memory_unmap(s->arena, s->arena_bytes);
        s->arena = memory_map(wanted);
        s->arena_bytes = s->arena ? wanted : 0;
        for (int i = 0; i < s->program_count && s->arena; i++)
            run_give_arena(s->programs[i]->run, s->arena);
    }
    if (!s->arena)
        return run_no_arena(p->program, err);
    run_give_arena(p->run, s->arena);
    return PTL_OK;
}

static ptl_status build(session *s, session_program *p,
                        const ptl_job_tensor *raw, int raw_count,
                        ptl_error *err)
{
    double start = clock_seconds();
    ptl_status st = s->job->build(s->job, p->kind, p->rows, raw, raw_count,
                                  &p->program, err);
    s->compile_s += clock_seconds() - start;
    trace_span("start", "compile", start);
    if (st == PTL_OK)
        st = map_fields(p, raw, raw_count, err);
    if (st == PTL_OK)
        st = run_open_without(p->program, s->pool, &p->run, err);
    if (st == PTL_OK)
        st = share_arena(s, p, err);
    if (st == PTL_OK && s->store.block)
        st = store_bind(&s->store, p->run, err);
    if (st != PTL_OK)
        return st;
    p->loss = find_output(p->program, "loss");
    p->lr = find_output(p->program, "lr");
    if (s->options->profile)
        run_profile(p->run, true);
    return PTL_OK;
}

ptl_status session_build(session *s, ptl_program_kind kind, int64_t rows,
                         const ptl_job_tensor *raw, int raw_count,
                         session_program **out, ptl_error *err)
{
    for (int i = 0; i < s->program_count; i++)
        if (s->programs[i]->kind == kind && s->programs[i]->rows == rows) {
            *out = s->programs[i];
            return PTL_OK;
        }
    PTL_ASSERT(s->program_count <
               (int)(sizeof s->programs / sizeof *s->programs));
    session_program *p = calloc(1, sizeof *p);
    if (!p)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a program");
    p->kind = kind;
    p->rows = rows;
    ptl_status st = build(s, p, raw, raw_count, err);
    if (st != PTL_OK) {
        program_free(p);
        return st;
    }
    *out = s->programs[s->program_count++] = p;
    return PTL_OK;
}

ptl_status session_build_for(session *s, ptl_program_kind kind, int64_t rows,
                             const ptl_dataset *data, session_program **out,
                             ptl_error *err)
{
    int count;
    const ptl_job_tensor *raw = data_raw(data, &count);
    return session_build(s, kind, rows, raw, count, out, err);
}

void session_bind_fields(session_program *p, void *const *fields)
{
    for (int i = 0; i < p->program->buffer_count; i++)
        if (p->field_of[i] >= 0)
            run_bind(p->run, i, fields[p->field_of[i]]);
}

double session_scalar(const session_program *p, int buffer)
{
    if (buffer < 0)
        return (double)NAN;
    const void *at = run_data(p->run, buffer);
    switch (p->program->buffers[buffer].dtype) {
    case PTL_F32:
        return (double)*(const float *)at;
    case PTL_F64:
        return *(const double *)at;
    case PTL_I32:
        return (double)*(const int32_t *)at;
    case PTL_I64:
        return (double)*(const int64_t *)at;
    default:
        return (double)*(const unsigned char *)at;
    }
}

void session_set_scalars(const session *s, session_program *p, int64_t step,
                         int64_t epoch, int64_t total_steps)
{
    run_set(p->run, "step", step);
    run_set(p->run, "epoch", epoch);
    run_set(p->run, "total_steps", total_steps);
    run_set(p->run, "row0", 0);
    run_set(p->run, "average_from", s->average_from);
    run_set(p->run, "seed", (int64_t)s->job->seed);
}

void session_report_times(const session *s)
{
    if (s->options->time)
        fprintf(s->notes, "  %9.3f s  read data\n  %9.3f s  compile\n",
                s->data_s, s->compile_s);
}

int64_t session_bytes(const session *s)
{
    size_t bytes = memory_padded(s->store.block_bytes) + s->arena_bytes;
    for (int i = 0; i < s->program_count; i++)
        bytes += program_memory_of(s->programs[i]->program).fixed;
    return (int64_t)bytes;
}

ptl_status session_load(session *s, const char *path, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int i = 0; i < s->program_count && st == PTL_OK; i++)
        st = store_add(&s->store, s->programs[i]->program, err);
    if (st == PTL_OK)
        st = store_allocate(&s->store, err);
    if (st == PTL_OK)
        st = session_place(s, err);
    if (st == PTL_OK)
        st = checkpoint_load(path, &s->store, false, err);
    for (int i = 0; i < s->program_count && st == PTL_OK; i++)
        st = store_bind(&s->store, s->programs[i]->run, err);
    return st;
}

ptl_status session_find_from(const train_options *options,
                             char path[CHECKPOINT_PATH], checkpoint_info *info,
                             ptl_error *err)
{
    if (!options->from)
        return ptl_fail(err, PTL_E_USAGE, "--from is missing");
    ptl_status st = checkpoint_find(options->from, path, err);
    return st == PTL_OK ? checkpoint_read_info(path, info, err) : st;
}
