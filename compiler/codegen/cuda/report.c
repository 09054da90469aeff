/*
 * report.c - what each kernel takes of a multiprocessor: registers, spilled
 * bytes and shared memory as ptxas says, and by them how many blocks fit.
 */
#include "codegen/cuda/cuda_code.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a multiprocessor (CUDA C++ Programming Guide, compute capabilities). */
typedef struct processor {
    int arch, threads, blocks, registers;
    int64_t shared_bytes, shared_reserved; /* reserved: of each block */
} processor;

static const processor processors[] = {
#define CUDA_ARCH(arch, threads, blocks, registers, shared, reserved)          \
    {arch, threads, blocks, registers, shared, reserved},
#include "codegen/cuda/arch.def"
#undef CUDA_ARCH
};

static const processor *processor_of(int arch)
{
    for (size_t i = 0; i < sizeof processors / sizeof *processors; i++)
        if (processors[i].arch == arch)
            return &processors[i];
    return NULL;
}

typedef struct usage {
    int registers, stack, spill_stores, spill_loads;
    int64_t shared_bytes;
} usage;

/* The number in front of `what` in `text`, before `end`; 0: not said. */
static long number_before(const char *text, const char *end, const char *what)
{
    const char *at = strstr(text, what);
    if (!at || at >= end)
        return 0;
    while (at > text && at[-1] == ' ')
        at--;
    while (at > text && at[-1] >= '0' && at[-1] <= '9')
        at--;
    return strtol(at, NULL, 10);
}

/* ptxas: "Compiling entry function 'NAME' ..." and lines about it. */
static bool find_usage(const char *log, const char *name, usage *out)
{
    char header[300];
    snprintf(header, sizeof header, "entry function '%s'", name);
    const char *at = log ? strstr(log, header) : NULL;
    if (!at)
        return false;
    const char *end = strstr(at + 1, "entry function '");
    end = end ? end : at + strlen(at);
    *out = (usage){
        .registers = (int)number_before(at, end, " registers"),
        .stack = (int)number_before(at, end, " bytes stack frame"),
        .spill_stores = (int)number_before(at, end, " bytes spill stores"),
        .spill_loads = (int)number_before(at, end, " bytes spill loads"),
        .shared_bytes = number_before(at, end, " bytes smem"),
    };
    return true;
}

static int64_t rounded(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}

/* Blocks that fit: registers go to warps in units of 256. */
static int64_t blocks_that_fit(const processor *m, const usage *u, int threads)
{
    enum { WARP = 32, REGISTER_UNIT = 256, SHARED_UNIT = 128 };
    int64_t warps = (threads + WARP - 1) / WARP;
    int64_t by_threads = m->threads / (warps * WARP);
    int64_t each = rounded((int64_t)u->registers * WARP, REGISTER_UNIT);
    int64_t by_registers = each ? m->registers / each / warps : m->blocks;
    int64_t shared = rounded(u->shared_bytes + m->shared_reserved, SHARED_UNIT);
    int64_t by_shared = shared ? m->shared_bytes / shared : m->blocks;
    int64_t fit = by_threads < by_registers ? by_threads : by_registers;
    fit = fit < by_shared ? fit : by_shared;
    return fit < m->blocks ? fit : m->blocks;
}

static void report_kernel(const processor *m, const char *name,
                          const cuda_shape *shape, const usage *u, ptl_str *out)
{
    str_printf(out,
               "%-40s %9" PRId64 " x %-4d %4d registers, %6" PRId64
               " bytes shared, %d stack, spills %d + %d",
               name, shape->blocks, shape->threads, u->registers,
               u->shared_bytes, u->stack, u->spill_stores, u->spill_loads);
    if (m) {
        int64_t fit = blocks_that_fit(m, u, shape->threads);
        str_printf(out, ", occupancy %3" PRId64 " %%",
                   100 * fit * shape->threads / m->threads);
    }
    str_addc(out, '\n');
}

void cuda_report(const kern_module *m, const cuda_code *code, int arch,
                 ptl_str *out)
{
    const processor *on = processor_of(arch);
    ptl_str name = {0};
    str_printf(out,
               "sm_%d: kernels, blocks x threads, and what a block takes\n",
               arch);
    for (int i = 0; i < m->kernels.count; i++) {
        const kern_kernel *k = m->kernels.data[i];
        usage u;
        cuda_shape shape = cuda_shape_of(k);
        str_clear(&name);
        cuda_kernel_name(k, i, &name);
        if (code->same[i] != i)
            continue;
        if (find_usage(code->parts[code->part_of[i]].code.log, str_text(&name),
                       &u))
            report_kernel(on, str_text(&name), &shape, &u, out);
        else
            str_printf(out, "%-40s ptxas says nothing of it\n",
                       str_text(&name));
    }
    str_fini(&name);
}
