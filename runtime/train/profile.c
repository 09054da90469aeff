/*
 * profile.c - what each step of a program took beside what was expected of it,
 * the longest first, so that one sees at once where the time goes.
 */
#include "train/training.h"
#include <stdlib.h>

typedef struct line {
    const ptl_step *step;
    const char *by;         /* not by a kernel of PTL's: by whom */
    double us, expected_us; /* of one run */
} line;

static int by_time(const void *a, const void *b)
{
    const line *x = a, *y = b;
    if (x->us != y->us)
        return x->us < y->us ? 1 : -1;
    return x->step < y->step ? -1 : x->step > y->step;
}

/* A step's tasks are shared out; it has no more threads than tasks. */
static double expected(const ptl_step *s, int threads)
{
    int64_t most = s->task_count < threads ? s->task_count : threads;
    return s->expected_us / (double)(most > 0 ? most : 1);
}

static void print_line(train_log *log, const line *l, double total, double sum)
{
    const ptl_step *s = l->step;
    double rate = l->us > 0 ? 1e-3 / l->us : 0;
    log_note(log,
             "  %10.1f us %5.1f %% %5.1f %%  expected %9.1f us  "
             "%5lld tasks %7.2f GFLOP/s %7.2f GB/s  %s%s",
             l->us, 100 * l->us / total, 100 * sum / total, l->expected_us,
             (long long)s->task_count, rate * (double)s->flops,
             rate * (double)s->bytes, s->name, l->by);
}

static void print_lines(train_log *log, const line *lines, int count)
{
    double total = 0, foreseen = 0, sum = 0;
    for (int i = 0; i < count; i++) {
        total += lines[i].us;
        foreseen += lines[i].expected_us;
    }
    for (int i = 0; i < count && total > 0; i++) {
        sum += lines[i].us;
        print_line(log, &lines[i], total, sum);
    }
    log_note(log, "  %10.1f us in all          expected %9.1f us", total,
             foreseen);
}

void profile_report(train_log *log, const session_program *p, int threads)
{
    const ptl_program *program = p->program;
    int64_t runs = run_profiled(p->run);
    line *lines = calloc((size_t)program->step_count + 1, sizeof *lines);
    if (!lines || runs == 0) {
        free(lines);
        return;
    }
    for (int i = 0; i < program->step_count; i++)
        lines[i] = (line){
            .step = &program->steps[i],
            .by = run_step_by(p->run, i) == RUN_BY_LIBRARY ? " (cuBLASLt)" : "",
            .us = 1e6 * run_step_seconds(p->run, i) / (double)runs,
            .expected_us = expected(&program->steps[i], threads)};
    qsort(lines, (size_t)program->step_count, sizeof *lines, by_time);
    log_note(log,
             "kernels of %s (%lld records), a run of %lld: time, share, share "
             "so far, and what %d nominal core%s would take",
             program->name, (long long)p->rows, (long long)runs, threads,
             threads == 1 ? "" : "s");
    print_lines(log, lines, program->step_count);
    free(lines);
}
