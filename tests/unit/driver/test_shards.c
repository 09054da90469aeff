/*
 * test_shards.c - the first update of `--shards` against two other ways to the
 * same numbers: gradients of each shard by the program of `ptlc grad`, added up
 * and applied here; and the two halves of a step, run and added up here in the
 * order that the shards clause gives, bit for bit.
 */
#include "base/file.h"
#include "job_build.h"
#include "runtime/order.h"
#include "runtime/run.h"
#include "runtime/tensor_file.h"
#include "runtime/train.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 11, CLASSES = 3, MOST = 64 };

/* Rows are coupled by a mean that is taken over the batch. */
static const char program[] =
    "import std.loss; import std.nn; import std.optim; import std.data;\n"
    "layer centred() {\n"
    "  param g[C] ~ ones();\n"
    "  state mu_run[C] = 0 sync mean;\n"
    "  fn (x: real[N, C]) -> y: real[N, C] {\n"
    "    mu[c] = training ? mean(n) x[n, c] : mu_run[c];\n"
    "    y[n, c] = g[c] * (x[n, c] - mu[c]);\n"
    "    mu_run[c] <- 0.9 * mu_run[c] + 0.1 * mu[c];\n"
    "  }\n"
    "}\n"
    "model net() {\n"
    "  use s = centred(); use f = nn.linear(out = 3);\n"
    "  fn (x: real[N, 2]) -> z: real[N, 3] { z = f(s(x)); }\n"
    "}\n"
    "data d {\n"
    "  train = data.csv(path = \"d.csv\", header = false, x = \"0..2\",\n"
    "                   label = \"2\");\n"
    "  x[i]: real[2] = raw.x[i];\n"
    "  label: idx(3) = raw.label;\n"
    "}\n"
    "train {\n"
    "  model m = net(); data d; z = m(x);\n"
    "  loss = loss.cross_entropy(z, label);\n"
    "  optimizer = optim.sgd(lr = 0.5);\n"
    "  batch = 11; steps = 1; seed = 4;\n"
    "}\n"
    "cluster { towers = 1; }\n";

typedef struct named {
    char name[64];
    void *memory;
    size_t size;
} named;

typedef struct fixture {
    char folder[64];
    driver d;
    ptl_job *job;
    ptl_pool *pool;
    tensor_file *result; /* of train_run() */
    named kept[MOST];
    int kept_count;
    double x[ROWS][2];
    int label[ROWS];
    uint32_t order[ROWS];
} fixture;

/* ---------- the run that is judged ---------- */

static const char *path_of(const fixture *f, const char *name)
{
    return arena_printf(f->d.arena, "%s/%s", f->folder, name);
}

static void write_data(fixture *f)
{
    ptl_str text = {0};
    for (int n = 0; n < ROWS; n++) {
        f->x[n][0] = 0.25 * ((7 * n) % 5) - 0.5;
        f->x[n][1] = 0.125 * ((3 * n) % 7);
        f->label[n] = (2 * n + 1) % CLASSES;
        str_printf(&text, "%.4f,%.4f,%d\n", f->x[n][0], f->x[n][1],
                   f->label[n]);
    }
    assert_int_equal(
        file_write_whole(path_of(f, "d.csv"), text.data, text.length, NULL),
        PTL_OK);
    str_fini(&text);
    assert_int_equal(file_write_whole(path_of(f, "p.ptl"), program,
                                      sizeof program - 1, NULL),
                     PTL_OK);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->folder, "/tmp/ptl-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    setenv("PTL_CACHE_DIR", f->folder, 1);
    f->d.arena = arena_new();
    f->d.diags = diags_new(0);
    assert_int_equal(pool_open(1, &f->pool, NULL), PTL_OK);
    write_data(f);
    order_epoch(4, 0, ROWS, f->order);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    if (f->job)
        f->job->free(f->job);
    tensor_file_close(f->result);
    for (int i = 0; i < f->kept_count; i++)
        memory_unmap(f->kept[i].memory, f->kept[i].size);
    pool_close(f->pool);
    folder_remove(f->folder, NULL);
    diags_free(f->d.diags);
    arena_free(f->d.arena);
    free(f);
    return 0;
}

static void open_job(fixture *f, const char *real, const char *set)
{
    ptl_error err = {0};
    if (set) {
        const char **sets = ARENA_ARRAY(f->d.arena, const char *, 1);
        sets[0] = set;
        f->d.options.set = (option_texts){.data = sets, .count = 1};
    }
    f->d.options.real = real;
    if (job_open(&f->d, path_of(f, "p.ptl"), &f->job, &err) != PTL_OK) {
        driver_report(&f->d);
        fail_msg("%s", err.text);
    }
}

