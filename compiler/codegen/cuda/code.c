/*
 * code.c - the module in parts of about equal work, compiled side by side.
 */
#include "base/integer.h"
#include "base/thread.h"
#include "codegen/cuda/cuda_code.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { PART_KERNELS = 12, MOST_THREADS = 16 };

typedef struct work {
    const kern_module *m;
    int arch;
    cuda_code *code;
    atomic_int next;
    pthread_mutex_t lock;
    ptl_status status; /* of the first part that failed */
    ptl_error *err;
} work;

static void compile_part(work *w, cuda_part *part)
{
    ptl_str source = {0};
    ptl_error err = {0};
    cuda_print(w->m, part->kernels, part->count, &source);
    ptl_status st = nvrtc_compile(str_text(&source), "kernels.cu", w->arch,
                                  &part->code, &err);
    str_fini(&source);
    if (st == PTL_OK)
        return;
    pthread_mutex_lock(&w->lock);
    if (w->status == PTL_OK) {
        w->status = st;
        if (w->err)
            *w->err = err;
    }
    pthread_mutex_unlock(&w->lock);
}

static void *run(void *ctx)
{
    work *w = ctx;
    for (;;) {
        int part = atomic_fetch_add(&w->next, 1);
        if (part >= w->code->count)
            return NULL;
        compile_part(w, &w->code->parts[part]);
    }
}

static int thread_count(int parts)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int most = parts < MOST_THREADS ? parts : MOST_THREADS;
    return processors < most ? (int)processors : most;
}

static void run_all(work *w)
{
    pthread_t threads[MOST_THREADS];
    int wanted = thread_count(w->code->count), started = 0;
    while (started + 1 < wanted && thread_start(&threads[started], run, w) == 0)
        started++;
    run(w);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

/* Kernels that are not like an earlier one, so many to a part that all threads
 * have work. */
static void share_out(const kern_module *m, cuda_code *out)
{
    int count = m->kernels.count, kept = 0;
    int *kernels = ARENA_ARRAY(out->arena, int, count + 1);
    out->same = cuda_find_equal(m, out->arena);
    out->part_of = ARENA_ARRAY(out->arena, int, count + 1);
    for (int i = 0; i < count; i++)
        if (out->same[i] == i)
            kernels[kept++] = i;
    out->count = (int)int_ceil_div(kept, PART_KERNELS);
    out->parts = ARENA_ARRAY(out->arena, cuda_part, out->count + 1);
    for (int i = 0; i < kept; i++) {
        cuda_part *part = &out->parts[i % out->count];
        out->part_of[kernels[i]] = i % out->count;
        part->count++;
    }
    const int *next = kernels;
    int *sorted = ARENA_ARRAY(out->arena, int, kept + 1), placed = 0;
    for (int p = 0; p < out->count; p++) {
        out->parts[p].kernels = &sorted[placed];
        for (int i = p; i < kept; i += out->count)
            sorted[placed++] = next[i];
    }
    for (int i = 0; i < count; i++)
        out->part_of[i] = out->part_of[out->same[i]];
}

ptl_status cuda_compile(const kern_module *m, int arch, cuda_code *out,
                        ptl_error *err)
{
    *out = (cuda_code){0};
    ptl_status st = nvrtc_check(arch, err);
    if (st != PTL_OK)
        return st;
    out->arena = arena_new();
    share_out(m, out);
    work w = {.m = m, .arch = arch, .code = out, .err = err};
    pthread_mutex_init(&w.lock, NULL);
    run_all(&w);
    pthread_mutex_destroy(&w.lock);
    if (w.status != PTL_OK)
        cuda_code_fini(out);
    return w.status;
}

void cuda_code_fini(cuda_code *code)
{
    for (int i = 0; i < code->count; i++)
        nvrtc_code_fini(&code->parts[i].code);
    arena_free(code->arena);
    *code = (cuda_code){0};
}

void cuda_print_ptx(const cuda_code *code, ptl_str *out)
{
    for (int i = 0; i < code->count; i++)
        str_add(out, code->parts[i].code.ptx);
}
