/*
 * test_lower.c - whole train blocks: what each kind of program reads and
 * gives, and what its numbers are by the oracle.
 */
#include "ir/eval.h"
#include "lang/elab.h"
#include "lower/lower.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char program[] =
    "import std.nn; import std.loss; import std.optim;\n"
    "model net(p: real = 0.5) {\n"
    "  use f = nn.linear(out = 3);\n"
    "  use drop = nn.dropout(p = p);\n"
    "  fn (x: real[N, 2]) -> z: real[N, 3] { z = f(drop(x)); }\n"
    "}\n"
    "data d {\n"
    "  train = data.csv(path = \"x.csv\", x = \"0..2\", label = \"2\");\n"
    "  x[i]: real[2] = raw.x[i];\n"
    "  label: idx(3) = raw.label;\n"
    "}\n"
    "train {\n"
    "  model m = net();\n"
    "  data d;\n"
    "  hyper lr: real = 0.5 in (0, 1];\n"
    "  logits = m(x);\n"
    "  loss = loss.cross_entropy(logits, label);\n"
    "  metric share = mean(n) (argmax(k) logits[n, k] == label[n]);\n"
    "  optimizer = optim.sgd(lr = lr, momentum = 0.9);\n"
    "  %s\n"
    "  batch = 8;\n"
    "}\n";

typedef struct fixture {
    ptl_arena *arena;
    ptl_diags *diags;
    ir_graph *g;
    ir_values *v;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->arena = arena_new();
    f->diags = diags_new(0);
    *state = f;
    return 0;
}

static void drop_graph(fixture *f)
{
    if (f->v)
        ir_values_free(f->v);
    if (f->g)
        ir_graph_free(f->g);
    f->v = NULL;
    f->g = NULL;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    drop_graph(f);
    diags_free(f->diags);
    arena_free(f->arena);
    free(f);
    return 0;
}

static typed_program *elaborate(fixture *f, const char *text, elab_mode mode,
                                int64_t rows, const char *key,
                                const char *value)
{
    lang_sources sources = {ptl_stdlib_files, NULL, 0};
    elab_set set = {key, value};
    elab_options options = {
        .mode = mode, .rows = rows, .sets = &set, .set_count = key != NULL};
    lang_modules *all = lang_load_source(
        f->arena, src_file_new(f->arena, "t.ptl", text, strlen(text)), &sources,
        f->diags);
    return elab_train(f->arena, all, &options, f->diags);
}

static typed_program *typed(fixture *f, const char *extra, elab_mode mode,
                            int64_t rows)
{
    char *text = arena_printf(f->arena, program, extra);
    typed_program *p = elaborate(f, text, mode, rows, NULL, NULL);
    ptl_str out = {0};
    diags_print(f->diags, &out, false);
    if (!p)
        print_error("%s\n", str_text(&out));
    str_fini(&out);
    return p;
}

static void lower(fixture *f, const char *extra, elab_mode mode,
                  lower_kind kind, int64_t rows)
{
    typed_program *p = typed(f, extra, mode, rows);
    ptl_error err = {0};
    assert_non_null(p);
    drop_graph(f);
    f->g = lower_program(p, kind, f->diags);
    assert_non_null(f->g);
    if (!ir_verify(f->g, &err))
        fail_msg("%s", err.text);
}

static ir_node *output(const fixture *f, const char *name)
{
    for (int i = 0; i < f->g->outputs.count; i++)
        if (!strcmp(f->g->outputs.data[i].name, name))
            return f->g->outputs.data[i].node;
    return NULL;
}

static void bind_numbers(fixture *f, const char *name, const double *numbers)
{
    ir_node *n = ir_find(f->g, name);
    if (n)
        ir_values_set(f->v, n, numbers);
}

/* x are rows of ones, w is the first columns of the identity; row0 as given. */
static void run(fixture *f, double row0)
{
    static const double w[6] = {1, 0, 0, 1, 0, 0}, b[3] = {0};
    static const double zeros[6] = {0}, labels[8] = {0, 1, 2, 0, 1, 2, 0, 1};
    static const double seed = 7, step = 3;
    double ones[16];
    ptl_error err = {0};
    for (int i = 0; i < 16; i++)
        ones[i] = 1;
    f->v = ir_values_new(f->g);
    bind_numbers(f, "x", ones);
    bind_numbers(f, "label", labels);
    bind_numbers(f, "m.f.w", w);
    bind_numbers(f, "m.f.b", b);
    bind_numbers(f, "m.f.w/v", zeros);
    bind_numbers(f, "m.f.b/v", zeros);
    bind_numbers(f, "seed", &seed);
    bind_numbers(f, "step", &step);
    bind_numbers(f, "row0", &row0);
    if (ir_eval(f->g, f->v, NULL, &err) != PTL_OK)
        fail_msg("%s", err.text);
}

