/*
 * test_ps_store.c - updates on parameter servers: whatever the optimizer, and
 * however parameters are cut and spread, values and slots are bit for bit those
 * of one update of all parameters whole.
 */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include "counted/allocations.h"
#define COUNTED
#endif
#include "base/file.h"
#include "job_build.h"
#include "runtime/sums.h"
#include "train/ps_store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 3, MOST_PS = 3 };

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
static const char mlp[] = "model net() {\n"
                          "  use f1 = nn.linear(out = 256);\n"
                          "  use f2 = nn.linear(out = 30);\n"
                          "  use f3 = nn.linear(out = 10);\n"
                          "  fn (x: real[N, 1, 28, 28]) -> z: real[N, 10] {\n"
                          "    z = f3(tanh(f2(tanh(f1(nn.flatten(x))))));\n"
                          "  }\n"
                          "}\n";

static const char program[] =
    "ptl 1;\n"
    "import std.loss; import std.nn; import std.optim; import std.data;\n"
    "%s%s"
    "data d {\n"
    "  train = data.idx(image = \"none\", label = \"none\");\n"
    "  x[c, h, w]: real[1, 28, 28] = raw.image[h, w] / 255.0;\n"
    "  label: idx(10) = raw.label;\n"
    "}\n"
    "train {\n"
    "  model m = net(); data d; z = m(x);\n"
    "  loss = loss.cross_entropy(z, label);\n"
    "  optimizer = %s\n"
    "  batch = 4; steps = 3; seed = 4;\n"
    "}\n";

typedef struct fixture {
    char folder[64];
    driver d;
    ptl_job *job;
    train_options options;
    session s;
    ptl_arena *arena;
    /* Tensors whole under their paths: of the oracle, of the cluster, and
     * gradients under the parameters'. */
    ptl_store whole, cluster, gradients;
    cluster_layout *layout;
    totals_layout *totals;
    ps_store *ps[MOST_PS];
    int servers;
} fixture;

static void good(ptl_status st, const ptl_error *err, driver *d)
{
    if (st == PTL_OK)
        return;
    driver_report(d);
    fail_msg("%s", err->text);
}

/* ---------- a job ---------- */

