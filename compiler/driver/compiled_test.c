/*
 * compiled_test.c - see compiled_test.h.
 */
#include "compiled_test.h"
#include "compile_file.h"
#include "ir/merge.h"
#include "judge/judge.h"
#include "opt/opt.h"
#include "runtime/device.h"
#include <complex.h>
#include <float.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct compiled_test {
    driver *d;
    compile_options options;
    ptl_pool *pool;
    VEC(compiled_check) waiting; /* in the driver's arena */
    int64_t compared, skipped;
    int left_out;
};

/* ---------- beginning and end ---------- */

bool compiled_test_wanted(const driver_options *o)
{
    return o->device || o->real || o->cpu || o->no_fuse || o->portable_bits ||
           o->threads.given;
}

ptl_status compiled_test_open(driver *d, compiled_test **out, ptl_error *err)
{
    compiled_test *t = ARENA_NEW(d->arena, compiled_test);
    int threads = d->options.threads.given ? (int)d->options.threads.value : 0;
    ptl_status st = pool_open(threads, &t->pool, err);
    t->d = d;
    /* Tolerances of tests are those of f64, which the oracle computes in. */
    t->options = driver_compile_options(d, TYPED_F64);
    if (st == PTL_OK)
        st = driver_open_device(d, &t->options.device, err);
    *out = t;
    return st;
}

static void check_free(const compiled_check *c)
{
    ir_values_free(c->values);
    ir_graph_free(c->graph);
}

static void forget_waiting(compiled_test *t)
{
    for (int i = 0; i < t->waiting.count; i++)
        check_free(&t->waiting.data[i]);
    t->waiting.count = 0;
}

void compiled_test_close(compiled_test *t)
{
    if (!t)
        return;
    forget_waiting(t);
    pool_close(t->pool);
    device_close(t->options.device);
}

double compiled_test_eps(const compiled_test *t)
{
    return !t ? 0 : t->options.f64 ? DBL_EPSILON : (double)FLT_EPSILON;
}

static bool is_wide(const ir_node *n, const double complex *numbers)
{
    bool wide = false;
    for (int64_t i = 0; n->type.kind == IR_INT && numbers && !wide &&
                        i < ir_element_count(&n->type);
         i++)
        wide = creal(numbers[i]) < INT32_MIN || creal(numbers[i]) > INT32_MAX;
    return wide;
}

bool compiled_test_add(compiled_test *t, compiled_check check)
{
    for (int i = 0; i < check.graph->nodes.count; i++) {
        if (!is_wide(check.graph->nodes.data[i], check.values->data[i]))
            continue;
        t->left_out++;
        if (t->d->options.verbose)
            printf("skip %s: integers of %s take more than 32 bits\n",
                   check.decl->at.file->name, check.decl->name);
        return false;
    }
    vec_push(t->d->arena, &t->waiting, check);
    return true;
}

void compiled_test_drop(compiled_test *t, const ast_decl *decl)
{
    while (t && t->waiting.count &&
           t->waiting.data[t->waiting.count - 1].decl == decl)
        check_free(&t->waiting.data[--t->waiting.count]);
}

/* ---------- compiling ---------- */

static judge_case *merge_waiting(const compiled_test *t, ir_graph *merged)
{
    judge_case *cases =
        ARENA_ARRAY(merged->arena, judge_case, t->waiting.count + 1);
    for (int i = 0; i < t->waiting.count; i++) {
        const compiled_check *c = &t->waiting.data[i];
        ir_graph *own = ir_copy(c->graph);
        opt_run(own, t->options.verify, NULL, NULL);
        cases[i] = (judge_case){c->graph, c->values,
                                arena_printf(merged->arena, "%d/", i)};
        ir_merge(merged, own, cases[i].prefix);
        ir_graph_free(own);
    }
    return cases;
}

ir_graph *compiled_test_graph(const compiled_test *t)
{
    ir_graph *merged = ir_graph_new();
    merge_waiting(t, merged);
    return merged;
}

/* What all that waits computes, one check after the other. */
static ptl_status carry_out(const compiled_test *t, outcome *out,
                            ptl_error *err)
{
    ir_graph *merged = ir_graph_new();
    const judge_case *cases = merge_waiting(t, merged);
    ptl_program *program = NULL;
    ptl_status st = compile_graph(merged, "tests", &t->options, &program, err);
    driver_phase(t->d, "compile");
    if (st == PTL_OK) {
        st = outcome_take(program, t->pool, cases, t->waiting.count, out, err);
        program->release(program);
    }
    driver_phase(t->d, "run");
    ir_graph_free(merged);
    return st;
}

