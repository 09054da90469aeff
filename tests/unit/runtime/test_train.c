/*
 * test_train.c - the training loop: what it prints, resumes from, survives.
 */
#include "base/file.h"
#include "base/json.h"
#include "runtime/data.h"
#include "runtime/fake_job.h"
#include "runtime/tensor_file.h"
#include "runtime/train.h"
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static fake_options plain(void)
{
    static char paths[6][256];
    static const char *const names[] = {"x.idx",      "y.idx",
                                        "label.idx",  "eval-x.idx",
                                        "eval-y.idx", "eval-label.idx"};
    for (int i = 0; i < 6; i++)
        snprintf(paths[i], sizeof paths[i], "%s", fake_path(names[i]));
    return (fake_options){.train_x = paths[0],
                          .train_y = paths[1],
                          .train_label = paths[2],
                          .eval_x = paths[3],
                          .eval_y = paths[4],
                          .eval_label = paths[5],
                          .batch = 16,
                          .epochs = 3,
                          .seed = 1,
                          .lr = 0.05};
}

static int make_data(void **state)
{
    (void)state;
    fake_data("", 100); /* 7 steps an epoch, the last of 4 records */
    fake_data("eval-", 21);
    return 0;
}

static int remove_data(void **state)
{
    (void)state;
    fake_folder_remove();
    return 0;
}

/* Trains with the output in memory. */
static ptl_status train(const fake_options *f, train_options o, char **text,
                        ptl_error *err)
{
    size_t size;
    ptl_job *job = fake_job_new(f);
    FILE *output = open_memstream(text, &size);
    FILE *notes = fopen("/dev/null", "w");
    assert_non_null(output);
    assert_non_null(notes);
    o.output = output;
    o.notes = notes;
    ptl_status st = train_run(job, &o, err);
    fclose(output);
    fclose(notes);
    fake_job_free(job);
    assert_int_equal(fake_job_live_programs(), 0);
    return st;
}

/* The step and eval lines, without what may differ between equal runs. */
static char *comparable(const char *text)
{
    ptl_str out = {0};
    while (*text) {
        const char *end = strchr(text, '\n');
        size_t length = end ? (size_t)(end - text) : strlen(text);
        char *line = strndup(text, length);
        char *rate = strstr(line, ",\"examples_per_s\"");
        if (rate)
            *rate = '\0';
        if (strstr(line, "\"event\":\"step\"") ||
            strstr(line, "\"event\":\"eval\"")) {
            str_add(&out, line);
            str_addc(&out, '\n');
        }
        free(line);
        text += length + (end ? 1 : 0);
    }
    char *result = strdup(str_text(&out));
    str_fini(&out);
    return result;
}

static int count_lines(const char *text, const char *with)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, with)) != NULL; at++)
        count++;
    return count;
}

static char *run_lines(const fake_options *f, train_options o)
{
    char *text;
    ptl_error err;
    o.json = true;
    if (train(f, o, &text, &err) != PTL_OK)
        fail_msg("%s", err.text);
    char *lines = comparable(text);
    free(text);
    return lines;
}

static void assert_same_file(const char *a, const char *b)
{
    ptl_bytes x, y;
    assert_int_equal(file_read(a, &x, NULL), PTL_OK);
    assert_int_equal(file_read(b, &y, NULL), PTL_OK);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    bytes_free(&x);
    bytes_free(&y);
}

static void every_line_is_json_with_the_members_promised(void **state)
{
    (void)state;
    static const struct {
        const char *event, *members[12];
    } promised[] = {
        {"start",
         {"event", "model", "parameters", "device", "threads", "shards",
          "steps", "peak_bytes", "config"}},
        {"step", {"event", "step", "epoch", "loss", "lr", "examples_per_s"}},
        {"eval", {"event", "step", "epoch", "loss", "mae"}},
        {"checkpoint", {"event", "step", "path"}},
        {"end",
         {"event", "steps", "wall_s", "compile_s", "step_ms_median",
          "peak_bytes"}}};
    fake_options f = plain();
    char *text;
    ptl_error err;
    train_options o = {.threads = 2, .json = true, .out = fake_path("lines")};
    assert_int_equal(train(&f, o, &text, &err), PTL_OK);
    int seen[5] = {0};
    for (char *at = text, *end; (end = strchr(at, '\n')) != NULL;
         at = end + 1) {
        ptl_arena *arena = arena_new();
        json_value v;
        const char *event;
        assert_int_equal(json_parse(arena, at, (size_t)(end - at), &v, &err),
                         PTL_OK);
        assert_true(json_get_text(&v, "event", &event));
        int k = 0;
        while (strcmp(promised[k].event, event) != 0)
            assert_true(++k < 5);
        seen[k]++;
        int members = 0;
        while (members < 12 && promised[k].members[members]) {
            assert_true(members < v.count);
            assert_string_equal(v.keys[members], promised[k].members[members]);
            members++;
        }
        assert_int_equal(v.count, members);
        arena_free(arena);
    }
    assert_int_equal(seen[0], 1);
    assert_int_equal(seen[1], 21);
    assert_int_equal(seen[2], 3);
    assert_int_equal(seen[3], 3);
    assert_int_equal(seen[4], 1);
    free(text);
    assert_true(file_exists(fake_path("lines/config.json")));
    assert_true(file_exists(fake_path("lines/step-21/model.safetensors")));
}

