/*
 * graph.c - a graph in textual form becomes a program, optionally its
 * derivatives, on the way every program takes: differentiated, optimised,
 * compiled.
 */
#include "base/diag.h"
#include "base/file.h"
#include "codegen/compile.h"
#include "grad/grad.h"
#include "opt/opt.h"
#include "work.h"
#include <string.h>

enum { MOST_WRT = 16 };

static ptl_status diags_fail(const ptl_diags *diags, ptl_error *err)
{
    ptl_str text = {0};
    diags_print(diags, &text, false);
    ptl_status st = ptl_fail(err, PTL_E_PROGRAM, "%s", str_text(&text));
    str_fini(&text);
    return st;
}

/* The output "loss" goes, the derivatives come. */
static ptl_status differentiate(ir_graph *g, const char *wrt, ptl_diags *diags,
                                ptl_error *err)
{
    ir_node *nodes[MOST_WRT], *grads[MOST_WRT];
    char *names = arena_strdup(g->arena, wrt);
    ir_node *loss = ir_find(g, "loss");
    int count = 0;
    for (char *n = strtok(names, ","); n; n = strtok(NULL, ",")) {
        ir_node *node = count < MOST_WRT ? ir_find(g, n) : NULL;
        if (!node)
            return ptl_fail(err, PTL_E_USAGE, "no node %s", n);
        nodes[count++] = node;
    }
    if (!loss)
        return ptl_fail(err, PTL_E_USAGE, "no node loss");
    if (!grad_build(g, loss, nodes, count, grads, diags))
        return diags_fail(diags, err);
    for (int i = 0; i < g->outputs.count; i++)
        if (g->outputs.data[i].node == loss)
            g->outputs.data[i--] = g->outputs.data[--g->outputs.count];
    for (int i = 0; i < count; i++)
        ir_output_add(g, arena_printf(g->arena, "d%s", nodes[i]->name),
                      grads[i], IR_OUT_VALUE, NULL);
    ir_prune(g);
    return PTL_OK;
}

static ptl_status compile(ir_graph *g, ptl_program **out, ptl_error *err)
{
    compile_options options = {.cpu = "native"};
    opt_run(g, false, NULL, NULL);
    return compile_graph(g, "bench", &options, out, err);
}

ptl_status graph_compile(const work_request *r, ptl_program **out,
                         ptl_error *err)
{
    const char *path = request_text(r, "file");
    const char *wrt = request_text(r, "wrt");
    ptl_bytes text;
    ptl_status st = file_read(path ? path : "", &text, err);
    if (st != PTL_OK)
        return st;
    ptl_arena *arena = arena_new();
    ptl_diags *diags = diags_new(0);
    ir_graph *g = ir_parse(
        src_file_new(arena, path, (const char *)text.data, text.size), diags);
    st = g ? PTL_OK : diags_fail(diags, err);
    if (g && wrt)
        st = differentiate(g, wrt, diags, err);
    if (st == PTL_OK)
        st = compile(g, out, err);
    ir_graph_free(g);
    diags_free(diags);
    arena_free(arena);
    bytes_free(&text);
    return st;
}