static const double complex *numbers_of(const fixture *f, const char *name)
{
    return f->v->data[output(f, name)->id];
}

/* ---------- what each program gives ---------- */

static void training_updates_every_parameter_and_slot(void **state)
{
    fixture *f = *state;
    int updates = 0;
    lower(f, "", ELAB_TRAIN, LOWER_TRAIN, 0);
    for (int i = 0; i < f->g->outputs.count; i++)
        updates += f->g->outputs.data[i].role == IR_OUT_UPDATE;
    assert_int_equal(updates, 4);
    assert_non_null(output(f, "loss"));
    assert_non_null(output(f, "lr"));
    assert_non_null(ir_find(f->g, "m.f.w/v"));
}

static void initialising_reads_no_data(void **state)
{
    fixture *f = *state;
    lower(f, "", ELAB_TRAIN, LOWER_INIT, 0);
    assert_int_equal(f->g->outputs.count, 4);
    assert_null(ir_find(f->g, "x"));
    assert_null(ir_find(f->g, "label"));
}

static void evaluation_draws_nothing(void **state)
{
    fixture *f = *state;
    lower(f, "", ELAB_EVAL, LOWER_EVAL, 0);
    assert_null(ir_find(f->g, "seed"));
    assert_non_null(output(f, "share"));
    assert_non_null(output(f, "loss"));
    assert_int_equal(f->g->outputs.count, 2);
}

static void prediction_needs_no_labels(void **state)
{
    fixture *f = *state;
    lower(f, "", ELAB_PREDICT, LOWER_PREDICT, 5);
    assert_null(ir_find(f->g, "label"));
    assert_int_equal(f->g->outputs.count, 1);
    assert_int_equal(output(f, "logits")->type.dims[0], 5);
}

static void gradients_have_the_parameters_paths(void **state)
{
    fixture *f = *state;
    lower(f, "", ELAB_GRAD, LOWER_GRAD, 4);
    assert_non_null(output(f, "grad/m.f.w"));
    assert_non_null(output(f, "logits"));
    assert_non_null(output(f, "loss"));
    assert_int_equal(ir_find(f->g, "x")->role, IR_DATA);
}

static void frozen_parameters_have_no_slot_and_no_update(void **state)
{
    fixture *f = *state;
    lower(f, "freeze \"m.f.w\";", ELAB_TRAIN, LOWER_TRAIN, 0);
    assert_null(ir_find(f->g, "m.f.w/v"));
    assert_null(output(f, "m.f.w"));
    assert_non_null(output(f, "m.f.b"));
}

static void a_label_is_checked_where_it_enters(void **state)
{
    fixture *f = *state;
    lower(f, "", ELAB_EVAL, LOWER_EVAL, 0);
    assert_int_equal(ir_find(f->g, "label")->type.bound, 3);
}

/* ---------- numbers ---------- */

static void random_values_ignore_how_the_batch_is_cut(void **state)
{
    fixture *f = *state;
    double whole[24];
    lower(f, "", ELAB_GRAD, LOWER_GRAD, 8);
    run(f, 0);
    for (int i = 0; i < 24; i++)
        whole[i] = creal(numbers_of(f, "logits")[i]);
    lower(f, "", ELAB_GRAD, LOWER_GRAD, 3);
    run(f, 5);
    for (int i = 0; i < 9; i++)
        assert_true(creal(numbers_of(f, "logits")[i]) == whole[15 + i]);
}

/* ---------- a step in two halves ---------- */

static double bias_number(fixture *f, const char *name)
{
    return creal(numbers_of(f, name)[1]);
}

static double shard_of(fixture *f, int64_t rows, double row0, const char *name)
{
    lower(f, "", ELAB_TRAIN, LOWER_SHARD, rows);
    run(f, row0);
    return bias_number(f, name);
}

static bool close_to(double a, double b)
{
    return a - b < 1e-12 && b - a < 1e-12;
}

