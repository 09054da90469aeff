/*
 * product.c - see product.h.
 */
#include "product.h"
#include <string.h>

static float *matrix(const product *p, work *w, const char *name, int use,
                     int64_t rows, int64_t columns)
{
    int64_t dims[] = {p->batch, rows, columns};
    return p->batch > 1 ? work_tensor_new(w, name, use, 3, dims)
                        : work_tensor_new(w, name, use, 2, dims + 1);
}

bool product_read(const work_request *r, work *w, product *p)
{
    const char *form = request_text(r, "form");
    if (strcmp(r->kind, "product") != 0)
        return false;
    *p = (product){.batch = request_int(r, "batch", 1),
                   .m = request_int(r, "m", 1),
                   .n = request_int(r, "n", 1),
                   .k = request_int(r, "k", 1),
                   .a_transposed = form && form[0] == 't',
                   .b_transposed = form && form[0] == 'n' && form[1] == 't'};
    p->a = p->a_transposed ? matrix(p, w, "a", WORK_IN, p->k, p->m)
                           : matrix(p, w, "a", WORK_IN, p->m, p->k);
    p->b = p->b_transposed ? matrix(p, w, "b", WORK_IN, p->n, p->k)
                           : matrix(p, w, "b", WORK_IN, p->k, p->n);
    p->c = matrix(p, w, "c", WORK_OUT, p->m, p->n);
    return true;
}
