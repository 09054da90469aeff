/*
 * text.c - kernels as functions of CUDA C.
 *
 * Needs:    a module made for a target whose lanes are threads, verified.
 * Provides: one extern "C" function a kernel, whose arguments are its buffers
 *           but for scratch, in order.
 * Keeps:    every operation and its order. Control flow depends on values of
 *           one lane alone, so a group of threads goes through it together.
 */
#include "base/embed.h"
#include "base/integer.h"
#include "codegen/cuda/internal.h"
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

enum {
    BLOCK_THREADS = 128,
    WARP = 32,
    MOST_SHARED = 48 << 10, /* bytes of a block, static */
};

void cuda_target(kern_target *out)
{
    /* Tiles are not used, but whether one would fit decides about the order of
     * K, which is the same on every target. */
    *out = (kern_target){.name = "cuda",
                         .lanes_f32 = 8,
                         .registers = 16,
                         .mr_f32 = 6,
                         .nr_f32 = 16,
                         .mr_f64 = 6,
                         .nr_f64 = 8,
                         .kc = 512,
                         .threads = true};
}

void cuda_indent(cuda_writer *w)
{
    for (int i = 0; i < w->depth; i++)
        str_add(w->out, "    ");
}

/* ---------- shape ---------- */

static void widest_of(const kern_block *block, int *lanes)
{
    for (int i = 0; block && i < block->stmts.count; i++) {
        const kern_stmt *s = block->stmts.data[i];
        if (s->value && s->value->lanes > *lanes)
            *lanes = s->value->lanes;
        for (int a = 0; s->kind == KERN_DO && a < 3; a++)
            if (s->value->args[a] && s->value->args[a]->lanes > *lanes)
                *lanes = s->value->args[a]->lanes;
        widest_of(s->body, lanes);
        widest_of(s->other_body, lanes);
    }
}

/* Of one group: the two groups of a warp begin half a round of the banks
 * apart. */
static int64_t scratch_elements(const kern_buffer *b)
{
    int64_t half = WARP / 2;
    return int_ceil_div(b->scratch, WARP) * WARP - half >= b->scratch
               ? int_ceil_div(b->scratch, WARP) * WARP - half
               : int_ceil_div(b->scratch, WARP) * WARP + half;
}

static int64_t scratch_bytes(const kern_kernel *k)
{
    int64_t bytes = 0;
    for (int i = 0; i < k->buffers.count; i++)
        if (k->buffers.data[i].scratch)
            bytes += scratch_elements(&k->buffers.data[i]) *
                     dtype_size(k->buffers.data[i].dtype);
    return bytes;
}

cuda_shape cuda_shape_of(const kern_kernel *k)
{
    cuda_shape shape = {.lanes = 1, .threads = BLOCK_THREADS};
    if (k->kind == KERN_PRODUCT) {
        cuda_product_shape(&k->product, &shape);
        return shape;
    }
    widest_of(k->body, &shape.lanes);
    int64_t bytes = scratch_bytes(k);
    while (shape.threads > WARP &&
           shape.threads / shape.lanes * bytes > MOST_SHARED)
        shape.threads /= 2;
    int64_t groups = shape.threads / shape.lanes;
    shape.shared_bytes = groups * bytes;
    PTL_ASSERT(shape.shared_bytes <= MOST_SHARED);
    bool empty = !k->body || k->body->stmts.count == 0;
    shape.blocks = empty ? 0 : int_ceil_div(k->task_count, groups);
    return shape;
}

/* ---------- statements ---------- */

enum {
    UNROLLED = 16,
    MOST_UNROLLED = 24, /* statements of a body */
};

/*
 * NVRTC unrolls a loop of few enough constant trips whole, then the loop around
 * it, and loads all they read at once: more than there are registers. Of a loop
 * of many trips it gets UNROLLED at a time.
 */
static bool is_long_and_small(const kern_stmt *s)
{
    if (s->lo->op != KERN_CONST || s->hi->op != KERN_CONST ||
        s->body->stmts.count > MOST_UNROLLED)
        return false;
    for (int i = 0; i < s->body->stmts.count; i++)
        if (s->body->stmts.data[i]->body)
            return false;
    return s->hi->integer - s->lo->integer > UNROLLED * s->step;
}

