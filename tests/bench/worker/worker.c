/*
 * worker.c - see worker.h. Lines in, lines out; times are of the whole
 * execution, by the wall.
 */
#include "worker.h"
#include "base/clock.h"
#include "base/json.h"
#include "runtime/run.h"
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_RUNS = 20000, LEAST_RUNS = 3 };

typedef struct worker {
    work_request request;
    work_open open;
    work work;
    bool is_open;
} worker;

/* ---------- requests ---------- */

const char *request_text(const work_request *r, const char *name)
{
    size_t length = strlen(name);
    for (int i = 0; i < r->count; i++)
        if (!strncmp(r->words[i], name, length) && r->words[i][length] == '=')
            return r->words[i] + length + 1;
    return NULL;
}

int64_t request_int(const work_request *r, const char *name, int64_t otherwise)
{
    const char *text = request_text(r, name);
    return text ? atoll(text) : otherwise;
}

static int split(char *line, char **words)
{
    int count = 0;
    for (char *w = strtok(line, " \n"); w; w = strtok(NULL, " \n"))
        if (count < MOST_WORDS)
            words[count++] = w;
    return count;
}

/* ---------- tensors ---------- */

float *work_tensor_new(work *w, const char *name, int use, int rank,
                       const int64_t *dims)
{
    work_tensor t = {.name = arena_strdup(w->arena, name),
                     .dtype = PTL_F32,
                     .rank = rank,
                     .input = use & WORK_IN,
                     .output = use & WORK_OUT,
                     .low = -1,
                     .high = 1};
    memcpy(t.dims, dims, sizeof *dims * (size_t)rank);
    t.owned = (size_t)work_count(&t) * sizeof(float);
    t.data = memory_map(t.owned);
    PTL_ASSERT(t.data);
    vec_push(w->arena, &w->tensors, t);
    return t.data;
}

static void fill_all(const work *w)
{
    for (int i = 0; i < w->tensors.count; i++)
        if (w->tensors.data[i].input)
            work_fill(&w->tensors.data[i]);
}

static bool is_updating(const work *w)
{
    for (int i = 0; i < w->tensors.count; i++)
        if (w->tensors.data[i].input && w->tensors.data[i].output)
            return true;
    return false;
}

/* ---------- memory ---------- */

