/*
 * fuzz_comp.c - random comprehensions: oracle, gradient, passes, compiled.
 *
 *   fuzz_comp [--cases N] [--from N] [--seed S] [--failures DIR]
 *             [--coverage] [--need N] [--shrink TRIES]
 *             [--stop-after FAILURES] [--plant FAULT] [--replay FILE]
 *
 * Checks the cases of a seed from number --from (0 unless told) up to --cases:
 * a long run may be taken in pieces. The seed rotates (it is the time) and is
 * printed; a failing case is shrunk and written as textual IR, which --replay
 * runs again. Exit 1 when something failed, or when --need N is given and a
 * cell of the table has fewer. With
 * --plant (reader, reduction, inversion, packing: base/plants.def) the fault
 * must be found: exit 1 when nothing failed.
 */
#include "base/file.h"
#include "base/plant.h"
#include "cases.h"
#include "core/ir_text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 25 };

typedef struct options {
    long cases, from; /* numbers [from, cases) of the seed's are checked */
    uint64_t seed;
    const char *failures, *replay;
    bool coverage;
    ptl_plant planted;
    int shrink, stop_after;
    int need;
} options;

_Noreturn static void usage(void)
{
    fprintf(stderr, "usage: fuzz_comp [--cases N] [--from N] [--seed S] "
                    "[--failures DIR] [--coverage] [--need N] [--shrink TRIES] "
                    "[--stop-after FAILURES] [--plant FAULT] "
                    "[--replay FILE]\n");
    exit(2);
}

static ptl_plant fault_called(const char *name)
{
    ptl_plant fault = ptl_plant_find(name);
    if (fault == PTL_PLANT_COUNT)
        usage();
    return fault;
}

static options parse_options(int argc, char **argv)
{
    options o = {.cases = 1000,
                 .seed = (uint64_t)time(NULL),
                 .failures = "fuzz-failures",
                 .shrink = 400,
                 .stop_after = 20};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--coverage") == 0) {
            o.coverage = true;
            continue;
        }
        if (!value)
            usage();
        i++;
        if (strcmp(argv[i - 1], "--cases") == 0)
            o.cases = atol(value);
        else if (strcmp(argv[i - 1], "--from") == 0)
            o.from = atol(value);
        else if (strcmp(argv[i - 1], "--seed") == 0)
            o.seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--failures") == 0)
            o.failures = value;
        else if (strcmp(argv[i - 1], "--replay") == 0)
            o.replay = value;
        else if (strcmp(argv[i - 1], "--need") == 0)
            o.need = atoi(value);
        else if (strcmp(argv[i - 1], "--plant") == 0)
            o.planted = fault_called(value);
        else if (strcmp(argv[i - 1], "--shrink") == 0)
            o.shrink = atoi(value);
        else if (strcmp(argv[i - 1], "--stop-after") == 0)
            o.stop_after = atoi(value);
        else
            usage();
    }
    return o;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    if (!file || !text) {
        fprintf(stderr, "could not open \"%s\": %s\n", path, strerror(errno));
        exit(2);
    }
    size_t size = fread(text, 1, (1 << 20) - 1, file);
    text[size] = '\0';
    fclose(file);
    return text;
}

static int replay(const char *path)
{
    char *text = read_text(path);
    unsigned long long data_seed = 0;
    sscanf(text, "# data %llu", &data_seed);
    fuzz_case c = {.g = ir_from_text(text), .data_seed = data_seed};
    check_result r = {0};
    cases_check(&c, 1, &r);
    printf("%s\n", r.failed ? r.why : "passes");
    case_free(&c);
    free(text);
    return r.failed;
}

