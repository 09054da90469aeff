/*
 * product.c - see product.h.
 *
 * Everything that is chosen is chosen here, once: descriptors, and the
 * algorithm that the library's heuristic puts first. An algorithm is asked for
 * what holds in every execution: sizes, distances, and how far addresses are
 * aligned, since a buffer may be elsewhere in each.
 */
#include "device/product.h"
#include "device/cublas_load.h"
#include <stdio.h>
#include <stdlib.h>

/* As much as NVIDIA advises for its newer GPUs; only what the chosen algorithm
 * needs of it is taken. */
enum { MOST_WORKSPACE = 32 << 20 };

struct device_product {
    ptl_device *device;
    const ptl_product *of;
    blas_form form;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulAlgo_t algo;
    size_t workspace_bytes;
};

/* ---------- as BLAS sees it ---------- */

/* The matrix with one step along `down` and one along `across`, of rows x
 * columns: as it lies where steps down are of 1, else its transpose is what
 * lies there. */
static blas_matrix describe(const ptl_matrix *m, int64_t down, int64_t across,
                            int64_t rows, int64_t columns)
{
    bool lies = down == 1 && across >= rows;
    return (blas_matrix){.of = m,
                         .transposed = !lies,
                         .rows = lies ? rows : columns,
                         .columns = lies ? columns : rows,
                         .ld = lies ? across : down,
                         .stride = m->batch};
}

/*
 * BLAS counts along columns, and its result cannot be transposed. PTL's results
 * mostly lie along rows, which is the transpose along columns, and
 *
 *     C' = (A B)' = B' A'
 *
 * so there the factors are exchanged and each is looked at across.
 */
void blas_form_of(const ptl_product *p, blas_form *out)
{
    const ptl_matrix *l = &p->left, *r = &p->right, *c = &p->result;
    bool along_columns = c->row == 1 && c->column >= p->m;
    *out = (blas_form){.k = p->k};
    if (along_columns) {
        out->m = p->m;
        out->n = p->n;
        out->a = describe(l, l->row, l->column, p->m, p->k);
        out->b = describe(r, r->row, r->column, p->k, p->n);
        out->c = describe(c, c->row, c->column, p->m, p->n);
        return;
    }
    out->m = p->n;
    out->n = p->m;
    out->a = describe(r, r->column, r->row, p->n, p->k);
    out->b = describe(l, l->column, l->row, p->k, p->m);
    out->c = describe(c, c->column, c->row, p->n, p->m);
}

/* ---------- preparing ---------- */

static ptl_status cannot_compute(const ptl_product *p, const ptl_device *d,
                                 cublasStatus_t status, ptl_error *err)
{
    char what[200];
    snprintf(what, sizeof what, "compute \"%s\"", p->name);
    return cublas_fail(err, d->name, what, status);
}

/* What `status` is unless an earlier one failed. */
static cublasStatus_t then(cublasStatus_t before, cublasStatus_t status)
{
    return before == CUBLAS_STATUS_SUCCESS ? status : before;
}

static cublasStatus_t make_layout(const ptl_product *p, const blas_matrix *m,
                                  cublasLtMatrixLayout_t *out)
{
    const cublas_library *lt = cublas_get(NULL);
    cudaDataType type = p->dtype == PTL_F64 ? CUDA_R_64F : CUDA_R_32F;
    int32_t batch = (int32_t)p->batch;
    cublasStatus_t st = lt->cublasLtMatrixLayoutCreate(
        out, type, (uint64_t)m->rows, (uint64_t)m->columns, m->ld);
    if (st != CUBLAS_STATUS_SUCCESS || batch == 1)
        return st;
    st = lt->cublasLtMatrixLayoutSetAttribute(
        *out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch);
    return then(st, lt->cublasLtMatrixLayoutSetAttribute(
                        *out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                        &m->stride, sizeof m->stride));
}

static cublasStatus_t make_desc(const ptl_product *p, device_product *out)
{
    const cublas_library *lt = cublas_get(NULL);
    bool f64 = p->dtype == PTL_F64;
    int32_t a = out->form.a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    int32_t b = out->form.b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasStatus_t st = lt->cublasLtMatmulDescCreate(
        &out->desc, f64 ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F,
        f64 ? CUDA_R_64F : CUDA_R_32F);
    if (st != CUBLAS_STATUS_SUCCESS)
        return st;
    st = lt->cublasLtMatmulDescSetAttribute(
        out->desc, CUBLASLT_MATMUL_DESC_TRANSA, &a, sizeof a);
    return then(st, lt->cublasLtMatmulDescSetAttribute(
                        out->desc, CUBLASLT_MATMUL_DESC_TRANSB, &b, sizeof b));
}

/* Buffers begin at multiples of PTL_BUFFER_ALIGN. */
static uint32_t alignment_of(const ptl_product *p, const blas_matrix *m)
{
    uint64_t at = (uint64_t)(m->of->at * dtype_size(p->dtype));
    uint64_t lowest = at & -at;
    return lowest && lowest < PTL_BUFFER_ALIGN ? (uint32_t)lowest
                                               : PTL_BUFFER_ALIGN;
}

