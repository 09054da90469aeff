/*
 * ir_text.c - graphs for tests, and derivatives by complex step.
 */
#include "core/ir_text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ranges point into the file, which does not live as long as the graph. */
static void forget_places(ir_graph *g)
{
    for (int i = 0; i < g->nodes.count; i++) {
        ir_node *n = g->nodes.data[i];
        n->at = (src_range){0};
        if (n->kind == IR_SCAN)
            forget_places(n->scan->body);
    }
}

ir_graph *ir_try_text(const char *text, size_t size)
{
    ptl_arena *arena = arena_new();
    ptl_diags *diags = diags_new(0);
    const src_file *file = src_file_new(arena, "test.ir", text, size);
    ir_graph *g = ir_parse(file, diags);
    if (g)
        forget_places(g);
    diags_free(diags);
    arena_free(arena);
    return g;
}

ir_graph *ir_from_unverified_text(const char *text)
{
    ptl_arena *arena = arena_new();
    ptl_diags *diags = diags_new(0);
    const src_file *file = src_file_new(arena, "test.ir", text, strlen(text));
    ir_graph *g = ir_parse(file, diags);
    if (!g) {
        ptl_str out = {0};
        diags_print(diags, &out, false);
        fprintf(stderr, "%s", str_text(&out));
        abort();
    }
    diags_free(diags);
    forget_places(g);
    arena_free(arena);
    return g;
}

ir_graph *ir_from_text(const char *text)
{
    ir_graph *g = ir_from_unverified_text(text);
    ptl_error err = {0};
    if (!ir_verify(g, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return g;
}

char *ir_to_text(const ir_graph *g)
{
    ptl_str out = {0};
    ir_print(g, &out);
    char *text = strdup(str_text(&out));
    str_fini(&out);
    return text;
}

void ir_eval_or_stop(const ir_graph *g, ir_values *v)
{
    ptl_error err = {0};
    if (ir_eval(g, v, NULL, &err) != PTL_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
}

static void copy_inputs(const ir_graph *g, const ir_values *from,
                        ir_values *to)
{
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.data[i]->kind == IR_INPUT)
            ir_values_set_complex(to, g->nodes.data[i], from->data[i]);
}

double ir_complex_step(const ir_graph *g, const ir_values *v,
                       const ir_node *node, ir_node *const *inputs,
                       const double *const *directions, int count)
{
    const double h = 1e-30;
    ir_values *moved = ir_values_new(g);
    bool *wanted = calloc((size_t)g->nodes.count, sizeof *wanted);
    ptl_error err = {0};
    copy_inputs(g, v, moved);
    for (int i = 0; i < count; i++)
        for (int64_t k = 0;
             directions[i] && k < ir_element_count(&inputs[i]->type); k++)
            moved->data[inputs[i]->id][k] += CMPLX(0.0, h * directions[i][k]);
    wanted[node->id] = true;
    if (ir_eval(g, moved, wanted, &err) != PTL_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    double slope = cimag(moved->data[node->id][0]) / h;
    ir_values_free(moved);
    free(wanted);
    return slope;
}
