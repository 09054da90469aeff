/*
 * bench_contract.c - how near contractions come to the machine's peak.
 *
 * Measures, interleaved on one thread, the rate of independent fused
 * multiply-adds on registers, of square products of packed operands, and of
 * whole products as a program runs them, packing and all; prints medians.
 * Times are those the thread ran, so a busy machine disturbs less.
 *
 *     bench_contract [CPU] [SIZE...]
 */
#include "base/diag.h"
#include "base/source.h"
#include "codegen/compile.h"
#include "codegen/llvm/llvm_jit.h"
#include "llvm/fma_peak.h"
#include "llvm/tile_case.h"
#include "runtime/run.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TURNS = 2000000, RUNS = 15 };

static _Noreturn void fail(const char *text)
{
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int count)
{
    qsort(x, (size_t)count, sizeof *x, by_value);
    return x[count / 2];
}

static llvm_code *compile(const kern_module *m, const char *cpu)
{
    llvm_code *code = NULL;
    ptl_error err;
    llvm_options options = {.cpu = cpu};
    if (llvm_compile(m, &options, &code, &err) != PTL_OK)
        fail(err.text);
    return code;
}

/* FLOP/s of one run. */
static double run_peak(fma_peak *p)
{
    void *const *args = fma_peak_args(p);
    double start = now();
    fma_peak_entry(p)(args, 0, 1);
    return fma_peak_flops(p) / (now() - start);
}

static double flops_of(int64_t size)
{
    return 2.0 * (double)size * (double)size * (double)size;
}

static double run_product(const llvm_code *code, tile_case *t)
{
    double start = now();
    tile_case_run(t, llvm_entry(code, 0));
    return flops_of(t->tile.m) / (now() - start);
}

static tile_case *square(const kern_target *target, kern_type type,
                         int64_t size)
{
    bool f64 = type == KERN_F64;
    return tile_case_new(
        (kern_tile){.type = type,
                    .batch = 1,
                    .m = size,
                    .n = size,
                    .k = size,
                    .mr = f64 ? target->mr_f64 : target->mr_f32,
                    .nr = f64 ? target->nr_f64 : target->nr_f32,
                    .kc = target->kc,
                    .m_block = 24,
                    .n_block = 16,
                    .unit_columns = true},
        size, 1, 0);
}

/* ---------- the same product as a program ---------- */

typedef struct whole {
    ptl_program *program;
    ptl_pool *pool;
    ptl_run *run;
} whole;

static ptl_program *compile_product(const char *cpu, bool f64, int64_t size)
{
    char text[512];
    ptl_error err = {0};
    ptl_program *program;
    ptl_arena *arena = arena_new();
    ptl_diags *diags = diags_new(0);
    int n = (int)size;
    const char *real = f64 ? "f64" : "f32";
    snprintf(text, sizeof text,
             "input a: real[%d, %d] data %s;\ninput b: real[%d, %d] data %s;\n"
             "comp c[i:%d, j:%d | k:0..%d] = sum a[i, k] * b[k, j];\n"
             "output c = c;\n",
             n, n, real, n, n, real, n, n, n);
    ir_graph *g = ir_parse(
        src_file_new(arena, "product.ir", text, strlen(text)), diags);
    compile_options options = {.cpu = cpu, .f64 = f64};
    if (!g || compile_graph(g, "product", &options, &program, &err) != PTL_OK)
        fail(err.text);
    ir_graph_free(g);
    diags_free(diags);
    arena_free(arena);
    return program;
}

/* Memory that nobody wrote to is one page of zeros at many addresses, which
 * caches by address take badly. */
static void *numbers(int64_t bytes, bool f64)
{
    void *data = memory_map((size_t)bytes);
    for (int64_t i = 0; i < bytes / (f64 ? 8 : 4); i++) {
        double x = (double)(i % 1009) / 1009 - 0.5;
        if (f64)
            ((double *)data)[i] = x;
        else
            ((float *)data)[i] = (float)x;
    }
    return data;
}

static void whole_open(whole *w, const char *cpu, bool f64, int64_t size)
{
    ptl_error err = {0};
    w->program = compile_product(cpu, f64, size);
    if (pool_open(1, &w->pool, &err) != PTL_OK ||
        run_open(w->program, w->pool, &w->run, &err) != PTL_OK)
        fail(err.text);
    for (int i = 0; i < w->program->buffer_count; i++) {
        const ptl_buffer *b = &w->program->buffers[i];
        if (b->role == PTL_ROLE_DATA)
            run_bind(w->run, i, numbers(b->size_bytes, f64));
    }
}

static void whole_close(whole *w)
{
    for (int i = 0; i < w->program->buffer_count; i++) {
        const ptl_buffer *b = &w->program->buffers[i];
        if (b->role == PTL_ROLE_DATA)
            memory_unmap(run_data(w->run, i), (size_t)b->size_bytes);
    }
    run_close(w->run);
    pool_close(w->pool);
    w->program->release(w->program);
}

static double run_whole(whole *w, int64_t size)
{
    ptl_error err = {0};
    double start = now();
    if (run_execute(w->run, &err) != PTL_OK)
        fail(err.text);
    return flops_of(size) / (now() - start);
}

/* ---------- */

static void print_rates(const char *level, kern_type type, int64_t size,
                        double peak, double packed, double full)
{
    printf("%-9s %s %5lld cubed: FMA peak %7.1f GFLOP/s, packed %7.1f "
           "(%5.1f %%), whole %7.1f (%5.1f %%)\n",
           level, type == KERN_F64 ? "f64" : "f32", (long long)size,
           peak * 1e-9, packed * 1e-9, 100.0 * packed / peak, full * 1e-9,
           100.0 * full / peak);
}

static void bench(const kern_target *target, const char *cpu, kern_type type,
                  int64_t size)
{
    double peak[RUNS], packed[RUNS], full[RUNS];
    whole w;
    fma_peak *registers = fma_peak_new(cpu, type == KERN_F64, TURNS);
    tile_case *t = square(target, type, size);
    llvm_code *code = compile(t->module, cpu);
    whole_open(&w, cpu, type == KERN_F64, size);
    tile_case_clear(t);
    run_product(code, t);
    run_whole(&w, size);
    for (int i = 0; i < RUNS; i++) {
        peak[i] = run_peak(registers);
        packed[i] = run_product(code, t);
        full[i] = run_whole(&w, size);
    }
    print_rates(target->name, type, size, median(peak, RUNS),
                median(packed, RUNS), median(full, RUNS));
    whole_close(&w);
    llvm_code_release(code);
    fma_peak_free(registers);
    tile_case_free(t);
}

int main(int argc, char **argv)
{
    const char *cpu = argc > 1 ? argv[1] : "native";
    kern_target target;
    ptl_error err;
    if (llvm_target(cpu, &target, &err) != PTL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 3;
    }
    for (int i = 2; i < argc || i == 2; i++) {
        int64_t size = argc > 2 ? atoll(argv[i]) : 1024;
        bench(&target, cpu, KERN_F32, size);
        bench(&target, cpu, KERN_F64, size);
    }
    return 0;
}
