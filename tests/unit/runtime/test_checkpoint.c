/*
 * test_checkpoint.c - a checkpoint gives back what was saved, and any damage
 * to it is noticed before a single value is used.
 */
#include "base/file.h"
#include "runtime/fake_job.h"
#include "runtime/train.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char run[256], part[300], manifest[300];
static fake_options options;
static ptl_bytes good_part, good_manifest;

/* A run of two epochs; its last checkpoint is the one that is damaged. */
static int make_run(void **state)
{
    (void)state;
    static char paths[3][256];
    static const char *const names[] = {"x.idx", "y.idx", "label.idx"};
    fake_data("", 48);
    for (int i = 0; i < 3; i++)
        snprintf(paths[i], sizeof paths[i], "%s", fake_path(names[i]));
    snprintf(run, sizeof run, "%s", fake_path("run"));
    snprintf(part, sizeof part, "%s/step-6/model.safetensors", run);
    snprintf(manifest, sizeof manifest, "%s/step-6/manifest.json", run);
    options = (fake_options){.train_x = paths[0],
                             .train_y = paths[1],
                             .train_label = paths[2],
                             .batch = 16,
                             .epochs = 2,
                             .seed = 1,
                             .lr = 0.05};
    ptl_job *job = fake_job_new(&options);
    train_options o = {.threads = 1,
                       .json = true,
                       .out = run,
                       .output = fopen("/dev/null", "w"),
                       .notes = fopen("/dev/null", "w")};
    ptl_error err;
    assert_int_equal(train_run(job, &o, &err), PTL_OK);
    fclose(o.output);
    fclose(o.notes);
    fake_job_free(job);
    assert_int_equal(file_read(part, &good_part, NULL), PTL_OK);
    assert_int_equal(file_read(manifest, &good_manifest, NULL), PTL_OK);
    return 0;
}

static int remove_run(void **state)
{
    (void)state;
    bytes_free(&good_part);
    bytes_free(&good_manifest);
    fake_folder_remove();
    return 0;
}

static int restore(void **state)
{
    (void)state;
    mkdir(run, 0777);
    assert_int_equal(
        file_write_whole(part, good_part.data, good_part.size, NULL), PTL_OK);
    assert_int_equal(file_write_whole(manifest, good_manifest.data,
                                      good_manifest.size, NULL),
                     PTL_OK);
    return 0;
}

static ptl_status evaluate(const char *from, ptl_error *err)
{
    ptl_job *job = fake_job_new(&options);
    train_options o = {.threads = 1,
                       .json = true,
                       .from = from,
                       .output = fopen("/dev/null", "w"),
                       .notes = fopen("/dev/null", "w")};
    ptl_status st = train_eval(job, &o, err);
    fclose(o.output);
    fclose(o.notes);
    fake_job_free(job);
    return st;
}

static void assert_refused(const char *words, const char *more)
{
    ptl_error err = {0};
    ptl_status st = evaluate(run, &err);
    assert_int_equal(ptl_exit_status(st), 3);
    if (!strstr(err.text, words) || !strstr(err.text, more))
        fail_msg("\"%s\" lacks \"%s\" or \"%s\"", err.text, words, more);
}

static void a_run_folder_and_a_checkpoint_both_name_it(void **state)
{
    (void)state;
    char step[300];
    ptl_error err;
    assert_int_equal(evaluate(run, &err), PTL_OK);
    snprintf(step, sizeof step, "%s/step-3", run);
    assert_int_equal(evaluate(step, &err), PTL_OK);
}

static void a_truncated_part_names_file_and_tensor(void **state)
{
    (void)state;
    assert_int_equal(truncate(part, (off_t)good_part.size - 2), 0);
    assert_refused("model.safetensors\", tensor \"", "truncated");
    assert_int_equal(truncate(part, 30), 0);
    assert_refused("model.safetensors", "truncated within its header");
    assert_int_equal(truncate(part, 0), 0);
    assert_refused("model.safetensors", "truncated");
    unlink(part);
    assert_refused("model.safetensors", "No such file");
}

/* Every bit of the part, one at a time: values name their tensor, the header
 * is noticed one way or another. */
static void any_flipped_bit_of_the_part_is_noticed(void **state)
{
    (void)state;
    size_t header = 8;
    for (int i = 0; i < 8; i++)
        header += (size_t)good_part.data[i] << (8 * i);
    FILE *file = fopen(part, "r+b");
    assert_non_null(file);
    setvbuf(file, NULL, _IONBF, 0);
    for (size_t at = 0; at < good_part.size; at++) {
        ptl_error err = {0};
        fseek(file, (long)at, SEEK_SET);
        fputc(good_part.data[at] ^ (1 << at % 8), file);
        ptl_status st = evaluate(run, &err);
        assert_int_equal(ptl_exit_status(st), 3);
        assert_non_null(strstr(err.text, "model.safetensors"));
        if (at >= header)
            assert_non_null(strstr(err.text, "tensor \"net."));
        fseek(file, (long)at, SEEK_SET);
        fputc(good_part.data[at], file);
    }
    fclose(file);
    ptl_error err;
    assert_int_equal(evaluate(run, &err), PTL_OK);
}

