/*
 * check_compiled.c - compiled programs against the oracle and each other.
 */
#include "check.h"
#include "codegen/compile.h"
#include "device/test_device.h"
#include "generate.h"
#include "merge.h"
#include "runtime/run.h"
#include "llvm/levels.h"
#include <float.h>
#include <math.h>
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

/* Every output of every case, in order, as one variant computed them. */
typedef struct outcome {
    void **data;
    int count;
} outcome;

typedef struct batch {
    const compiled_case *cases;
    int count;
    ir_graph *merged;
} batch;

static void prefix_of(int index, char text[16])
{
    snprintf(text, 16, "c%d/", index);
}

static void fail_all(const batch *b, const char *what, const char *why)
{
    for (int i = 0; i < b->count; i++)
        check_fail(b->cases[i].result, "%s: %s", what, why);
}

/* ---------- binding ---------- */

static void *stored(const double *data, int64_t count, ptl_dtype type)
{
    void *memory = memory_map((size_t)(count * dtype_size(type)));
    for (int64_t i = 0; i < count; i++)
        switch (type) {
        case PTL_F32:
            ((float *)memory)[i] = (float)data[i];
            break;
        case PTL_F64:
            ((double *)memory)[i] = data[i];
            break;
        case PTL_I32:
            ((int32_t *)memory)[i] = (int32_t)data[i];
            break;
        case PTL_I64:
            ((int64_t *)memory)[i] = (int64_t)data[i];
            break;
        default:
            ((uint8_t *)memory)[i] = (uint8_t)data[i];
        }
    return memory;
}

static double loaded(const void *memory, int64_t i, ptl_dtype type)
{
    switch (type) {
    case PTL_F32:
        return (double)((const float *)memory)[i];
    case PTL_F64:
        return ((const double *)memory)[i];
    case PTL_I32:
        return (double)((const int32_t *)memory)[i];
    case PTL_I64:
        return (double)((const int64_t *)memory)[i];
    default:
        return (double)((const uint8_t *)memory)[i];
    }
}

static void bind_inputs(const batch *b, const ptl_program *p, ptl_run *run)
{
    for (int i = 0; i < b->count; i++) {
        const ir_graph *g = b->cases[i].g;
        char prefix[16], name[300];
        prefix_of(i, prefix);
        for (int k = 0; k < g->nodes.count; k++) {
            const ir_node *n = g->nodes.data[k];
            if (n->kind != IR_INPUT)
                continue;
            snprintf(name, sizeof name, "%s%s", prefix, n->name);
            int at = program_find(p, name);
            if (at < 0)
                continue; /* nothing reads it */
            double *data = fuzz_data(n, b->cases[i].data_seed);
            run_bind(run, at,
                     stored(data, ir_element_count(&n->type),
                            p->buffers[at].dtype));
            free(data);
        }
    }
}

static void unbind_inputs(const ptl_program *p, const ptl_run *run)
{
    for (int i = 0; i < p->buffer_count; i++)
        if (p->buffers[i].role == PTL_ROLE_DATA ||
            p->buffers[i].role == PTL_ROLE_PARAM)
            memory_unmap(run_data(run, i), (size_t)p->buffers[i].size_bytes);
}

/* ---------- one variant ---------- */

static void keep_outputs(const batch *b, const ptl_program *p,
                         const ptl_run *run, outcome *out)
{
    out->data = calloc((size_t)b->merged->outputs.count, sizeof *out->data);
    out->count = b->merged->outputs.count;
    for (int i = 0; i < out->count; i++) {
        int at = program_find(p, b->merged->outputs.data[i].name);
        PTL_ASSERT(at >= 0);
        size_t size = (size_t)p->buffers[at].size_bytes;
        out->data[i] = malloc(size + 1);
        memcpy(out->data[i], run_data(run, at), size);
    }
}