static void write_loop(cuda_writer *w, const kern_stmt *s)
{
    if (is_long_and_small(s)) {
        str_printf(w->out, "#pragma unroll %d\n", UNROLLED);
        cuda_indent(w);
    }
    str_printf(w->out, "for (i64 v%d = ", s->index->id);
    cuda_use(w, s->lo);
    str_printf(w->out, "; v%d < ", s->index->id);
    cuda_use(w, s->hi);
    str_printf(w->out, "; v%d += %" PRId64 ") {\n", s->index->id, s->step);
    cuda_block(w, s->body);
    cuda_indent(w);
    str_add(w->out, "}\n");
}

static void write_if(cuda_writer *w, const kern_stmt *s)
{
    str_add(w->out, "if (");
    cuda_use(w, s->value);
    str_add(w->out, ") {\n");
    cuda_block(w, s->body);
    cuda_indent(w);
    if (s->other_body) {
        str_add(w->out, "} else {\n");
        cuda_block(w, s->other_body);
        cuda_indent(w);
    }
    str_add(w->out, "}\n");
}

static void write_stmt(cuda_writer *w, const kern_stmt *s)
{
    if (s->kind == KERN_STORE) {
        cuda_store(w, s);
        return;
    }
    if (s->kind == KERN_DO && s->value->op == KERN_CONST)
        return;
    cuda_indent(w);
    switch (s->kind) {
    case KERN_DO:
        str_printf(w->out, "const %s v%d = ", cuda_type(s->value->type),
                   s->value->id);
        cuda_expression(w, s->value);
        str_add(w->out, ";\n");
        return;
    case KERN_SET:
        str_printf(w->out, "l%d = ", s->local->id);
        cuda_use(w, s->value);
        str_add(w->out, ";\n");
        return;
    case KERN_LOOP:
        write_loop(w, s);
        return;
    case KERN_IF:
        write_if(w, s);
        return;
    case KERN_STORE:
        return;
    }
}

void cuda_block(cuda_writer *w, const kern_block *block)
{
    w->depth++;
    for (int i = 0; i < block->stmts.count; i++)
        write_stmt(w, block->stmts.data[i]);
    w->depth--;
}

static void note_locals(const kern_block *block, const kern_local **locals)
{
    for (int i = 0; block && i < block->stmts.count; i++) {
        const kern_stmt *s = block->stmts.data[i];
        if (s->local)
            locals[s->local->id] = s->local;
        note_locals(s->body, locals);
        note_locals(s->other_body, locals);
    }
}

void cuda_locals(cuda_writer *w, const kern_block *block)
{
    ptl_arena *scratch = arena_new();
    int count = w->kernel->local_count;
    const kern_local **locals =
        ARENA_ARRAY(scratch, const kern_local *, count + 1);
    note_locals(block, locals);
    for (int i = 0; i < count; i++)
        if (locals[i])
            str_printf(w->out, "    %s l%d;\n", cuda_type(locals[i]->type), i);
    arena_free(scratch);
}

/* ---------- kernels ---------- */

void cuda_kernel_name(const kern_kernel *k, int index, ptl_str *out)
{
    str_printf(out, "k%d_", index);
    for (const char *c = k->name; *c; c++)
        str_addc(out, isalnum((unsigned char)*c) ? *c : '_');
}

static void note_loads(const kern_block *block, bool *loaded)
{
    for (int i = 0; block && i < block->stmts.count; i++) {
        const kern_stmt *s = block->stmts.data[i];
        if (s->kind == KERN_DO && s->value->op == KERN_LOAD)
            loaded[s->value->memory.buffer] = true;
        note_loads(s->body, loaded);
        note_loads(s->other_body, loaded);
    }
}

static void write_scratch(cuda_writer *w)
{
    const kern_kernel *k = w->kernel;
    int groups = w->shape.threads / w->shape.lanes;
    for (int i = 0; i < k->buffers.count; i++) {
        const kern_buffer *b = &k->buffers.data[i];
        if (!b->scratch)
            continue;
        const char *type = cuda_memory_type(b->dtype);
        str_printf(w->out,
                   "    __shared__ %s s%d[%d][%" PRId64 "];\n"
                   "    %s *const b%d = s%d[threadIdx.x / %d];\n",
                   type, i, groups, scratch_elements(b), type, i, i,
                   w->shape.lanes);
    }
}

