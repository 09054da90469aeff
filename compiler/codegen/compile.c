/*
 * compile.c - a graph becomes a program: schedule, kernel form, machine code.
 *
 * The program owns its code and one block with names, tables and literals; the
 * schedule and the kernel form end here.
 */
#include "codegen/compile.h"
#include "codegen/cuda/cuda_code.h"
#include "codegen/llvm/llvm_jit.h"
#include "loops/build.h"
#include "runtime/device.h"
#include "sched/sched.h"
#include <stdlib.h>
#include <string.h>

/* What a program owns. */
typedef struct program_owner {
    ptl_program program;
    ptl_arena *arena;
    void *constants; /* one aligned block */
    llvm_code *code;
    cuda_code cuda; /* in its place, for a device */
} program_owner;

typedef struct stages {
    sched_schedule *schedule;
    kern_module *module;
    kern_bound *bound;
} stages;

static llvm_options llvm_options_of(const compile_options *options)
{
    return (llvm_options){options->cpu ? options->cpu : "native",
                          options->cache_dir};
}

static void stages_free(stages *st)
{
    sched_free(st->schedule);
    kern_module_free(st->module);
}

static ptl_status make_schedule(const ir_graph *g,
                                const compile_options *options, bool cuda,
                                stages *out, ptl_error *err)
{
    sched_options how = {.f64 = options->f64,
                         .no_fuse = options->no_fuse,
                         .sizes_only = options->plan_only};
    ptl_status st = PTL_OK;
    how.library = cuda && options->device && device_has_cublas(options->device);
    if (cuda)
        cuda_target(&how.target);
    else
        st = llvm_target(llvm_options_of(options).cpu, &how.target, err);
    if (options->portable_bits)
        how.target.bf16_pairs = false;
    if (st == PTL_OK)
        st = sched_new(g, &how, &out->schedule, err);
    if (st == PTL_OK && options->verify && !sched_verify(out->schedule, err))
        return PTL_E_INTERNAL;
    return st;
}

static ptl_status make_kernels(const compile_options *options, stages *out,
                               ptl_error *err)
{
    out->module = kern_build(out->schedule, &out->bound);
    if (options->verify && !kern_verify(out->module, err))
        return PTL_E_INTERNAL;
    return PTL_OK;
}

/* ---------- the program ---------- */

static void release(ptl_program *program)
{
    program_owner *owner = (program_owner *)program; /* its first member */
    llvm_code_release(owner->code);
    cuda_code_fini(&owner->cuda);
    free(owner->constants);
    arena_free(owner->arena);
    free(owner);
}

static size_t aligned(int64_t size)
{
    const size_t align = PTL_BUFFER_ALIGN;
    return ((size_t)size + align - 1) / align * align;
}

/* Buffers may be read up to the next multiple of the alignment. */
static bool copy_constants(program_owner *owner, const sched_schedule *s,
                           const void **at)
{
    size_t total = PTL_BUFFER_ALIGN;
    for (int i = 0; i < s->buffers.count; i++)
        if (s->buffers.data[i].constant)
            total += aligned(s->buffers.data[i].size_bytes);
    owner->constants = aligned_alloc(PTL_BUFFER_ALIGN, total);
    if (!owner->constants)
        return false;
    memset(owner->constants, 0, total);
    char *next = owner->constants;
    for (int i = 0; i < s->buffers.count; i++) {
        const sched_buffer *b = &s->buffers.data[i];
        if (!b->constant)
            continue;
        memcpy(next, b->constant, (size_t)b->size_bytes);
        at[i] = next;
        next += aligned(b->size_bytes);
    }
    return true;
}

/* Values that live in another buffer's memory, or within a row, have none of
 * their own, unless someone may ask for them by name. */
static bool is_wanted(const sched_schedule *s, int index)
{
    const sched_buffer *b = &s->buffers.data[index];
    return b->role != PTL_ROLE_TRANSIENT || (b->home == index && !b->in_row);
}

static void copy_buffers(program_owner *owner, const sched_schedule *s,
                         const void **constants, int *number)
{
    ptl_buffer *out =
        ARENA_ARRAY(owner->arena, ptl_buffer, s->buffers.count + 1);
    int count = 0;
    for (int i = 0; i < s->buffers.count; i++) {
        const sched_buffer *b = &s->buffers.data[i];
        if (!is_wanted(s, i))
            continue;
        ptl_buffer *to = &out[count];
        *to = (ptl_buffer){.role = b->role,
                           .dtype = b->dtype,
                           .rank = b->rank,
                           .size_bytes = b->size_bytes,
                           .arena_offset = b->offset,
                           .constant = constants[i],
                           .updated = b->updated,
                           .idx_bound = b->idx_bound};
        to->name = arena_strdup(owner->arena, b->name);
        memcpy(to->dims, b->dims, sizeof b->dims);
        number[i] = count++;
    }
    owner->program.buffers = out;
    owner->program.buffer_count = count;
    owner->program.arena_bytes = s->arena_bytes;
}

/* ---------- products that a library may compute ---------- */

