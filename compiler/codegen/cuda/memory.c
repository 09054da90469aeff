/*
 * memory.c - loads and stores: each thread the element of its lane.
 */
#include "codegen/cuda/internal.h"
#include <inttypes.h>

const char *cuda_memory_type(ptl_dtype dtype)
{
    switch (dtype) {
    case PTL_F32:
        return "f32";
    case PTL_F64:
        return "f64";
    case PTL_I32:
        return "i32";
    case PTL_I64:
        return "i64";
    case PTL_U8:
    case PTL_BOOL:
        return "u8";
    case PTL_DTYPE_COUNT:
        break;
    }
    PTL_ASSERT(!"a dtype");
    return NULL;
}

static void write_element(cuda_writer *w, const kern_memory *at, int lanes)
{
    str_printf(w->out, "b%d[", at->buffer);
    cuda_use(w, at->offset);
    if (at->offsets) {
        str_add(w->out, " + ");
        cuda_use(w, at->offsets);
    } else if (lanes > 1 && at->stride == 1) {
        str_add(w->out, " + lane");
    } else if (lanes > 1 && at->stride) {
        str_printf(w->out, " + %" PRId64 "ll * lane", at->stride);
    }
    str_addc(w->out, ']');
}

/* Which threads of a group take part; nothing where all do. */
static bool write_condition(cuda_writer *w, const kern_memory *at, int lanes)
{
    bool fewer = lanes > 1 && lanes < w->shape.lanes;
    if (fewer)
        str_printf(w->out, "lane < %d", lanes);
    if (at->mask) {
        str_add(w->out, fewer ? " && " : "");
        cuda_use(w, at->mask);
    }
    return fewer || at->mask;
}

void cuda_load(cuda_writer *w, const kern_value *v)
{
    const kern_memory *at = &v->memory;
    ptl_dtype dtype = w->kernel->buffers.data[at->buffer].dtype;
    bool some = write_condition(w, at, v->lanes);
    str_add(w->out, some ? " ? " : "");
    if (dtype == PTL_U8)
        str_add(w->out, "(i32)");
    write_element(w, at, v->lanes);
    if (dtype == PTL_BOOL)
        str_add(w->out, " != 0");
    if (!some)
        return;
    str_add(w->out, " : ");
    if (at->other)
        cuda_use(w, at->other);
    else
        str_printf(w->out, "(%s)0", cuda_type(v->type));
}

static void synchronize(cuda_writer *w, int buffer)
{
    if (!w->shared[buffer] || w->shape.lanes <= 1)
        return;
    cuda_indent(w);
    str_add(w->out, "__syncwarp(members);\n");
}

void cuda_store(cuda_writer *w, const kern_stmt *s)
{
    const kern_memory *at = &s->memory;
    int lanes = s->value->lanes;
    ptl_str condition = {0}, *out = w->out;
    w->out = &condition;
    bool some = write_condition(w, at, lanes);
    w->out = out;
    synchronize(w, at->buffer);
    cuda_indent(w);
    if (lanes == 1 && w->shape.lanes > 1)
        str_printf(w->out, "if (lane == 0%s%s) ", some ? " && " : "",
                   str_text(&condition));
    else if (some)
        str_printf(w->out, "if (%s) ", str_text(&condition));
    write_element(w, at, lanes);
    str_add(w->out, " = ");
    cuda_use(w, s->value);
    str_add(w->out, ";\n");
    synchronize(w, at->buffer);
    str_fini(&condition);
}
