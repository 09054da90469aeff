/*
 * cmd_grad.c - `ptlc grad FILE --inputs in.safetensors --out g.safetensors`:
 * one forward and backward pass at step 0, through the compiled kernels.
 *
 * What a file of weights does not hold is initialised as training would.
 */
#include "job_build.h"
#include "runtime/pool.h"
#include "runtime/run.h"
#include "runtime/tensor_file.h"
#include <string.h>

/* A buffer that this command keeps: a parameter, state, slot or field. */
typedef struct kept {
    const ptl_buffer *buffer;
    void *memory;
} kept;

typedef struct grad_pass {
    driver *d;
    ptl_job *job;
    ptl_pool *pool;
    tensor_file *inputs, *weights; /* weights may be NULL */
    ptl_program *init, *grad;
    ptl_run *init_run, *grad_run;
    VEC(kept) kept;
    int64_t rows;
} grad_pass;

static bool is_real(ptl_dtype dtype)
{
    return dtype == PTL_F32 || dtype == PTL_F64;
}

static int64_t element_count(const ptl_buffer *b)
{
    return b->size_bytes / dtype_size(b->dtype);
}

/* ---------- filling ---------- */

static ptl_status wrong_shape(const char *path, const ptl_buffer *b,
                              const tensor_entry *t, ptl_error *err)
{
    ptl_str s = {0};
    ptl_status st;
    str_printf(&s, "\"%s\": %s has shape [", path, b->name);
    for (int i = 0; i < t->rank; i++)
        str_printf(&s, "%s%lld", i ? ", " : "", (long long)t->dims[i]);
    str_add(&s, "] where [");
    for (int i = 0; i < b->rank; i++)
        str_printf(&s, "%s%lld", i ? ", " : "", (long long)b->dims[i]);
    str_add(&s, "] is wanted");
    st = ptl_fail(err, PTL_E_DATA, "%s", str_text(&s));
    str_fini(&s);
    return st;
}

static ptl_status copy_in(const char *path, const ptl_buffer *b,
                          const tensor_entry *t, void *memory, ptl_error *err)
{
    if (t->rank != b->rank ||
        memcmp(t->dims, b->dims, sizeof *t->dims * (size_t)t->rank))
        return wrong_shape(path, b, t, err);
    if (is_real(b->dtype) != is_real(t->dtype))
        return ptl_fail(err, PTL_E_DATA, "\"%s\": %s is %s where %s is wanted",
                        path, b->name, dtype_name(t->dtype),
                        dtype_name(b->dtype));
    for (int64_t i = 0; i < element_count(b); i++) {
        double x = dtype_get(t->dtype, t->bytes, i);
        if (b->idx_bound && (x < 0 || x >= (double)b->idx_bound))
            return ptl_fail(err, PTL_E_DATA,
                            "\"%s\": %s, element %lld is %.0f, outside [0, "
                            "%lld)",
                            path, b->name, (long long)i, x,
                            (long long)b->idx_bound);
        dtype_put(b->dtype, memory, i, x);
    }
    return PTL_OK;
}

static void *kept_memory(grad_pass *p, const ptl_buffer *b)
{
    kept k = {.buffer = b};
    for (int i = 0; i < p->kept.count; i++)
        if (!strcmp(p->kept.data[i].buffer->name, b->name))
            return p->kept.data[i].memory;
    k.memory = memory_map((size_t)b->size_bytes);
    if (k.memory)
        vec_push(p->d->arena, &p->kept, k);
    return k.memory;
}

static bool is_persistent(const ptl_buffer *b)
{
    return b->role == PTL_ROLE_PARAM || b->role == PTL_ROLE_STATE ||
           b->role == PTL_ROLE_SLOT;
}

static ptl_status bind_all(grad_pass *p, const ptl_program *program,
                           ptl_run *run, ptl_error *err)
{
    for (int i = 0; i < program->buffer_count; i++) {
        const ptl_buffer *b = &program->buffers[i];
        void *memory;
        if (!is_persistent(b) && b->role != PTL_ROLE_DATA)
            continue;
        memory = kept_memory(p, b);
        if (!memory)
            return ptl_fail(err, PTL_E_MEMORY, "no memory for %s", b->name);
        run_bind(run, i, memory);
    }
    run_set(run, "step", 0);
    run_set(run, "seed", (int64_t)p->job->seed);
    run_set(run, "row0", 0);
    run_set(run, "epoch", 0);
    return PTL_OK;
}

static ptl_status fill_inputs(grad_pass *p, ptl_error *err)
{
    for (int i = 0; i < p->grad->buffer_count; i++) {
        const ptl_buffer *b = &p->grad->buffers[i];
        const tensor_entry *t;
        ptl_status st;
        if (b->role != PTL_ROLE_DATA)
            continue;
        t = tensor_file_find(p->inputs, b->name);
        if (!t)
            return ptl_fail(err, PTL_E_DATA, "\"%s\" has no tensor \"%s\"",
                            p->d->options.inputs, b->name);
        st = copy_in(p->d->options.inputs, b, t, kept_memory(p, b), err);
        if (st != PTL_OK)
            return st;
    }
    return PTL_OK;
}

/* Every tensor of the weights must be one of the program's. */
static ptl_status fill_weights(grad_pass *p, ptl_error *err)
{
    for (int i = 0; p->weights && i < tensor_file_count(p->weights); i++) {
        const tensor_entry *t = tensor_file_at(p->weights, i);
        const kept *k = NULL;
        ptl_status st;
        for (int j = 0; j < p->kept.count && !k; j++)
            if (is_persistent(p->kept.data[j].buffer) &&
                !strcmp(p->kept.data[j].buffer->name, t->name))
                k = &p->kept.data[j];
        if (!k)
            return ptl_fail(err, PTL_E_DATA,
                            "\"%s\": the program has no parameter or state "
                            "\"%s\"",
                            p->d->options.weights, t->name);
        st = copy_in(p->d->options.weights, k->buffer, t, k->memory, err);
        if (st != PTL_OK)
            return st;
    }
    return PTL_OK;
}

