/*
 * test_ps_store.c - updates on parameter servers: whatever the optimizer, and
 * however parameters are cut and spread, values and slots are bit for bit those
 * of one update of all parameters whole, and of the checkpoint they began with.
 */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include "counted/allocations.h"
#define COUNTED
#endif
#include "driver/ps_job.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parameters of 1, 16, 32, ... up to 128,000 numbers: slices are of 65,536. */
static const char lenet[] =
    "model net() {\n"
    "  use c1 = nn.conv2d(out = 16, k = 5, pad = 2);\n"
    "  use c2 = nn.conv2d(out = 32, k = 5);\n"
    "  use f1 = nn.linear(out = 160);\n"
    "  use f2 = nn.linear(out = 10);\n"
    "  param scale ~ ones();\n"
    "  fn (x: real[N, 1, 28, 28]) -> z: real[N, 10] {\n"
    "    h = nn.max_pool2d(nn.relu(c1(x)), k = 2);\n"
    "    h2 = nn.max_pool2d(nn.relu(c2(h)), k = 2);\n"
    "    z[n, i] = scale * f2(nn.relu(f1(nn.flatten(h2))))[n, i];\n"
    "  }\n"
    "}\n";
/* ---------- every optimizer ---------- */

typedef struct optimizer_case {
    const char *before, *text;
    bool whole; /* it cannot work on slices */
} optimizer_case;

static void run_case(const char *model, const optimizer_case *c,
                     const char *real, int most)
{
    ps_job f = {0};
    ps_job_open(&f, model, c->before ? c->before : "", c->text, real);
    ps_job_list_gradients(&f);
    ps_job_initialise(&f);
    ps_job_update_whole(&f);
    for (int servers = 1; servers <= most; servers++) {
        ps_job_serve(&f, servers, NULL);
        assert_true((ps_job_cuts(&f) == 0) == c->whole);
        for (int step = 0; step < PS_JOB_STEPS; step++)
            ps_job_update(&f, step);
        ps_job_gather(&f);
        ps_job_assert_equal(&f);
        ps_job_stop(&f);
    }
    ps_job_close(&f);
}

static const char fall[] =
    "schedule falling(peak: real) {\n"
    "  return peak * (1 - step / real(total_steps)); }\n";

/* A slice is a vector, and is updated as the matrix it is part of. */
static const char by_rank[] =
    "optimizer by_rank(lr: schedule, wd: real) per param {\n"
    "  slot m = 0;\n"
    "  decay = rank(w) == 1 ? 0.0 : wd;\n"
    "  m <- 0.5 * m + g + decay * w;\n"
    "  w <- w - lr * m;\n"
    "}\n";

/* Norms of all parameters together, of one round and of two. */
static const char lars[] =
    "optimizer lars(lr: schedule, wd: real) per param {\n"
    "  slot v = 0;\n"
    "  ws = sqrt(across_params(sum(..i) w[..i]^2));\n"
    "  gs = sqrt(across_params(sum(..i) (g[..i] + wd * w[..i])^2));\n"
    "  v <- 0.9 * v + lr * ws / (gs + 1e-6) * (g + wd * w);\n"
    "  w <- w - v;\n"
    "}\n";
static const char lamb[] =
    "optimizer lamb(lr: schedule, wd: real) per param {\n"
    "  slot m = 0;\n"
    "  slot v = 0;\n"
    "  d = g / (1 + sqrt(across_params(sum(..i) g[..i]^2)));\n"
    "  m <- 0.9 * m + 0.1 * d;\n"
    "  v <- 0.99 * v + 0.01 * d^2;\n"
    "  u = m / (sqrt(v) + 1e-6) + wd * w;\n"
    "  us = sqrt(across_params(sum(..i) u[..i]^2));\n"
    "  ws = sqrt(across_params(sum(..i) w[..i]^2));\n"
    "  w <- w - lr * ws / (us + 1e-6) * u;\n"
    "  m <- m / (1 + 1e-3 * across_params(sum(..i) abs(w[..i])));\n"
    "}\n";
