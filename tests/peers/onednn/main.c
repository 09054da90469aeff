/*
 * main.c - peer_onednn: products and convolutions by oneDNN, for
 * scripts/bench.
 */
#include "onednn.h"
#include <string.h>

static ptl_status open_work(const work_request *r, work *w, ptl_error *err)
{
    if (strcmp(r->kind, "product") == 0)
        return dnn_product_open(r, w, err);
    if (strcmp(r->kind, "conv") == 0)
        return dnn_conv_open(r, w, err);
    return ptl_fail(err, PTL_E_USAGE, "no kind of work: %s", r->kind);
}

int main(int argc, char **argv)
{
    return worker_main(argc, argv, open_work);
}
