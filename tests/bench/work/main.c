/*
 * main.c - bench_work: PTL's side of scripts/bench.
 *
 *     bench_work [--threads N]     then requests, as worker.h tells
 */
#include "work.h"
#include <string.h>

static ptl_status open_work(const work_request *r, work *w, ptl_error *err)
{
    ptl_program *program;
    ptl_status st;
    if (strcmp(r->kind, "graph") == 0)
        st = graph_compile(r, &program, err);
    else if (strcmp(r->kind, "program") == 0)
        st = file_compile(r, &program, err);
    else
        st = ptl_fail(err, PTL_E_USAGE, "no kind of work: %s", r->kind);
    return st == PTL_OK ? work_bind(program, r->threads, w, err) : st;
}

int main(int argc, char **argv)
{
    return worker_main(argc, argv, open_work);
}
