/*
 * test_layout.c - the graph with its axes in another order means the same.
 */
#include "base/philox.h"
#include "core/ir_text.h"
#include "ir/eval.h"
#include "sched/layout.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void bind(const ir_graph *g, ir_values *v)
{
    for (int i = 0; i < g->nodes.count; i++) {
        ir_node *n = g->nodes.data[i];
        if (n->kind != IR_INPUT)
            continue;
        int64_t count = ir_element_count(&n->type);
        double *data = calloc((size_t)count, sizeof *data);
        assert_non_null(data);
        for (int64_t k = 0; k < count; k++)
            data[k] = philox_uniform(5, (uint64_t)n->name[0], 0, (uint64_t)k);
        ir_values_set(v, n, data);
        free(data);
    }
}

static ir_values *evaluated(ir_graph *g)
{
    ptl_error err = {0};
    ir_values *v = ir_values_new(g);
    bind(g, v);
    assert_int_equal(ir_eval(g, v, NULL, &err), PTL_OK);
    return v;
}

/* NULL: nothing is read through a window. */
static ir_graph *laid_out_for(const ir_graph *g, bool threads)
{
    ptl_arena *arena = arena_new();
    sched_layout layout;
    ptl_error err = {0};
    ir_graph *made = NULL;
    if (sched_choose_layout(g, threads, arena, &layout)) {
        made = sched_relayout(g, &layout);
        if (!ir_verify(made, &err))
            fail_msg("%s", err.text);
    }
    arena_free(arena);
    return made;
}

static ir_graph *laid_out(const ir_graph *g)
{
    return laid_out_for(g, false);
}

static void assert_same_outputs(ir_graph *a, ir_graph *b)
{
    ir_values *x = evaluated(a), *y = evaluated(b);
    assert_int_equal(a->outputs.count, b->outputs.count);
    for (int i = 0; i < a->outputs.count; i++) {
        const ir_node *m = a->outputs.data[i].node;
        const ir_node *n = b->outputs.data[i].node;
        assert_true(ir_same_shape(&m->type, &n->type));
        for (int64_t k = 0; k < ir_element_count(&m->type); k++)
            assert_true(creal(x->data[m->id][k]) == creal(y->data[n->id][k]));
    }
    ir_values_free(x);
    ir_values_free(y);
}

static ir_type type_of(const ir_graph *g, const char *name)
{
    const ir_node *n = ir_find(g, name);
    assert_non_null(n);
    return n->type;
}

static const char network[] =
    "input x: real[2, 3, 12, 12] data f32;\n"
    "input w: real[8, 3, 3, 3] param f32;\n"
    "input b: real[8] param f32;\n"
    "comp y[n:2, o:8, p:12, q:12 | c:0..3, r:0..3, s:0..3] = sum "
    "x[n, c, p + r - 1, q + s - 1 else 0.0] * w[o, c, r, s];\n"
    "comp z[n:2, o:8, p:12, q:12] = maximum(y[n, o, p, q] + b[o], 0.0);\n"
    "comp h[n:2, o:8, p:6, q:6 | r:0..2, s:0..2] = max "
    "z[n, o, 2*p + r, 2*q + s];\n"
    "comp f[n:2, o:8, p:6, q:6] = h[n, o, p, q];\n"
    "scatter flat: real[2, 288] disjoint { [n, o, p, q] at [n, 36*o + 6*p + q] "
    "+= f; };\n"
    "comp g[n:2, o:8, p:6, q:6, r:2, s:2] = h[n, o, p, q] == "
    "z[n, o, 2*p + r, 2*q + s] ? 1.0 : 0.0;\n"
    "scatter dz: real[2, 8, 12, 12] disjoint { [n, o, p, q, r, s] at "
    "[n, o, 2*p + r, 2*q + s] += g; };\n"
    "comp dw[o:8, c:3, r:3, s:3 | n:0..2, p:0..12, q:0..12] = sum "
    "dz[n, o, p, q] * x[n, c, p + r - 1, q + s - 1 else 0.0];\n"
    "output flat = flat;\noutput dw = dw;\n";

static void a_network_keeps_its_values(void **state)
{
    (void)state;
    ir_graph *g = ir_from_text(network), *made = laid_out(g);
    assert_non_null(made);
    assert_same_outputs(g, made);
    ir_graph_free(made);
    ir_graph_free(g);
}

static void channels_come_last_and_reads_stay_inside(void **state)
{
    (void)state;
    ir_graph *g = ir_from_text(network), *made = laid_out(g);
    assert_non_null(made);
    ir_type window = type_of(made, "x.window");
    assert_true(memcmp(window.dims, (int64_t[]){2, 14, 14, 3},
                       4 * sizeof *window.dims) == 0);
    /* One copy serves the product and the gradient of its weights. */
    assert_null(ir_find(made, "x.window.2"));
    ir_type pooled = type_of(made, "h");
    assert_int_equal(pooled.dims[3], 8);
    ir_type gradient = type_of(made, "dz");
    assert_int_equal(gradient.dims[3], 8);
    /* A reshaped tensor stays as it is, so that it is a view. */
    ir_type flat = type_of(made, "f");
    assert_int_equal(flat.dims[1], 8);
    ir_graph_free(made);
    ir_graph_free(g);
}

