/*
 * code.c - the module in parts of about equal work, compiled side by side.
 */
#include "base/integer.h"
#include "base/thread.h"
#include "codegen/cache/cache.h"
#include "codegen/cuda/cuda_code.h"
#include "codegen/cuda/guard.h"
#include "codegen/cuda/refusal.h"
#include "codegen/llvm/library.h"
#include "codegen_version.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PART_KERNELS = 12, MOST_THREADS = 16 };

typedef struct work {
    const kern_module *m;
    const cuda_options *options;
    cuda_code *code;
    atomic_int next;
    pthread_mutex_t lock;
    ptl_status status; /* of the first part that failed */
    ptl_error *err;
} work;

/* ---------- the cache: text, machine code and log of a part ---------- */

enum { PTX, CUBIN, LOG, OBJECTS };

static code_key key_of(const char *source, const cuda_options *options)
{
    char with[80];
    snprintf(with, sizeof with, "%s_%d NVRTC %d",
             options->text_only ? "compute" : "sm", options->arch,
             nvrtc_version());
    const char *parts[] = {PTL_CODEGEN_VERSION, with, source, NULL};
    return code_key_of(parts);
}

static bool load(const work *w, const code_key *key, nvrtc_code *out)
{
    code_object *objects;
    int count;
    if (!w->options->cache_dir ||
        !code_cache_load(w->options->cache_dir, key, &objects, &count))
        return false;
    bool whole = count == OBJECTS && objects[PTX].size && objects[LOG].size &&
                 objects[PTX].bytes[objects[PTX].size - 1] == '\0' &&
                 objects[LOG].bytes[objects[LOG].size - 1] == '\0';
    if (whole) {
        *out = (nvrtc_code){.ptx = objects[PTX].bytes,
                            .ptx_size = objects[PTX].size,
                            .cubin = objects[CUBIN].bytes,
                            .cubin_size = objects[CUBIN].size,
                            .log = objects[LOG].bytes};
        if (out->cubin_size == 0) { /* none was made */
            free(out->cubin);
            out->cubin = NULL;
        }
        count = 0; /* theirs now */
    }
    code_objects_free(objects, count);
    return whole;
}

static void keep(const work *w, const code_key *key, const nvrtc_code *code)
{
    const code_object objects[OBJECTS] = {
        [PTX] = {code->ptx, code->ptx_size},
        [CUBIN] = {code->cubin, code->cubin_size},
        [LOG] = {code->log, strlen(code->log) + 1},
    };
    if (w->options->cache_dir)
        code_cache_store(w->options->cache_dir, key, objects, OBJECTS);
}

/* ---------- parts ---------- */

static void say_crash(const cuda_printed *p, ptl_str *out)
{
    int version = nvrtc_version();
    str_printf(out, "ptlc: error: NVRTC %d.%d crashed while it compiled ",
               version / 1000, version % 1000 / 10);
    cuda_list_kernels(p, out);
    str_add(out, "; another release of it may not (PTL_NVRTC names one)\n");
}

/* Gives the text to NVRTC. */
static ptl_status make_code(const work *w, const cuda_printed *p,
                            nvrtc_code *out, ptl_error *err)
{
    ptl_str message = {0};
    say_crash(p, &message);
    guard_begin(str_text(&message));
    ptl_status st = nvrtc_compile(p->source, "kernels.cu", w->options->arch,
                                  w->options->text_only, out, err);
    guard_end();
    str_fini(&message);
    if (st != PTL_E_INTERNAL)
        return st;
    cuda_explain_refusal(p, out->log ? out->log : "", &message);
    ptl_fail(err, st, "%s", str_text(&message));
    str_fini(&message);
    nvrtc_code_fini(out);
    return st;
}

static void compile_part(work *w, cuda_part *part)
{
    ptl_str source = {0};
    ptl_error err = {0};
    ptl_status st = PTL_OK;
    cuda_print(w->m, part->kernels, part->count, &source);
    code_key key = key_of(str_text(&source), w->options);
    if (!load(w, &key, &part->code)) {
        const cuda_printed printed = {w->m, part->kernels, part->count,
                                      str_text(&source)};
        st = make_code(w, &printed, &part->code, &err);
        if (st == PTL_OK)
            keep(w, &key, &part->code);
    }
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
    out->same = kern_find_equal(m, out->arena);
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

ptl_status cuda_compile(const kern_module *m, const cuda_options *options,
                        cuda_code *out, ptl_error *err)
{
    *out = (cuda_code){0};
    ptl_status st = nvrtc_check(options->arch, err);
    if (st == PTL_OK)
        st = llvm_need(err); /* keys of the cache are its hashes */
    if (st != PTL_OK)
        return st;
    out->arena = arena_new();
    share_out(m, out);
    work w = {.m = m, .options = options, .code = out, .err = err};
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
