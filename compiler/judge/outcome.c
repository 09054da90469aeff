/*
 * outcome.c - see outcome.h.
 */
#include "judge/outcome.h"
#include "runtime/run.h"
#include <stdlib.h>
#include <string.h>

static const char *full_name(ptl_str *name, const judge_case *c,
                             const char *own)
{
    str_clear(name);
    str_printf(name, "%s%s", c->prefix, own);
    return str_text(name);
}

/* ---------- inputs ---------- */

static bool is_bound(const ptl_buffer *b)
{
    return b->role == PTL_ROLE_PARAM || b->role == PTL_ROLE_STATE ||
           b->role == PTL_ROLE_SLOT || b->role == PTL_ROLE_DATA;
}

static bool bind_buffer(ptl_run *run, int at, const double complex *numbers)
{
    const ptl_buffer *b = &run_program(run)->buffers[at];
    void *memory;
    if (b->role == PTL_ROLE_SCALAR) {
        run_set(run, b->name, (int64_t)creal(numbers[0]));
        return true;
    }
    memory = memory_map((size_t)b->size_bytes);
    if (!memory)
        return false;
    for (int64_t i = 0; i < b->size_bytes / dtype_size(b->dtype); i++)
        dtype_put(b->dtype, memory, i, creal(numbers[i]));
    run_bind(run, at, memory);
    return true;
}

static bool bind_case(ptl_run *run, const judge_case *c)
{
    ptl_str name = {0};
    bool bound = true;
    for (int i = 0; i < c->g->nodes.count && bound; i++) {
        const ir_node *n = c->g->nodes.data[i];
        if (n->kind != IR_INPUT)
            continue;
        int at = program_find(run_program(run), full_name(&name, c, n->name));
        if (at >= 0) /* else nothing reads it */
            bound = bind_buffer(run, at, c->v->data[n->id]);
    }
    str_fini(&name);
    return bound;
}

static void unbind(ptl_run *run)
{
    const ptl_program *p = run_program(run);
    for (int i = 0; i < p->buffer_count; i++)
        if (is_bound(&p->buffers[i]) && run_data(run, i))
            memory_unmap(run_data(run, i), (size_t)p->buffers[i].size_bytes);
}

/* ---------- outputs ---------- */

static outcome_tensor kept(const ptl_run *run, const char *name)
{
    int at = program_find(run_program(run), name);
    PTL_ASSERT(at >= 0);
    const ptl_buffer *b = &run_program(run)->buffers[at];
    outcome_tensor t = {.dtype = b->dtype,
                        .count = b->size_bytes / dtype_size(b->dtype),
                        .bytes = malloc((size_t)b->size_bytes + 1)};
    PTL_ASSERT(t.bytes);
    memcpy(t.bytes, run_data(run, at), (size_t)b->size_bytes);
    return t;
}

static void keep_outputs(const ptl_run *run, const judge_case *cases, int count,
                         outcome *out)
{
    ptl_str name = {0};
    int tensors = 0;
    for (int i = 0; i < count; i++)
        tensors += cases[i].g->outputs.count;
    out->tensors = calloc((size_t)tensors + 1, sizeof *out->tensors);
    PTL_ASSERT(out->tensors);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < cases[i].g->outputs.count; k++)
            out->tensors[out->count++] =
                kept(run, full_name(&name, &cases[i],
                                    cases[i].g->outputs.data[k].name));
    str_fini(&name);
}

ptl_status outcome_take(const ptl_program *program, ptl_pool *pool,
                        const judge_case *cases, int count, outcome *out,
                        ptl_error *err)
{
    ptl_run *run = NULL;
    ptl_status st = run_open(program, pool, &run, err);
    *out = (outcome){0};
    if (st != PTL_OK)
        return st;
    for (int i = 0; i < count && st == PTL_OK; i++)
        if (!bind_case(run, &cases[i]))
            st = ptl_fail(err, PTL_E_MEMORY,
                          "no memory for the inputs of "
                          "\"%s\"",
                          program->name);
    if (st == PTL_OK)
        st = run_execute(run, err);
    if (st == PTL_OK)
        keep_outputs(run, cases, count, out);
    unbind(run);
    run_close(run);
    return st;
}

void outcome_fini(outcome *o)
{
    for (int i = 0; i < o->count; i++)
        free(o->tensors[i].bytes);
    free(o->tensors);
    *o = (outcome){0};
}

bool outcome_equal(const outcome_tensor *a, const outcome_tensor *b)
{
    return a->dtype == b->dtype && a->count == b->count &&
           memcmp(a->bytes, b->bytes,
                  (size_t)(a->count * dtype_size(a->dtype))) == 0;
}