static void open_job(fixture *f, const char *model, const char *before,
                     const char *optimizer, const char *real)
{
    ptl_error err = {0};
    ptl_str text = {0}, path = {0};
    strcpy(f->folder, "/tmp/ptl-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    setenv("PTL_CACHE_DIR", f->folder, 1);
    f->d.arena = arena_new();
    f->d.diags = diags_new(0);
    f->d.options.real = real;
    f->arena = arena_new();
    str_printf(&text, program, model, before, optimizer);
    str_printf(&path, "%s/p.ptl", f->folder);
    good(file_write_whole(str_text(&path), text.data, text.length, &err), &err,
         &f->d);
    good(job_open(&f->d, arena_strdup(f->d.arena, str_text(&path)), &f->job,
                  &err),
         &err, &f->d);
    f->options = (train_options){.threads = 1};
    good(session_open(&f->s, f->job, &f->options, &err), &err, &f->d);
    str_fini(&text);
    str_fini(&path);
}

static void close_servers(fixture *f)
{
    for (int i = 0; i < MOST_PS; i++) {
        ps_store_close(f->ps[i]);
        f->ps[i] = NULL;
    }
}

static void close_job(fixture *f)
{
    close_servers(f);
    store_fini(&f->whole);
    store_fini(&f->cluster);
    store_fini(&f->gradients);
    session_close(&f->s);
    if (f->job)
        f->job->free(f->job);
    folder_remove(f->folder, NULL);
    diags_free(f->d.diags);
    arena_free(f->d.arena);
    arena_free(f->arena);
}

/* ---------- gradients ---------- */

static void list_gradients(fixture *f)
{
    ptl_error err = {0};
    for (int i = 0; i < f->job->tensor_count; i++) {
        const ptl_job_tensor *t = &f->job->tensors[i];
        ptl_buffer b = {.name = t->path,
                        .role = t->role,
                        .dtype = t->dtype,
                        .rank = t->rank,
                        .size_bytes = dtype_size(t->dtype)};
        memcpy(b.dims, t->dims, sizeof b.dims);
        for (int k = 0; k < t->rank; k++)
            b.size_bytes *= t->dims[k];
        if (t->role == PTL_ROLE_PARAM)
            good(store_add_one(&f->gradients, &b, false, &err), &err, &f->d);
    }
    good(store_allocate(&f->gradients, &err), &err, &f->d);
}

/* Of a worker: any numbers, others at every step. */
static void make_gradients(fixture *f, int step, int worker)
{
    uint64_t x = (uint64_t)(step * 7 + worker + 1);
    for (int i = 0; i < f->gradients.count; i++) {
        store_tensor *t = &f->gradients.items[i];
        int64_t count = (int64_t)t->size / dtype_size(t->dtype);
        for (int64_t k = 0; k < count; k++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            dtype_put(t->dtype, t->memory, k,
                      ((double)(x >> 40) / (1 << 24) - 0.5) * 3);
        }
    }
}

static double weight_of(int step)
{
    return 3 + step;
}

/* ---------- one process ---------- */

static void bind_whole(fixture *f, ptl_run *run)
{
    ptl_error err = {0};
    good(store_bind(&f->whole, run, &err), &err, &f->d);
    run_set(run, "seed", 4);
    run_set(run, "total_steps", STEPS);
    run_set(run, "average_from", 1);
}

static void execute(fixture *f, ptl_run *run)
{
    ptl_error err = {0};
    good(run_execute(run, &err), &err, &f->d);
}

static ptl_run *open_program(fixture *f, ptl_program_kind kind,
                             ptl_program **program_out)
{
    ptl_error err = {0};
    ptl_run *run;
    good(f->job->build(f->job, kind, 4, NULL, 0, program_out, &err), &err,
         &f->d);
    good(run_open(*program_out, f->s.pool, &run, &err), &err, &f->d);
    return run;
}

static void initialise_whole(fixture *f)
{
    ptl_error err = {0};
    ptl_program *p;
    ptl_run *run = open_program(f, PTL_PROGRAM_INIT, &p);
    good(store_add(&f->whole, p, &err), &err, &f->d);
    good(store_add(&f->cluster, p, &err), &err, &f->d);
    good(store_allocate(&f->whole, &err), &err, &f->d);
    good(store_allocate(&f->cluster, &err), &err, &f->d);
    bind_whole(f, run);
    execute(f, run);
    run_close(run);
    p->release(p);
}

/* Two workers' gradients, added up. */
static void sum_whole(fixture *f, int step, ptl_run *run, char **sums)
{
    for (int w = 0; w < 2; w++) {
        make_gradients(f, step, w);
        for (int i = 0; i < f->gradients.count; i++) {
            const store_tensor *t = &f->gradients.items[i];
            sums_span(t->dtype, w ? SUM_ADD : SUM_SET, sums[i], t->memory,
                      (int64_t)t->size / dtype_size(t->dtype), 0);
        }
    }
    for (int i = 0; i < f->gradients.count; i++)
        run_bind_name(run,
                      arena_printf(f->arena, PTL_SUM_PREFIX "%s",
                                   f->gradients.items[i].path),
                      sums[i]);
}

static void update_whole(fixture *f)
{
    ptl_program *p;
    ptl_run *run = open_program(f, PTL_PROGRAM_UPDATE, &p);
    double *weight = memory_map(sizeof *weight);
    char **sums = ARENA_ARRAY(f->arena, char *, f->gradients.count + 1);
    bind_whole(f, run);
    for (int i = 0; i < f->gradients.count; i++)
        sums[i] = memory_map(f->gradients.items[i].size);
    for (int step = 0; step < STEPS; step++) {
        sum_whole(f, step, run, sums);
        sums_put(f->job->f64 ? PTL_F64 : PTL_F32, weight, weight_of(step));
        run_bind_name(run, "weight", weight);
        run_set(run, "step", step);
        execute(f, run);
    }
    for (int i = 0; i < f->gradients.count; i++)
        memory_unmap(sums[i], f->gradients.items[i].size);
    memory_unmap(weight, sizeof *weight);
    run_close(run);
    p->release(p);
}

/* ---------- parameter servers ---------- */

static void open_servers(fixture *f, int count, const char *checkpoint)
{
    ptl_error err = {0};
    ps_clock clock = {.total_updates = STEPS, .average_from = 1};
    place_options o = {
        .owners = count, .slice = 256 << 10, .bucket = 300 << 10};
    f->layout = layout_make(f->arena, f->job, &o);
    f->totals = totals_make(f->arena, f->job, f->layout, count);
    f->servers = count;
    for (int i = 0; i < count; i++) {
        good(ps_store_open(&f->s, &clock, f->layout, f->totals, i, NULL, 0,
                           &f->ps[i], &err),
             &err, &f->d);
        good(ps_store_start(f->ps[i], checkpoint, &err), &err, &f->d);
    }
}

static const shard_store *server_of(const fixture *f, int bucket)
{
    return ps_store_shard(f->ps[f->layout->buckets[bucket].owner]);
}

/* One round: every bucket, one that adds up, every server. */
static void run_round(fixture *f, int step, int round)
{
    machine_totals adder = totals_machine(f->totals);
    dist_blob *sent[MOST_PS];
    size_t size;
    for (int i = f->layout->plan->bucket_count - 1; i >= 0; i--) {
        const shard_store *s = server_of(f, i);
        s->add_up(s->ctx, (uint32_t)i, round, weight_of(step), (uint64_t)step);
    }
    for (int k = 0; k < f->servers; k++) {
        const shard_store *s = ps_store_shard(f->ps[k]);
        const uint8_t *bytes = s->partials(s->ctx, round, &size);
        sent[k] = blob_copy(bytes, size);
    }
    dist_blob *totals = adder.add_up(adder.ctx, round, sent);
    assert_non_null(totals);
    for (int k = 0; k < f->servers; k++) {
        const shard_store *s = ps_store_shard(f->ps[k]);
        assert_false(s->totals(s->ctx, round, blob_bytes(totals),
                               blob_size(totals) - 1));
        assert_true(
            s->totals(s->ctx, round, blob_bytes(totals), blob_size(totals)));
        blob_drop(sent[k]);
    }
    blob_drop(totals);
}

static void update_servers(fixture *f, int step)
{
    ptl_error err = {0};
    for (int w = 0; w < 2; w++) {
        make_gradients(f, step, w);
        for (int i = 0; i < f->layout->plan->bucket_count; i++) {
            const bucket_layout *b = &f->layout->buckets[i];
            uint8_t *part = malloc(b->value_bytes);
            assert_non_null(part);
            good(layout_take_value(b, &f->gradients, part, &err), &err, &f->d);
            const shard_store *s = server_of(f, i);
            s->add(s->ctx, (uint32_t)i, part, b->value_bytes, w == 0);
            free(part);
        }
    }
    for (int round = 0; round < f->job->rounds; round++)
        run_round(f, step, round);
    for (int i = 0; i < f->layout->plan->bucket_count; i++) {
        const shard_store *s = server_of(f, i);
        s->update(s->ctx, (uint32_t)i, weight_of(step), (uint64_t)step);
    }
}

/* What a checkpoint is put together from. */
static void gather(fixture *f)
{
    ptl_error err = {0};
    for (int i = 0; i < f->layout->plan->bucket_count; i++) {
        const bucket_layout *b = &f->layout->buckets[i];
        const shard_store *s = server_of(f, i);
        size_t size;
        const uint8_t *slots = s->slots(s->ctx, (uint32_t)i, &size);
        assert_int_equal(size, b->slot_bytes);
        good(layout_give_slots(b, slots, &f->cluster, &err), &err, &f->d);
        good(layout_give_value(b, s->value(s->ctx, (uint32_t)i), &f->cluster,
                               &err),
             &err, &f->d);
    }
}

/* Frozen parameters are no server's. */
static bool is_served(const fixture *f, const store_tensor *t)
{
    for (int i = 0; i < f->job->tensor_count; i++)
        if (!strcmp(f->job->tensors[i].path, t->path))
            return t->role == PTL_ROLE_SLOT || f->job->tensors[i].trained;
    return false;
}

static void assert_equal(const fixture *f)
{
    for (int i = 0; i < f->whole.count; i++) {
        const store_tensor *t = &f->whole.items[i];
        if (is_served(f, t) &&
            memcmp(t->memory, f->cluster.items[i].memory, t->size) != 0)
            fail_msg("%s is another, of %d", t->path, f->servers);
    }
}

static int cut_variables(const fixture *f)
{
    return f->layout->plan->piece_count - f->layout->variable_count;
}

/* ---------- every optimizer ---------- */

typedef struct optimizer_case {
    const char *before, *text;
    bool whole; /* it cannot work on slices */
} optimizer_case;

static void run_case(const char *model, const optimizer_case *c,
                     const char *real, int most)
{
    fixture f = {0};
    open_job(&f, model, c->before ? c->before : "", c->text, real);
    list_gradients(&f);
    initialise_whole(&f);
    update_whole(&f);
    for (int servers = 1; servers <= most; servers++) {
        open_servers(&f, servers, NULL);
        assert_true((cut_variables(&f) == 0) == c->whole);
        for (int step = 0; step < STEPS; step++)
            update_servers(&f, step);
        gather(&f);
        assert_equal(&f);
        close_servers(&f);
    }
    close_job(&f);
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
    every_optimizer(mlp, NULL, 2);
}

static void parameters_of_an_mlp_in_f64(void **state)
{
    (void)state;
    every_optimizer(mlp, "f64", 2);
}

/* ---------- blocks ---------- */

/* Rows that are blocks, or parts of blocks, or neither; few blocks and many. */
static const char shapes[] =
    "model net() {\n"
    "  param a[200000] ~ ones();\n"
    "  param b[819, 163] ~ ones();\n"
    "  param c[600, 1024] ~ ones();\n"
    "  param d[1024, 3, 64] ~ ones();\n"
    "  param e[70000, 2] ~ ones();\n"
    "  param f[2, 131072] ~ ones();\n"
    "  param g[20, 256, 256] ~ ones();\n"
    "  param h[131072] ~ ones();\n"
    "  param k[65537] ~ ones();\n"
    "  fn (x: real[N, 1, 28, 28]) -> z: real[N, 10] {\n"
    "    s = a[0] + b[0, 0] + c[0, 0] + d[0, 0, 0] + e[0, 0] + f[0, 0]\n"
    "      + g[0, 0, 0] + h[0] + k[0];\n"
    "    z[n, i] = s * real(i) * x[n, 0, 0, 0];\n"
    "  }\n"
    "}\n";
static const char norms[] =
    "optimizer norms(lr: schedule, wd: real) per param {\n"
    "  ws = across_params(sum(..i) abs(w[..i]));\n"
    "  gs = across_params(sum(..i) (g[..i] + wd * w[..i])^2);\n"
    "  w <- w - lr * ws / gs * g;\n"
    "}\n";
enum { BLOCKS = 4 + 3 + 10 + 3 + 3 + 4 + 20 + 2 + 2 };

typedef struct opened {
    ptl_program *program;
    ptl_run *run;
} opened;

typedef VEC(ptl_job_piece) piece_list;

static char *behind(const ptl_store *tensors, const ptl_job_piece *p)
{
    const store_tensor *t = store_find(tensors, p->path);
    return (char *)t->memory + p->first * dtype_size(t->dtype);
}

/* Slices of so many blocks. */
static piece_list cut(fixture *f, int64_t blocks)
{
    piece_list pieces = {0};
    for (int i = 0; i < f->gradients.count; i++) {
        const store_tensor *t = &f->gradients.items[i];
        int64_t all = (int64_t)t->size / dtype_size(t->dtype);
        int64_t most = blocks * PTL_TOTAL_BLOCK;
        for (int64_t at = 0; at < all; at += most) {
            ptl_job_piece p = {t->path, at, all - at, t->path};
            if (p.count > most)
                p.count = most;
            if (p.count < all)
                p.name = arena_printf(f->arena, "piece%d", pieces.count);
            vec_push(f->arena, &pieces, p);
        }
    }
    return pieces;
}

static opened sums_of(fixture *f, const piece_list *pieces, void *weight)
{
    ptl_error err = {0};
    opened o;
    good(f->job->build_update(f->job, 0, pieces->data, pieces->count, NULL, 0,
                              &o.program, &err),
         &err, &f->d);
    good(run_open(o.program, f->s.pool, &o.run, &err), &err, &f->d);
    for (int i = 0; i < pieces->count; i++) {
        const ptl_job_piece *p = &pieces->data[i];
        run_bind_name(o.run, p->name, behind(&f->whole, p));
        run_bind_name(o.run,
                      arena_printf(f->arena, PTL_SUM_PREFIX "%s", p->name),
                      behind(&f->gradients, p));
    }
    run_bind_name(o.run, "weight", weight);
    execute(f, o.run);
    return o;
}

static void drop(opened *o)
{
    run_close(o->run);
    o->program->release(o->program);
}

static int take(fixture *f, const opened *o, const char *prefix, int total,
                const char *name, double *out)
{
    int i = program_find(
        o->program, arena_printf(f->arena, "%s%d/%s", prefix, total, name));
    if (i < 0)
        return 0;
    const ptl_buffer *b = &o->program->buffers[i];
    int count = (int)(b->size_bytes / dtype_size(b->dtype));
    for (int k = 0; k < count; k++)
        out[k] = dtype_get(b->dtype, run_data(o->run, i), k);
    return count;
}

/* The sums of one total, of all blocks in their order. */
static void list_sums(fixture *f, const opened *o, const piece_list *pieces,
                      int total, double out[BLOCKS])
{
    int count = 0;
    for (int i = 0; i < pieces->count; i++) {
        const char *name = pieces->data[i].name;
        count += take(f, o, PTL_BLOCKS_PREFIX, total, name, out + count);
        count += take(f, o, PTL_LAST_PREFIX, total, name, out + count);
    }
    assert_int_equal(count, BLOCKS);
}

static void assert_equal_sums(fixture *f, const opened *whole,
                              const piece_list *all, int64_t blocks,
                              void *weight)
{
    double wanted[BLOCKS], got[BLOCKS];
    piece_list pieces = cut(f, blocks);
    opened o = sums_of(f, &pieces, weight);
    for (int total = 0; total < 2; total++) {
        list_sums(f, whole, all, total, wanted);
        list_sums(f, &o, &pieces, total, got);
        assert_memory_equal(wanted, got, sizeof got);
    }
    drop(&o);
}

static void blocks_have_one_tree(const char *real)
{
    fixture f = {0};
    open_job(&f, shapes, norms, "norms(lr = 0.1, wd = 0.3);", real);
    list_gradients(&f);
    initialise_whole(&f);
    make_gradients(&f, 1, 1);
    for (int i = 0; i < f.gradients.count; i++) {
        const store_tensor *t = &f.gradients.items[i];
        memcpy(store_find(&f.whole, t->path)->memory, t->memory, t->size);
    }
    make_gradients(&f, 1, 0);
    double *weight = memory_map(sizeof *weight);
    sums_put(f.job->f64 ? PTL_F64 : PTL_F32, weight, 3);
    piece_list all = cut(&f, 1000);
    opened whole = sums_of(&f, &all, weight);
    for (int64_t blocks = 1; blocks < 10; blocks += blocks / 3 + 1)
        assert_equal_sums(&f, &whole, &all, blocks, weight);
    drop(&whole);
    memory_unmap(weight, sizeof *weight);
    close_job(&f);
}

static void blocks_have_one_tree_in_f32(void **state)
{
    (void)state;
    blocks_have_one_tree(NULL);
}

static void blocks_have_one_tree_in_f64(void **state)
{
    (void)state;
    blocks_have_one_tree("f64");
}

/* ---------- how it begins ---------- */

/* What shards keep beside the tensors is of no concern. */
static void add_another(fixture *f)
{
    ptl_error err = {0};
    ptl_buffer b = {.name = "worker0/sum",
                    .role = PTL_ROLE_SLOT,
                    .dtype = PTL_F32,
                    .rank = 1,
                    .dims = {4},
                    .size_bytes = 16};
    good(store_add_one(&f->whole, &b, true, &err), &err, &f->d);
}

static void put_numbers(fixture *f)
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
    fixture f = {0};
    ptl_error err = {0};
    char path[CHECKPOINT_PATH];
    checkpoint_info info = {.model = "net",
                            .source_hash = "0",
                            .config_json = "{}",
                            .step = 7,
                            .batch = 4,
                            .rows = 8,
                            .shards = 2};
    open_job(&f, mlp, "", "optim.adam(lr = 0.1);", NULL);
    ptl_program *p;
    ptl_run *run = open_program(&f, PTL_PROGRAM_INIT, &p);
    good(store_add(&f.whole, p, &err), &err, &f.d);
    good(store_add(&f.cluster, p, &err), &err, &f.d);
    run_close(run);
    p->release(p);
    add_another(&f);
    good(store_allocate(&f.whole, &err), &err, &f.d);
    good(store_allocate(&f.cluster, &err), &err, &f.d);
    put_numbers(&f);
    good(checkpoint_write(f.folder, &info, &f.whole, path, &err), &err, &f.d);
    open_servers(&f, 2, path);
    gather(&f);
    assert_equal(&f);
    close_job(&f);
}