static void training_finds_the_plane(void **state)
{
    (void)state;
    fake_options f = plain();
    f.epochs = 60;
    f.checkpoint_every = 1000;
    free(run_lines(&f,
                   (train_options){.threads = 1, .out = fake_path("plane")}));
    tensor_file *file;
    assert_int_equal(
        tensor_file_open(fake_path("plane/step-420/model.safetensors"), &file,
                         NULL),
        PTL_OK);
    const float *w = tensor_file_find(file, "net.w")->bytes;
    assert_true(fabsf(w[0] - 3) < 0.02f && fabsf(w[1] + 2) < 0.02f);
    /* The state counted every record of every epoch once. */
    const float *seen = tensor_file_find(file, "net.seen")->bytes;
    assert_true(*seen == 6000);
    tensor_file_close(file);
}

static void threads_do_not_change_a_line(void **state)
{
    (void)state;
    fake_options f = plain();
    char *one =
        run_lines(&f, (train_options){.threads = 1, .out = fake_path("one")});
    char *three =
        run_lines(&f, (train_options){.threads = 3, .out = fake_path("three")});
    assert_string_equal(one, three);
    assert_same_file(fake_path("one/step-21/model.safetensors"),
                     fake_path("three/step-21/model.safetensors"));
    free(one);
    free(three);
}

static void steps_say_where_to_end_and_resume_goes_on(void **state)
{
    (void)state;
    fake_options f = plain();
    f.eval_every = 7;
    char *whole =
        run_lines(&f, (train_options){.threads = 2, .out = fake_path("whole")});
    char folder[256];
    snprintf(folder, sizeof folder, "%s", fake_path("parts"));
    ptl_str parts = {0};
    for (int64_t until = 4; until <= 21; until += until < 16 ? 6 : 5) {
        char *lines =
            run_lines(&f, (train_options){.threads = 2,
                                          .steps = until,
                                          .out = folder,
                                          .resume = until > 4 ? folder : NULL});
        /* "always after the last step": an evaluation more where it ends. */
        for (char *at = lines, *end; (end = strchr(at, '\n')) != NULL;
             at = end + 1)
            if (strncmp(at, "{\"event\":\"eval\"", 15) != 0 || until == 21)
                str_addn(&parts, at, (size_t)(end + 1 - at));
        free(lines);
    }
    assert_int_equal(count_lines(parts.data, "\"event\":\"step\""), 21);
    for (char *at = parts.data, *end; (end = strchr(at, '\n')) != NULL;
         at = end + 1) {
        *end = '\0';
        assert_non_null(strstr(whole, at));
    }
    assert_same_file(fake_path("whole/step-21/model.safetensors"),
                     fake_path("parts/step-21/model.safetensors"));
    free(whole);
    str_fini(&parts);
}