/* One step under --shards. */
static ptl_status run(fixture *f, int64_t shards, ptl_error *err)
{
    train_options o = {.threads = 2,
                       .shards = shards,
                       .out = path_of(f, "run"),
                       .quiet = true,
                       .output = fopen("/dev/null", "w")};
    assert_non_null(o.output);
    ptl_status st = train_run(f->job, &o, err);
    fclose(o.output);
    return st;
}

/* Its checkpoint is what is judged. */
static void train(fixture *f, int64_t shards, const char *real, const char *set)
{
    ptl_error err = {0};
    open_job(f, real, set);
    if (run(f, shards, &err) != PTL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(
        tensor_file_open(path_of(f, "run/step-1/model.safetensors"), &f->result,
                         &err),
        PTL_OK);
}

/* ---------- programs run by hand ---------- */

static void *kept(fixture *f, const char *name, size_t size)
{
    for (int i = 0; i < f->kept_count; i++)
        if (!strcmp(f->kept[i].name, name))
            return f->kept[i].memory;
    assert_true(f->kept_count < MOST);
    named *k = &f->kept[f->kept_count++];
    snprintf(k->name, sizeof k->name, "%s", name);
    k->size = size;
    k->memory = memory_map(size);
    assert_non_null(k->memory);
    return k->memory;
}

static void fill_field(const fixture *f, const ptl_buffer *b, order_part part,
                       void *to)
{
    for (int64_t n = 0; n < part.rows; n++) {
        uint32_t record = f->order[part.first + n];
        if (!strcmp(b->name, "label"))
            dtype_put(b->dtype, to, n, f->label[record]);
        for (int k = 0; !strcmp(b->name, "x") && k < 2; k++)
            dtype_put(b->dtype, to, 2 * n + k, f->x[record][k]);
    }
}

typedef struct by_hand {
    ptl_program *program;
    ptl_run *run;
} by_hand;

static by_hand build(fixture *f, ptl_program_kind kind, order_part part)
{
    ptl_error err = {0};
    by_hand h = {0};
    if (f->job->build(f->job, kind, part.rows, NULL, 0, &h.program, &err) !=
            PTL_OK ||
        run_open(h.program, f->pool, &h.run, &err) != PTL_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < h.program->buffer_count; i++) {
        const ptl_buffer *b = &h.program->buffers[i];
        bool field = b->role == PTL_ROLE_DATA && kind != PTL_PROGRAM_UPDATE;
        if (b->role != PTL_ROLE_PARAM && b->role != PTL_ROLE_STATE &&
            b->role != PTL_ROLE_SLOT && b->role != PTL_ROLE_DATA)
            continue;
        const char *name =
            field ? arena_printf(f->d.arena, "%s.%lld.%lld", b->name,
                                 (long long)part.first, (long long)part.rows)
                  : b->name;
        void *memory = kept(f, name, (size_t)b->size_bytes);
        if (field)
            fill_field(f, b, part, memory);
        run_bind(h.run, i, memory);
    }
    run_set(h.run, "seed", 4);
    run_set(h.run, "row0", part.first);
    run_set(h.run, "total_steps", 1);
    return h;
}

static void execute(by_hand *h)
{
    ptl_error err = {0};
    if (run_execute(h->run, &err) != PTL_OK)
        fail_msg("%s", err.text);
}

static void drop(by_hand *h)
{
    run_close(h->run);
    h->program->release(h->program);
}

static void initialise(fixture *f)
{
    by_hand h = build(f, PTL_PROGRAM_INIT, (order_part){0, ROWS});
    execute(&h);
    drop(&h);
}

static const void *output(const by_hand *h, const char *prefix,
                          const char *path)
{
    char name[100];
    snprintf(name, sizeof name, "%s%s", prefix, path);
    int i = program_find(h->program, name);
    assert_true(i >= 0);
    return run_data(h->run, i);
}

static const tensor_entry *result(const fixture *f, const char *path)
{
    const tensor_entry *t = tensor_file_find(f->result, path);
    assert_non_null(t);
    return t;
}

static const char *const params[] = {"m.s.g", "m.f.w", "m.f.b"};
static const int counts[] = {2, 6, 3};
enum { PARAMS = 3, ELEMENTS = 6 };

/* ---------- by gradients of ranges of rows ---------- */

static void gradients_of_the_shards_make_the_update(void **state)
{
    fixture *f = *state;
    double sum[PARAMS][ELEMENTS] = {{0}}, mean[2] = {0};
    train(f, 3, "f64", NULL);
    initialise(f);
    for (int k = 0; k < 3; k++) {
        order_part part = order_cut(ROWS, 3, k);
        by_hand h = build(f, PTL_PROGRAM_GRAD, part);
        execute(&h);
        for (int p = 0; p < PARAMS; p++) {
            const double *g = output(&h, "grad/", params[p]);
            for (int i = 0; i < counts[p]; i++)
                sum[p][i] += (double)part.rows * g[i];
        }
        for (int64_t n = 0; n < part.rows; n++)
            for (int c = 0; c < 2; c++)
                mean[c] += 0.1 * f->x[f->order[part.first + n]][c];
        drop(&h);
    }
    for (int p = 0; p < PARAMS; p++) {
        const double *w = kept(f, params[p], 0);
        const double *got = result(f, params[p])->bytes;
        for (int i = 0; i < counts[p]; i++) {
            double wanted = w[i] - 0.5 * sum[p][i] / ROWS;
            assert_true(fabs(got[i] - wanted) < 1e-13);
            assert_true(fabs(got[i] - w[i]) > 1e-6);
        }
    }
    const double *run = result(f, "m.s.mu_run")->bytes;
    for (int c = 0; c < 2; c++)
        assert_true(fabs(run[c] - mean[c] / ROWS) < 1e-13);
}

/* ---------- by the two halves, in order ---------- */

typedef struct sums {
    float gradients[PARAMS][ELEMENTS], state[2], weight;
} sums;

static sums shard_of(fixture *f, order_part part)
{
    sums s = {0};
    by_hand h = build(f, PTL_PROGRAM_SHARD, part);
    execute(&h);
    for (int p = 0; p < PARAMS; p++)
        memcpy(s.gradients[p], output(&h, "sum/", params[p]),
               (size_t)counts[p] * sizeof(float));
    s.weight = *(const float *)output(&h, "weight", "");
    assert_true(s.weight == (float)part.rows);
    const float *next = output(&h, "next/", "m.s.mu_run");
    for (int c = 0; c < 2; c++)
        s.state[c] = next[c] * (float)part.rows;
    drop(&h);
    return s;
}

static sums plus(sums a, sums b)
{
    for (int p = 0; p < PARAMS; p++)
        for (int i = 0; i < counts[p]; i++)
            a.gradients[p][i] += b.gradients[p][i];
    for (int c = 0; c < 2; c++)
        a.state[c] += b.state[c];
    a.weight += b.weight;
    return a;
}

static void update_by(fixture *f, const sums *s)
{
    for (int p = 0; p < PARAMS; p++)
        memcpy(kept(f, arena_printf(f->d.arena, "sum/%s", params[p]),
                    (size_t)counts[p] * sizeof(float)),
               s->gradients[p], (size_t)counts[p] * sizeof(float));
    *(float *)kept(f, "weight", sizeof(float)) = s->weight;
    by_hand h = build(f, PTL_PROGRAM_UPDATE, (order_part){0, ROWS});
    execute(&h);
    drop(&h);
}

static void assert_result(fixture *f, const sums *all)
{
    for (int p = 0; p < PARAMS; p++)
        assert_memory_equal(result(f, params[p])->bytes, kept(f, params[p], 0),
                            (size_t)counts[p] * sizeof(float));
    const float *run = result(f, "m.s.mu_run")->bytes;
    for (int c = 0; c < 2; c++)
        assert_true(run[c] == all->state[c] / all->weight);
}

/* The test would see another order. */
static void assert_other_bits(const sums *a, const sums *b)
{
    assert_true(memcmp(a->gradients, b->gradients, sizeof a->gradients) != 0);
}

static sums cut_into(fixture *f, int count, int index)
{
    return shard_of(f, order_cut(ROWS, count, index));
}

static void shards_are_added_left_to_right(void **state)
{
    fixture *f = *state;
    train(f, 5, NULL, NULL);
    initialise(f);
    sums all = cut_into(f, 5, 0), back = cut_into(f, 5, 4);
    for (int k = 1; k < 5; k++) {
        all = plus(all, cut_into(f, 5, k));
        back = plus(back, cut_into(f, 5, 4 - k));
    }
    assert_other_bits(&all, &back);
    update_by(f, &all);
    assert_result(f, &all);
}

/* (a + b) + (c + d), not ((a + b) + c) + d. */
static void towers_are_added_up_first(void **state)
{
    fixture *f = *state;
    train(f, 4, NULL, "cluster.towers=2");
    initialise(f);
    sums first = plus(cut_into(f, 4, 0), cut_into(f, 4, 1));
    sums second = plus(cut_into(f, 4, 2), cut_into(f, 4, 3));
    sums all = plus(first, second);
    sums one_by_one = plus(plus(first, cut_into(f, 4, 2)), cut_into(f, 4, 3));
    assert_other_bits(&all, &one_by_one);
    update_by(f, &all);
    assert_result(f, &all);
}

/* With `accumulate = 2`, ((a + b) + (c + d)) + (e + f) of three shards. */
static void parts_are_added_up_before_shards(void **state)
{
    fixture *f = *state;
    train(f, 3, NULL, "train.accumulate=2");
    initialise(f);
    sums all = {0}, flat = {0};
    for (int k = 0; k < 3; k++) {
        order_part shard = order_cut(ROWS, 3, k), part[2];
        for (int i = 0; i < 2; i++) {
            part[i] = order_cut(shard.rows, 2, i);
            part[i].first += shard.first;
        }
        sums a = shard_of(f, part[0]), b = shard_of(f, part[1]);
        all = k ? plus(all, plus(a, b)) : plus(a, b);
        flat = k ? plus(plus(flat, a), b) : plus(a, b);
    }
    assert_other_bits(&all, &flat);
    update_by(f, &all);
    assert_result(f, &all);
}

static void each_worker_applies_its_own_mean(void **state)
{
    fixture *f = *state;
    train(f, 3, NULL, "cluster.aggregate=apply_each");
    initialise(f);
    sums s[3], all = {0};
    for (int k = 0; k < 3; k++)
        s[k] = cut_into(f, 3, k);
    all = plus(plus(s[0], s[1]), s[2]);
    for (int k = 0; k < 3; k++)
        update_by(f, &s[k]);
    assert_result(f, &all);
}

/* A sum of means: divided here, so that the update divides by one. */
static void means_of_the_workers_are_added_up(void **state)
{
    fixture *f = *state;
    train(f, 3, NULL, "cluster.aggregate=sum");
    initialise(f);
    sums s[3], means = {0};
    for (int k = 0; k < 3; k++) {
        s[k] = cut_into(f, 3, k);
        sums mean = s[k];
        for (int p = 0; p < PARAMS; p++)
            for (int i = 0; i < counts[p]; i++)
                mean.gradients[p][i] /= s[k].weight;
        means = k ? plus(means, mean) : mean;
    }
    means.weight = 1;
    update_by(f, &means);
    sums all = plus(plus(s[0], s[1]), s[2]);
    assert_result(f, &all);
}

/* ---------- towers that are not alike ---------- */

/* What the job's programs are made by, and for so many rows changed. */
static ptl_status (*real_build)(ptl_job *job, ptl_program_kind kind,
                                int64_t rows, const ptl_job_tensor *raw,
                                int raw_count, ptl_program **out,
                                ptl_error *err);
static ptl_arena *arena;
static bool forgets;
enum { ODD_ROWS = 5 };

static ptl_buffer *gradient(ptl_buffer *buffers, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (buffers[i].name && strcmp(buffers[i].name, name) == 0)
            return &buffers[i];
    fail_msg("no %s", name);
    return NULL;
}

/* Shards of ODD_ROWS rows forget one of their gradients, or give one more. */
static ptl_status build_oddly(ptl_job *job, ptl_program_kind kind, int64_t rows,
                              const ptl_job_tensor *raw, int raw_count,
                              ptl_program **out, ptl_error *err)
{
    ptl_status st = real_build(job, kind, rows, raw, raw_count, out, err);
    if (st != PTL_OK || kind != PTL_PROGRAM_SHARD || rows != ODD_ROWS)
        return st;
    ptl_program *p = *out;
    int count = p->buffer_count;
    ptl_buffer *buffers = ARENA_ARRAY(arena, ptl_buffer, count + 1);
    memcpy(buffers, p->buffers, (size_t)count * sizeof *buffers);
    ptl_buffer *b = gradient(buffers, count, "sum/m.f.b");
    if (forgets) {
        b->name = "rest";
    } else {
        buffers[count] = *b;
        buffers[count].name = "sum/m.f.c";
        p->buffer_count++;
    }
    p->buffers = buffers;
    return PTL_OK;
}

static void train_oddly(fixture *f, bool forgetting, const char *words)
{
    ptl_error err = {0};
    open_job(f, NULL, "cluster.towers=2");
    arena = f->d.arena;
    forgets = forgetting;
    real_build = f->job->build;
    f->job->build = build_oddly;
    assert_int_equal(run(f, 2, &err), PTL_E_INTERNAL);
    if (!strstr(err.text, words))
        fail_msg("%s", err.text);
}

static void towers_that_forget_a_gradient_are_told(void **state)
{
    train_oddly(*state, true,
                "with 6 rows alone of \"m.f.b\"; with 5 alone of none");
}

static void towers_that_give_one_more_are_told(void **state)
{
    train_oddly(*state, false,
                "with 6 rows alone of none; with 5 alone of \"m.f.c\"");
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FACT(gradients_of_the_shards_make_the_update),
        FACT(shards_are_added_left_to_right),
        FACT(towers_are_added_up_first),
        FACT(parts_are_added_up_before_shards),
        FACT(each_worker_applies_its_own_mean),
        FACT(means_of_the_workers_are_added_up),
        FACT(towers_that_forget_a_gradient_are_told),
        FACT(towers_that_give_one_more_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
