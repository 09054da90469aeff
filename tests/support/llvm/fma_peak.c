/*
 * fma_peak.c - see fma_peak.h.
 */
#include "llvm/fma_peak.h"
#include "codegen/llvm/llvm_jit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHAINS = 12, MOST_LANES = 16 };

struct fma_peak {
    kern_module *module;
    llvm_code *code;
    int64_t turns;
    int lanes;
    _Alignas(64) double out[CHAINS * MOST_LANES];
    void *args[1];
};

static kern_module *peak_module(kern_type type, int lanes, int64_t turns)
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
    kern_loop(&b, kern_int(&b, KERN_I64, 1, 0), kern_int(&b, KERN_I64, 1, turns),
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

fma_peak *fma_peak_new(const char *cpu, bool f64, int64_t turns)
{
    fma_peak *p = aligned_alloc(64, sizeof *p);
    kern_target target;
    ptl_error err = {0};
    llvm_options options = {.cpu = cpu};
    PTL_ASSERT(p);
    *p = (fma_peak){.turns = turns};
    p->args[0] = p->out;
    ptl_status st = llvm_target(cpu, &target, &err);
    if (st == PTL_OK) {
        p->lanes = target.lanes_f32 / (f64 ? 2 : 1);
        p->module = peak_module(f64 ? KERN_F64 : KERN_F32, p->lanes, turns);
        st = llvm_compile(p->module, &options, &p->code, &err);
    }
    if (st != PTL_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(ptl_exit_status(st));
    }
    return p;
}

void fma_peak_free(fma_peak *p)
{
    llvm_code_release(p->code);
    kern_module_free(p->module);
    free(p);
}

ptl_entry fma_peak_entry(const fma_peak *p)
{
    return llvm_entry(p->code, 0);
}

void *const *fma_peak_args(fma_peak *p)
{
    memset(p->out, 0, sizeof p->out);
    return p->args;
}

double fma_peak_flops(const fma_peak *p)
{
    return 2.0 * CHAINS * (double)p->turns * p->lanes;
}
