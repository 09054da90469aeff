/*
 * main.c - bench_machine: the machine's own rates behind the worker's
 * protocol.
 */
#include "machine.h"
#include <string.h>

static ptl_status open_work(const work_request *r, work *w, ptl_error *err)
{
    return strcmp(r->kind, "fma") == 0 ? fma_open(r, w, err)
                                       : stream_open(r, w, err);
}

int main(int argc, char **argv)
{
    return worker_main(argc, argv, open_work);
}