/* A process that trains; killed at an arbitrary moment. */
static void train_and_be_killed(const fake_options *f, const char *folder,
                                bool resume, int after_ms)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        ptl_job *job = fake_job_new(f);
        train_options o = {.threads = 1,
                           .json = true,
                           .out = folder,
                           .resume = resume ? folder : NULL,
                           .output = fopen("/dev/null", "w"),
                           .notes = fopen("/dev/null", "w")};
        train_run(job, &o, NULL);
        _exit(0);
    }
    usleep((useconds_t)after_ms * 1000);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void killed_at_any_time_and_resumed_equals_uninterrupted(void **state)
{
    (void)state;
    fake_options f = plain();
    f.checkpoint_every = 2;
    f.step_ms = 2;
    char *whole = run_lines(
        &f, (train_options){.threads = 1, .out = fake_path("never-killed")});
    char folder[256];
    snprintf(folder, sizeof folder, "%s", fake_path("killed"));
    bool resume = false;
    for (int i = 0; i < 10; i++) {
        train_and_be_killed(&f, folder, resume, 7 + 5 * i % 23);
        resume =
            resume || file_exists(fake_path("killed/step-2/manifest.json"));
    }
    free(run_lines(&f, (train_options){.threads = 1,
                                       .out = folder,
                                       .resume = resume ? folder : NULL}));
    ptl_bytes metrics;
    assert_int_equal(
        file_read(fake_path("killed/metrics.jsonl"), &metrics, NULL), PTL_OK);
    char *lines = comparable((char *)metrics.data);
    assert_string_equal(lines, whole);
    assert_same_file(fake_path("never-killed/step-21/model.safetensors"),
                     fake_path("killed/step-21/model.safetensors"));
    free(lines);
    free(whole);
    bytes_free(&metrics);
}

static void sigterm_ends_in_order_with_a_checkpoint(void **state)
{
    (void)state;
    fake_options f = plain();
    f.epochs = 1000;
    f.checkpoint_every = 100000;
    f.step_ms = 1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        ptl_job *job = fake_job_new(&f);
        train_options o = {.threads = 2,
                           .json = true,
                           .steps = 7000,
                           .out = fake_path("terminated"),
                           .output = fopen("/dev/null", "w"),
                           .notes = fopen("/dev/null", "w")};
        ptl_error err;
        _exit(ptl_exit_status(train_run(job, &o, &err)));
    }
    /* The signal may come before the handler: then nothing was promised, so
     * wait for the first sign of life. */
    const char *metrics = fake_path("terminated/metrics.jsonl");
    for (int i = 0; i < 2000 && !file_exists(metrics); i++)
        usleep(5000);
    usleep(20000);
    kill(child, SIGTERM);
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 143);
    ptl_error err;
    char *text;
    f.step_ms = 0;
    train_options again = {.threads = 1,
                           .json = true,
                           .steps = 7000,
                           .resume = fake_path("terminated")};
    assert_int_equal(train(&f, again, &text, &err), PTL_OK);
    free(text);
}

static void a_nan_stops_and_names_step_and_checkpoint(void **state)
{
    (void)state;
    fake_options f = plain();
    f.nan_at = 9;
    char *text;
    ptl_error err;
    train_options o = {.threads = 1, .json = true, .out = fake_path("nan")};
    assert_int_equal(train(&f, o, &text, &err), PTL_E_NONFINITE);
    assert_int_equal(ptl_exit_status(PTL_E_NONFINITE), 3);
    assert_non_null(strstr(err.text, "at step 9"));
    assert_non_null(strstr(err.text, "nan/step-7\""));
    assert_int_equal(count_lines(text, "\"event\":\"step\""), 8);
    free(text);
    f.nan_at = 0; /* the checkpoint is whole */
    train_options again = {
        .threads = 1, .json = true, .resume = fake_path("nan")};
    assert_int_equal(train(&f, again, &text, &err), PTL_OK);
    free(text);
}

static void a_nan_can_be_skipped(void **state)
{
    (void)state;
    fake_options f = plain();
    f.nan_at = 9;
    char *text;
    ptl_error err;
    train_options o = {.threads = 1,
                       .json = true,
                       .out = fake_path("skip"),
                       .on_nan = TRAIN_NAN_SKIP};
    assert_int_equal(train(&f, o, &text, &err), PTL_OK);
    assert_int_equal(count_lines(text, "\"event\":\"step\""), 20);
    assert_int_equal(count_lines(text, "\"event\":\"skip\",\"step\":9"), 1);
    assert_int_equal(count_lines(text, "null"), 1);
    free(text);
}

static void a_nan_can_be_dumped(void **state)
{
    (void)state;
    fake_options f = plain();
    f.nan_at = 9;
    char *text;
    ptl_error err;
    train_options o = {.threads = 1,
                       .json = true,
                       .out = fake_path("dump"),
                       .on_nan = TRAIN_NAN_DUMP};
    assert_int_equal(train(&f, o, &text, &err), PTL_E_NONFINITE);
    free(text);
    tensor_file *file;
    assert_int_equal(
        tensor_file_open(fake_path("dump/nan-step-9/before.safetensors"), &file,
                         NULL),
        PTL_OK);
    assert_true(
        isfinite(*(const float *)tensor_file_find(file, "net.w")->bytes));
    tensor_file_close(file);
    assert_int_equal(
        tensor_file_open(fake_path("dump/nan-step-9/batch.safetensors"), &file,
                         NULL),
        PTL_OK);
    assert_int_equal(tensor_file_find(file, "x")->dims[0], 16);
    tensor_file_close(file);
}

