/*
 * fma.c - the peak of fused multiply-adds: independent sums in registers, as
 * wide as the machine's vectors, through the compiler's own code generator.
 */
#include "codegen/llvm/llvm_jit.h"
#include "llvm/fma_peak.h"
#include "machine.h"
#include "runtime/pool.h"
#include <stdlib.h>

enum { TURNS = 200000 };

typedef struct peak {
    fma_peak *code;
    ptl_pool *pool;
    int threads;
} peak;

static ptl_status run_peak(void *ctx, int variant, int64_t step, ptl_error *err)
{
    peak *p = ctx;
    (void)variant, (void)step, (void)err;
    pool_run(p->pool, fma_peak_entry(p->code), fma_peak_args(p->code),
             p->threads, 0);
    return PTL_OK;
}

static void close_peak(void *ctx)
{
    peak *p = ctx;
    fma_peak_free(p->code);
    pool_close(p->pool);
    free(p);
}

ptl_status fma_open(const work_request *r, work *w, ptl_error *err)
{
    peak *p = calloc(1, sizeof *p);
    PTL_ASSERT(p);
    p->threads = r->threads;
    p->code = fma_peak_new("native", false, TURNS);
    w->ctx = p;
    w->close = close_peak;
    w->run = run_peak;
    w->variants[0] = "fma";
    w->flops = fma_peak_flops(p->code) * r->threads;
    return pool_open(r->threads, &p->pool, err);
}
