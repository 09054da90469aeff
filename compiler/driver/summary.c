/*
 * summary.c - see summary.h. Everything is read off compiled programs, those
 * for the file's batch and those for other sizes of it; nothing is run. Where
 * the beginnings of the data files are there, they tell what the records are
 * like.
 */
#include "summary.h"
#include "job_build.h"
#include "runtime/available.h"
#include "runtime/data.h"
#include "runtime/order.h"
#include "runtime/prefetch.h"
#include "runtime/run.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of one step, and of a run: runtime/README.md, peak_bytes. */
typedef struct cost {
    int64_t products; /* operations in sums of products */
    int64_t others;   /* all other operations, as estimated */
    int64_t bytes;
    int64_t kept;   /* parameters, states, slots */
    int64_t values; /* what lives within a step, constants */
    int64_t batches;
} cost;

static int64_t memory_of_run(const cost *c)
{
    return c->kept + c->values + c->batches;
}

/* ---------- programs ---------- */

static bool build(ptl_job *job, ptl_program_kind kind, int64_t rows,
                  const ptl_job_source *source, ptl_program **out,
                  ptl_error *err)
{
    data_preview p;
    data_options options = {.f64 = job->f64};
    bool seen = data_preview_open(source, &options, &p);
    ptl_status st = job->build(job, kind, rows, seen ? p.raw : NULL,
                               seen ? p.count : 0, out, err);
    data_preview_close(&p);
    return st == PTL_OK;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* What programs other than the training step add. */
static bool memory_of(ptl_job *job, ptl_program_kind kind, int64_t rows,
                      const ptl_job_source *source, program_memory *out,
                      ptl_error *err)
{
    ptl_program *p;
    if (!build(job, kind, rows, source, &p, err))
        return false;
    *out = program_memory_of(p);
    p->release(p);
    return true;
}

/* Accumulators of metrics, as they stand beside the programs. */
static size_t bytes_of_sums(const ptl_job *job)
{
    size_t bytes = 0;
    for (int i = 0; i < job->sum_count; i++) {
        size_t count = 1;
        for (int k = 0; k < job->sums[i].rank; k++)
            count *= (size_t)job->sums[i].dims[k];
        bytes += memory_padded(count * sizeof(double));
    }
    return bytes;
}

/* Evaluation: its program, and that of what its metrics add up. */
static bool memory_of_eval(ptl_job *job, int64_t rows, program_memory *out,
                           ptl_error *err)
{
    program_memory sums = {0};
    *out = (program_memory){0};
    if (job->eval.array_count == 0)
        return true;
    if (!memory_of(job, PTL_PROGRAM_EVAL, rows, &job->eval, out, err))
        return false;
    if (job->sum_count > 0 &&
        !memory_of(job, PTL_PROGRAM_METRICS, rows, &job->eval, &sums, err))
        return false;
    out->arena = larger(out->arena, sums.arena);
    out->fixed += sums.fixed + bytes_of_sums(job);
    return true;
}

static bool total_memory(ptl_job *job, int64_t rows, program_memory step,
                         cost *out, ptl_error *err)
{
    program_memory init, eval;
    if (!memory_of(job, PTL_PROGRAM_INIT, rows, &job->train, &init, err) ||
        !memory_of_eval(job, rows, &eval, err))
        return false;
    out->kept = (int64_t)larger(step.persistent, init.persistent);
    out->values = (int64_t)(larger(step.arena, larger(init.arena, eval.arena)) +
                            step.fixed + eval.fixed);
    out->batches = (int64_t)(prefetch_plan(rows, step.data) + eval.data);
    return true;
}

static void add_work(const ptl_program *p, int64_t times, cost *out)
{
    for (int i = 0; i < p->step_count; i++) {
        const ptl_step *s = &p->steps[i];
        bool product = !strncmp(s->name, "contract.", strlen("contract."));
        *(product ? &out->products : &out->others) += times * s->flops;
        out->bytes += times * s->bytes;
    }
}

/* Forward, backward and update in one program. */
static bool whole_step(ptl_job *job, int64_t rows, cost *out,
                       program_memory *memory, ptl_error *err)
{
    ptl_program *p;
    if (!build(job, PTL_PROGRAM_TRAIN, rows, &job->train, &p, err))
        return false;
    add_work(p, 1, out);
    *memory = program_memory_of(p);
    p->release(p);
    return true;
}

/* `accumulate`: parts of the rows one after another, then the update. */
static bool step_in_parts(ptl_job *job, int64_t rows, cost *out,
                          program_memory *memory, ptl_error *err)
{
    int64_t parts = job->accumulate < rows ? job->accumulate : rows;
    int64_t own = order_cut(rows, parts, 0).rows;
    ptl_program *part, *update;
    if (!build(job, PTL_PROGRAM_SHARD, own, &job->train, &part, err))
        return false;
    add_work(part, parts, out);
    *memory = program_memory_of(part);
    part->release(part);
    if (!build(job, PTL_PROGRAM_UPDATE, rows, &job->train, &update, err))
        return false;
    add_work(update, 1, out);
    program_memory more = program_memory_of(update);
    update->release(update);
    memory->arena = larger(memory->arena, more.arena);
    /* One sum of gradients, and a part's fields where they are copied. */
    memory->fixed += more.fixed + more.data + memory->data;
    memory->data = memory->data / (size_t)own * (size_t)rows;
    memory->persistent = 0; /* neither program has all: see total_memory() */
    return true;
}

static bool cost_of(ptl_job *job, int64_t rows, cost *out, ptl_error *err)
{
    program_memory step;
    *out = (cost){0};
    return (job->accumulate > 1 ? step_in_parts(job, rows, out, &step, err)
                                : whole_step(job, rows, out, &step, err)) &&
           total_memory(job, rows, step, out, err);
}

/* ---------- the largest batch ---------- */

/* The shares of the room that are near enough, and that a guess aims at. */
static const double NEARLY_ALL = 0.98, NEXT_GUESS = 0.995;

/* The memory of a run at `rows`. False where such a batch cannot be compiled,
 * which is not the file's fault: nothing is reported. */
static bool memory_at(driver *d, ptl_job *job, int64_t rows, int64_t *out)
{
    ptl_diags *kept = d->diags;
    ptl_error err;
    cost c;
    d->diags = diags_new(1);
    bool built = cost_of(job, rows, &c, &err);
    diags_free(d->diags);
    d->diags = kept;
    *out = built ? memory_of_run(&c) : 0;
    return built;
}

/*
 * The most rows that fit. Memory grows with the rows, about evenly but not
 * quite (more rows may be worth a packed copy), so each guess is compiled and
 * the next lies on the line through the batch and what the last one took,
 * between what is known to fit and what is known not to. 0: not one row fits,
 * or none of the guesses did.
 */
static int64_t largest_batch(driver *d, ptl_job *job, const cost *one,
                             const cost *two, int64_t room)
{
    enum { GUESSES = 8 };
    double base = (double)memory_of_run(one), batch = (double)job->batch;
    double row = ((double)memory_of_run(two) - base) / batch;
    double fits = 0, over = HUGE_VAL;
    double rows = floor(batch + ((double)room - base) / row);
    for (int i = 0; i < GUESSES && rows >= 1 && rows > fits; i++) {
        int64_t needed;
        bool built = memory_at(d, job, (int64_t)rows, &needed);
        if (built && rows > batch)
            row = ((double)needed - base) / (rows - batch);
        if (built && needed <= room)
            fits = rows;
        else
            over = rows;
        if (fits == rows && (double)needed >= NEARLY_ALL * (double)room)
            break;
        rows = floor(batch + NEXT_GUESS * ((double)room - base) / row);
        if (!built || rows >= over)
            rows = floor((fits + over) / 2);
    }
    return (int64_t)fits;
}

/* ---------- in words ---------- */

enum { BINARY = 1024, DECIMAL = 1000 };

static const char *scaled(driver *d, int64_t n, const char *unit, int base)
{
    static const char *const binary[] = {"", "Ki", "Mi", "Gi", "Ti"};
    static const char *const decimal[] = {"", "k", "M", "G", "T"};
    double x = (double)n;
    int i = 0;
    while (x >= base && i < 4) {
        x /= base;
        i++;
    }
    return arena_printf(d->arena, "%.*f %s%s", i ? 2 : 0, x,
                        base == BINARY ? binary[i] : decimal[i], unit);
}

static void print_row(const char *what, const char *value)
{
    printf("%-22s %s\n", what, value);
}

static void print_shape(const ptl_job_tensor *t)
{
    int64_t n = 1;
    ptl_str shape = {0};
    for (int i = 0; i < t->rank; i++) {
        str_printf(&shape, "%s%lld", i ? ", " : "", (long long)t->dims[i]);
        n *= t->dims[i];
    }
    printf("  %-28s %12lld  [%s]\n", t->path, (long long)n, str_text(&shape));
    str_fini(&shape);
}

static void print_parameters(driver *d, const ptl_job *job)
{
    int count = 0;
    for (int i = 0; i < job->tensor_count; i++)
        count += job->tensors[i].role == PTL_ROLE_PARAM;
    print_row("parameters", arena_printf(d->arena, "%lld in %d tensor%s",
                                         (long long)job->parameter_count, count,
                                         count == 1 ? "" : "s"));
    for (int i = 0; d->options.verbose && i < job->tensor_count; i++)
        if (job->tensors[i].role == PTL_ROLE_PARAM)
            print_shape(&job->tensors[i]);
}

static void print_cost(driver *d, const cost *c)
{
    print_row("operations a step",
              scaled(d, c->products + c->others, "FLOP", DECIMAL));
    print_row("  sums of products", scaled(d, c->products, "FLOP", DECIMAL));
    print_row("  others, about", scaled(d, c->others, "FLOP", DECIMAL));
    print_row("bytes moved a step", scaled(d, c->bytes, "B", BINARY));
    print_row("peak memory", scaled(d, memory_of_run(c), "B", BINARY));
    print_row("  parameters, slots", scaled(d, c->kept, "B", BINARY));
    print_row("  values of a step", scaled(d, c->values, "B", BINARY));
    print_row("  batches of data", scaled(d, c->batches, "B", BINARY));
}

static void print_largest(driver *d, ptl_job *job, const cost *one,
                          const cost *two)
{
    int64_t room = memory_available("");
    int64_t most;
    if (room == INT64_MAX || memory_of_run(two) <= memory_of_run(one))
        return; /* nothing tells */
    most = largest_batch(d, job, one, two, room);
    const char *of = scaled(d, room, "B", BINARY);
    if (most > 0)
        print_row(
            "largest batch here",
            arena_printf(d->arena, "%lld rows in %s", (long long)most, of));
    else
        print_row("largest batch here",
                  arena_printf(d->arena, "none fits in %s", of));
}

static bool sum_up(driver *d, ptl_job *job, ptl_error *err)
{
    cost one, two;
    if (!cost_of(job, job->batch, &one, err) ||
        !cost_of(job, 2 * job->batch, &two, err))
        return false;
    print_row("model", job->model);
    print_parameters(d, job);
    print_row("batch", arena_printf(d->arena, "%lld", (long long)job->batch));
    print_cost(d, &one);
    print_largest(d, job, &one, &two);
    return true;
}

/* Each program warns of what the file's check has warned of already; so what
 * they say counts only where one of them cannot be compiled. */
bool print_summary(driver *d, const char *path, ptl_error *err)
{
    ptl_job *job;
    if (job_open(d, path, &job, err) != PTL_OK)
        return false;
    ptl_diags *checked = d->diags;
    d->diags = diags_new(0);
    bool done = sum_up(d, job, err);
    bool wrong = diags_error_count(d->diags) > 0;
    diags_free(wrong ? checked : d->diags);
    if (!wrong)
        d->diags = checked;
    job->free(job);
    return done;
}
