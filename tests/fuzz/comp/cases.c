/*
 * cases.c - making cases, checking them in child processes, shrinking.
 *
 * A failed assertion or a crash in the compiler must be a result like any
 * other, so checks run in a forked process, which writes into shared memory.
 */
#include "cases.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS_PER_CASE = 20, SECONDS_MORE = 60 };

void case_make(fuzz_case *c, uint64_t seed, long number, const coverage *table)
{
    uint64_t own = seed * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)number;
    *c = (fuzz_case){.data_seed = own % 1000003};
    c->aim = coverage_neediest(table, own % 7919 * 7919);
    chooser_random(&c->decisions, own);
    c->g = generate(&c->decisions, c->aim);
}

void case_free(fuzz_case *c)
{
    ir_graph_free(c->g);
    chooser_fini(&c->decisions);
    *c = (fuzz_case){0};
}

/* ---------- in the process ---------- */

static void check_here(const fuzz_case *cases, int count,
                       check_result *results)
{
    ir_graph **graphs = calloc((size_t)count, sizeof *graphs);
    compiled_case *compiled = calloc((size_t)count, sizeof *compiled);
    int ready = 0;
    for (int i = 0; i < count; i++) {
        graphs[i] = check_gradient(cases[i].g, cases[i].data_seed,
                                   &results[i]);
        if (graphs[i])
            compiled[ready++] = (compiled_case){
                graphs[i], cases[i].data_seed, &results[i]};
    }
#ifdef PTL_FUZZ_COMPILED
    if (ready)
        check_compiled(compiled, ready, cases[0].data_seed % 4 == 0);
#endif
    for (int i = 0; i < count; i++)
        ir_graph_free(graphs[i]);
    free(graphs);
    free(compiled);
}

/* ---------- around it ---------- */

void batch_begin(batch_run *b, const fuzz_case *cases, int count)
{
    size_t size = (size_t)count * sizeof *b->shared;
    *b = (batch_run){.count = count, .cases = cases};
    b->shared = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (b->shared == MAP_FAILED)
        abort();
    fflush(NULL);
    b->pid = fork();
    if (b->pid < 0)
        abort();
    if (b->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm((unsigned)(SECONDS_PER_CASE * count + SECONDS_MORE));
        check_here(cases, count, b->shared);
        _exit(0);
    }
}

static bool ended_well(int pid, char *how, size_t size)
{
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFSIGNALED(status))
        snprintf(how, size, "the process was ended by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(how, size, "the process ended with status %d",
                 WEXITSTATUS(status));
    return false;
}

void batch_await(batch_run *b, check_result *results)
{
    char how[200];
    bool well = ended_well(b->pid, how, sizeof how);
    memcpy(results, b->shared, (size_t)b->count * sizeof *results);
    munmap(b->shared, (size_t)b->count * sizeof *b->shared);
    bool any = false;
    for (int i = 0; i < b->count; i++)
        any = any || results[i].failed;
    if (b->count == 1) {
        if (!well)
            check_fail(&results[0], "%s", how);
        return;
    }
    /* Alone, each shows whether it is the one. */
    if (!well || any)
        for (int i = 0; i < b->count; i++) {
            if (well && !results[i].failed)
                continue;
            results[i] = (check_result){0};
            cases_check(&b->cases[i], 1, &results[i]);
        }
}

void cases_check(const fuzz_case *cases, int count, check_result *results)
{
    batch_run b;
    batch_begin(&b, cases, count);
    batch_await(&b, results);
}

/* ---------- shrinking ---------- */

static bool still_fails(const uint32_t *numbers, int count, void *ctx)
{
    const fuzz_case *c = ctx;
    fuzz_case tried = {.data_seed = c->data_seed, .aim = c->aim};
    check_result r = {0};
    chooser_replay(&tried.decisions, numbers, count);
    tried.g = generate(&tried.decisions, c->aim);
    cases_check(&tried, 1, &r);
    case_free(&tried);
    return r.failed;
}

void case_shrink(fuzz_case *c, int tries, check_result *r)
{
    int count;
    uint32_t *numbers =
        choice_shrink(c->decisions.taken, c->decisions.taken_count, tries,
                      still_fails, c, &count);
    chooser smaller;
    chooser_replay(&smaller, numbers, count);
    ir_graph *g = generate(&smaller, c->aim);
    ir_graph_free(c->g);
    chooser_fini(&c->decisions);
    c->g = g;
    c->decisions = smaller;
    c->decisions.given = NULL; /* not used again */
    free(numbers);
    *r = (check_result){0};
    cases_check(c, 1, r);
}