/* A norm of each parameter needs all of it. */
static const char layers[] = "optimizer layers(lr: schedule) per param {\n"
                             "  ws = sqrt(sum(..i) w[..i]^2);\n"
                             "  gs = sqrt(sum(..i) g[..i]^2);\n"
                             "  w <- w - lr * ws / (gs + 1e-6) * g;\n"
                             "}\n";

static const optimizer_case cases[] = {
    {.text = "optim.sgd(lr = 0.1);"},
    {.text = "optim.sgd(lr = optim.cosine(peak = 0.1), momentum = 0.9, wd = "
             "0.01);"},
    {.text = "optim.nesterov(lr = 0.1, wd = 0.01);"},
    {.text = "optim.adam(lr = 0.01, wd = 0.1);"},
    {.text = "optim.adamw(lr = optim.linear(first = 0.01), wd = 0.1);"},
    {.text = "optim.adamax(lr = 0.01, wd = 0.1);"},
    {.text = "optim.nadam(lr = 0.01, wd = 0.1);"},
    {.text = "optim.rmsprop(lr = 0.01, momentum = 0.5, wd = 0.1);"},
    {.text = "optim.adagrad(lr = 0.01, initial = 0.1, wd = 0.1);"},
    {.text = "optim.lion(lr = 0.01, wd = 0.1);"},
    {.text = "optim.adafactor(wd = 0.1);", .whole = true},
    {.before = by_rank, .text = "by_rank(lr = 0.1, wd = 0.5);"},
    {.text = "optim.adam(lr = 0.01); average = ema(0.9);"},
    {.text = "optim.sgd(lr = 0.1, momentum = 0.5, clip = 0.5);"},
    {.text = "optim.adam(lr = 0.01, clip = 0.5);"},
    {.text = "optim.adamw(lr = 0.01, clip = 0.5);"},
    {.before = lars, .text = "lars(lr = 0.1, wd = 0.01);"},
    {.before = lamb, .text = "lamb(lr = 0.1, wd = 0.01);"},
    {.before = layers, .text = "layers(lr = 0.1);", .whole = true},
    {.before = fall,
     .text = "optim.sgd(lr = falling(peak = 0.1), momentum = 0.5);\n"
             "  average = swa(after = 1 step);\n"
             "  set \"**.b\" { lr = 0.25 * lr; }\n"
             "  set \"*.f1.*\" { momentum = 0.25; wd = 0.5; }\n"
             "  freeze \"*.f2.w\";"},
};

static void every_optimizer(const char *model, const char *real, int most)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(model, &cases[i], real, most);
}

static void parameters_of_a_lenet_in_f32(void **state)
{
    (void)state;
    every_optimizer(lenet, NULL, 3);
}

static void parameters_of_an_mlp_in_f32(void **state)
{
    (void)state;
    every_optimizer(ps_job_mlp, NULL, 2);
}

static void parameters_of_an_mlp_in_f64(void **state)
{
    (void)state;
    every_optimizer(ps_job_mlp, "f64", 2);
}

/* ---------- how it begins ---------- */

/* What shards keep beside the tensors is of no concern. */
static void add_another(ps_job *f)
{
    ptl_error err = {0};
    ptl_buffer b = {.name = "worker0/sum",
                    .role = PTL_ROLE_SLOT,
                    .dtype = PTL_F32,
                    .rank = 1,
                    .dims = {4},
                    .size_bytes = 16};
    ps_job_good(store_add_one(&f->whole, &b, true, &err), &err, &f->d);
}

static void put_numbers(ps_job *f)
{
    for (int i = 0; i < f->whole.count; i++) {
        const store_tensor *t = &f->whole.items[i];
        for (size_t k = 0; k < t->size / 4; k++)
            dtype_put(PTL_F32, t->memory, (int64_t)k,
                      (double)(k % 1000) + 1000.0 * i);
    }
}

