/*
 * main.c - mutants of the library: do the checker and the library's own tests
 * notice small mistakes?
 *
 *   mutants [--sample N] [--list] [--file PATH] SURVIVORS
 *
 * Each mutant is the library with one mistake in one file. It is refused when
 * the checker reports an error in the file's module, and killed when a test
 * block or gradient check of that file fails; each is tried in a process of its
 * own. SURVIVORS lists those that are known to survive, with the reason: one
 * that is not listed is a failure, and so is a crash or a hang. A whole run
 * also demands that what is listed does survive, that there are at least
 * LEAST_COUNT mutants, and that LEAST_SHARE of them do not survive.
 */
#include "base/embed.h"
#include "cmd_test.h"
#include "lang/elab.h"
#include "mutate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEAST_COUNT = 300, LONGEST_SECONDS = 60 };
static const double LEAST_SHARE = 0.95;

typedef enum outcome { SURVIVED, REFUSED, KILLED, CRASHED, OUTCOMES } outcome;

typedef struct one_mutant {
    mutant m;
    const char *key; /* as in the list of survivors */
    int file;        /* of ptl_stdlib_files */
} one_mutant;

typedef struct known {
    const char *key;
    bool seen;
} known;

typedef struct mutant_run {
    ptl_arena *arena;
    VEC(one_mutant) all;
    VEC(known) survivors;
    int counts[RULE_COUNT][OUTCOMES];
    int total[OUTCOMES];
    int unknown;
} mutant_run;

/* ---------- the list ---------- */

static void list_file(mutant_run *r, int file, ptl_diags *diags)
{
    const ptl_embedded *e = &ptl_stdlib_files[file];
    src_file *source = src_file_new(r->arena, e->name, e->text, e->size);
    ast_file *tree = ptl_parse(r->arena, source, diags);
    mutant_list found = {0};
    mutate_file(r->arena, tree, &found);
    for (int i = 0; i < found.count; i++) {
        const mutant *m = &found.data[i];
        one_mutant one = {*m, NULL, file};
        one.key =
            arena_printf(r->arena, "%s %s %s: %s", e->name, m->decl->name,
                         mutant_rule_text(m->rule), mutant_change(r->arena, m));
        vec_push(r->arena, &r->all, one);
    }
}

static void list_all(mutant_run *r, const char *only)
{
    ptl_diags *diags = diags_new(0);
    for (int i = 0; i < ptl_stdlib_files_count; i++)
        if (!only || !strcmp(only, ptl_stdlib_files[i].name))
            list_file(r, i, diags);
    diags_free(diags);
}

/* Some, spread over all files and rules: every so-manieth. */
static void keep_sample(mutant_run *r, int count)
{
    int all = r->all.count;
    if (count <= 0 || count >= all)
        return;
    for (int i = 0; i < count; i++)
        r->all.data[i] =
            r->all.data[(int)((int64_t)i * all / count) + all / count / 2];
    r->all.count = count;
}

static bool read_survivors(mutant_run *r, const char *path)
{
    char line[2000];
    FILE *f = fopen(path, "r");
    if (!f) {
        perror(path);
        return false;
    }
    while (fgets(line, sizeof line, f)) {
        known k = {NULL, false};
        line[strcspn(line, "\n")] = '\0';
        if (!*line || *line == '#')
            continue;
        k.key = arena_strdup(r->arena, line);
        vec_push(r->arena, &r->survivors, k);
    }
    fclose(f);
    return true;
}

static known *find_known(mutant_run *r, const char *key)
{
    for (int i = 0; i < r->survivors.count; i++)
        if (!strcmp(r->survivors.data[i].key, key))
            return &r->survivors.data[i];
    return NULL;
}

/* ---------- one mutant, in a process of its own ---------- */

static const ptl_embedded *mutated_library(ptl_arena *arena,
                                           const one_mutant *one)
{
    size_t count = (size_t)ptl_stdlib_files_count + 1;
    ptl_embedded *files = ARENA_ARRAY(arena, ptl_embedded, count);
    memcpy(files, ptl_stdlib_files, count * sizeof *files);
    files[one->file].text = mutant_source(arena, &one->m);
    files[one->file].size = strlen(files[one->file].text);
    return files;
}

static const lang_module *module_of(const lang_modules *modules,
                                    const char *name, const ast_file **file)
{
    for (int i = 0; i < modules->count; i++) {
        const lang_module *m = modules->modules[i];
        for (int k = 0; m->is_library && k < m->file_count; k++)
            if (!strcmp(m->files[k]->source->name + strlen("std/"), name)) {
                *file = m->files[k];
                return m;
            }
    }
    return NULL;
}

