/*
 * test_recurrent.c - the library's recurrent layers are not unrolled, nor is
 * their derivative: points visited grow with the steps, and nothing else does.
 */
#include "grad/grad.h"
#include "lang/elab.h"
#include "lower/lower.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char program[] =
    "import std.nn; import std.loss; import std.optim;\n"
    "data d {\n"
    "  train = data.csv(path = \"x.csv\", x = \"0..%d\");\n"
    "  x[t, k]: real[%d, 3] = raw.x[3 * t + k];\n"
    "}\n"
    "train {\n"
    "  model f = nn.%s(hidden = 4);\n"
    "  data d;\n"
    "  h = f(x);\n"
    "  loss = mean(n, t, j) h[n, t, j]^2;\n"
    "  optimizer = optim.sgd(lr = 0.5);\n"
    "  batch = 2;\n"
    "}\n";

static ir_graph *gradients(ptl_arena *arena, const char *layer, int steps)
{
    ptl_diags *diags = diags_new(0);
    char *text = arena_printf(arena, program, 3 * steps, steps, layer);
    lang_sources sources = {.library = ptl_stdlib_files};
    elab_options options = {.mode = ELAB_GRAD, .rows = 2};
    lang_modules *all = lang_load_source(
        arena, src_file_new(arena, "t.ptl", text, strlen(text)), &sources,
        diags);
    typed_program *p = elab_train(arena, all, &options, diags);
    ptl_str messages = {0};
    diags_print(diags, &messages, false);
    if (!p)
        fail_msg("%s", str_text(&messages));
    ir_graph *g = lower_program(p, LOWER_GRAD, diags);
    assert_non_null(g);
    str_fini(&messages);
    diags_free(diags);
    return g;
}

static void assert_linear(int64_t few, int64_t more, int64_t most)
{
    assert_true(few > 0);
    assert_int_equal(most - more, 2 * (more - few));
}

/* 8, 16 and 32 steps. */
static void assert_linear_in_steps(const char *layer)
{
    ptl_arena *arena = arena_new();
    const grad_volume *rows[3];
    ir_graph *g[3];
    int count[3];
    for (int i = 0; i < 3; i++) {
        g[i] = gradients(arena, layer, 8 << i);
        count[i] = grad_volumes(g[i], &rows[i]);
        assert_int_equal(count[i], count[0]);
        assert_int_equal(g[i]->nodes.count, g[0]->nodes.count);
    }
    assert_true(count[0] > 0);
    for (int k = 0; k < count[0]; k++) {
        assert_linear(rows[0][k].forward, rows[1][k].forward,
                      rows[2][k].forward);
        assert_linear(rows[0][k].backward, rows[1][k].backward,
                      rows[2][k].backward);
    }
    for (int i = 0; i < 3; i++)
        ir_graph_free(g[i]);
    arena_free(arena);
}

static void volumes_of_rnn_are_linear_in_its_steps(void **state)
{
    (void)state;
    assert_linear_in_steps("rnn");
}

static void volumes_of_gru_are_linear_in_its_steps(void **state)
{
    (void)state;
    assert_linear_in_steps("gru");
}

static void volumes_of_lstm_are_linear_in_its_steps(void **state)
{
    (void)state;
    assert_linear_in_steps("lstm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(volumes_of_rnn_are_linear_in_its_steps),
        cmocka_unit_test(volumes_of_gru_are_linear_in_its_steps),
        cmocka_unit_test(volumes_of_lstm_are_linear_in_its_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