static void it_begins_as_a_checkpoint_has_it(void **state)
{
    (void)state;
    ps_job f = {0};
    ptl_error err = {0};
    char path[CHECKPOINT_PATH];
    checkpoint_info info = {.model = "net",
                            .source_hash = "0",
                            .config_json = "{}",
                            .step = 7,
                            .batch = 4,
                            .rows = 8,
                            .shards = 2};
    ps_job_open(&f, ps_job_mlp, "", "optim.adam(lr = 0.1);", NULL);
    ptl_program *p;
    ptl_run *run = ps_job_program(&f, PTL_PROGRAM_INIT, &p);
    ps_job_good(store_add(&f.whole, p, &err), &err, &f.d);
    ps_job_good(store_add(&f.cluster, p, &err), &err, &f.d);
    run_close(run);
    p->release(p);
    add_another(&f);
    ps_job_good(store_allocate(&f.whole, &err), &err, &f.d);
    ps_job_good(store_allocate(&f.cluster, &err), &err, &f.d);
    put_numbers(&f);
    ps_job_good(checkpoint_write(f.folder, &info, &f.whole, path, &err), &err,
                &f.d);
    ps_job_serve(&f, 2, path);
    ps_job_gather(&f);
    ps_job_assert_equal(&f);
    ps_job_close(&f);
}

static void a_damaged_checkpoint_is_refused(void **state)
{
    (void)state;
    ps_job f = {0};
    ptl_error err = {0};
    ps_clock clock = {.total_updates = PS_JOB_STEPS};
    place_options o = {.owners = 1, .slice = 1 << 20, .bucket = 1 << 20};
    ps_job_open(&f, ps_job_mlp, "", "optim.sgd(lr = 0.1);", NULL);
    f.layout = layout_make(f.arena, f.job, &o);
    f.totals = totals_make(f.arena, f.job, f.layout, 1);
    ps_job_good(ps_store_open(&f.s, &clock, f.layout, f.totals, 0, NULL, 0,
                              &f.ps[0], &err),
                &err, &f.d);
    assert_int_not_equal(ps_store_start(f.ps[0], f.folder, &err), PTL_OK);
    assert_non_null(strstr(err.text, f.folder));
    ps_job_close(&f);
}

/* ---------- what it costs ---------- */

#ifdef COUNTED
static void a_steady_update_allocates_nothing(void **state)
{
    (void)state;
    ps_job f = {0};
    ps_job_open(&f, ps_job_mlp, "", "optim.adam(lr = 0.1);", NULL);
    ps_job_serve(&f, 1, NULL);
    int count = f.layout->plan->bucket_count, before = 0;
    uint8_t *part = calloc(1, 300 << 10);
    assert_non_null(part);
    for (int step = 0; step < 4; step++) {
        if (step == 1)
            before = allocation_calls();
        for (int i = 0; i < count; i++) {
            const shard_store *s = ps_job_server(&f, i);
            s->add(s->ctx, (uint32_t)i, (const uint8_t *const[]){part}, 1,
                   f.layout->buckets[i].value_bytes, true);
            s->update(s->ctx, (uint32_t)i, 4, (uint64_t)step);
            assert_non_null(s->value(s->ctx, (uint32_t)i));
        }
    }
    assert_int_equal(allocation_calls() - before, 0);
    free(part);
    ps_job_close(&f);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_of_a_lenet_in_f32),
        cmocka_unit_test(parameters_of_an_mlp_in_f32),
        cmocka_unit_test(parameters_of_an_mlp_in_f64),
        cmocka_unit_test(it_begins_as_a_checkpoint_has_it),
        cmocka_unit_test(a_damaged_checkpoint_is_refused),
#ifdef COUNTED
        cmocka_unit_test(a_steady_update_allocates_nothing),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
