/*
 * test_opt.c - each pass alone: tests/golden/opt/PASS_yes.ir becomes
 * PASS_yes.expected, PASS_not.ir stays as it is; and every output keeps its
 * values. PTL_ACCEPT=1 takes what is printed as right (read the diff).
 */
#include "base/map.h"
#include "base/philox.h"
#include "ir/eval.h"
#include "opt/opt.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char folder[] = PTL_SOURCE_DIR "/tests/golden/opt";

typedef struct golden {
    const opt_pass *pass;
    bool fires;
    char name[64];
} golden;

static void read_file(const golden *t, const char *suffix, ptl_str *out)
{
    char path[1024], part[4096];
    snprintf(path, sizeof path, "%s/%s%s", folder, t->name, suffix);
    FILE *file = fopen(path, "rb");
    if (!file)
        return;
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        str_addn(out, part, n);
    fclose(file);
}

static ir_graph *load(const golden *t, ptl_arena *arena)
{
    ptl_str text = {0};
    ptl_diags *diags = diags_new(0);
    ptl_error err = {0};
    read_file(t, ".ir", &text);
    src_file *file = src_file_new(arena, t->name, str_text(&text), text.length);
    ir_graph *g = ir_parse(file, diags);
    if (!g)
        fail_msg("%s does not parse", t->name);
    if (!ir_verify(g, &err))
        fail_msg("%s: %s", t->name, err.text);
    str_fini(&text);
    diags_free(diags);
    return g;
}

static ir_values *evaluate(const ir_graph *g)
{
    ptl_error err = {0};
    ir_values *v = ir_values_new(g);
    for (int i = 0; i < g->nodes.count; i++) {
        const ir_node *n = g->nodes.data[i];
        double x[512];
        if (n->kind != IR_INPUT)
            continue;
        uint64_t site = ptl_hash(n->name, strlen(n->name));
        for (int64_t k = 0; k < ir_element_count(&n->type); k++) {
            double u = philox_uniform(1, site, 0, (uint64_t)k);
            x[k] = n->type.kind == IR_REAL ? 2.0 * u - 1.0
                                           : floor(u * (double)n->type.bound);
        }
        ir_values_set(v, n, x);
    }
    if (ir_eval(g, v, NULL, &err) != PTL_OK)
        fail_msg("%s", err.text);
    return v;
}

static void assert_same_values(const ir_graph *a, const ir_graph *b)
{
    ir_values *va = evaluate(a), *vb = evaluate(b);
    assert_int_equal(a->outputs.count, b->outputs.count);
    for (int i = 0; i < a->outputs.count; i++) {
        const ir_node *na = a->outputs.data[i].node;
        const ir_node *nb = b->outputs.data[i].node;
        for (int64_t k = 0; k < ir_element_count(&na->type); k++) {
            double x = creal(va->data[na->id][k]);
            double y = creal(vb->data[nb->id][k]);
            if (!(fabs(x - y) <= 64 * DBL_EPSILON * (1.0 + fabs(x))))
                fail_msg("output %s[%lld]: %g became %g",
                         a->outputs.data[i].name, (long long)k, x, y);
        }
    }
    ir_values_free(va);
    ir_values_free(vb);
}

static void accept(const golden *t, const char *text)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.expected", folder, t->name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void pass_does_what_its_golden_says(void **state)
{
    const golden *t = *state;
    ptl_arena *arena = arena_new();
    ir_graph *before = load(t, arena), *after = load(t, arena);
    ptl_str old = {0}, now = {0}, expected = {0};
    ptl_error err = {0};
    t->pass->run(after);
    if (!ir_verify(after, &err))
        fail_msg("%s", err.text);
    assert_same_values(before, after);
    ir_print(before, &old);
    ir_print(after, &now);
    if (t->fires && getenv("PTL_ACCEPT"))
        accept(t, str_text(&now));
    if (t->fires)
        read_file(t, ".expected", &expected);
    else
        str_add(&expected, str_text(&old));
    assert_string_equal(str_text(&now), str_text(&expected));
    if (t->fires)
        assert_string_not_equal(str_text(&now), str_text(&old));
    str_fini(&old);
    str_fini(&now);
    str_fini(&expected);
    ir_graph_free(before);
    ir_graph_free(after);
    arena_free(arena);
}

/* fma comes last: no pass after it could look through what it made. */
static void fma_is_the_last_pass(void **state)
{
    (void)state;
    int count = 0;
    while (opt_passes[count].name)
        count++;
    assert_string_equal(opt_passes[count - 1].name, "fma");
}

static void all_passes_keep_values(void **state)
{
    const golden *t = *state;
    ptl_arena *arena = arena_new();
    ir_graph *before = load(t, arena), *after = load(t, arena);
    opt_run(after, true, NULL, NULL);
    assert_same_values(before, after);
    ir_graph_free(before);
    ir_graph_free(after);
    arena_free(arena);
}

int main(void)
{
    enum { MOST = 32 };
    static golden goldens[MOST];
    static struct CMUnitTest tests[2 * MOST + 1];
    int count = 0, used = 0;
    for (const opt_pass *p = opt_passes; p->name; p++) {
        if (strcmp(p->name, "tidy") == 0)
            continue; /* simplify again */
        for (int fires = 0; fires < 2; fires++) {
            golden *g = &goldens[used++];
            g->pass = p;
            g->fires = fires;
            snprintf(g->name, sizeof g->name, "%s_%s", p->name,
                     fires ? "yes" : "not");
            tests[count++] = (struct CMUnitTest){
                g->name, pass_does_what_its_golden_says, NULL, NULL, g};
            tests[count++] = (struct CMUnitTest){
                g->name, all_passes_keep_values, NULL, NULL, g};
        }
    }
    tests[count++] =
        (struct CMUnitTest)cmocka_unit_test(fma_is_the_last_pass);
    return _cmocka_run_group_tests("passes", tests, (size_t)count, NULL, NULL);
}
