/*
 * bench_contract.c - how near contractions come to the machine's peak.
 *
 * Measures the rate of independent fused multiply-adds on registers and square
 * products of packed operands, through the same code generator, interleaved on
 * one thread; prints medians. Times are those the thread ran, so a busy machine
 * disturbs less.
 *
 *     bench_contract [CPU] [SIZE...]
 */
#include "codegen/llvm/llvm_jit.h"
#include "llvm/tile_case.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHAINS = 12, TURNS = 2000000, RUNS = 15 };

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
    if (llvm_compile(m, &options, &code, &err) != PTL_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return code;
}

/* CHAINS sums in registers, TURNS steps each. */
static kern_module *peak_module(kern_type type, int lanes)
{
    kern_module *m = kern_module_new();
    kern_kernel *k = kern_kernel_new(m, "peak", 1);
    ptl_dtype dtype = type == KERN_F64 ? PTL_F64 : PTL_F32;
    int out = kern_buffer_add(k, "out", dtype, true);
    kern_builder b = kern_begin(k);
    kern_local *sum[CHAINS];
    kern_value *x = kern_load(
        &b, (kern_memory){.buffer = out, .offset = kern_int(&b, KERN_I64, 1, 0)},
        lanes);
    for (int i = 0; i < CHAINS; i++) {
        sum[i] = kern_local_new(&b, type, lanes, "sum");
        kern_set(&b, sum[i], kern_real(&b, type, lanes, (double)i));
    }
    kern_loop(&b, kern_int(&b, KERN_I64, 1, 0), kern_int(&b, KERN_I64, 1, TURNS),
              1, 0);
    for (int i = 0; i < CHAINS; i++)
        kern_set(&b, sum[i], kern_fma(&b, kern_get(&b, sum[i]), x, x));
    kern_end(&b);
    for (int i = 0; i < CHAINS; i++) {
        kern_memory at = {.buffer = out, .stride = 1};
        at.offset = kern_int(&b, KERN_I64, 1, i * lanes);
        kern_store(&b, at, kern_get(&b, sum[i]));
    }
    return m;
}

/* FLOP/s of one run. */
static double run_peak(const llvm_code *code, int lanes)
{
    static _Alignas(64) double out[CHAINS * 16];
    void *args[] = {out};
    memset(out, 0, sizeof out);
    double start = now();
    llvm_entry(code, 0)(args, 0, 1);
    return 2.0 * CHAINS * TURNS * lanes / (now() - start);
}

static double run_product(const llvm_code *code, tile_case *t)
{
    double start = now();
    tile_case_run(t, llvm_entry(code, 0));
    return 2.0 * (double)t->tile.m * (double)t->tile.n * (double)t->tile.k /
           (now() - start);
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

static void bench(const kern_target *target, const char *cpu, kern_type type,
                  int64_t size)
{
    double peak[RUNS], rate[RUNS];
    int lanes = target->lanes_f32 / (type == KERN_F64 ? 2 : 1);
    kern_module *m = peak_module(type, lanes);
    llvm_code *peak_code = compile(m, cpu);
    tile_case *t = square(target, type, size);
    llvm_code *code = compile(t->module, cpu);
    tile_case_clear(t);
    run_product(code, t);
    for (int i = 0; i < RUNS; i++) {
        peak[i] = run_peak(peak_code, lanes);
        rate[i] = run_product(code, t);
    }
    double p = median(peak, RUNS), r = median(rate, RUNS);
    printf("%-10s %-4s %6lld^3  peak %8.1f GFLOP/s  product %8.1f  %5.1f %%\n",
           target->name, type == KERN_F64 ? "f64" : "f32", (long long)size,
           p * 1e-9, r * 1e-9, 100.0 * r / p);
    llvm_code_release(code);
    llvm_code_release(peak_code);
    kern_module_free(m);
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