static void shards_add_up_to_the_whole_batch(void **state)
{
    fixture *f = *state;
    lower(f, "", ELAB_GRAD, LOWER_GRAD, 6);
    run(f, 0);
    double whole = 6 * bias_number(f, "grad/m.f.b");
    assert_true(whole != 0);
    assert_true(close_to(shard_of(f, 6, 0, "sum/m.f.b"), whole));
    assert_true(creal(numbers_of(f, "weight")[0]) == 6);
    double first = shard_of(f, 3, 0, "sum/m.f.b");
    double second = shard_of(f, 3, 3, "sum/m.f.b");
    assert_true(close_to(first + second, whole));
}

static void a_shard_writes_nothing(void **state)
{
    fixture *f = *state;
    lower(f, "freeze \"m.f.w\";", ELAB_TRAIN, LOWER_SHARD, 0);
    for (int i = 0; i < f->g->outputs.count; i++)
        assert_int_equal(f->g->outputs.data[i].role, IR_OUT_VALUE);
    assert_null(output(f, "sum/m.f.w"));
    assert_null(ir_find(f->g, "m.f.b/v"));
}

static void an_update_divides_what_was_added_up(void **state)
{
    fixture *f = *state;
    double sum[3] = {0.5, -0.75, 1.5}, weight = 6;
    lower(f, "", ELAB_TRAIN, LOWER_UPDATE, 0);
    assert_null(ir_find(f->g, "x"));
    assert_null(output(f, "loss"));
    f->v = ir_values_new(f->g);
    double zeros[6] = {0}, b[3] = {1, 2, 3};
    bind_numbers(f, "sum/m.f.w", zeros);
    bind_numbers(f, "sum/m.f.b", sum);
    bind_numbers(f, "weight", &weight);
    bind_numbers(f, "m.f.w", zeros);
    bind_numbers(f, "m.f.b", b);
    bind_numbers(f, "m.f.w/v", zeros);
    bind_numbers(f, "m.f.b/v", zeros);
    ptl_error err = {0};
    assert_int_equal(ir_eval(f->g, f->v, NULL, &err), PTL_OK);
    assert_true(bias_number(f, "m.f.b") == 2 - 0.5 * (-0.75 / 6));
    assert_true(bias_number(f, "m.f.b/v") == -0.75 / 6);
}

static double weight_of(fixture *f, const char *loss)
{
    const char *text = arena_printf(
        f->arena,
        "data d { train = data.csv(path = \"x.csv\", x = \"0\");\n"
        "x: real = raw.x; }\n"
        "layer one() { param w[1] ~ zeros(); fn (x: real[N]) -> y: real[N] {"
        "y[n] = x[n] * w[0]; } }\n"
        "optimizer go() per param { w <- w - g; }\n"
        "train { model m = one(); data d; y = m(x); %s optimizer = go(); }",
        loss);
    double x[4] = {0, 0.5, 1, 2}, w = 1;
    ptl_error err = {0};
    typed_program *p = elaborate(f, text, ELAB_TRAIN, 4, NULL, NULL);
    assert_non_null(p);
    drop_graph(f);
    f->g = lower_program(p, LOWER_SHARD, f->diags);
    assert_non_null(f->g);
    f->v = ir_values_new(f->g);
    bind_numbers(f, "x", x);
    bind_numbers(f, "m.w", &w);
    assert_int_equal(ir_eval(f->g, f->v, NULL, &err), PTL_OK);
    return creal(numbers_of(f, "weight")[0]);
}

static void weighted_means_give_their_denominator(void **state)
{
    fixture *f = *state;
    assert_true(weight_of(f, "loss = mean(n) y[n]^2;") == 4);
    assert_true(weight_of(f, "loss = mean(n if x[n] > 0.7) y[n]^2;") == 2);
    assert_true(creal(numbers_of(f, "sum/m.w")[0]) == 10);
    assert_true(weight_of(f, "a = sum(n) x[n] * y[n]^2; b = sum(n) x[n];"
                             "loss = a / maximum(b, 1.0) + 0.1;") == 3.5);
    assert_true(weight_of(f, "loss = (mean(n) y[n]) +"
                             "(mean(n if x[n] > 0.7) y[n]);") == 4);
}

static double updated_bias(fixture *f, const char *extra)
{
    lower(f, extra, ELAB_TRAIN, LOWER_TRAIN, 0);
    run(f, 0);
    return creal(numbers_of(f, "m.f.b")[0]);
}