static void another_seed_or_batch_is_not_resumed(void **state)
{
    (void)state;
    fake_options f = plain();
    train_options o = {.threads = 1, .json = true, .out = fake_path("same")};
    char *text;
    ptl_error err;
    assert_int_equal(train(&f, o, &text, &err), PTL_OK);
    free(text);
    o.resume = o.out;
    f.seed = 2;
    assert_int_equal(train(&f, o, &text, &err), PTL_E_CHECKPOINT);
    assert_non_null(strstr(err.text, "seed 1"));
    free(text);
    f.seed = 1;
    f.batch = 8;
    assert_int_equal(train(&f, o, &text, &err), PTL_E_CHECKPOINT);
    assert_non_null(strstr(err.text, "batches of 16"));
    free(text);
    o.resume = fake_path("no such run");
    assert_int_equal(train(&f, o, &text, &err), PTL_E_CHECKPOINT);
    free(text);
}

static void damaged_data_leaves_no_run_folder(void **state)
{
    (void)state;
    fake_options f = plain();
    char *text;
    ptl_error err;
    static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 3, 10};
    fake_write("bad.idx", labels, sizeof labels);
    f.train_label = fake_path("bad.idx");
    train_options o = {.threads = 1, .json = true, .out = fake_path("none")};
    assert_int_equal(train(&f, o, &text, &err), PTL_E_DATA);
    assert_non_null(strstr(err.text, "bad.idx"));
    assert_false(folder_exists(fake_path("none")));
    free(text);
    /* A run of hours does not learn at its first evaluation that it cannot. */
    f = plain();
    f.eval_label = fake_path("bad.idx");
    assert_int_equal(train(&f, o, &text, &err), PTL_E_DATA);
    assert_non_null(strstr(err.text, "bad.idx"));
    assert_false(folder_exists(fake_path("none")));
    free(text);
}

/* Labels of all records; record `which` (from 0) is out of idx(10). */
static void write_bad_label(const char *name, int rows, int which)
{
    unsigned char bytes[8 + 256] = {0, 0, 8, 1, 0, 0, 0, (unsigned char)rows};
    for (int i = 0; i < rows; i++)
        bytes[8 + i] = i == which ? 12 : 1;
    fake_write(name, bytes, 8 + (size_t)rows);
}

static void a_label_out_of_bounds_is_named_or_skipped(void **state)
{
    (void)state;
    fake_options f = plain();
    char *text;
    ptl_error err;
    write_bad_label("twelve.idx", 100, 41);
    f.train_label = fake_path("twelve.idx");
    train_options o = {.threads = 1, .json = true, .out = fake_path("bound")};
    assert_int_equal(train(&f, o, &text, &err), PTL_E_DATA);
    assert_non_null(strstr(err.text, "twelve.idx\", record 42: label is 12, "
                                     "outside of idx(10)"));
    free(text);
    o.skip_bad = true;
    assert_int_equal(train(&f, o, &text, &err), PTL_OK);
    free(text);
    tensor_file *file;
    assert_int_equal(
        tensor_file_open(fake_path("bound/step-21/model.safetensors"), &file,
                         NULL),
        PTL_OK);
    assert_true(*(const float *)tensor_file_find(file, "net.seen")->bytes ==
                297);
    tensor_file_close(file);
}

/* A file may not grow beyond what a checkpoint's part needs: what a full disk
 * does, at the same place in the code (write fails). */