static void assert_dims(const ir_graph *g, const char *name,
                        const int64_t *dims)
{
    ir_type type = type_of(g, name);
    assert_memory_equal(type.dims, dims, (size_t)type.rank * sizeof *dims);
}

/* 3 channels fill no sector, 8 columns do; of 16 and 16 either may be last. */
static void
threads_fetch_weights_from_copies_whose_runs_fill_sectors(void **state)
{
    (void)state;
    static const char wide[] =
        "input x: real[2, 16, 8, 8] data f32;\n"
        "input w: real[16, 16, 3, 3] param f32;\n"
        "comp y[n:2, o:16, p:6, q:6 | c:0..16, r:0..3, s:0..3] = sum "
        "x[n, c, p + r, q + s] * w[o, c, r, s];\n"
        "comp dx[n:2, c:16, u:8, v:8 | o:0..16, r:0..3, s:0..3] = sum "
        "y[n, o, u - r, v - s else 0.0] * w[o, c, r, s];\n"
        "output dx = dx;\n";
    ir_graph *g = ir_from_text(network), *made = laid_out_for(g, true);
    assert_same_outputs(g, made);
    assert_dims(made, "w.ordered", (int64_t[]){3, 3, 3, 8});
    ir_graph_free(made);
    ir_graph_free(g);
    g = ir_from_text(wide);
    made = laid_out_for(g, true);
    assert_same_outputs(g, made);
    assert_dims(made, "w.ordered", (int64_t[]){3, 3, 16, 16});
    assert_null(ir_find(made, "w.ordered.2")); /* one for both */
    ir_graph_free(made);
    ir_graph_free(g);
}

#define TWO_TAPS                                                               \
    "comp two[n:8, c:16, u:33 | o:0..16, r:0..2] = sum "                       \
    "dy[n, o, u - r else 0.0] * w[o, c, 2*r];\n"                               \
    "output two = two;\n"
#define A_TAP(rows)                                                            \
    "comp one[n:" rows ", c:16, u:32 | o:0..16] = sum "                        \
    "dy[n, o, u] * w[o, c, 1];\n"                                              \
    "output one = one;\n"
#define OPERANDS(rows)                                                         \
    "input dy: real[" rows ", 16, 32] data f32;\n"                             \
    "input w: real[16, 16, 3] param f32;\n"

static void assert_fetches_copy(const char *text)
{
    ir_graph *g = ir_from_text(text), *made = laid_out_for(g, true);
    assert_non_null(made);
    assert_same_outputs(g, made);
    assert_dims(made, "w.ordered", (int64_t[]){3, 16, 16});
    assert_null(ir_find(made, "w.ordered.2"));
    const ir_node *product = ir_find(made, "one");
    if (product->comp.body->kind == IR_EXPR_READ) /* an output in its order */
        product = product->comp.body->node;
    assert_string_equal(product->comp.body->args[1]->node->name, "w.ordered");
    ir_graph_free(made);
    ir_graph_free(g);
}

/* At stride 2 a phase of the gradient reads two taps, the other one alone. */
static void threads_fetch_a_lone_tap_from_the_copy_of_all(void **state)
{
    (void)state;
    assert_fetches_copy(OPERANDS("8") TWO_TAPS A_TAP("8"));
}

static void a_lone_tap_has_a_copy_made_where_it_is_fetched_often(void **state)
{
    (void)state;
    assert_fetches_copy(OPERANDS("16") A_TAP("16"));
    ir_graph *g = ir_from_text(OPERANDS("8") A_TAP("8"));
    assert_null(laid_out_for(g, true));
    ir_graph_free(g);
}

static void products_without_windows_are_left_alone(void **state)
{
    (void)state;
    ir_graph *g =
        ir_from_text("input x: real[64, 64] data f32;\n"
                     "input w: real[64, 64] param f32;\n"
                     "comp y[i:64, j:64 | k:0..64] = sum x[i, k] * w[j, k];\n"
                     "output y = y;\n");
    assert_null(laid_out(g));
    ir_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_keeps_its_values),
        cmocka_unit_test(channels_come_last_and_reads_stay_inside),
        cmocka_unit_test(
            threads_fetch_weights_from_copies_whose_runs_fill_sectors),
        cmocka_unit_test(threads_fetch_a_lone_tap_from_the_copy_of_all),
        cmocka_unit_test(a_lone_tap_has_a_copy_made_where_it_is_fetched_often),
        cmocka_unit_test(products_without_windows_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
