/*
 * test_cycles.c - a small program compiled, run and released a thousand times
 * leaves no memory behind; so does one that comes from the cache.
 */
#include "base/diag.h"
#include "base/source.h"
#include "codegen/compile.h"
#include "runtime/run.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { WARM_UP = 30, CYCLES = 1000, SLACK_BYTES = 65536, SLACK_PAGES = 256 };

static const char text[] = "input x: real[40] generic f32;\n"
                           "comp s[| i:0..40] = sum exp(x[i]);\n"
                           "output s = s;\n";

typedef struct cycle_case {
    ptl_arena *arena;
    ptl_diags *diags;
    ir_graph *graph;
    ptl_pool *pool;
} cycle_case;

static int set_up(void **state)
{
    static cycle_case c;
    ptl_error err = {0};
    c.arena = arena_new();
    c.diags = diags_new(0);
    c.graph = ir_parse(src_file_new(c.arena, "cycle.ir", text, strlen(text)),
                       c.diags);
    assert_non_null(c.graph);
    assert_int_equal(pool_open(1, &c.pool, &err), PTL_OK);
    *state = &c;
    return 0;
}

static int tear_down(void **state)
{
    cycle_case *c = *state;
    pool_close(c->pool);
    ir_graph_free(c->graph);
    diags_free(c->diags);
    arena_free(c->arena);
    return 0;
}

static void one_cycle(cycle_case *c, const char *cache_dir)
{
    static _Alignas(64) float x[64];
    ptl_error err = {0};
    ptl_program *program;
    ptl_run *run;
    compile_options options = {.cpu = "native", .cache_dir = cache_dir};
    if (compile_graph(c->graph, "cycle", &options, &program, &err) != PTL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(run_open(program, c->pool, &run, &err), PTL_OK);
    run_bind(run, program_find(program, "x"), x);
    assert_int_equal(run_execute(run, &err), PTL_OK);
    const float *s = run_data(run, program_find(program, "s"));
    assert_true(*s == 40.0f);
    run_close(run);
    program->release(program);
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Pages of address space: machine code does not come from malloc. ASan keeps
 * what was freed for a while; there LeakSanitizer looks instead. */
static long mapped_pages(void)
{
#ifdef __SANITIZE_ADDRESS__
    return 0;
#else
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &pages), 1);
    fclose(file);
    return pages;
#endif
}

static void cycles_leave_nothing(cycle_case *c, const char *cache_dir)
{
    for (int i = 0; i < WARM_UP; i++) /* LLVM's own tables fill once */
        one_cycle(c, cache_dir);
    size_t before = heap_bytes();
    long pages = mapped_pages();
    for (int i = 0; i < CYCLES; i++)
        one_cycle(c, cache_dir);
    size_t after = heap_bytes();
    long grown = mapped_pages() - pages;
    if (grown > SLACK_PAGES)
        fail_msg("%ld pages were mapped and not returned", grown);
    if (after > before + SLACK_BYTES)
        fail_msg("the heap grew from %zu to %zu bytes", before, after);
}

static void compiling_anew_leaves_nothing(void **state)
{
    cycles_leave_nothing(*state, NULL);
}

static void loading_from_the_cache_leaves_nothing(void **state)
{
    char folder[] = "/tmp/ptl-cycles-XXXXXX", command[64];
    assert_non_null(mkdtemp(folder));
    cycles_leave_nothing(*state, folder);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compiling_anew_leaves_nothing),
        cmocka_unit_test(loading_from_the_cache_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