/* ---------- the pass ---------- */

/* The batch is what the inputs hold; they agree on its size. */
static ptl_status find_rows(grad_pass *p, ptl_error *err)
{
    for (int i = 0; i < tensor_file_count(p->inputs); i++) {
        const tensor_entry *t = tensor_file_at(p->inputs, i);
        if (t->rank < 1 || t->dims[0] < 1)
            return ptl_fail(err, PTL_E_DATA, "\"%s\": \"%s\" has no batch axis",
                            p->d->options.inputs, t->name);
        if (p->rows && p->rows != t->dims[0])
            return ptl_fail(err, PTL_E_DATA,
                            "\"%s\": \"%s\" has %lld records where others "
                            "have %lld",
                            p->d->options.inputs, t->name,
                            (long long)t->dims[0], (long long)p->rows);
        p->rows = t->dims[0];
    }
    if (!p->rows)
        p->rows = p->job->batch;
    return PTL_OK;
}

static ptl_status open_files(grad_pass *p, ptl_error *err)
{
    const driver_options *o = &p->d->options;
    ptl_status st = tensor_file_open(o->inputs, &p->inputs, err);
    if (st == PTL_OK && o->weights)
        st = tensor_file_open(o->weights, &p->weights, err);
    return st == PTL_OK ? find_rows(p, err) : st;
}

static ptl_status build_both(grad_pass *p, ptl_error *err)
{
    int threads =
        p->d->options.threads.given ? (int)p->d->options.threads.value : 0;
    ptl_status st = pool_open(threads, &p->pool, err);
    if (st == PTL_OK)
        st = p->job->build(p->job, PTL_PROGRAM_INIT, p->rows, NULL, 0, &p->init,
                           err);
    if (st == PTL_OK)
        st = p->job->build(p->job, PTL_PROGRAM_GRAD, p->rows, NULL, 0, &p->grad,
                           err);
    if (st == PTL_OK)
        st = run_open(p->init, p->pool, &p->init_run, err);
    if (st == PTL_OK)
        st = run_open(p->grad, p->pool, &p->grad_run, err);
    return st;
}

static ptl_status run_both(grad_pass *p, ptl_error *err)
{
    ptl_status st = bind_all(p, p->init, p->init_run, err);
    if (st == PTL_OK)
        st = bind_all(p, p->grad, p->grad_run, err);
    if (st == PTL_OK)
        st = run_execute(p->init_run, err);
    if (st == PTL_OK)
        st = fill_weights(p, err);
    if (st == PTL_OK)
        st = fill_inputs(p, err);
    return st == PTL_OK ? run_execute(p->grad_run, err) : st;
}

static ptl_status write_outputs(grad_pass *p, ptl_error *err)
{
    VEC(tensor_entry) out = {0};
    for (int i = 0; i < p->grad->buffer_count; i++) {
        const ptl_buffer *b = &p->grad->buffers[i];
        tensor_entry t = {.name = b->name,
                          .dtype = b->dtype,
                          .rank = b->rank,
                          .size = (size_t)b->size_bytes};
        if (b->role != PTL_ROLE_OUTPUT)
            continue;
        memcpy(t.dims, b->dims, sizeof t.dims);
        t.bytes = run_data(p->grad_run, i);
        vec_push(p->d->arena, &out, t);
    }
    return tensor_file_write(p->d->options.out, out.data, out.count, NULL, err);
}

static void release(ptl_program *program)
{
    if (program && program->release)
        program->release(program);
}

static void close_pass(grad_pass *p)
{
    run_close(p->init_run);
    run_close(p->grad_run);
    for (int i = 0; i < p->kept.count; i++)
        memory_unmap(p->kept.data[i].memory,
                     (size_t)p->kept.data[i].buffer->size_bytes);
    release(p->init);
    release(p->grad);
    pool_close(p->pool);
    tensor_file_close(p->inputs);
    tensor_file_close(p->weights);
}

static ptl_status carry_out(driver *d, ptl_job *job, ptl_error *err)
{
    grad_pass p = {.d = d, .job = job};
    ptl_status st = open_files(&p, err);
    if (st == PTL_OK)
        st = build_both(&p, err);
    driver_phase(d, "compile");
    if (st == PTL_OK)
        st = run_both(&p, err);
    driver_phase(d, "forward and backward");
    if (st == PTL_OK)
        st = write_outputs(&p, err);
    driver_phase(d, "write");
    close_pass(&p);
    return st;
}

int cmd_grad(driver *d)
{
    ptl_error err = {0};
    ptl_job *job = NULL;
    ptl_status st;
    int wrong = driver_check_options(d, "grad");
    if (wrong != 0)
        return wrong;
    if (d->args.count != 1)
        return driver_usage("grad", "it takes one FILE");
    if (!d->options.inputs || !d->options.out)
        return driver_usage("grad", "it wants --inputs and --out");
    st = job_open(d, d->args.data[0], &job, &err);
    if (st == PTL_OK) {
        st = carry_out(d, job, &err);
        job->free(job);
    }
    wrong = driver_report(d);
    if (wrong != EXIT_DONE)
        return wrong;
    return st == PTL_OK ? EXIT_DONE : driver_fail(&err);
}