static ptl_matrix matrix_of(const kern_matrix *m)
{
    return (ptl_matrix){m->buffer, m->at, m->batch, m->row, m->column};
}

/* Those of the kernels; by kernel, or NULL. */
static const ptl_product **copy_products(program_owner *owner,
                                         const kern_module *m)
{
    int kernels = m->kernels.count, count = 0;
    const ptl_product **of =
        ARENA_ARRAY(owner->arena, const ptl_product *, kernels + 1);
    ptl_product *out = ARENA_ARRAY(owner->arena, ptl_product, kernels + 1);
    for (int i = 0; i < kernels; i++) {
        const kern_product *p = &m->kernels.data[i]->product;
        const kern_matrices *x = p->matrices;
        if (m->kernels.data[i]->kind != KERN_PRODUCT || !x)
            continue;
        of[i] = &out[count];
        out[count++] = (ptl_product){
            .name = arena_strdup(owner->arena, m->kernels.data[i]->name),
            .dtype = p->type == KERN_F64 ? PTL_F64 : PTL_F32,
            .batch = p->batch,
            .m = p->m,
            .n = p->n,
            .k = p->k,
            .left = matrix_of(&x->left),
            .right = matrix_of(&x->right),
            .result = matrix_of(&x->result)};
    }
    owner->program.products = out;
    owner->program.product_count = count;
    return of;
}

/* ---------- steps ---------- */

typedef struct step_copy {
    program_owner *owner;
    const stages *from;
    int **args;    /* by step of the schedule */
    int *arg_count;
    const ptl_product **products; /* by kernel */
    ptl_step *out; /* NULL: only count */
    int count;
} step_copy;

static void set_launch(step_copy *c, const kern_kernel *k, int index,
                       ptl_step *to)
{
    ptl_str name = {0};
    int function = c->owner->cuda.same[index];
    cuda_shape shape = cuda_shape_of(k);
    cuda_kernel_name(c->from->module->kernels.data[function], function, &name);
    to->launch = (ptl_launch){.part = c->owner->cuda.part_of[index],
                              .blocks = shape.blocks,
                              .threads = shape.threads};
    to->launch.function = str_keep(&name, c->owner->arena);
}

/* Tasks that go through K together read both factors once. So there are few
 * pieces; but two, for a thread that does not get a core. */
static int pieces_of(const kern_kernel *k)
{
    return k->kind == KERN_DIRECT && k->direct.runs_outside ? 2 : 0;
}

static bool copy_step(int index, void *ctx)
{
    step_copy *c = ctx;
    const kern_kernel *k = c->from->module->kernels.data[index];
    const sched_schedule *s = c->from->schedule;
    if (c->out) {
        ptl_step *to = &c->out[c->count];
        const llvm_code *code = c->owner->code;
        *to = (ptl_step){.entry = code ? llvm_entry(code, index) : NULL,
                         .args = c->args[index],
                         .arg_count = c->arg_count[index],
                         .product = c->products[index],
                         .task_count = k->task_count,
                         .pieces = pieces_of(k),
                         .flops = k->flops,
                         .bytes = k->bytes,
                         .expected_us =
                             sched_expected_us(s, s->steps.data[index])};
        to->name = arena_strdup(c->owner->arena, k->name);
        if (c->owner->cuda.count)
            set_launch(c, k, index, to);
    }
    c->count++;
    return true;
}

/* Every trip of a scan is steps of its own, with the same code and buffers. */
static void copy_steps(program_owner *owner, const stages *from,
                       const int *number)
{
    const sched_schedule *s = from->schedule;
    step_copy c = {.owner = owner, .from = from};
    c.args = ARENA_ARRAY(owner->arena, int *, s->steps.count + 1);
    c.arg_count = ARENA_ARRAY(owner->arena, int, s->steps.count + 1);
    c.products = copy_products(owner, from->module);
    for (int i = 0; i < s->steps.count; i++) {
        const kern_bound *bound = &from->bound[i];
        c.args[i] = ARENA_ARRAY(owner->arena, int, bound->buffers.count + 1);
        for (int k = 0; k < bound->buffers.count; k++)
            if (!bound->kernel->buffers.data[k].scratch)
                c.args[i][c.arg_count[i]++] = number[bound->buffers.data[k]];
    }
    sched_walk_steps(s, INT64_MAX, copy_step, &c);
    c.out = ARENA_ARRAY(owner->arena, ptl_step, c.count + 1);
    c.count = 0;
    sched_walk_steps(s, INT64_MAX, copy_step, &c);
    owner->program.steps = c.out;
    owner->program.step_count = c.count;
}

static void copy_parts(program_owner *owner, ptl_device *device)
{
    const cuda_code *code = &owner->cuda;
    ptl_code_part *parts =
        ARENA_ARRAY(owner->arena, ptl_code_part, code->count + 1);
    for (int i = 0; i < code->count; i++)
        parts[i] =
            (ptl_code_part){code->parts[i].code.ptx, code->parts[i].code.cubin};
    owner->program.device = device;
    owner->program.parts = parts;
    owner->program.part_count = code->count;
}

