/*
 * ps_job.c - see ps_job.h.
 */
#include "driver/ps_job.h"
#include "base/file.h"
#include "runtime/sums.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char ps_job_mlp[] = "model net() {\n"
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

void ps_job_good(ptl_status st, const ptl_error *err, driver *d)
{
    if (st == PTL_OK)
        return;
    driver_report(d);
    fail_msg("%s", err->text);
}

/* ---------- a job ---------- */

void ps_job_open(ps_job *f, const char *model, const char *before,
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
    ps_job_good(file_write_whole(str_text(&path), text.data, text.length, &err),
                &err, &f->d);
    ps_job_good(job_open(&f->d, arena_strdup(f->d.arena, str_text(&path)),
                         &f->job, &err),
                &err, &f->d);
    f->options = (train_options){.threads = 1};
    ps_job_good(session_open(&f->s, f->job, &f->options, &err), &err, &f->d);
    str_fini(&text);
    str_fini(&path);
}

void ps_job_stop(ps_job *f)
{
    for (int i = 0; i < PS_JOB_MOST; i++) {
        ps_store_close(f->ps[i]);
        f->ps[i] = NULL;
    }
}

void ps_job_close(ps_job *f)
{
    ps_job_stop(f);
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

void ps_job_list_gradients(ps_job *f)
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
            ps_job_good(store_add_one(&f->gradients, &b, false, &err), &err,
                        &f->d);
    }
    ps_job_good(store_allocate(&f->gradients, &err), &err, &f->d);
}

/* Of a worker: any numbers, others at every step. */
void ps_job_make_gradients(ps_job *f, int step, int worker)
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

double ps_job_weight(int step)
{
    return 3 + step;
}

/* ---------- one process ---------- */

static void bind_whole(ps_job *f, ptl_run *run)
{
    ptl_error err = {0};
    ps_job_good(store_bind(&f->whole, run, &err), &err, &f->d);
    run_set(run, "seed", 4);
    run_set(run, "total_steps", PS_JOB_STEPS);
    run_set(run, "average_from", 1);
}

void ps_job_execute(ps_job *f, ptl_run *run)
{
    ptl_error err = {0};
    ps_job_good(run_execute(run, &err), &err, &f->d);
}

ptl_run *ps_job_program(ps_job *f, ptl_program_kind kind,
                        ptl_program **program_out)
{
    ptl_error err = {0};
    ptl_run *run;
    ps_job_good(f->job->build(f->job, kind, 4, NULL, 0, program_out, &err),
                &err, &f->d);
    ps_job_good(run_open(*program_out, f->s.pool, &run, &err), &err, &f->d);
    return run;
}

void ps_job_initialise(ps_job *f)
{
    ptl_error err = {0};
    ptl_program *p;
    ptl_run *run = ps_job_program(f, PTL_PROGRAM_INIT, &p);
    ps_job_good(store_add(&f->whole, p, &err), &err, &f->d);
    ps_job_good(store_add(&f->cluster, p, &err), &err, &f->d);
    ps_job_good(store_allocate(&f->whole, &err), &err, &f->d);
    ps_job_good(store_allocate(&f->cluster, &err), &err, &f->d);
    bind_whole(f, run);
    ps_job_execute(f, run);
    run_close(run);
    p->release(p);
}

