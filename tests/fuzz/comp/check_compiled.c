/*
 * check_compiled.c - compiled programs against the oracle and each other.
 */
#include "check.h"
#include "codegen/compile.h"
#include "device/test_device.h"
#include "ir/merge.h"
#include "judge/judge.h"
#include "llvm/levels.h"
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One way of compiling and running the batch. */
typedef struct variant {
    const char *name;
    bool f64, no_fuse;
    int threads;
    bool on_host; /* though there is a device */
} variant;

typedef struct batch {
    const compiled_case *cases;
    judge_case *judged; /* the same, as the oracle evaluated them */
    int count;
    ir_graph *merged;
} batch;

static void fail_all(const batch *b, const char *what, const char *why)
{
    for (int i = 0; i < b->count; i++)
        check_fail(b->cases[i].result, "%s: %s", what, why);
}

/* ---------- one variant ---------- */

static void run_variant(const batch *b, const ptl_program *p,
                        const variant *v, outcome *out)
{
    ptl_error err = {0};
    ptl_pool *pool = NULL;
    ptl_status st = pool_open(v->threads, &pool, &err);
    if (st == PTL_OK)
        st = outcome_take(p, pool, b->judged, b->count, out, &err);
    if (st != PTL_OK)
        fail_all(b, v->name, err.text);
    pool_close(pool);
}

/* One of those that run here, by the seed, so that a replay takes the same;
 * without portable, which takes its time. */
static const char *level_of(const batch *b)
{
    const char *const *levels = test_levels();
    uint64_t count = 0;
    while (levels[count] && strcmp(levels[count], "portable") != 0)
        count++;
    return count ? levels[b->cases[0].data_seed % count] : "native";
}

static ptl_program *compile(const batch *b, const variant *v)
{
    compile_options options = {.f64 = v->f64,
                               .no_fuse = v->no_fuse,
                               .cpu = level_of(b),
                               .verify = true,
                               .device = v->on_host ? NULL : test_device()};
    ptl_program *p = NULL;
    ptl_error err = {0};
    if (compile_graph(b->merged, "fuzz", &options, &p, &err) != PTL_OK)
        fail_all(b, v->name, err.text);
    return p;
}

/* ---------- comparing ---------- */

static void judge(const judge_case *c, int output, const outcome_tensor *t,
                  const variant *how, check_result *r)
{
    const ir_output *o = &c->g->outputs.data[output];
    if (r->failed)
        return;
    judge_verdict verdict = judge_tensor(o->node, c->v, t);
    r->compared += (int)verdict.compared;
    r->skipped += (int)verdict.skipped;
    if (verdict.wrong)
        check_fail(r, "%s: %s[%lld] is %.9g, the oracle says %.9g +- %.3g",
                   how->name, o->name, (long long)verdict.at, verdict.got,
                   verdict.expected, verdict.bound);
}

static void judge_all(const batch *b, const outcome *o, const variant *how)
{
    int at = 0;
    for (int i = 0; i < b->count; i++)
        for (int k = 0; k < b->judged[i].g->outputs.count; k++)
            judge(&b->judged[i], k, &o->tensors[at++], how, b->cases[i].result);
}

/* Is nothing reduced on the way to `n`? */
static void mark_pointwise(ir_graph *g, bool *pointwise)
{
    for (int i = 0; i < g->nodes.count; i++) {
        const ir_node *n = g->nodes.data[i];
        ir_node **operands;
        int count = ir_operands(g, n, &operands);
        pointwise[i] = n->kind == IR_INPUT || n->kind == IR_LITERAL ||
                       (n->kind == IR_COMP && n->comp.reduce == IR_MAP);
        for (int k = 0; k < count; k++)
            pointwise[i] = pointwise[i] && pointwise[operands[k]->id];
    }
}

/* `exact` where every output must have the same bits, else pointwise ones. */
static void compare_bits(const batch *b, const outcome *x, const outcome *y,
                         const variant *how, bool exact)
{
    bool *pointwise =
        calloc((size_t)b->merged->nodes.count, sizeof *pointwise);
    int at = 0;
    mark_pointwise(b->merged, pointwise);
    for (int i = 0; i < b->count; i++)
        for (int k = 0; k < b->cases[i].g->outputs.count; k++, at++)
            if ((exact || pointwise[b->merged->outputs.data[at].node->id]) &&
                !outcome_equal(&x->tensors[at], &y->tensors[at]))
                check_fail(b->cases[i].result, "%s: the bits of %s differ",
                           how->name, b->cases[i].g->outputs.data[k].name);
    free(pointwise);
}