static void save(const options *o, long number, const ir_graph *g,
                 uint64_t data_seed, const char *why)
{
    char path[4096];
    char *text = ir_to_text(g);
    folder_make(o->failures, NULL); /* if not, it shows below */
    snprintf(path, sizeof path, "%s/%llu-%ld.ir", o->failures,
             (unsigned long long)o->seed, number);
    printf("case %ld of seed %llu: %s\n", number,
           (unsigned long long)o->seed, why);
    FILE *file = fopen(path, "w");
    if (!file) {
        fprintf(stderr, "could not save \"%s\": %s; it is\n%s", path,
                strerror(errno), text);
    } else {
        fprintf(file, "# data %llu\n# %s\n%s", (unsigned long long)data_seed,
                why, text);
        fclose(file);
        printf("  saved as %s\n", path);
    }
    fflush(stdout);
    free(text);
}

/* What a run adds up to. */
typedef struct tally {
    long cases, compared, skipped;
    int failures;
} tally;

/* Cases that are being checked together in one process. */
typedef struct batch {
    fuzz_case cases[BATCH];
    check_result results[BATCH];
    batch_run run;
    long first; /* number of the first case; -1: idle */
} batch;

static void start(batch *b, const options *o, long first, coverage *table)
{
    long left = o->cases - first;
    int count = left < BATCH ? (int)left : BATCH;
    b->first = first;
    for (int i = 0; i < count; i++) {
        case_make(&b->cases[i], o->seed, first + i, table);
        coverage_add(table, b->cases[i].g);
    }
    batch_begin(&b->run, b->cases, count);
}

static void finish(batch *b, const options *o, const coverage *table, tally *t)
{
    batch_await(&b->run, b->results);
    for (int i = 0; i < b->run.count; i++) {
        fuzz_case *c = &b->cases[i];
        check_result *r = &b->results[i];
        t->cases++;
        t->compared += r->compared;
        t->skipped += r->skipped;
        if (r->failed && t->failures++ < o->stop_after) {
            if (o->shrink)
                case_shrink(c, o->shrink, r);
            save(o, b->first + i, c->g, c->data_seed, r->why);
        }
        if (t->cases % 1000 == 0) {
            printf("up to case %ld, %d failures, %d cells below 20\n",
                   o->from + t->cases, t->failures, coverage_below(table, 20));
            fflush(stdout);
        }
        case_free(c);
    }
    b->first = -1;
}

/* What an earlier run of the seed checked: only counted, since what is made
 * next depends on it. */
static void pass_over(const options *o, coverage *table)
{
    for (long i = 0; i < o->from; i++) {
        fuzz_case c = {0};
        case_make(&c, o->seed, i, table);
        coverage_add(table, c.g);
        case_free(&c);
    }
}

static int run(const options *o)
{
    static coverage table;
    static batch batches[2]; /* two processes at a time */
    tally t = {0};
    long next = o->from;
    printf("seed %llu, cases %ld to %ld\n", (unsigned long long)o->seed,
           o->from, o->cases);
    pass_over(o, &table);
    batches[0].first = batches[1].first = -1;
    for (int turn = 0;; turn ^= 1) {
        batch *b = &batches[turn];
        if (b->first >= 0)
            finish(b, o, &table, &t);
        if (next < o->cases && t.failures < o->stop_after) {
            start(b, o, next, &table);
            next += b->run.count;
        } else if (batches[turn ^ 1].first < 0) {
            break;
        }
    }
    if (o->coverage)
        coverage_print(&table, stdout);
    printf("%ld cases, %ld numbers compared, %ld too close to call, "
           "%d failures\n",
           t.cases, t.compared, t.skipped, t.failures);
    int missing = o->need ? coverage_below(&table, o->need) : 0;
    if (missing)
        printf("%d cells have fewer than %d\n", missing, o->need);
    return t.failures > 0 || missing > 0;
}

int main(int argc, char **argv)
{
    options o = parse_options(argc, argv);
    ptl_planted = o.planted;
    int failed = o.replay ? replay(o.replay) : run(&o);
    if (o.planted == PTL_PLANT_NONE)
        return failed;
    printf("the planted fault was %sfound\n", failed ? "" : "not ");
    return !failed;
}