static outcome judge(driver *d, const one_mutant *one)
{
    lang_sources sources = {.library = mutated_library(d->arena, one)};
    src_file *nothing = src_file_new(d->arena, "", "", 0);
    lang_modules *modules =
        lang_load_source(d->arena, nothing, &sources, d->diags);
    const ast_file *file;
    const lang_module *m =
        module_of(modules, ptl_stdlib_files[one->file].name, &file);
    if (!m || diags_error_count(d->diags) > 0 ||
        !lang_check_names(modules, m, d->diags) ||
        !lang_check_alone(modules, m, d->diags))
        return REFUSED;
    return test_failures(d, modules, m, file) > 0 ? KILLED : SURVIVED;
}

static outcome try_mutant(const one_mutant *one, bool show)
{
    int status;
    pid_t child;
    fflush(stdout);
    child = fork();
    if (child < 0) {
        perror("fork");
        exit(2);
    }
    if (child == 0) {
        driver d = {.arena = arena_new(), .diags = diags_new(20)};
        alarm(LONGEST_SECONDS);
        outcome o = judge(&d, one);
        if (show)
            driver_report(&d);
        _exit((int)o);
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) >= CRASHED)
        return CRASHED;
    return (outcome)WEXITSTATUS(status);
}

/* ---------- all of them ---------- */

static void run_one(mutant_run *r, const one_mutant *one, bool show)
{
    outcome o = try_mutant(one, show);
    known *k = o == SURVIVED ? find_known(r, one->key) : NULL;
    r->counts[one->m.rule][o]++;
    r->total[o]++;
    if (k)
        k->seen = true;
    if (o == CRASHED)
        printf("CRASHED  %s\n", one->key);
    else if (o == SURVIVED && !k)
        printf("SURVIVED %s\n", one->key);
    r->unknown += o == SURVIVED && !k;
}

static void print_counts(const mutant_run *r)
{
    printf("%-10s %8s %8s %8s  %s\n", "rule", "refused", "killed", "survived",
           "mistake");
    for (int i = 0; i < RULE_COUNT; i++)
        printf("%-10s %8d %8d %8d  %s\n", mutant_rule_text((mutant_rule)i),
               r->counts[i][REFUSED], r->counts[i][KILLED],
               r->counts[i][SURVIVED], mutant_rule_summary((mutant_rule)i));
    printf("%-10s %8d %8d %8d\n", "all", r->total[REFUSED], r->total[KILLED],
           r->total[SURVIVED]);
}

/* What only a run of all mutants can tell. */
static bool whole_is_good(mutant_run *r)
{
    double dead = (double)(r->total[REFUSED] + r->total[KILLED]);
    bool good = true;
    for (int i = 0; i < r->survivors.count; i++)
        if (!r->survivors.data[i].seen) {
            printf("LISTED, but does not survive: %s\n",
                   r->survivors.data[i].key);
            good = false;
        }
    printf("%d mutants, %.2f %% do not survive\n", r->all.count,
           100 * dead / r->all.count);
    return good && r->all.count >= LEAST_COUNT &&
           dead >= LEAST_SHARE * r->all.count;
}

typedef struct mutant_options {
    int sample;
    bool list;
    const char *only, *survivors;
} mutant_options;

static bool read_options(int argc, char **argv, mutant_options *o)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--sample") && i + 1 < argc)
            o->sample = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--file") && i + 1 < argc)
            o->only = argv[++i];
        else if (!strcmp(argv[i], "--list"))
            o->list = true;
        else if (argv[i][0] != '-' && !o->survivors)
            o->survivors = argv[i];
        else
            return false;
    }
    return o->survivors != NULL;
}

int main(int argc, char **argv)
{
    mutant_options o = {0};
    mutant_run r = {.arena = arena_new()};
    bool whole, failed;
    if (!read_options(argc, argv, &o)) {
        fputs("usage: mutants [--sample N] [--list] [--file PATH] SURVIVORS\n",
              stderr);
        return 2;
    }
    if (!read_survivors(&r, o.survivors))
        return 2;
    list_all(&r, o.only);
    keep_sample(&r, o.sample);
    for (int i = 0; i < r.all.count; i++) {
        if (o.list)
            puts(r.all.data[i].key);
        else
            run_one(&r, &r.all.data[i], o.only != NULL);
    }
    if (o.list)
        return 0;
    print_counts(&r);
    whole = !o.only && !o.sample;
    failed = (whole && !whole_is_good(&r)) || r.unknown || r.total[CRASHED];
    arena_free(r.arena);
    return failed;
}