/* ---------- the batch ---------- */

/* A device is near the oracle and gives the host's bits. */
static void check_device(const batch *b, bool f64)
{
    const variant device = {f64 ? "device, f64" : "device", f64, false, 1,
                            false};
    const variant host = {"device against host", f64, false, 2, true};
    outcome there = {0}, here = {0};
    ptl_program *p = compile(b, &device);
    if (p) {
        run_variant(b, p, &device, &there);
        p->release(p);
    }
    p = compile(b, &host);
    if (p) {
        run_variant(b, p, &host, &here);
        p->release(p);
    }
    if (there.count)
        judge_all(b, &there, &device);
    if (there.count && here.count)
        compare_bits(b, &there, &here, &host, true);
    outcome_fini(&there);
    outcome_fini(&here);
}

static void check_f32(const batch *b)
{
    static const variant one = {"f32, 1 thread", false, false, 1, false};
    static const variant two = {"f32, 1 against 2 threads", false, false, 2,
                                false};
    static const variant plain = {"f32, not fused", false, true, 2, false};
    static const variant against = {"f32, fused against not fused", false, true,
                                    1, false};
    outcome fused = {0}, fused_two = {0}, unfused = {0};
    ptl_program *p = compile(b, &one);
    if (p) {
        run_variant(b, p, &one, &fused);
        run_variant(b, p, &two, &fused_two);
        p->release(p);
    }
    p = compile(b, &plain);
    if (p) {
        run_variant(b, p, &plain, &unfused);
        p->release(p);
    }
    if (fused.count)
        judge_all(b, &fused, &one);
    if (unfused.count)
        judge_all(b, &unfused, &plain);
    if (fused.count && fused_two.count)
        compare_bits(b, &fused, &fused_two, &two, true);
    if (fused.count && unfused.count)
        compare_bits(b, &fused, &unfused, &against, false);
    outcome_fini(&fused);
    outcome_fini(&fused_two);
    outcome_fini(&unfused);
}

static void check_f64(const batch *b)
{
    static const variant wide = {"f64", true, false, 2, false};
    outcome o = {0};
    ptl_program *p = compile(b, &wide);
    if (!p)
        return;
    run_variant(b, p, &wide, &o);
    p->release(p);
    if (o.count)
        judge_all(b, &o, &wide);
    outcome_fini(&o);
}

/* What the oracle says, with bounds for the precision. */
static void evaluate(const batch *b, bool f64)
{
    for (int i = 0; i < b->count; i++) {
        const compiled_case *c = &b->cases[i];
        ir_values *v = ir_values_new(c->g);
        ptl_error err = {0};
        v->eps = f64 ? DBL_EPSILON : (double)FLT_EPSILON;
        check_bind(c->g, v, c->data_seed);
        if (ir_eval(c->g, v, NULL, &err) != PTL_OK)
            check_fail(c->result, "the oracle stopped: %s", err.text);
        b->judged[i].v = v;
    }
}

static void forget_values(const batch *b)
{
    for (int i = 0; i < b->count; i++)
        ir_values_free((ir_values *)b->judged[i].v);
}

static void merge_all(batch *b)
{
    b->merged = ir_graph_new();
    b->judged = ARENA_ARRAY(b->merged->arena, judge_case, b->count);
    for (int i = 0; i < b->count; i++) {
        b->judged[i].g = b->cases[i].g;
        b->judged[i].prefix = arena_printf(b->merged->arena, "c%d/", i);
        ir_merge(b->merged, b->cases[i].g, b->judged[i].prefix);
    }
}

static void check_precision(const batch *b, bool f64)
{
    evaluate(b, f64);
    if (test_device())
        check_device(b, f64);
    else if (f64)
        check_f64(b);
    else
        check_f32(b);
    forget_values(b);
}

void check_compiled(const compiled_case *cases, int count, bool f64)
{
    batch b = {.cases = cases, .count = count};
    merge_all(&b);
    check_precision(&b, false);
    if (f64)
        check_precision(&b, true);
    ir_graph_free(b.merged);
}