/* ---------- judging ---------- */

static void describe(const compiled_test *t, ptl_str *out)
{
    str_printf(out, "compiled for %s in %s",
               t->options.device ? device_name(t->options.device) : "cpu",
               t->options.f64 ? "f64" : "f32");
}

static void report(const compiled_test *t, const compiled_check *c, int output,
                   const judge_verdict *verdict)
{
    const compiled_claim *claim = &c->claims[output];
    ptl_str text = {0};
    describe(t, &text);
    if (claim->what) {
        str_printf(&text, ", %s", claim->what);
        judge_place(&c->graph->outputs.data[output].node->type, verdict->at,
                    &text);
        str_printf(&text, " is %.12g, and %.12g +- %.3g by the oracle",
                   verdict->got, verdict->expected, verdict->bound);
    } else {
        str_add(&text, ", this does not hold, and by the oracle it does");
    }
    diag_error(t->d->diags, c->code, claim->at, "%s", str_text(&text));
    str_fini(&text);
}

/* A condition that the oracle finds true is true in f64 however close: the
 * oracle computes in it. In f32 what roundings may decide is not asked for. */
static void judge_condition(const compiled_test *t, const outcome_tensor *truth,
                            judge_verdict *verdict)
{
    if (!t->options.f64 || dtype_get(truth->dtype, truth->bytes, 0) != 0)
        return;
    verdict->wrong = true;
}

/* Those with words of their own, or those that are true: are they right? */
static bool judge_outputs(compiled_test *t, const compiled_check *c,
                          const outcome_tensor *tensors, bool with_words)
{
    bool right = true;
    for (int k = 0; k < c->graph->outputs.count; k++) {
        if ((c->claims[k].what != NULL) != with_words)
            continue;
        judge_verdict verdict = judge_tensor(c->graph->outputs.data[k].node,
                                             c->values, &tensors[k]);
        if (!with_words)
            judge_condition(t, &tensors[k], &verdict);
        t->compared += verdict.compared;
        t->skipped += verdict.skipped;
        if (verdict.wrong)
            report(t, c, k, &verdict);
        right = right && !verdict.wrong;
    }
    return right;
}

/* Both sides of an expect tell more than that it does not hold. */
static bool is_right(compiled_test *t, const compiled_check *c,
                     const outcome_tensor *tensors)
{
    return judge_outputs(t, c, tensors, true) &&
           judge_outputs(t, c, tensors, false);
}

/* The checks of one declaration, of which the first failure is told; how many
 * they are. */
static int judge_decl(compiled_test *t, int first, const outcome_tensor **at,
                      bool *passed)
{
    const ast_decl *decl = t->waiting.data[first].decl;
    int i = first;
    *passed = true;
    for (; i < t->waiting.count && t->waiting.data[i].decl == decl; i++) {
        const compiled_check *c = &t->waiting.data[i];
        *passed = *passed && is_right(t, c, *at);
        *at += c->graph->outputs.count;
    }
    return i - first;
}

ptl_status compiled_test_run(compiled_test *t,
                             void (*done)(void *ctx, const ast_decl *decl,
                                          bool passed),
                             void *ctx, ptl_error *err)
{
    outcome o = {0};
    ptl_status st = PTL_OK;
    if (t->waiting.count)
        st = carry_out(t, &o, err);
    const outcome_tensor *at = o.tensors;
    for (int i = 0; st == PTL_OK && i < t->waiting.count;) {
        const ast_decl *decl = t->waiting.data[i].decl;
        bool passed;
        i += judge_decl(t, i, &at, &passed);
        done(ctx, decl, passed);
    }
    outcome_fini(&o);
    forget_waiting(t);
    return st;
}

void compiled_test_summary(const compiled_test *t, ptl_str *out)
{
    describe(t, out);
    str_printf(out, ": %lld numbers compared with the oracle's",
               (long long)t->compared);
    if (t->skipped)
        str_printf(out, ", %lld too close to call", (long long)t->skipped);
    if (t->left_out)
        str_printf(out,
                   "\n%d check%s not compiled: integers take more than 32 "
                   "bits%s",
                   t->left_out, t->left_out == 1 ? "" : "s",
                   t->d->options.verbose ? "" : "; see --verbose");
}