static cublasStatus_t set_preference(const ptl_product *p, const blas_form *f,
                                     cublasLtMatmulPreference_t preference)
{
    const cublas_library *lt = cublas_get(NULL);
    const struct {
        cublasLtMatmulPreferenceAttributes_t attribute;
        const blas_matrix *matrix;
    } aligned[] = {{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &f->a},
                   {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &f->b},
                   {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &f->c},
                   {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &f->c}};
    uint64_t most = MOST_WORKSPACE;
    cublasStatus_t st = lt->cublasLtMatmulPreferenceSetAttribute(
        preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most,
        sizeof most);
    for (size_t i = 0; i < sizeof aligned / sizeof *aligned; i++) {
        uint32_t bytes = alignment_of(p, aligned[i].matrix);
        st = then(st,
                  lt->cublasLtMatmulPreferenceSetAttribute(
                      preference, aligned[i].attribute, &bytes, sizeof bytes));
    }
    return st;
}

/* NOT_SUPPORTED where there is no algorithm. */
static cublasStatus_t choose(const ptl_product *p, device_product *out)
{
    const cublas_library *lt = cublas_get(NULL);
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t result = {0};
    int count = 0;
    cublasStatus_t st = lt->cublasLtMatmulPreferenceCreate(&preference);
    if (st != CUBLAS_STATUS_SUCCESS)
        return st;
    st = set_preference(p, &out->form, preference);
    if (st == CUBLAS_STATUS_SUCCESS)
        st = lt->cublasLtMatmulAlgoGetHeuristic(out->device->cublas, out->desc,
                                                out->a, out->b, out->c, out->c,
                                                preference, 1, &result, &count);
    lt->cublasLtMatmulPreferenceDestroy(preference);
    if (st != CUBLAS_STATUS_SUCCESS)
        return st;
    out->algo = result.algo;
    out->workspace_bytes = result.workspaceSize;
    return count ? result.state : CUBLAS_STATUS_NOT_SUPPORTED;
}

static ptl_status prepare(const ptl_product *p, device_product *out,
                          bool *refused, ptl_error *err)
{
    cublasStatus_t st = make_desc(p, out);
    if (st == CUBLAS_STATUS_SUCCESS)
        st = make_layout(p, &out->form.a, &out->a);
    if (st == CUBLAS_STATUS_SUCCESS)
        st = make_layout(p, &out->form.b, &out->b);
    if (st == CUBLAS_STATUS_SUCCESS)
        st = make_layout(p, &out->form.c, &out->c);
    if (st == CUBLAS_STATUS_SUCCESS)
        st = choose(p, out);
    *refused = st == CUBLAS_STATUS_NOT_SUPPORTED;
    if (*refused)
        return PTL_OK;
    if (st != CUBLAS_STATUS_SUCCESS)
        return cannot_compute(p, out->device, st, err);
    return device_need_workspace(out->device, out->workspace_bytes, err);
}

ptl_status device_product_open(ptl_device *d, const ptl_product *p,
                               device_product **out, ptl_error *err)
{
    bool refused = false;
    *out = NULL;
    device_product *made = calloc(1, sizeof *made);
    if (!made)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a run");
    made->device = d;
    made->of = p;
    blas_form_of(p, &made->form);
    ptl_status st = device_use(d, err);
    if (st == PTL_OK)
        st = prepare(p, made, &refused, err);
    if (st == PTL_OK && !refused)
        *out = made;
    else
        device_product_close(made);
    return st;
}

void device_product_close(device_product *p)
{
    if (!p)
        return;
    const cublas_library *lt = cublas_get(NULL);
    cublasLtMatrixLayout_t layouts[] = {p->a, p->b, p->c};
    for (int i = 0; i < 3; i++)
        if (layouts[i])
            lt->cublasLtMatrixLayoutDestroy(layouts[i]);
    if (p->desc)
        lt->cublasLtMatmulDescDestroy(p->desc);
    free(p);
}

/* ---------- carrying it out ---------- */

static void *place(const device_product *p, const blas_matrix *m,
                   const CUdeviceptr *args)
{
    CUdeviceptr at =
        args[m->of->arg] + (CUdeviceptr)(m->of->at * dtype_size(p->of->dtype));
    return (void *)(uintptr_t)at;
}

ptl_status device_product_run(const device_product *p, const CUdeviceptr *args,
                              ptl_error *err)
{
    static const float ones_f32[] = {1, 0};
    static const double ones_f64[] = {1, 0};
    const void *one = ones_f32, *zero = ones_f32 + 1;
    const ptl_device *d = p->device;
    void *c = place(p, &p->form.c, args);
    if (p->of->dtype == PTL_F64)
        one = ones_f64, zero = ones_f64 + 1;
    cublasStatus_t st = cublas_get(NULL)->cublasLtMatmul(
        d->cublas, p->desc, one, place(p, &p->form.a, args), p->a,
        place(p, &p->form.b, args), p->b, zero, c, p->c, c, p->c, &p->algo,
        (void *)(uintptr_t)d->workspace, p->workspace_bytes, d->stream);
    return st == CUBLAS_STATUS_SUCCESS ? PTL_OK
                                       : cannot_compute(p->of, d, st, err);
}
