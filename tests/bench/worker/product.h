/*
 * product.h - the work `product`: c = a * b, with a or b stored transposed.
 *
 *     open product m= n= k= [batch=] [form=nn|nt|tn]
 *
 * a is [m, k] ([k, m] in tn), b is [k, n] ([n, k] in nt), c is [m, n];
 * `batch` above 1 puts an axis in front of all three. Row-major, all of it.
 */
#ifndef PTL_BENCH_PRODUCT_H
#define PTL_BENCH_PRODUCT_H

#include "worker.h"

typedef struct product {
    int64_t batch, m, n, k;
    bool a_transposed, b_transposed;
    const float *a, *b;
    float *c;
} product;

/* False: not this kind. Adds the three tensors to `w`. */
bool product_read(const work_request *r, work *w, product *p);

#endif