static void any_flipped_bit_of_the_manifest_is_noticed(void **state)
{
    (void)state;
    FILE *file = fopen(manifest, "r+b");
    assert_non_null(file);
    setvbuf(file, NULL, _IONBF, 0);
    /* The newline at the end means nothing and may be anything blank. */
    for (size_t at = 0; at + 1 < good_manifest.size; at++) {
        ptl_error err = {0};
        fseek(file, (long)at, SEEK_SET);
        fputc(good_manifest.data[at] ^ (1 << at % 7), file);
        ptl_status st = evaluate(run, &err);
        if (ptl_exit_status(st) != 3)
            fail_msg("byte %zu of the manifest was not noticed", at);
        fseek(file, (long)at, SEEK_SET);
        fputc(good_manifest.data[at], file);
    }
    fclose(file);
}

static void a_truncated_manifest_is_noticed(void **state)
{
    (void)state;
    for (size_t cut = 0; cut + 1 < good_manifest.size; cut += 7) {
        assert_int_equal(
            file_write_whole(manifest, good_manifest.data, cut, NULL), PTL_OK);
        assert_refused("manifest.json", "damaged checkpoint");
    }
}

static void without_its_manifest_a_checkpoint_does_not_count(void **state)
{
    (void)state;
    char step[300];
    ptl_error err = {0};
    unlink(manifest);
    /* The run folder falls back on the one before. */
    assert_int_equal(evaluate(run, &err), PTL_OK);
    snprintf(step, sizeof step, "%s/step-6", run);
    assert_int_equal(evaluate(step, &err), PTL_E_CHECKPOINT);
    assert_non_null(strstr(err.text, "no whole checkpoint"));
    assert_int_equal(evaluate(fake_path("nowhere"), &err), PTL_E_CHECKPOINT);
}

/* A checkpoint of one seed is a checkpoint of the same bytes: nothing in it
 * depends on time, machine or process. */
static void checkpoints_of_equal_runs_are_equal_files(void **state)
{
    (void)state;
    ptl_bytes again;
    char other[300];
    ptl_job *job = fake_job_new(&options);
    train_options o = {.threads = 2,
                       .json = true,
                       .out = fake_path("again"),
                       .output = fopen("/dev/null", "w"),
                       .notes = fopen("/dev/null", "w")};
    snprintf(other, sizeof other, "%s/step-6/manifest.json", o.out);
    assert_int_equal(train_run(job, &o, NULL), PTL_OK);
    fclose(o.output);
    fclose(o.notes);
    fake_job_free(job);
    assert_int_equal(file_read(other, &again, NULL), PTL_OK);
    assert_int_equal(again.size, good_manifest.size);
    assert_memory_equal(again.data, good_manifest.data, again.size);
    bytes_free(&again);
}

static void what_a_killed_process_left_goes(void **state)
{
    (void)state;
    char left[300];
    snprintf(left, sizeof left, "%s/step-9.tmp-123", run);
    assert_int_equal(mkdir(left, 0777), 0);
    ptl_job *job = fake_job_new(&options);
    train_options o = {.threads = 1,
                       .json = true,
                       .resume = run,
                       .steps = 9,
                       .output = fopen("/dev/null", "w"),
                       .notes = fopen("/dev/null", "w")};
    assert_int_equal(train_run(job, &o, NULL), PTL_OK);
    fclose(o.output);
    fclose(o.notes);
    fake_job_free(job);
    assert_false(folder_exists(left));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_run_folder_and_a_checkpoint_both_name_it,
                               restore),
        cmocka_unit_test_setup(a_truncated_part_names_file_and_tensor, restore),
        cmocka_unit_test_setup(any_flipped_bit_of_the_part_is_noticed, restore),
        cmocka_unit_test_setup(any_flipped_bit_of_the_manifest_is_noticed,
                               restore),
        cmocka_unit_test_setup(a_truncated_manifest_is_noticed, restore),
        cmocka_unit_test_setup(without_its_manifest_a_checkpoint_does_not_count,
                               restore),
        cmocka_unit_test_setup(checkpoints_of_equal_runs_are_equal_files,
                               restore),
        cmocka_unit_test_setup(what_a_killed_process_left_goes, restore),
    };
    return cmocka_run_group_tests(tests, make_run, remove_run);
}