int64_t worker_resident(void)
{
    long long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%lld %lld", &pages, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

/* ---------- answers ---------- */

static void answer(ptl_str *text)
{
    puts(str_text(text));
    fflush(stdout);
    str_fini(text);
}

static void answer_error(const ptl_error *err)
{
    ptl_str s = {0};
    json_out j = {.text = &s};
    json_open(&j, '{');
    json_key(&j, "error");
    json_text(&j, err->text);
    json_close(&j, '}');
    answer(&s);
}

static void put_tensor(json_out *j, const work_tensor *t)
{
    json_open(j, '{');
    json_key(j, "name");
    json_text(j, t->name);
    json_key(j, "dtype");
    json_text(j, dtype_name(t->dtype));
    json_key(j, "dims");
    json_open(j, '[');
    for (int i = 0; i < t->rank; i++)
        json_int(j, t->dims[i]);
    json_close(j, ']');
    json_key(j, "input");
    json_bool(j, t->input);
    json_key(j, "output");
    json_bool(j, t->output);
    json_close(j, '}');
}

static void answer_opened(const work *w)
{
    ptl_str s = {0};
    json_out j = {.text = &s};
    json_open(&j, '{');
    json_key(&j, "variants");
    json_open(&j, '[');
    for (int i = 0; i < MOST_VARIANTS && w->variants[i]; i++)
        json_text(&j, w->variants[i]);
    json_close(&j, ']');
    json_key(&j, "tensors");
    json_open(&j, '[');
    for (int i = 0; i < w->tensors.count; i++)
        put_tensor(&j, &w->tensors.data[i]);
    json_close(&j, ']');
    json_key(&j, "flops");
    json_real(&j, w->flops, true);
    json_key(&j, "bytes");
    json_real(&j, w->bytes, true);
    json_close(&j, '}');
    answer(&s);
}

/* ---------- commands ---------- */

static ptl_status do_close(worker *w)
{
    if (!w->is_open)
        return PTL_OK;
    if (w->work.close)
        w->work.close(w->work.ctx);
    for (int i = 0; i < w->work.tensors.count; i++)
        if (w->work.tensors.data[i].owned)
            memory_unmap(w->work.tensors.data[i].data,
                         w->work.tensors.data[i].owned);
    arena_free(w->work.arena);
    w->is_open = false;
    return PTL_OK;
}

static ptl_status do_open(worker *w, ptl_error *err)
{
    do_close(w);
    w->work = (work){.arena = arena_new(),
                     .resident_before = worker_resident()};
    w->is_open = true;
    ptl_status st = w->open(&w->request, &w->work, err);
    if (st != PTL_OK) {
        do_close(w);
        return st;
    }
    fill_all(&w->work);
    answer_opened(&w->work);
    return PTL_OK;
}

static ptl_status do_fill(worker *w, char **words)
{
    for (int i = 0; i < w->work.tensors.count; i++) {
        work_tensor *t = &w->work.tensors.data[i];
        if (!t->input || fnmatch(words[0], t->name, 0) != 0)
            continue;
        t->low = atof(words[1]);
        t->high = atof(words[2]);
        work_fill(t);
    }
    puts("{}");
    fflush(stdout);
    return PTL_OK;
}

static int variant_of(const work *w, const char *name)
{
    for (int i = 0; i < MOST_VARIANTS && w->variants[i]; i++)
        if (strcmp(w->variants[i], name) == 0)
            return i;
    return -1;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static ptl_status do_run(worker *w, int variant, double seconds, ptl_error *err)
{
    static double times[MOST_RUNS];
    int64_t step = 0;
    int count = 0;
    if (is_updating(&w->work))
        fill_all(&w->work);
    ptl_status st = w->work.run(w->work.ctx, variant, step++, err);
    double start = clock_seconds(), now = start;
    while (st == PTL_OK && count < MOST_RUNS &&
           (count < LEAST_RUNS || now - start < seconds)) {
        double begun = now;
        st = w->work.run(w->work.ctx, variant, step++, err);
        now = clock_seconds();
        times[count++] = now - begun;
    }
    if (st != PTL_OK)
        return st;
    qsort(times, (size_t)count, sizeof *times, by_value);
    printf("{\"median\": %.9g, \"least\": %.9g, \"count\": %d}\n",
           times[count / 2], times[0], count);
    fflush(stdout);
    return PTL_OK;
}

static ptl_status write_tensor(const work_tensor *t, const char *folder,
                               int number, ptl_error *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%d.f32", folder, number);
    FILE *f = fopen(path, "wb");
    int64_t count = work_count(t);
    bool good = f != NULL;
    for (int64_t i = 0; good && i < count; i++) {
        float x = (float)dtype_get(t->dtype, t->data, i);
        good = fwrite(&x, sizeof x, 1, f) == 1;
    }
    if (f && fclose(f) != 0)
        good = false;
    return good ? PTL_OK
                : ptl_fail(err, PTL_E_IO, "could not write \"%s\"", path);
}

/* Outputs, numbered among themselves; the answer lists their names. */
static ptl_status do_values(worker *w, int variant, int64_t steps,
                            const char *folder, ptl_error *err)
{
    ptl_status st = PTL_OK;
    int number = 0;
    ptl_str s = {0};
    json_out j = {.text = &s};
    json_open(&j, '{');
    json_key(&j, "names");
    json_open(&j, '[');
    fill_all(&w->work);
    for (int64_t step = 0; step < steps && st == PTL_OK; step++)
        st = w->work.run(w->work.ctx, variant, step, err);
    for (int i = 0; i < w->work.tensors.count && st == PTL_OK; i++) {
        const work_tensor *t = &w->work.tensors.data[i];
        if (!t->output)
            continue;
        st = write_tensor(t, folder, number++, err);
        json_text(&j, t->name);
    }
    json_close(&j, ']');
    json_close(&j, '}');
    if (st == PTL_OK)
        answer(&s);
    else
        str_fini(&s);
    return st;
}

static ptl_status do_memory(const worker *w, int variant, int64_t steps,
                            ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int64_t step = 0; step < steps && st == PTL_OK; step++)
        st = w->work.run(w->work.ctx, variant, step, err);
    if (st != PTL_OK)
        return st;
    printf("{\"before\": %lld, \"now\": %lld, \"planned\": %lld}\n",
           (long long)w->work.resident_before, (long long)worker_resident(),
           (long long)w->work.planned_bytes);
    fflush(stdout);
    return PTL_OK;
}

static ptl_status carry_out(worker *w, char **words, int count, ptl_error *err)
{
    const char *what = words[0];
    if (strcmp(what, "open") == 0 && count > 1) {
        w->request.kind = words[1];
        w->request.count = count - 2;
        memcpy(w->request.words, words + 2,
               sizeof *words * (size_t)w->request.count);
        return do_open(w, err);
    }
    if (strcmp(what, "close") == 0) {
        puts("{}");
        fflush(stdout);
        return do_close(w);
    }
    if (!w->is_open)
        return ptl_fail(err, PTL_E_USAGE, "no work is open");
    if (strcmp(what, "fill") == 0 && count == 4)
        return do_fill(w, words + 1);
    int variant = count > 1 ? variant_of(&w->work, words[1]) : -1;
    if (variant < 0)
        return ptl_fail(err, PTL_E_USAGE, "not understood: %s", what);
    if (strcmp(what, "run") == 0 && count == 3)
        return do_run(w, variant, atof(words[2]), err);
    if (strcmp(what, "memory") == 0 && count == 3)
        return do_memory(w, variant, atoll(words[2]), err);
    if (strcmp(what, "values") == 0 && count == 4)
        return do_values(w, variant, atoll(words[2]), words[3], err);
    return ptl_fail(err, PTL_E_USAGE, "not understood: %s", what);
}

int worker_main(int argc, char **argv, work_open open)
{
    static char line[1 << 16];
    worker w = {.open = open, .request.threads = 1};
    if (argc == 3 && strcmp(argv[1], "--threads") == 0)
        w.request.threads = atoi(argv[2]);
    while (fgets(line, sizeof line, stdin)) {
        char *words[MOST_WORDS];
        ptl_error err = {0};
        int count = split(line, words);
        if (count > 0 && carry_out(&w, words, count, &err) != PTL_OK)
            answer_error(&err);
    }
    do_close(&w);
    return EXIT_SUCCESS;
}