static void a_full_disk_stops_and_leaves_the_last_checkpoint_whole(void **state)
{
    (void)state;
    fake_options f = plain();
    char *text;
    ptl_error err;
    train_options o = {
        .threads = 1, .json = true, .steps = 7, .out = fake_path("full")};
    assert_int_equal(train(&f, o, &text, &err), PTL_OK);
    free(text);
    /* The manifest has some 385 bytes, the log of this run at most 320. */
    struct rlimit before, small = {350, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    o.steps = 14;
    o.resume = o.out;
    o.log_every = 1000;
    o.json = false;
    /* metrics.jsonl is larger than the limit already; only checkpoints count
     * here, so it goes. */
    unlink(fake_path("full/metrics.jsonl"));
    setrlimit(RLIMIT_FSIZE, &small);
    ptl_status st = train(&f, o, &text, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    free(text);
    assert_int_equal(st, PTL_E_IO);
    if (!strstr(err.text, "step-14"))
        fail_msg("%s", err.text);
    assert_non_null(strstr(err.text, "full/step-7\""));
    assert_false(folder_exists(fake_path("full/step-14")));
    assert_int_equal(train(&f,
                           (train_options){.threads = 1,
                                           .json = true,
                                           .resume = fake_path("full")},
                           &text, &err),
                     PTL_OK);
    free(text);
}

static void a_log_that_cannot_be_written_stops(void **state)
{
    (void)state;
    fake_options f = plain();
    ptl_error err;
    ptl_job *job = fake_job_new(&f);
    train_options o = {.threads = 1,
                       .json = true,
                       .out = fake_path("log"),
                       .output = fopen("/dev/full", "w"),
                       .notes = fopen("/dev/null", "w")};
    assert_non_null(o.output);
    assert_int_equal(train_run(job, &o, &err), PTL_E_IO);
    fclose(o.output);
    fclose(o.notes);
    fake_job_free(job);
}

static void eval_and_predict_use_a_checkpoint(void **state)
{
    (void)state;
    fake_options f = plain();
    char *text;
    size_t size;
    ptl_error err;
    train_options o = {.threads = 1, .json = true, .out = fake_path("used")};
    assert_int_equal(train(&f, o, &text, &err), PTL_OK);
    char *last = strstr(text, "{\"event\":\"eval\",\"step\":21");
    assert_non_null(last);
    ptl_job *job = fake_job_new(&f);
    train_options e = {.threads = 2, .json = true, .from = fake_path("used")};
    char *line;
    e.output = open_memstream(&line, &size);
    assert_int_equal(train_eval(job, &e, &err), PTL_OK);
    fclose(e.output);
    assert_int_equal(strncmp(line, last, strlen(line)), 0);
    free(line);
    free(text);

    float x[40][2];
    for (int i = 0; i < 40; i++)
        x[i][0] = (float)i, x[i][1] = 0;
    int64_t dims[] = {40, 2};
    assert_int_equal(
        data_write_npy(fake_path("in.npy"), PTL_F32, 2, dims, x, &err), PTL_OK);
    char input[300];
    snprintf(input, sizeof input, "x=%s", fake_path("in.npy"));
    const char *inputs[] = {input}, *outputs[] = {fake_path("out.npy")};
    train_predict_files files = {inputs, 1, outputs, 1};
    e.output = NULL;
    if (train_predict(job, &e, &files, &err) != PTL_OK)
        fail_msg("%s", err.text);
    data_array out;
    assert_int_equal(data_read_npy(outputs[0], false, &out, &err), PTL_OK);
    assert_int_equal(out.rows, 40);
    const float *y = (const float *)(const void *)out.bytes;
    /* Equal steps of x give equal steps of y. */
    assert_true(fabsf((y[39] - y[0]) - 39 * (y[1] - y[0])) < 1e-3f);
    data_array_fini(&out);
    fake_job_free(job);
    assert_int_equal(fake_job_live_programs(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_json_with_the_members_promised),
        cmocka_unit_test(training_finds_the_plane),
        cmocka_unit_test(threads_do_not_change_a_line),
        cmocka_unit_test(steps_say_where_to_end_and_resume_goes_on),
        cmocka_unit_test(killed_at_any_time_and_resumed_equals_uninterrupted),
        cmocka_unit_test(sigterm_ends_in_order_with_a_checkpoint),
        cmocka_unit_test(a_nan_stops_and_names_step_and_checkpoint),
        cmocka_unit_test(a_nan_can_be_skipped),
        cmocka_unit_test(a_nan_can_be_dumped),
        cmocka_unit_test(another_seed_or_batch_is_not_resumed),
        cmocka_unit_test(damaged_data_leaves_no_run_folder),
        cmocka_unit_test(a_label_out_of_bounds_is_named_or_skipped),
        cmocka_unit_test(
            a_full_disk_stops_and_leaves_the_last_checkpoint_whole),
        cmocka_unit_test(a_log_that_cannot_be_written_stops),
        cmocka_unit_test(eval_and_predict_use_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}
