/*
 * fuzz_comp.c - random comprehensions: oracle, gradient, passes, compiled.
 *
 *   fuzz_comp [--cases N] [--seed S] [--failures DIR] [--coverage]
 *             [--need N] [--replay FILE]
 *
 * The seed rotates (it is the time) and is printed; a failing case is shrunk
 * and written as textual IR, which --replay runs again. Exit 1 when something
 * failed, or when --need N is given and a cell of the table has fewer.
 */
#include "cases.h"
#include "core/ir_text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

typedef struct options {
    long cases;
    uint64_t seed;
    const char *failures, *replay;
    bool coverage;
    int need;
} options;

static void usage(void)
{
    fprintf(stderr, "usage: fuzz_comp [--cases N] [--seed S] [--failures DIR] "
                    "[--coverage] [--need N] [--replay FILE]\n");
    exit(2);
}

static options parse_options(int argc, char **argv)
{
    options o = {.cases = 1000, .seed = (uint64_t)time(NULL),
                 .failures = "fuzz-failures"};
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
        else if (strcmp(argv[i - 1], "--seed") == 0)
            o.seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--failures") == 0)
            o.failures = value;
        else if (strcmp(argv[i - 1], "--replay") == 0)
            o.replay = value;
        else if (strcmp(argv[i - 1], "--need") == 0)
            o.need = atoi(value);
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
    ir_graph *g = ir_from_text(text);
    check_result r = {0};
    case_check(g, data_seed, &r);
    printf("%s\n", r.failed ? r.why : "passes");
    ir_graph_free(g);
    free(text);
    return r.failed;
}

static void save(const options *o, long number, const ir_graph *g,
                 uint64_t data_seed, const char *why)
{
    char path[4096];
    char *text = ir_to_text(g);
    mkdir(o->failures, 0777);
    snprintf(path, sizeof path, "%s/%llu-%ld.ir", o->failures,
             (unsigned long long)o->seed, number);
    printf("case %ld of seed %llu: %s\n  saved as %s\n", number,
           (unsigned long long)o->seed, why, path);
    FILE *file = fopen(path, "w");
    if (file) {
        fprintf(file, "# data %llu\n# %s\n%s", (unsigned long long)data_seed,
                why, text);
        fclose(file);
    }
    free(text);
}

static int run(const options *o)
{
    static coverage table;
    int failures = 0;
    long compared = 0, skipped = 0;
    printf("seed %llu, %ld cases\n", (unsigned long long)o->seed, o->cases);
    for (long i = 0; i < o->cases && failures < 20; i++) {
        fuzz_case c;
        case_make(&c, o->seed, i, &table);
        check_result r = {0};
        case_check(c.g, c.data_seed, &r);
        compared += r.compared;
        skipped += r.skipped;
        coverage_add(&table, c.g);
        if (r.failed) {
            failures++;
            case_shrink(&c, &r);
            save(o, i, c.g, c.data_seed, r.why);
        }
        case_free(&c);
        if ((i + 1) % 10000 == 0) {
            printf("%ld cases, %d failures, %d cells below 20\n", i + 1,
                   failures, coverage_below(&table, 20));
            fflush(stdout);
        }
    }
    if (o->coverage)
        coverage_print(&table, stdout);
    printf("%ld numbers compared, %ld too close to call, %d failures\n",
           compared, skipped, failures);
    int missing = o->need ? coverage_below(&table, o->need) : 0;
    if (missing)
        printf("%d cells have fewer than %d\n", missing, o->need);
    return failures > 0 || missing > 0;
}

int main(int argc, char **argv)
{
    options o = parse_options(argc, argv);
    return o.replay ? replay(o.replay) : run(&o);
}