/* Takes over the code of `owner`, which is empty otherwise. */
static ptl_status make_program(const stages *from, const char *name,
                               program_owner *owner, ptl_device *device,
                               ptl_program **out, ptl_error *err)
{
    owner->arena = arena_new();
    const void **constants = ARENA_ARRAY(owner->arena, const void *,
                                         from->schedule->buffers.count + 1);
    bool wanted = !from->schedule->options.sizes_only;
    if (wanted && !copy_constants(owner, from->schedule, constants))
        return ptl_fail(err, PTL_E_MEMORY,
                        "no memory for the constants of \"%s\"", name);
    int *number =
        ARENA_ARRAY(owner->arena, int, from->schedule->buffers.count + 1);
    copy_buffers(owner, from->schedule, constants, number);
    copy_steps(owner, from, number);
    if (device)
        copy_parts(owner, device);
    owner->program.name = arena_strdup(owner->arena, name);
    owner->program.release = release;
    owner->program.owner = owner;
    *out = &owner->program;
    return PTL_OK;
}

static ptl_status make_code(const stages *made, const compile_options *options,
                            program_owner *owner, ptl_error *err)
{
    llvm_options how = llvm_options_of(options);
    if (options->plan_only)
        return PTL_OK;
    if (options->device) {
        const cuda_options cuda = {.arch = device_arch(options->device),
                                   .text_only =
                                       device_wants_text(options->device),
                                   .cache_dir = options->cache_dir};
        return cuda_compile(made->module, &cuda, &owner->cuda, err);
    }
    return llvm_compile(made->module, &how, &owner->code, err);
}

ptl_status compile_graph(const ir_graph *g, const char *name,
                         const compile_options *options, ptl_program **out,
                         ptl_error *err)
{
    stages made = {0};
    program_owner *owner = calloc(1, sizeof *owner);
    if (!owner)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for the program \"%s\"",
                        name);
    ptl_status st =
        make_schedule(g, options, options->device != NULL, &made, err);
    if (st == PTL_OK)
        st = make_kernels(options, &made, err);
    if (st == PTL_OK)
        st = make_code(&made, options, owner, err);
    if (st == PTL_OK)
        st = make_program(&made, name, owner, options->device, out, err);
    if (st != PTL_OK)
        release(&owner->program);
    stages_free(&made);
    return st;
}

/* ---------- texts ---------- */

static bool is_about_cuda(const char *stage)
{
    return strcmp(stage, "cuda") == 0 || strcmp(stage, "ptx") == 0 ||
           strcmp(stage, "sass-report") == 0;
}

static void print_cuda(const kern_module *m, ptl_str *out)
{
    ptl_arena *scratch = arena_new();
    const int *same = kern_find_equal(m, scratch);
    int *kernels = ARENA_ARRAY(scratch, int, m->kernels.count + 1), count = 0;
    for (int i = 0; i < m->kernels.count; i++)
        if (same[i] == i)
            kernels[count++] = i;
    cuda_print(m, kernels, count, out);
    arena_free(scratch);
}

static ptl_status emit_cuda(const stages *made, const char *stage,
                            const compile_options *options, ptl_str *out,
                            ptl_error *err)
{
    cuda_code code;
    if (strcmp(stage, "cuda") == 0) {
        print_cuda(made->module, out);
        return PTL_OK;
    }
    const cuda_options how = {.arch = options->arch,
                              .cache_dir = options->cache_dir};
    ptl_status st = cuda_compile(made->module, &how, &code, err);
    if (st != PTL_OK)
        return st;
    if (strcmp(stage, "ptx") == 0)
        cuda_print_ptx(&code, out);
    else
        cuda_report(made->module, &code, options->arch, out);
    cuda_code_fini(&code);
    return PTL_OK;
}

static ptl_status emit_stage(const stages *made, const char *stage,
                             const compile_options *options, ptl_str *out,
                             ptl_error *err)
{
    llvm_options how = llvm_options_of(options);
    if (strcmp(stage, "kernels") == 0) {
        kern_print(made->module, out);
        return PTL_OK;
    }
    if (is_about_cuda(stage))
        return emit_cuda(made, stage, options, out, err);
    if (strcmp(stage, "llvm") == 0)
        return llvm_emit(made->module, &how, false, out, err);
    if (strcmp(stage, "asm") == 0)
        return llvm_emit(made->module, &how, true, out, err);
    return ptl_fail(err, PTL_E_USAGE, "no stage is called \"%s\"", stage);
}

ptl_status compile_emit(const ir_graph *g, const char *stage,
                        const compile_options *options, ptl_str *out,
                        ptl_error *err)
{
    stages made = {0};
    ptl_status st = make_schedule(g, options, is_about_cuda(stage), &made, err);
    if (st == PTL_OK && strcmp(stage, "schedule") == 0) {
        sched_print(made.schedule, out);
    } else if (st == PTL_OK) {
        st = make_kernels(options, &made, err);
        if (st == PTL_OK)
            st = emit_stage(&made, stage, options, out, err);
    }
    stages_free(&made);
    return st;
}
