/*
 * product.c - products by oneDNN, row-major in and out, in three ways:
 *
 *   plain    the matmul primitive on the operands as they lie
 *   packed   b in the layout matmul likes best, brought there each time, since
 *            the operands of a training step are new each time
 *   sgemm    the library's BLAS call
 */
#include "onednn.h"
#include "worker/product.h"

enum { PLAIN, PACKED, SGEMM };

typedef struct dnn_product {
    product p;
    dnn_call calls[2][2];
    int call_count[2];
} dnn_product;

static dnnl_memory_desc_t matrix(const product *p, int64_t rows,
                                 int64_t columns, bool transposed)
{
    dnnl_memory_desc_t desc;
    dnnl_dims_t dims = {p->batch, rows, columns};
    dnnl_dims_t strides = {rows * columns, transposed ? 1 : columns,
                           transposed ? rows : 1};
    int skip = p->batch > 1 ? 0 : 1;
    DNN(dnnl_memory_desc_init_by_strides(&desc, 3 - skip, dims + skip, dnnl_f32,
                                         strides + skip));
    return desc;
}

static dnnl_memory_desc_t any_layout(dnnl_memory_desc_t like)
{
    dnnl_memory_desc_t desc;
    DNN(dnnl_memory_desc_init_by_tag(&desc, like.ndims, like.dims, dnnl_f32,
                                     dnnl_format_tag_any));
    return desc;
}

static dnnl_primitive_desc_t matmul(dnnl_memory_desc_t a, dnnl_memory_desc_t b,
                                    dnnl_memory_desc_t c)
{
    dnnl_matmul_desc_t desc;
    dnnl_primitive_desc_t pd;
    DNN(dnnl_matmul_desc_init(&desc, &a, &b, NULL, &c));
    DNN(dnnl_primitive_desc_create(&pd, &desc, NULL, dnn_engine(), NULL));
    return pd;
}

static void build(dnn_product *d, int way)
{
    const product *p = &d->p;
    dnnl_memory_desc_t a = matrix(p, p->m, p->k, p->a_transposed);
    dnnl_memory_desc_t b = matrix(p, p->k, p->n, p->b_transposed);
    dnnl_memory_desc_t c = matrix(p, p->m, p->n, false);
    dnnl_primitive_desc_t pd =
        matmul(a, way == PACKED ? any_layout(b) : b, c);
    dnnl_memory_t given = dnn_memory(&b, (void *)(uintptr_t)p->b);
    dnnl_memory_t taken = given;
    dnn_call *calls = d->calls[way];
    int count = 0;
    const dnnl_memory_desc_t *wanted = dnn_wants(pd, dnnl_query_weights_md);
    if (!dnnl_memory_desc_equal(wanted, &b)) {
        taken = dnn_memory(wanted, NULL);
        calls[count++] = dnn_reorder(given, taken);
    }
    calls[count] = (dnn_call){
        .primitive = dnn_primitive(pd),
        .args = {{DNNL_ARG_SRC, dnn_memory(&a, (void *)(uintptr_t)p->a)},
                 {DNNL_ARG_WEIGHTS, taken},
                 {DNNL_ARG_DST, dnn_memory(&c, p->c)}},
        .arg_count = 3};
    d->call_count[way] = count + 1;
}

static void run_sgemm(const product *p)
{
    for (int64_t i = 0; i < p->batch; i++)
        DNN(dnnl_sgemm(p->a_transposed ? 'T' : 'N', p->b_transposed ? 'T' : 'N',
                       p->m, p->n, p->k, 1, p->a + i * p->m * p->k,
                       p->a_transposed ? p->m : p->k, p->b + i * p->k * p->n,
                       p->b_transposed ? p->k : p->n, 0,
                       p->c + i * p->m * p->n, p->n));
}

static ptl_status run_product(void *ctx, int variant, int64_t step,
                              ptl_error *err)
{
    dnn_product *d = ctx;
    (void)step, (void)err;
    if (variant == SGEMM)
        run_sgemm(&d->p);
    else
        dnn_run(d->calls[variant], d->call_count[variant]);
    return PTL_OK;
}

ptl_status dnn_product_open(const work_request *r, work *w, ptl_error *err)
{
    dnn_product *d = ARENA_NEW(w->arena, dnn_product);
    if (!product_read(r, w, &d->p))
        return ptl_fail(err, PTL_E_USAGE, "no kind of work: %s", r->kind);
    build(d, PLAIN);
    build(d, PACKED);
    w->ctx = d;
    w->run = run_product;
    w->close = dnn_release;
    w->variants[PLAIN] = "plain";
    w->variants[PACKED] = "packed";
    w->variants[SGEMM] = "sgemm";
    return PTL_OK;
}
