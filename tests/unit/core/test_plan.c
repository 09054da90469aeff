/*
 * test_plan.c - the plan verifier refuses what would corrupt memory.
 */
#include "core/ir_text.h"
#include "sched/sched.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char text[] =
    "input x: real[64, 64] data f32;\n"
    "input w: real[64, 64] param f32;\n"
    "comp a[i:64, j:64 | k:0..64] = sum abs(x[i, k]) * w[k, j];\n"
    "comp b[i:64, j:64 | k:0..64] = sum abs(a[i, k]) * x[k, j];\n"
    "comp e[i:64, j:64 | k:0..64] = sum abs(w[i, k]) * x[j, k];\n"
    "comp c[i:64, j:64] = a[i, j] + b[j, i] + e[i, j];\n"
    "comp n[i:64, j:64] = w[i, j] - c[i, j];\n"
    "comp s[j:64 | i:0..64] = sum c[i, j];\n"
    "update w = n into w;\n"
    "output s = s;\n";

typedef struct plan_case {
    ir_graph *graph;
    sched_schedule *s;
    ptl_error err;
} plan_case;

/* `a` dies in a step that makes `b`, which lives only there, and `c`. */
static const char two_heirs[] =
    "input x: real[64, 64] data f32;\n"
    "input w: real[64, 64] param f32;\n"
    "comp a[i:64, j:64 | k:0..64] = sum x[i, k] * w[k, j];\n"
    "comp b[i:64, j:64] = exp(sin(a[i, j]) + cos(a[i, j]));\n"
    "comp c[i:64, j:64] = tanh(b[i, j]) * a[i, j];\n"
    "comp d[i:64, j:64] = erf(b[i, j]) + a[i, j];\n"
    "output c = c;\n"
    "output d = d;\n";

/* Of every trip `a` is kept, a value that lives in its trip alone. */
static const char a_scan[] =
    "input x: real[4, 64] data f32;\n"
    "comp first[i:64] = x[0, i] + 1.0;\n"
    "scan l: 4 {\n"
    "    input t: int(4) generic i32;\n"
    "    input h: real[64] generic f32;\n"
    "    input v: real[4, 64] generic f32;\n"
    "    comp a[i:64] = h[63 - i] * 0.5 + v[t[], i];\n"
    "} counter t bind x to v carry first in h next a stack a;\n"
    "result y = l 1;\n"
    "output y = y;\n";

static int set_up_text(void **state, const char *graph)
{
    static plan_case c;
    sched_options options = {.target = {.name = "test",
                                        .lanes_f32 = 16,
                                        .registers = 32,
                                        .mr_f32 = 12,
                                        .nr_f32 = 32,
                                        .mr_f64 = 12,
                                        .nr_f64 = 16,
                                        .kc = 384}};
    memset(&c, 0, sizeof c);
    c.graph = ir_from_text(graph);
    assert_int_equal(sched_new(c.graph, &options, &c.s, &c.err), PTL_OK);
    *state = &c;
    return 0;
}

static int set_up(void **state)
{
    return set_up_text(state, text);
}

static int set_up_heirs(void **state)
{
    return set_up_text(state, two_heirs);
}

static int set_up_scan(void **state)
{
    return set_up_text(state, a_scan);
}

static int tear_down(void **state)
{
    plan_case *c = *state;
    sched_free(c->s);
    ir_graph_free(c->graph);
    return 0;
}

static sched_buffer *buffer(plan_case *c, const char *name)
{
    for (int i = 0; i < c->s->buffers.count; i++)
        if (strcmp(c->s->buffers.data[i].name, name) == 0)
            return &c->s->buffers.data[i];
    fail_msg("no buffer \"%s\"", name);
    return NULL;
}

static sched_step *step(plan_case *c, const char *name)
{
    for (int i = 0; i < c->s->steps.count; i++)
        if (strcmp(c->s->steps.data[i]->name, name) == 0)
            return c->s->steps.data[i];
    fail_msg("no step \"%s\"", name);
    return NULL;
}

static int index_of(const plan_case *c, const sched_buffer *b)
{
    return (int)(b - c->s->buffers.data);
}

static void assert_refused(plan_case *c, const char *why)
{
    assert_false(sched_verify(c->s, &c->err));
    if (!strstr(c->err.text, why))
        fail_msg("refused for another reason: %s", c->err.text);
}

static void the_plan_is_accepted(void **state)
{
    plan_case *c = *state;
    if (!sched_verify(c->s, &c->err))
        fail_msg("%s", c->err.text);
}

