/*
 * bench_graph.c - what each step of a compiled graph costs.
 *
 *     bench_graph [--threads N] [--cpu CPU] [--no-fuse] FILE.ir...
 *
 * Reads graphs in textual form, compiles them (twice through a cache, so that
 * both times show), runs them on numbers of no meaning and prints per step its
 * median time, bytes and FLOP a second, beside the rate of a large copy
 * measured in the same run.
 */
#include "base/clock.h"
#include "base/diag.h"
#include "base/source.h"
#include "codegen/compile.h"
#include "runtime/run.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 15, MOST_STEPS = 4096 };

typedef struct bench_options {
    int threads;
    const char *cpu;
    bool no_fuse;
} bench_options;

static _Noreturn void stop(const char *text)
{
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int count)
{
    qsort(x, (size_t)count, sizeof *x, by_value);
    return x[count / 2];
}

/* Bytes a second, read and written, of one thread's large copy. */
static double copy_rate(void)
{
    size_t size = (size_t)64 << 20;
    double times[RUNS];
    char *from = memory_map(size), *to = memory_map(size);
    if (!from || !to)
        stop("out of memory");
    memset(from, 1, size);
    for (int i = 0; i < RUNS; i++) {
        double start = clock_seconds();
        memcpy(to, from, size);
        times[i] = clock_seconds() - start;
    }
    memory_unmap(from, size);
    memory_unmap(to, size);
    return 2.0 * (double)size / median(times, RUNS);
}

static ir_graph *read_graph(const char *path, ptl_arena *arena,
                            ptl_diags *diags)
{
    ptl_str text = {0};
    char buffer[4096];
    FILE *file = fopen(path, "rb");
    if (!file)
        stop(path);
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;)
        str_addn(&text, buffer, n);
    fclose(file);
    src_file *source =
        src_file_new(arena, path, str_text(&text), text.length);
    ir_graph *g = ir_parse(source, diags);
    if (!g) {
        ptl_str out = {0};
        diags_print(diags, &out, false);
        stop(str_text(&out));
    }
    str_fini(&text);
    return g;
}

static ptl_program *compile(const ir_graph *g, const bench_options *o,
                            const char *cache_dir)
{
    ptl_error err = {0};
    ptl_program *program = NULL;
    compile_options options = {
        .no_fuse = o->no_fuse, .cpu = o->cpu, .cache_dir = cache_dir};
    double start = clock_seconds();
    if (compile_graph(g, "bench", &options, &program, &err) != PTL_OK)
        stop(err.text);
    printf("  %s in %.1f ms, %d steps, arena %.1f MB\n",
           cache_dir ? "compiled (cache)" : "compiled",
           (clock_seconds() - start) * 1e3, program->step_count,
           (double)program->arena_bytes * 1e-6);
    return program;
}

/* Small numbers everywhere: what they are does not matter, what they are not
 * (denormals, NaN, one index over and over) does. */
static void fill(const ptl_buffer *b, void *to)
{
    int64_t bound = b->idx_bound ? b->idx_bound : 2;
    for (int64_t e = 0; b->dtype == PTL_F32 && e < b->size_bytes / 4; e++)
        ((float *)(void *)to)[e] = (float)(e % 97) * 0.01f + 0.1f;
    for (int64_t e = 0; b->dtype == PTL_I32 && e < b->size_bytes / 4; e++)
        ((int32_t *)(void *)to)[e] = (int32_t)(e * 7919 % bound);
}

static void bind_all(ptl_run *run)
{
    const ptl_program *p = run_program(run);
    for (int i = 0; i < p->buffer_count; i++) {
        const ptl_buffer *b = &p->buffers[i];
        if (b->role > PTL_ROLE_DATA)
            continue;
        char *at = memory_map((size_t)b->size_bytes);
        if (!at)
            stop("out of memory");
        fill(b, at);
        run_bind(run, i, at);
    }
}

static void run_steps(ptl_run *run, double copy)
{
    static double times[MOST_STEPS][RUNS];
    const ptl_program *p = run_program(run);
    ptl_error err = {0};
    double total = 0;
    if (p->step_count > MOST_STEPS)
        stop("too many steps");
    for (int r = -2; r < RUNS; r++) {
        run_profile(run, true);
        if (run_execute(run, &err) != PTL_OK)
            stop(err.text);
        for (int i = 0; r >= 0 && i < p->step_count; i++)
            times[i][r] = run_step_seconds(run, i);
    }
    for (int i = 0; i < p->step_count; i++) {
        const ptl_step *s = &p->steps[i];
        double t = median(times[i], RUNS);
        total += t;
        printf("  %-28s %9.1f us %8.1f GFLOP/s %7.1f GB/s %4.0f %% of copy "
               "%6" PRId64 " tasks\n",
               s->name, t * 1e6, (double)s->flops / t * 1e-9,
               (double)s->bytes / t * 1e-9, 100.0 * (double)s->bytes / t / copy,
               s->task_count);
    }
    printf("  total %.1f us\n", total * 1e6);
}

static void bench(const char *path, const bench_options *o, double copy)
{
    char cache[] = "/tmp/ptl-bench-XXXXXX";
    ptl_error err = {0};
    ptl_arena *arena = arena_new();
    ptl_diags *diags = diags_new(0);
    ptl_pool *pool;
    ptl_run *run;
    printf("%s\n", path);
    ir_graph *g = read_graph(path, arena, diags);
    if (!mkdtemp(cache))
        stop("no folder for the cache");
    for (int i = 0; i < 2; i++) {
        ptl_program *warm = compile(g, o, i == 0 ? NULL : cache);
        warm->release(warm);
    }
    ptl_program *program = compile(g, o, cache);
    if (pool_open(o->threads, &pool, &err) != PTL_OK ||
        run_open(program, pool, &run, &err) != PTL_OK)
        stop(err.text);
    bind_all(run);
    run_steps(run, copy);
    run_close(run);
    pool_close(pool);
    program->release(program);
    ir_graph_free(g);
    diags_free(diags);
    arena_free(arena);
}

int main(int argc, char **argv)
{
    bench_options o = {.threads = 1, .cpu = "native"};
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--no-fuse") == 0)
            o.no_fuse = true;
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            o.threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--cpu") == 0 && i + 1 < argc)
            o.cpu = argv[++i];
        else
            stop("bench_graph [--threads N] [--cpu CPU] [--no-fuse] FILE...");
    }
    double copy = copy_rate();
    printf("copy %.1f GB/s\n", copy * 1e-9);
    for (; i < argc; i++)
        bench(argv[i], &o, copy);
    return 0;
}
