/*
 * summary.c - see summary.h. Everything is read off compiled programs, one for
 * the file's batch and one for twice it; nothing is run.
 */
#include "summary.h"
#include "job_build.h"
#include <stdio.h>
#include <string.h>

typedef struct cost {
    int64_t flops, bytes; /* of one step */
    int64_t memory;       /* arena, parameters, slots, one batch */
} cost;

static bool cost_of(ptl_job *job, int64_t rows, cost *out, ptl_error *err)
{
    ptl_program *p;
    if (job->build(job, PTL_PROGRAM_TRAIN, rows, NULL, 0, &p, err) != PTL_OK)
        return false;
    *out = (cost){.memory = p->arena_bytes};
    for (int i = 0; i < p->step_count; i++) {
        out->flops += p->steps[i].flops;
        out->bytes += p->steps[i].bytes;
    }
    for (int i = 0; i < p->buffer_count; i++)
        if (p->buffers[i].role != PTL_ROLE_OUTPUT &&
            p->buffers[i].role != PTL_ROLE_TRANSIENT)
            out->memory += p->buffers[i].size_bytes;
    p->release(p);
    return true;
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