static void one_dying_buffer_has_one_heir_in_a_step(void **state)
{
    the_plan_is_accepted(state);
}

static void buffers_that_live_together_may_not_overlap(void **state)
{
    plan_case *c = *state;
    buffer(c, "e")->offset = buffer(c, "a")->offset;
    assert_refused(c, "reads what is not there");
}

static void a_step_may_not_write_over_what_it_packs(void **state)
{
    plan_case *c = *state;
    buffer(c, "pack.b.left")->offset = buffer(c, "a")->offset;
    assert_refused(c, "has scratch where it reads");
}

static void scratch_is_apart_from_the_result(void **state)
{
    plan_case *c = *state;
    buffer(c, "pack.b.left")->offset = buffer(c, "b")->offset;
    assert_refused(c, "has scratch where it writes");
}

static void scratch_is_not_shared(void **state)
{
    plan_case *c = *state;
    buffer(c, "pack.b.left")->offset = buffer(c, "pack.b.right")->offset;
    assert_refused(c, "has scratch twice");
}

static void scratch_destroys_what_stands_there(void **state)
{
    plan_case *c = *state;
    buffer(c, "pack.e.left")->offset = buffer(c, "a")->offset;
    assert_refused(c, "reads what is not there");
}

static void in_place_needs_the_same_map(void **state)
{
    plan_case *c = *state;
    sched_step *map = step(c, "map.n");
    for (int i = 0; i < map->reads.count; i++)
        map->reads.data[i].same_map = false;
    assert_refused(c, "overwrites what it reads");
}

static void in_place_needs_the_same_place(void **state)
{
    plan_case *c = *state;
    sched_step *map = step(c, "map.n");
    int reused = map->reads.data[0].buffer;
    for (int i = 0; i < map->reads.count; i++)
        map->reads.data[i].same_map = true;
    c->s->buffers.data[map->targets[0]].offset =
        c->s->buffers.data[reused].offset + PTL_BUFFER_ALIGN;
    assert_refused(c, "not at the same place");
}

static void inputs_may_not_be_written(void **state)
{
    plan_case *c = *state;
    buffer(c, "w")->updated = false;
    assert_refused(c, "writes an input");
}

static void an_input_may_not_be_read_after_its_update(void **state)
{
    plan_case *c = *state;
    sched_access late = {index_of(c, buffer(c, "w")), false};
    sched_step *sum = step(c, "reduce.s");
    vec_push(c->s->arena, &sum->reads, late);
    assert_refused(c, "reads what is not there");
}

static void every_step_must_have_run(void **state)
{
    plan_case *c = *state;
    c->s->steps.data[0] = c->s->steps.data[1];
    assert_refused(c, "reads what is not there");
}

static void outputs_must_stand_at_the_end(void **state)
{
    plan_case *c = *state;
    c->s->steps.count--;
    assert_refused(c, "is gone");
}

static void what_a_trip_kept_stays(void **state)
{
    plan_case *c = *state;
    the_plan_is_accepted(state);
    buffer(c, "a")->offset = buffer(c, "l.stack0")->offset;
    assert_refused(c, "what an earlier trip kept is gone");
}

static void nothing_may_lie_outside_the_arena(void **state)
{
    plan_case *c = *state;
    c->s->arena_bytes -= PTL_BUFFER_ALIGN;
    assert_refused(c, "outside the arena");
}

#define PLAN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAN_TEST(the_plan_is_accepted),
        cmocka_unit_test_setup_teardown(one_dying_buffer_has_one_heir_in_a_step,
                                        set_up_heirs, tear_down),
        PLAN_TEST(buffers_that_live_together_may_not_overlap),
        PLAN_TEST(a_step_may_not_write_over_what_it_packs),
        PLAN_TEST(scratch_is_apart_from_the_result),
        PLAN_TEST(scratch_is_not_shared),
        PLAN_TEST(scratch_destroys_what_stands_there),
        PLAN_TEST(in_place_needs_the_same_map),
        PLAN_TEST(in_place_needs_the_same_place),
        PLAN_TEST(inputs_may_not_be_written),
        PLAN_TEST(an_input_may_not_be_read_after_its_update),
        PLAN_TEST(every_step_must_have_run),
        PLAN_TEST(outputs_must_stand_at_the_end),
        cmocka_unit_test_setup_teardown(what_a_trip_kept_stays, set_up_scan,
                                        tear_down),
        PLAN_TEST(nothing_may_lie_outside_the_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
