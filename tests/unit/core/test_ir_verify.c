/*
 * test_ir_verify.c - each rule of the IR is broken once, and told.
 */
#include "core/ir_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define INPUTS                                                                 \
    "input x: real[4, 5] generic f32;\n"                                       \
    "input v: real[6] generic f32;\n"                                          \
    "input t: int(6)[4] data i32;\n"                                           \
    "input free: int[4] data i32;\n"

/* The verifier's sentence on `g` holds `part`. */
static void told(ir_graph *g, const char *part)
{
    ptl_error err = {0};
    bool fine = ir_verify(g, &err);
    if (fine || !strstr(err.text, part))
        print_error("expected \"%s\", was told \"%s\"\n", part,
                    fine ? "nothing" : err.text);
    assert_false(fine);
    assert_non_null(strstr(err.text, part));
    assert_int_equal(err.status, PTL_E_INTERNAL);
    ir_graph_free(g);
}

static void broken(const char *text, const char *part)
{
    ptl_str whole = {0};
    str_printf(&whole, INPUTS "%s", text);
    told(ir_from_unverified_text(str_text(&whole)), part);
    str_fini(&whole);
}

static void holds(const char *text)
{
    ptl_str whole = {0};
    str_printf(&whole, INPUTS "%s", text);
    ir_graph_free(ir_from_text(str_text(&whole)));
    str_fini(&whole);
}

static void plain_subscripts_stay_inside(void **state)
{
    (void)state;
    holds("comp y[i:5] = v[i + 1];");
    broken("comp y[i:6] = v[i + 1];", "runs from 1 to 6, the axis has size 6");
    broken("comp y[i:6] = v[i - 1];", "runs from -1 to 4");
    broken("comp y[i:4] = v[2*i];", "runs from 0 to 6");
    broken("comp y[| k:-1..3] = sum v[k];", "runs from -1 to 2");
    holds("comp y[i:9] = v[i else 0.0];");
    holds("comp y[i:9] = v[clamp(i - 3)] + v[wrap(2*i)] + v[reflect(i)];");
    holds("comp y[i:9] = inside(v[i]);");
    holds("comp y[i:0] = v[i + 100];"); /* nothing is ever read */
}

static void gathers_stay_inside_by_their_bound(void **state)
{
    (void)state;
    holds("comp y[i:4] = v[t[i]];");
    broken("comp y[i:4] = v[t[i] + 1];", "runs from 1 to 6");
    broken("comp y[i:4] = v[free[i]];", "gathers by an unbounded integer");
    holds("comp y[i:4] = v[free[i] else 0.0];");
    holds("comp y[i:4] = v[free[i] % 6];");
    holds("comp y[i:4] = v[minimum(maximum(free[i], 0), 5)];");
    holds("comp a[| i:0..4, j:0..5] below 20 = argmax x[i, j];\n"
          "comp y[] = v[floor_div(a[], 4)];");
    broken("comp y[i:4] = v[t[i else 7]];", "runs from 0 to 7");
}

static void bounds_of_results_are_proven(void **state)
{
    (void)state;
    holds("comp y[i:4] below 7 = t[i] + 1;");
    broken("comp y[i:4] below 6 = t[i] + 1;", "bound 6 is not provable");
    broken("comp y[i:4] below 9 = free[i];", "bound 9 is not provable");
    holds("comp y[| i:0..4] below 21 = sum t[i];");
}

static void reductions_want_fitting_bodies(void **state)
{
    (void)state;
    broken("comp y[i:4] = x[i, 0] if i < 2;", "a map has a filter");
    broken("comp y[| i:0..4] = x[i, 0];", "a map has a filter or reduction");
    broken("comp y[| i:0..4] = lse t[i];", "lse wants a REAL body");
    broken("comp y[| i:0..4] = any t[i];", "want a BOOL body");
    broken("comp y[| i:0..4] = sum t[i] < 2;", "wants a number");
    broken("comp y[| i:0..4] = sum x[i, 0] if t[i];", "filter is not BOOL");
}