static void a_damaged_checkpoint_is_refused(void **state)
{
    (void)state;
    fixture f = {0};
    ptl_error err = {0};
    ps_clock clock = {.total_updates = STEPS};
    place_options o = {.owners = 1, .slice = 1 << 20, .bucket = 1 << 20};
    open_job(&f, mlp, "", "optim.sgd(lr = 0.1);", NULL);
    f.layout = layout_make(f.arena, f.job, &o);
    f.totals = totals_make(f.arena, f.job, f.layout, 1);
    good(ps_store_open(&f.s, &clock, f.layout, f.totals, 0, NULL, 0, &f.ps[0],
                       &err),
         &err, &f.d);
    assert_int_not_equal(ps_store_start(f.ps[0], f.folder, &err), PTL_OK);
    assert_non_null(strstr(err.text, f.folder));
    close_job(&f);
}

/* ---------- what a job is asked for ---------- */

static ptl_status ask(fixture *f, const ptl_job_piece *pieces, int count,
                      ptl_program **program_out)
{
    ptl_error err = {0};
    return f->job->build_update(f->job, f->job->rounds, pieces, count, NULL, 0,
                                program_out, &err);
}

static void a_program_without_pieces_gives_the_rate(void **state)
{
    (void)state;
    fixture f = {0};
    ptl_error err = {0};
    ptl_program *p;
    ptl_run *run;
    open_job(&f, mlp, "", "optim.sgd(lr = optim.linear(first = 0.5));", NULL);
    assert_int_equal(ask(&f, NULL, 0, &p), PTL_OK);
    good(run_open(p, f.s.pool, &run, &err), &err, &f.d);
    run_set(run, "step", 1);
    run_set(run, "total_steps", 2);
    execute(&f, run);
    float rate = *(const float *)run_data(run, program_find(p, "lr"));
    run_set(run, "step", 0);
    execute(&f, run);
    assert_true(*(const float *)run_data(run, program_find(p, "lr")) == 0.5f);
    assert_true(rate < 0.5f);
    run_close(run);
    p->release(p);
    close_job(&f);
}

