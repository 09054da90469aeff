/*
 * onednn.c - see onednn.h.
 */
#include "onednn.h"
#include <stdio.h>
#include <stdlib.h>

enum { MOST_MADE = 64 };

/* What the open work made. */
static dnnl_memory_t memories[MOST_MADE];
static dnnl_primitive_t primitives[MOST_MADE];
static int memory_count, primitive_count;

void dnn_check(dnnl_status_t status, const char *call)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "oneDNN: %d from %s\n", (int)status, call);
    exit(1);
}

dnnl_engine_t dnn_engine(void)
{
    static dnnl_engine_t engine;
    if (!engine)
        DNN(dnnl_engine_create(&engine, dnnl_cpu, 0));
    return engine;
}

dnnl_stream_t dnn_stream(void)
{
    static dnnl_stream_t stream;
    if (!stream)
        DNN(dnnl_stream_create(&stream, dnn_engine(),
                               dnnl_stream_default_flags));
    return stream;
}

dnnl_memory_t dnn_memory(const dnnl_memory_desc_t *desc, void *data)
{
    dnnl_memory_t memory;
    DNN(dnnl_memory_create(&memory, desc, dnn_engine(),
                           data ? data : DNNL_MEMORY_ALLOCATE));
    PTL_ASSERT(memory_count < MOST_MADE);
    memories[memory_count++] = memory;
    return memory;
}

dnnl_primitive_t dnn_primitive(dnnl_primitive_desc_t pd)
{
    dnnl_primitive_t primitive;
    DNN(dnnl_primitive_create(&primitive, pd));
    DNN(dnnl_primitive_desc_destroy(pd));
    PTL_ASSERT(primitive_count < MOST_MADE);
    primitives[primitive_count++] = primitive;
    return primitive;
}

void dnn_release(void *unused)
{
    (void)unused;
    while (primitive_count > 0)
        DNN(dnnl_primitive_destroy(primitives[--primitive_count]));
    while (memory_count > 0)
        DNN(dnnl_memory_destroy(memories[--memory_count]));
}

const dnnl_memory_desc_t *dnn_wants(const_dnnl_primitive_desc_t pd,
                                    dnnl_query_t query)
{
    return dnnl_primitive_desc_query_md(pd, query, 0);
}

dnn_call dnn_reorder(dnnl_memory_t from, dnnl_memory_t to)
{
    const dnnl_memory_desc_t *a, *b;
    dnnl_primitive_desc_t pd;
    dnn_call call = {.args = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}},
                     .arg_count = 2};
    DNN(dnnl_memory_get_memory_desc(from, &a));
    DNN(dnnl_memory_get_memory_desc(to, &b));
    DNN(dnnl_reorder_primitive_desc_create(&pd, a, dnn_engine(), b,
                                           dnn_engine(), NULL));
    call.primitive = dnn_primitive(pd);
    return call;
}

void dnn_run(const dnn_call *calls, int count)
{
    for (int i = 0; i < count; i++)
        DNN(dnnl_primitive_execute(calls[i].primitive, dnn_stream(),
                                   calls[i].arg_count, calls[i].args));
    DNN(dnnl_stream_wait(dnn_stream()));
}