static void axes_to_fold_into_are_not_empty(void **state)
{
    (void)state;
    broken("input e: real[0] data f32;\ncomp y[i:4] = e[clamp(i)];",
           "into an axis of size 0");
}

static void scatters_hit_their_result(void **state)
{
    (void)state;
    holds("scatter s: real[12] { [i] at [2*i] += v; };");
    broken("scatter s: real[10] { [i] at [2*i] += v; };", "runs from 0 to 10");
    broken("scatter s: real[12] { [i] at [clamp(i)] += v; };", "not plain");
    broken("scatter s: int[12] { [i] at [i] += v; };", "of another kind");
    broken("scatter s: real[12] { [i] at [free[0]] += v; };", "unbounded");
}

static void disjoint_scatters_are_provable(void **state)
{
    (void)state;
    holds("scatter s: real[12] disjoint { [i] at [2*i] += v; "
          "[i] at [2*i + 1] += v; };");
    holds("scatter s: real[20] disjoint { [i, j] at [5*i + j] += x; };");
    holds("scatter s: real[9, 4] disjoint { [i, j] at [i + j, i] += x; };");
    holds("scatter s: real[12] disjoint { [i] at [i] += v; "
          "[i] at [i + 6] += v; };");
    broken("scatter s: real[8] disjoint { [i, j] at [i + j] += x; };",
           "disjoint, which is not provable");
    broken("scatter s: real[19] disjoint { [i, j] at [4*i + j] += x; };",
           "not provable");
    broken("scatter s: real[12] disjoint { [i] at [2*i] += v; "
           "[i] at [2*i] += v; };",
           "not provable");
    broken("scatter s: real[6] disjoint { [i] at [t[0]] += v; };",
           "not provable");
}

static void literals_hold_what_they_say(void **state)
{
    (void)state;
    broken("literal k: int(3)[2] i32 = {0, 3};", "within its bound");
    broken("literal k: bool[2] bool = {0, 2};", "not a truth value");
}

#define BODY                                                                   \
    "scan s: 3 {\n"                                                            \
    "  input at: int(3) generic i32;\n"                                        \
    "  input h: real[6] generic f32;\n"                                        \
    "  comp n[i:6] = h[i] + real(at[]);\n"                                     \
    "  comp m[i:5] = h[i];\n"                                                  \
    "} "

static void scans_bind_every_input_once(void **state)
{
    (void)state;
    holds(BODY "counter at carry v in h next n stack n; result r = s 1;");
    broken(BODY "counter at carry v in h next m;", "differ in type");
    broken(BODY "counter at carry t in h next n;", "differ in type");
    broken(BODY "counter at;", "leaves \"h\" of its body unbound");
    broken(BODY "counter at carry v in h next n bind v to h;", "binds \"h\" twice");
    broken(BODY "counter h carry v in h next n;", "the counter is not INT");
    broken(BODY "counter at carry v in n next n;", "no input of its body");
    broken(BODY "counter at carry v in h next n; comp y[] = real(s[] < 1.0);",
           "reads scan \"s\" itself");
    broken("scan s: 3 { input h: real[6] generic f32; comp n[i:6] = h[i + 1]; } "
           "carry v in h next n;",
           "in the body: node \"n\"");
}

static void updates_fit_their_targets(void **state)
{
    (void)state;
    holds("comp y[i:6] = v[i]; update y = y into v;");
    broken("comp y[i:5] = v[i]; update y = y into v;", "differ in type");
    broken("comp y[i:6] = v[i]; update y = v into y;", "no input");
    broken("comp y[i:6] = v[i]; update a = y into v; update b = v into v;",
           "a second time");
    broken("comp y[i:4] = t[i] + 1; update y = y into t;",
           "not bounded as \"t\"");
    broken("output a = v; output a = x;", "two outputs are called \"a\"");
}

/* What the textual form cannot say. */

static ir_graph *small(void)
{
    return ir_from_text(INPUTS "comp y[i:4, j:5] = x[i, j] * 2.0;\n"
                               "comp z[i:4, j:5] = y[i, j] + 1.0;\n");
}