/* A thread alone writes and reads what a restricted pointer leads to, which
 * NVRTC relies on: it moves reads over __syncwarp(). So lanes exchange nothing
 * by one. */
static bool is_restricted(const cuda_writer *w, int buffer)
{
    const kern_kernel *k = w->kernel;
    return k->kind == KERN_PRODUCT || !k->buffers.data[buffer].written ||
           !w->shared[buffer];
}

/* The kernel's buffers as parameters or members. */
static void write_parameters(cuda_writer *w)
{
    const kern_kernel *k = w->kernel;
    bool first = true;
    for (int i = 0; i < k->buffers.count; i++) {
        const kern_buffer *b = &k->buffers.data[i];
        if (b->scratch)
            continue;
        str_printf(w->out, "%s\n    %s%s *%sb%d", first ? "" : ",",
                   b->written ? "" : "const ", cuda_memory_type(b->dtype),
                   is_restricted(w, i) ? "__restrict__ " : "", i);
        str_printf(w->out, " /* %s */", b->name);
        first = false;
    }
}

/* NVRTC is kept from knowing how large it may be: of what it knows NVRTC 13.0
 * makes something that crashes it, before sm_100, where reads have guards
 * (tests/fuzz/comp/found: window_of_one, taps_of_lse). */
static void print_task(cuda_writer *w)
{
    str_printf(w->out,
               "    i64 task = (i64)blockIdx.x * %d + threadIdx.x / %d;\n"
               "    asm(\"\" : \"+l\"(task));\n"
               "    if (task >= %" PRId64 "ll)\n        return;\n",
               w->shape.threads / w->shape.lanes, w->shape.lanes,
               w->kernel->task_count);
}

static void print_nest(cuda_writer *w)
{
    const kern_kernel *k = w->kernel;
    print_task(w);
    if (w->shape.lanes > 1)
        str_printf(w->out,
                   "    const i32 lane = threadIdx.x %% %d;\n"
                   "    const u32 members = members_of(%d);\n",
                   w->shape.lanes, w->shape.lanes);
    write_scratch(w);
    cuda_locals(w, k->body);
    cuda_block(w, k->body);
}

static void print_kernel(cuda_writer *w, int index)
{
    ptl_arena *scratch = arena_new();
    const kern_kernel *k = w->kernel;
    ptl_str name = {0};
    cuda_kernel_name(k, index, &name);
    w->shape = cuda_shape_of(k);
    w->shared = ARENA_ARRAY(scratch, bool, k->buffers.count + 1);
    note_loads(k->body, w->shared);
    if (k->kind == KERN_PRODUCT)
        cuda_print_product(w, str_text(&name));
    str_printf(w->out,
               "extern \"C\" __global__ void __launch_bounds__(%d, 1)\n%s(",
               w->shape.threads, str_text(&name));
    write_parameters(w);
    str_add(w->out, ")\n{\n");
    if (k->kind == KERN_NEST && w->shape.blocks)
        print_nest(w);
    if (k->kind == KERN_PRODUCT)
        str_printf(w->out, "    %s_run(", str_text(&name));
    for (int i = 0; k->kind == KERN_PRODUCT && i < k->buffers.count; i++)
        str_printf(w->out, "%sb%d", i ? ", " : "", i);
    str_add(w->out, k->kind == KERN_PRODUCT ? ");\n}\n" : "}\n");
    str_fini(&name);
    arena_free(scratch);
}

static void add_file(const char *name, ptl_str *out)
{
    for (const ptl_embedded *f = ptl_cuda_files; f->name; f++)
        if (strcmp(f->name, name) == 0)
            str_addn(out, f->text, f->size);
}

void cuda_print(const kern_module *m, const int *kernels, int count,
                ptl_str *out)
{
    bool products = false;
    for (int i = 0; i < count; i++)
        products =
            products || m->kernels.data[kernels[i]]->kind == KERN_PRODUCT;
    add_file("prelude.cu", out);
    if (products)
        add_file("product.cu", out);
    for (int i = 0; i < count; i++) {
        cuda_writer w = {.kernel = m->kernels.data[kernels[i]], .out = out};
        str_addc(out, '\n');
        print_kernel(&w, kernels[i]);
    }
}