static void what_is_no_piece_is_refused(void **state)
{
    (void)state;
    static const ptl_job_piece wrong[] = {
        {"m.f9.w", 0, 10, "m.f9.w"}, /* no parameter */
        {"m.f3.b", 0, 10, "m.f3.b"}, /* frozen */
        {"m.f1.b", 0, 257, "m.f1.b[0..257]"} /* too long */,
        {"m.f1.b", 256, 1, "m.f1.b[256..257]"},
        {"m.f1.b", -1, 2, "m.f1.b[-1..1]"},
        {"m.f1.b", 3, 0, "m.f1.b[3..3]"},
    };
    fixture f = {0};
    ptl_program *p;
    open_job(&f, mlp, "",
             "optim.sgd(lr = 0.1); set \"*.f1.*\" { lr = 1.0; } freeze "
             "\"*.f3.b\";",
             NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(ask(&f, &wrong[i], 1, &p), PTL_E_INTERNAL);
    ptl_job_piece right = {"m.f1.b", 255, 1, "m.f1.b[255..256]"};
    assert_int_equal(ask(&f, &right, 1, &p), PTL_OK);
    p->release(p);
    close_job(&f);
}

static void what_needs_all_of_it_is_not_cut(void **state)
{
    (void)state;
    static const ptl_job_piece part = {"m.f1.w", 0, 10, "part"};
    fixture f = {0};
    ptl_program *p;
    open_job(&f, mlp, "", "optim.adafactor();", NULL);
    assert_int_equal(ask(&f, &part, 1, &p), PTL_E_INTERNAL);
    close_job(&f);
}

/* ---------- with a lock, and without ---------- */

enum { HAMMERS = 64, BLOWS = 10 };

/* Workers of a shard, each with a gradient of ones in each step. */
static void hammer(fixture *f, int bucket, bool meet)
{
    shard_rules rules = {.aggregate = DIST_APPLY_EACH,
                         .sync = DIST_BARRIER,
                         .workers = HAMMERS,
                         .meet = meet};
    const bucket_layout *b = &f->layout->buckets[bucket];
    float *ones = malloc(b->value_bytes);
    assert_non_null(ones);
    for (size_t i = 0; i < b->value_bytes / sizeof *ones; i++)
        ones[i] = 1;
    dist_shard *s = shard_new(&rules, server_of(f, bucket), (uint32_t)bucket,
                              b->value_bytes, b->value_bytes);
    for (int blow = 0; blow < BLOWS; blow++)
        for (int w = 0; w < HAMMERS; w++) {
            shard_chunk c = {.worker = w,
                             .step = (uint64_t)blow,
                             .bytes = b->value_bytes,
                             .data = (const uint8_t *)ones,
                             .weight = 1,
                             .last = true};
            assert_int_equal(shard_push(s, &c), SHARD_WHOLE);
        }
    assert_int_equal(shard_version(s), BLOWS);
    assert_int_equal(shard_updates(s), HAMMERS * BLOWS);
    shard_free(s);
    free(ones);
}

/* How many updates an element saw: the most, where several come to the same;
 * -1: no number of them makes this of it. */
static int blows_of(float before, float after)
{
    int found = -1;
    for (int n = 0; n <= HAMMERS * BLOWS; n++, before -= 1)
        if (before == after)
            found = n;
    return found;
}

/* The first bucket; calls `judge` for some of its elements. */
static void strike(bool meet, void (*judge)(int blows))
{
    fixture f = {0};
    ptl_error err = {0};
    open_job(&f, mlp, "", "optim.sgd(lr = 1.0);", NULL);
    open_servers(&f, 1, NULL);
    size_t bytes = f.layout->buckets[0].value_bytes;
    const shard_store *s = server_of(&f, 0);
    float *before = malloc(bytes);
    assert_non_null(before);
    memcpy(before, s->value(s->ctx, 0), bytes);
    if (meet)
        good(ps_store_meet(f.ps[0], HAMMERS, true, &err), &err, &f.d);
    hammer(&f, 0, meet);
    const float *after = (const float *)s->value(s->ctx, 0);
    for (size_t i = 0; i < bytes / sizeof *before; i += 11)
        judge(blows_of(before[i], after[i]));
    free(before);
    close_job(&f);
}

static void judge_all(int blows)
{
    assert_int_equal(blows, HAMMERS * BLOWS);
}

static void judge_some(int blows)
{
    assert_in_range(blows, 1, HAMMERS * BLOWS);
}

static void with_a_lock_no_update_is_lost(void **state)
{
    (void)state;
    strike(false, judge_all);
}

static void without_one_each_element_is_what_updates_made_of_it(void **state)
{
    (void)state;
    strike(true, judge_some);
}

/* Where there is one lane, nothing meets. */
static void without_one_a_single_worker_has_the_same_bits(void **state)
{
    (void)state;
    fixture f = {0};
    ptl_error err = {0};
    open_job(&f, mlp, "", "optim.adam(lr = 0.1);", NULL);
    list_gradients(&f);
    uint8_t *parts[2] = {0};
    for (int meet = 0; meet < 2; meet++) {
        open_servers(&f, 1, NULL);
        if (meet)
            good(ps_store_meet(f.ps[0], 1, true, &err), &err, &f.d);
        const bucket_layout *b = &f.layout->buckets[0];
        const shard_store *s = server_of(&f, 0);
        uint8_t *part = malloc(b->value_bytes);
        parts[meet] = malloc(b->value_bytes);
        assert_true(part && parts[meet]);
        for (int step = 0; step < STEPS; step++) {
            make_gradients(&f, step, 0);
            good(layout_take_value(b, &f.gradients, part, &err), &err, &f.d);
            if (meet) {
                s->meet(s->ctx, 0, 0, part, weight_of(step), (uint64_t)step);
                continue;
            }
            s->add(s->ctx, 0, part, b->value_bytes, true);
            s->update(s->ctx, 0, weight_of(step), (uint64_t)step);
        }
        memcpy(parts[meet], s->value(s->ctx, 0), b->value_bytes);
        if (meet)
            assert_memory_equal(parts[0], parts[1], b->value_bytes);
        free(part);
        close_servers(&f);
    }
    free(parts[0]);
    free(parts[1]);
    close_job(&f);
}

/* ---------- what it costs ---------- */

#ifdef COUNTED
static void a_steady_update_allocates_nothing(void **state)
{
    (void)state;
    fixture f = {0};
    open_job(&f, mlp, "", "optim.adam(lr = 0.1);", NULL);
    open_servers(&f, 1, NULL);
    int count = f.layout->plan->bucket_count, before = 0;
    uint8_t *part = calloc(1, 300 << 10);
    assert_non_null(part);
    for (int step = 0; step < 4; step++) {
        if (step == 1)
            before = allocation_calls();
        for (int i = 0; i < count; i++) {
            const shard_store *s = server_of(&f, i);
            s->add(s->ctx, (uint32_t)i, part, f.layout->buckets[i].value_bytes,
                   true);
            s->update(s->ctx, (uint32_t)i, 4, (uint64_t)step);
            assert_non_null(s->value(s->ctx, (uint32_t)i));
        }
    }
    assert_int_equal(allocation_calls() - before, 0);
    free(part);
    close_job(&f);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_of_a_lenet_in_f32),
        cmocka_unit_test(parameters_of_an_mlp_in_f32),
        cmocka_unit_test(parameters_of_an_mlp_in_f64),
        cmocka_unit_test(blocks_have_one_tree_in_f32),
        cmocka_unit_test(blocks_have_one_tree_in_f64),
        cmocka_unit_test(it_begins_as_a_checkpoint_has_it),
        cmocka_unit_test(a_damaged_checkpoint_is_refused),
        cmocka_unit_test(a_program_without_pieces_gives_the_rate),
        cmocka_unit_test(what_is_no_piece_is_refused),
        cmocka_unit_test(what_needs_all_of_it_is_not_cut),
        cmocka_unit_test(with_a_lock_no_update_is_lost),
        cmocka_unit_test(without_one_each_element_is_what_updates_made_of_it),
        cmocka_unit_test(without_one_a_single_worker_has_the_same_bits),
#ifdef COUNTED
        cmocka_unit_test(a_steady_update_allocates_nothing),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
