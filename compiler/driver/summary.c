/*
 * summary.c - see summary.h. Everything is read off compiled programs, those
 * for the file's batch and those for twice it; nothing is run. Where the
 * beginnings of the data files are there, they tell what the records are like.
 */
#include "summary.h"
#include "job_build.h"
#include "runtime/data.h"
#include "runtime/prefetch.h"
#include "runtime/run.h"
#include <stdio.h>
#include <string.h>

typedef struct cost {
    int64_t flops, bytes; /* of one step */
    int64_t memory;       /* of a run: see runtime/README.md, peak_bytes */
} cost;

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

static bool total_memory(ptl_job *job, int64_t rows, program_memory step,
                         int64_t *out, ptl_error *err)
{
    program_memory init, eval = {0};
    if (!memory_of(job, PTL_PROGRAM_INIT, rows, &job->train, &init, err))
        return false;
    if (job->eval.array_count > 0 &&
        !memory_of(job, PTL_PROGRAM_EVAL, rows, &job->eval, &eval, err))
        return false;
    size_t arena = larger(step.arena, larger(init.arena, eval.arena));
    *out = (int64_t)(arena + step.persistent + step.fixed + eval.fixed +
                     prefetch_plan(rows, step.data) + eval.data);
    return true;
}

static bool cost_of(ptl_job *job, int64_t rows, cost *out, ptl_error *err)
{
    ptl_program *p;
    if (!build(job, PTL_PROGRAM_TRAIN, rows, &job->train, &p, err))
        return false;
    *out = (cost){0};
    for (int i = 0; i < p->step_count; i++) {
        out->flops += p->steps[i].flops;
        out->bytes += p->steps[i].bytes;
    }
    program_memory step = program_memory_of(p);
    p->release(p);
    return total_memory(job, rows, step, &out->memory, err);
}

/* 0 where the system does not tell. */
static int64_t memory_available(void)
{
    FILE *f = fopen("/proc/meminfo", "r");
    char line[200];
    long long kib = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lld", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return (int64_t)kib * 1024;
}

/* Memory grows by the same amount with each row. */
static int64_t largest_batch(int64_t rows, const cost *one, const cost *two)
{
    int64_t room = memory_available() - one->memory;
    int64_t growth = two->memory - one->memory;
    if (growth <= 0)
        return 0;
    return rows + (int64_t)((double)room / (double)growth * (double)rows);
}

static void print_scaled(const char *what, int64_t n, const char *unit,
                         double base)
{
    static const char *const binary[] = {"", "Ki", "Mi", "Gi", "Ti"};
    static const char *const decimal[] = {"", "k", "M", "G", "T"};
    double x = (double)n;
    int i = 0;
    while (x >= base && i < 4) {
        x /= base;
        i++;
    }
    printf("%-22s %.*f %s%s\n", what, i ? 2 : 0, x,
           base > 1001 ? binary[i] : decimal[i], unit);
}

static bool sum_up(ptl_job *job, ptl_error *err)
{
    cost one, two;
    int64_t most;
    if (!cost_of(job, job->batch, &one, err) ||
        !cost_of(job, 2 * job->batch, &two, err))
        return false;
    most = largest_batch(job->batch, &one, &two);
    printf("%-22s %s\n", "model", job->model);
    printf("%-22s %lld\n", "parameters", (long long)job->parameter_count);
    printf("%-22s %lld\n", "batch", (long long)job->batch);
    print_scaled("operations a step", one.flops, "FLOP", 1000);
    print_scaled("bytes moved a step", one.bytes, "B", 1024);
    print_scaled("peak memory", one.memory, "B", 1024);
    if (most > 0)
        printf("%-22s about %lld rows\n", "largest batch here",
               (long long)most);
    return true;
}

bool print_summary(driver *d, const char *path, ptl_error *err)
{
    ptl_job *job;
    bool done;
    if (job_open(d, path, &job, err) != PTL_OK)
        return false;
    done = sum_up(job, err);
    job->free(job);
    return done;
}
