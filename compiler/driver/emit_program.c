/*
 * emit_program.c - the stages from the typed program on: one train block at
 * its own batch size; from the schedule on also the tests of a file that has
 * none, as `ptlc test` compiles them.
 */
#include "cmd_test.h"
#include "compile_file.h"
#include "grad/grad.h"

static typed_program *load_typed(driver *d, const char *path, lower_kind kind,
                                 ptl_error *err)
{
    const lang_modules *modules = driver_load_checked(d, path, err);
    if (!modules)
        return NULL;
    return driver_elaborate(d, modules, kind, err);
}

bool emit_typed(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    const typed_program *p = load_typed(d, path, LOWER_TRAIN, err);
    if (!p)
        return false;
    typed_print(p, out);
    return true;
}

static ir_graph *load_graph(driver *d, const char *path, lower_kind kind,
                            ptl_error *err)
{
    const typed_program *p = load_typed(d, path, kind, err);
    if (!p)
        return NULL;
    ir_graph *g = lower_program(p, kind, d->diags);
    driver_phase(d, "lower and derive");
    return g;
}

static bool print_graph(driver *d, const char *path, lower_kind kind,
                        ptl_str *out, ptl_error *err)
{
    ir_graph *g = load_graph(d, path, kind, err);
    if (!g)
        return false;
    ir_print(g, out);
    ir_graph_free(g);
    return true;
}

bool emit_ir(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    return print_graph(d, path, LOWER_FORWARD, out, err);
}

bool emit_grad(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    return print_graph(d, path, LOWER_TRAIN, out, err);
}

/* The derivative alone: the gradients and what only they need. */
bool emit_grad_ptl(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    ir_graph *g = load_graph(d, path, LOWER_GRAD, err);
    if (!g)
        return false;
    grad_print_ptl(g, NULL, 0, out);
    ir_graph_free(g);
    return true;
}

/* NULL also where there are no tests: the train block is missing. */
static ir_graph *load_tests(driver *d, const lang_modules *modules,
                            compile_options *options, ptl_error *err)
{
    ir_graph *g = test_graph(d, modules, err);
    *options = driver_compile_options(d, TYPED_F64);
    if (!g || g->outputs.count > 0)
        return g;
    ir_graph_free(g);
    driver_elaborate(d, modules, LOWER_TRAIN, err);
    return NULL;
}

/* After all passes from IR to IR. */
static ir_graph *load_simple(driver *d, const char *path,
                             compile_options *options, ptl_error *err)
{
    const lang_modules *modules = driver_load_checked(d, path, err);
    if (modules && !elab_has_train(modules))
        return load_tests(d, modules, options, err);
    const typed_program *p =
        modules ? driver_elaborate(d, modules, LOWER_TRAIN, err) : NULL;
    ir_graph *g = p ? lower_program(p, LOWER_TRAIN, d->diags) : NULL;
    driver_phase(d, "lower and derive");
    if (!g)
        return NULL;
    *options = driver_compile_options(d, p->settings.precision);
    driver_simplify(g, p->settings.precision, options);
    driver_phase(d, "simplify");
    return g;
}

static bool emit_compiled(driver *d, const char *path, const char *stage,
                          ptl_str *out, ptl_error *err)
{
    compile_options options;
    ir_graph *g = load_simple(d, path, &options, err);
    if (!g)
        return false;
    ptl_status st = compile_emit(g, stage, &options, out, err);
    driver_phase(d, stage);
    ir_graph_free(g);
    return st == PTL_OK;
}

bool emit_schedule(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    return emit_compiled(d, path, "schedule", out, err);
}

bool emit_kernels(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    return emit_compiled(d, path, "kernels", out, err);
}

bool emit_llvm(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    return emit_compiled(d, path, "llvm", out, err);
}

bool emit_asm(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    return emit_compiled(d, path, "asm", out, err);
}

bool emit_cuda(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    return emit_compiled(d, path, "cuda", out, err);
}

bool emit_ptx(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    return emit_compiled(d, path, "ptx", out, err);
}

bool emit_sass_report(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    return emit_compiled(d, path, "sass-report", out, err);
}