static void run_variant(const batch *b, const ptl_program *p,
                        const variant *v, outcome *out)
{
    ptl_error err = {0};
    ptl_pool *pool = NULL;
    ptl_run *run = NULL;
    if (pool_open(v->threads, &pool, &err) == PTL_OK &&
        run_open(p, pool, &run, &err) == PTL_OK) {
        bind_inputs(b, p, run);
        if (run_execute(run, &err) == PTL_OK)
            keep_outputs(b, p, run, out);
        unbind_inputs(p, run);
    }
    if (!out->data)
        fail_all(b, v->name, err.text);
    run_close(run);
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

static void outcome_fini(outcome *o)
{
    for (int i = 0; o->data && i < o->count; i++)
        free(o->data[i]);
    free(o->data);
    *o = (outcome){0};
}

/* ---------- comparing ---------- */

static ptl_dtype result_type(const ir_node *n, bool f64)
{
    if (n->type.kind == IR_REAL)
        return f64 ? PTL_F64 : PTL_F32;
    return n->type.kind == IR_INT ? PTL_I32 : PTL_BOOL;
}

static bool same_value(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Against the oracle, element by element. */
static void judge(const ir_graph *g, const ir_values *v, int output,
                  const void *data, const variant *how, check_result *r)
{
    const ir_node *n = g->outputs.data[output].node;
    ptl_dtype type = result_type(n, how->f64);
    for (int64_t i = 0; i < ir_element_count(&n->type) && !r->failed; i++) {
        double got = loaded(data, i, type), err = v->error[n->id][i];
        double expected = creal(v->data[n->id][i]);
        if (isinf(err) || (n->type.kind != IR_REAL && err > 0.0)) {
            r->skipped++;
            continue;
        }
        r->compared++;
        if (!same_value(got, expected) && !(fabs(got - expected) <= err))
            check_fail(r, "%s: %s[%lld] is %.9g, the oracle says %.9g +- %.3g",
                       how->name, g->outputs.data[output].name, (long long)i,
                       got, expected, err);
    }
}

static void judge_all(const batch *b, const outcome *o, const variant *how)
{
    int at = 0;
    for (int i = 0; i < b->count; i++) {
        const compiled_case *c = &b->cases[i];
        ir_values *v = ir_values_new(c->g);
        ptl_error err = {0};
        v->eps = how->f64 ? DBL_EPSILON : (double)FLT_EPSILON;
        check_bind(c->g, v, c->data_seed);
        if (ir_eval(c->g, v, NULL, &err) != PTL_OK)
            check_fail(c->result, "the oracle stopped: %s", err.text);
        for (int k = 0; k < c->g->outputs.count; k++)
            judge(c->g, v, k, o->data[at++], how, c->result);
        ir_values_free(v);
    }
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
        for (int k = 0; k < b->cases[i].g->outputs.count; k++, at++) {
            const ir_node *n = b->merged->outputs.data[at].node;
            size_t size = (size_t)(ir_element_count(&n->type) *
                                   dtype_size(result_type(n, how->f64)));
            if ((exact || pointwise[n->id]) &&
                memcmp(x->data[at], y->data[at], size) != 0)
                check_fail(b->cases[i].result, "%s: the bits of %s differ",
                           how->name, b->cases[i].g->outputs.data[k].name);
        }
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
    if (there.data)
        judge_all(b, &there, &device);
    if (there.data && here.data)
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
    if (fused.data)
        judge_all(b, &fused, &one);
    if (unfused.data)
        judge_all(b, &unfused, &plain);
    if (fused.data && fused_two.data)
        compare_bits(b, &fused, &fused_two, &two, true);
    if (fused.data && unfused.data)
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
    if (o.data)
        judge_all(b, &o, &wide);
    outcome_fini(&o);
}

void check_compiled(const compiled_case *cases, int count, bool f64)
{
    batch b = {cases, count, ir_graph_new()};
    for (int i = 0; i < count; i++) {
        char prefix[16];
        ir_node **map = ARENA_ARRAY(b.merged->arena, ir_node *,
                                    cases[i].g->nodes.count);
        prefix_of(i, prefix);
        merge_graph(b.merged, cases[i].g, prefix, map);
    }
    if (test_device()) {
        check_device(&b, false);
        if (f64)
            check_device(&b, true);
    } else {
        check_f32(&b);
        if (f64)
            check_f64(&b);
    }
    ir_graph_free(b.merged);
}