static void operands_come_first(void **state)
{
    (void)state;
    ir_graph *g = small();
    ir_node *y = ir_find(g, "y"), *z = ir_find(g, "z");
    y->comp.body = ir_read_plain(g, z, 0);
    told(g, "uses \"z\", which comes later");
}

static void positions_are_ids(void **state)
{
    (void)state;
    ir_graph *g = small();
    ir_find(g, "z")->id = 7;
    told(g, "has id 7 at position 5");
}

static void foreign_nodes_are_noticed(void **state)
{
    (void)state;
    ir_graph *g = small(), *other = small();
    ir_find(g, "z")->comp.body =
        ir_read_plain(other, ir_find(other, "x"), 0);
    told(g, "not in the graph");
    ir_graph_free(other);
}

static void names_are_unique(void **state)
{
    (void)state;
    ir_graph *g = small();
    ir_find(g, "z")->name = "y";
    told(g, "the name is not unique");
}

static void types_follow_from_ranges(void **state)
{
    (void)state;
    ir_graph *g = small();
    ir_find(g, "z")->type.dims[0] = 5;
    told(g, "not that of its ranges");
    g = small();
    ir_find(g, "y")->type.kind = IR_INT;
    told(g, "not that of its ranges");
    g = small();
    ir_find(g, "x")->type.dims[0] = -1;
    told(g, "negative size");
    g = small();
    ir_find(g, "x")->type.bound = 3;
    told(g, "a bound belongs to INT");
}

static void variables_are_in_scope(void **state)
{
    (void)state;
    ir_graph *g = small();
    ir_node *y = ir_find(g, "y");
    y->comp.body = ir_read_plain(g, ir_find(g, "x"), 2);
    told(g, "uses variable 2 of 2");
    g = small();
    y = ir_find(g, "y");
    y->comp.body = ir_op1(g, IR_REAL_OP, ir_var_value(g, 5));
    told(g, "uses variable 5 of 2");
    static const ir_var late[] = {{"i", 1, 4}, {"j", 0, 5}};
    g = small();
    ir_find(g, "y")->comp.vars = late;
    told(g, "does not start at 0");
    static const ir_var ends[] = {{"i", 0, 4}, {"j", 0, -5}};
    g = small();
    ir_find(g, "y")->comp.vars = ends;
    told(g, "ends before it starts");
}

static void expressions_are_well_formed(void **state)
{
    (void)state;
    ir_graph *g = small();
    ir_node *y = ir_find(g, "y");
    ir_expr *body = y->comp.body;
    body->arg_count = 1;
    told(g, "an operation has 1 operands");
    g = small();
    ir_find(g, "y")->comp.body->type = IR_BOOL;
    told(g, "a result of the wrong type");
    g = small();
    ir_find(g, "y")->comp.body->args[0]->sub_count = 1;
    told(g, "of rank 2 with 1 subscripts");
    static const ir_term unsorted[] = {{1, 1}, {0, 1}};
    g = small();
    ir_expr *read = ir_find(g, "y")->comp.body->args[0];
    ((ir_sub *)read->subs)[0].affine = (ir_affine){0, 2, unsorted};
    told(g, "not in canonical form");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_subscripts_stay_inside),
        cmocka_unit_test(gathers_stay_inside_by_their_bound),
        cmocka_unit_test(bounds_of_results_are_proven),
        cmocka_unit_test(reductions_want_fitting_bodies),
        cmocka_unit_test(axes_to_fold_into_are_not_empty),
        cmocka_unit_test(scatters_hit_their_result),
        cmocka_unit_test(disjoint_scatters_are_provable),
        cmocka_unit_test(literals_hold_what_they_say),
        cmocka_unit_test(scans_bind_every_input_once),
        cmocka_unit_test(updates_fit_their_targets),
        cmocka_unit_test(operands_come_first),
        cmocka_unit_test(positions_are_ids),
        cmocka_unit_test(foreign_nodes_are_noticed),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(types_follow_from_ranges),
        cmocka_unit_test(variables_are_in_scope),
        cmocka_unit_test(expressions_are_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
