/*
 * main.c - peer_openblas: products by OpenBLAS, for scripts/bench.
 */
#include "worker/product.h"
#include <cblas.h>
#include <stdlib.h>

static ptl_status run_product(void *ctx, int variant, int64_t step,
                              ptl_error *err)
{
    const product *p = ctx;
    (void)variant, (void)step, (void)err;
    int m = (int)p->m, n = (int)p->n, k = (int)p->k;
    for (int64_t i = 0; i < p->batch; i++)
        cblas_sgemm(CblasRowMajor, p->a_transposed ? CblasTrans : CblasNoTrans,
                    p->b_transposed ? CblasTrans : CblasNoTrans, m, n, k, 1,
                    p->a + i * m * k, p->a_transposed ? m : k,
                    p->b + i * k * n, p->b_transposed ? k : n, 0,
                    p->c + i * m * n, n);
    return PTL_OK;
}

static ptl_status open_work(const work_request *r, work *w, ptl_error *err)
{
    product *p = ARENA_NEW(w->arena, product);
    if (!product_read(r, w, p))
        return ptl_fail(err, PTL_E_USAGE, "no kind of work: %s", r->kind);
    openblas_set_num_threads(r->threads);
    w->ctx = p;
    w->run = run_product;
    w->variants[0] = openblas_get_corename();
    return PTL_OK;
}

int main(int argc, char **argv)
{
    return worker_main(argc, argv, open_work);
}