static void set_blocks_change_the_optimizer_of_a_group(void **state)
{
    fixture *f = *state;
    double full = updated_bias(f, "");
    assert_true(full != 0);
    double tenth = updated_bias(f, "set \"**.b\" { lr = 0.1 * lr; }");
    assert_true(tenth / full > 0.0999999 && tenth / full < 0.1000001);
    assert_true(updated_bias(f, "set \"**.w\" { lr = 0; }") == full);
    assert_true(updated_bias(f, "set \"**.b\" { lr = 0; } "
                                "set \"m.*.b\" { lr = 0.5; }") == full);
}

/* ---------- nodes ---------- */

static int count_nodes(const fixture *f, ir_reduce reduce)
{
    int n = 0;
    for (int i = 0; i < f->g->nodes.count; i++)
        n += f->g->nodes.data[i]->kind == IR_COMP &&
             f->g->nodes.data[i]->comp.reduce == reduce;
    return n;
}

static void the_same_reduction_twice_is_one_node(void **state)
{
    fixture *f = *state;
    const char *text = "train { z = [[1.0, 2.0], [3.0, 4.0]];\n"
                       "a[n, j] = exp(z[n, j] - lse(k) z[n, k]);\n"
                       "b[m, i] = z[m, i] * lse(q) z[m, q];\n"
                       "loss = sum(n, j) a[n, j] * b[n, j]; }";
    typed_program *p = elaborate(f, text, ELAB_EVAL, 0, NULL, NULL);
    assert_non_null(p);
    f->g = lower_program(p, LOWER_EVAL, f->diags);
    assert_int_equal(count_nodes(f, IR_LSE), 1);
}

static void a_reduction_is_lifted_over_its_free_indices(void **state)
{
    fixture *f = *state;
    const char *text = "train { z = [[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]];\n"
                       "a[n, j] = z[n, j] - max(k) z[n, k];\n"
                       "loss = sum(n, j) a[n, j]; }";
    typed_program *p = elaborate(f, text, ELAB_EVAL, 0, NULL, NULL);
    assert_non_null(p);
    f->g = lower_program(p, LOWER_EVAL, f->diags);
    for (int i = 0; i < f->g->nodes.count; i++) {
        const ir_node *n = f->g->nodes.data[i];
        if (n->kind == IR_COMP && n->comp.reduce == IR_MAX) {
            assert_int_equal(n->type.rank, 1);
            assert_int_equal(n->type.dims[0], 2);
        }
    }
    assert_int_equal(count_nodes(f, IR_MAX), 1);
}

/* ---------- settings ---------- */

static void set_overrides_hypers_and_settings(void **state)
{
    fixture *f = *state;
    char *text = arena_printf(f->arena, program, "");
    typed_program *p = elaborate(f, text, ELAB_TRAIN, 0, "train.batch", "16");
    assert_int_equal(p->settings.batch, 16);
    p = elaborate(f, text, ELAB_TRAIN, 0, "train.lr", "0.25");
    assert_non_null(strstr(p->settings.config_json, "\"train.lr\":0.25"));
    assert_null(elaborate(f, text, ELAB_TRAIN, 0, "train.lr", "2"));
    assert_int_equal(diags_code_at(f->diags, 0), DIAG_OUTSIDE_INTERVAL);
}

static void unknown_keys_are_errors(void **state)
{
    fixture *f = *state;
    char *text = arena_printf(f->arena, program, "");
    assert_null(elaborate(f, text, ELAB_TRAIN, 0, "train.lt", "0.25"));
    assert_int_equal(diags_code_at(f->diags, 0), DIAG_UNKNOWN_KEY);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FACT(training_updates_every_parameter_and_slot),
        FACT(initialising_reads_no_data),
        FACT(evaluation_draws_nothing),
        FACT(prediction_needs_no_labels),
        FACT(gradients_have_the_parameters_paths),
        FACT(frozen_parameters_have_no_slot_and_no_update),
        FACT(a_label_is_checked_where_it_enters),
        FACT(random_values_ignore_how_the_batch_is_cut),
        FACT(shards_add_up_to_the_whole_batch),
        FACT(a_shard_writes_nothing),
        FACT(an_update_divides_what_was_added_up),
        FACT(weighted_means_give_their_denominator),
        FACT(set_blocks_change_the_optimizer_of_a_group),
        FACT(the_same_reduction_twice_is_one_node),
        FACT(a_reduction_is_lifted_over_its_free_indices),
        FACT(set_overrides_hypers_and_settings),
        FACT(unknown_keys_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