/* Two workers' gradients, added up. */
static void sum_whole(ps_job *f, int step, ptl_run *run, char **sums)
{
    for (int w = 0; w < 2; w++) {
        ps_job_make_gradients(f, step, w);
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

void ps_job_update_whole(ps_job *f)
{
    ptl_program *p;
    ptl_run *run = ps_job_program(f, PTL_PROGRAM_UPDATE, &p);
    double *weight = memory_map(sizeof *weight);
    char **sums = ARENA_ARRAY(f->arena, char *, f->gradients.count + 1);
    bind_whole(f, run);
    for (int i = 0; i < f->gradients.count; i++)
        sums[i] = memory_map(f->gradients.items[i].size);
    for (int step = 0; step < PS_JOB_STEPS; step++) {
        sum_whole(f, step, run, sums);
        sums_put(f->job->f64 ? PTL_F64 : PTL_F32, weight, ps_job_weight(step));
        run_bind_name(run, "weight", weight);
        run_set(run, "step", step);
        ps_job_execute(f, run);
    }
    for (int i = 0; i < f->gradients.count; i++)
        memory_unmap(sums[i], f->gradients.items[i].size);
    memory_unmap(weight, sizeof *weight);
    run_close(run);
    p->release(p);
}

/* ---------- parameter servers ---------- */

void ps_job_serve(ps_job *f, int count, const char *checkpoint)
{
    ptl_error err = {0};
    ps_clock clock = {.total_updates = PS_JOB_STEPS, .average_from = 1};
    place_options o = {
        .owners = count, .slice = 256 << 10, .bucket = 300 << 10};
    f->layout = layout_make(f->arena, f->job, &o);
    f->totals = totals_make(f->arena, f->job, f->layout, count);
    f->servers = count;
    for (int i = 0; i < count; i++) {
        ps_job_good(ps_store_open(&f->s, &clock, f->layout, f->totals, i, NULL,
                                  0, &f->ps[i], &err),
                    &err, &f->d);
        ps_job_good(ps_store_start(f->ps[i], checkpoint, &err), &err, &f->d);
    }
}

const shard_store *ps_job_server(const ps_job *f, int bucket)
{
    return ps_store_shard(f->ps[f->layout->buckets[bucket].owner]);
}

/* One round: every bucket, one that adds up, every server. */
static void run_round(ps_job *f, int step, int round)
{
    machine_totals adder = totals_machine(f->totals);
    dist_blob *sent[PS_JOB_MOST];
    size_t size;
    for (int i = f->layout->plan->bucket_count - 1; i >= 0; i--) {
        const shard_store *s = ps_job_server(f, i);
        s->add_up(s->ctx, (uint32_t)i, round, ps_job_weight(step),
                  (uint64_t)step);
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

void ps_job_update(ps_job *f, int step)
{
    ptl_error err = {0};
    for (int w = 0; w < 2; w++) {
        ps_job_make_gradients(f, step, w);
        for (int i = 0; i < f->layout->plan->bucket_count; i++) {
            const bucket_layout *b = &f->layout->buckets[i];
            uint8_t *part = malloc(b->value_bytes);
            assert_non_null(part);
            ps_job_good(layout_take_value(b, &f->gradients, part, &err), &err,
                        &f->d);
            const shard_store *s = ps_job_server(f, i);
            s->add(s->ctx, (uint32_t)i, (const uint8_t *const[]){part}, 1,
                   b->value_bytes, w == 0);
            free(part);
        }
    }
    for (int round = 0; round < f->job->rounds; round++)
        run_round(f, step, round);
    for (int i = 0; i < f->layout->plan->bucket_count; i++) {
        const shard_store *s = ps_job_server(f, i);
        s->update(s->ctx, (uint32_t)i, ps_job_weight(step), (uint64_t)step);
    }
}

/* What a checkpoint is put together from. */
void ps_job_gather(ps_job *f)
{
    ptl_error err = {0};
    for (int i = 0; i < f->layout->plan->bucket_count; i++) {
        const bucket_layout *b = &f->layout->buckets[i];
        const shard_store *s = ps_job_server(f, i);
        size_t size;
        const uint8_t *slots = s->slots(s->ctx, (uint32_t)i, &size);
        assert_int_equal(size, b->slot_bytes);
        ps_job_good(layout_give_slots(b, slots, &f->cluster, &err), &err,
                    &f->d);
        ps_job_good(layout_give_value(b, s->value(s->ctx, (uint32_t)i),
                                      &f->cluster, &err),
                    &err, &f->d);
    }
}

/* Frozen parameters are no server's. */
static bool is_served(const ps_job *f, const store_tensor *t)
{
    for (int i = 0; i < f->job->tensor_count; i++)
        if (!strcmp(f->job->tensors[i].path, t->path))
            return t->role == PTL_ROLE_SLOT || f->job->tensors[i].trained;
    return false;
}

void ps_job_assert_equal(const ps_job *f)
{
    for (int i = 0; i < f->whole.count; i++) {
        const store_tensor *t = &f->whole.items[i];
        if (is_served(f, t) &&
            memcmp(t->memory, f->cluster.items[i].memory, t->size) != 0)
            fail_msg("%s is another, of %d", t->path, f->servers);
    }
}

int ps_job_cuts(const ps_job *f)
{
    return f->layout->plan->piece_count - f->layout->variable_count;
}
