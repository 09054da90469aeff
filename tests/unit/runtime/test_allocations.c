/*
 * test_allocations.c - once training is under way, a step allocates nothing.
 * Not built with sanitizers: they have allocators of their own.
 */
#include "counted/allocations.h"
#include "runtime/fake_job.h"
#include "runtime/train.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The log goes through here, once a step: the count at each line. */
typedef struct line_log {
    int lines;
    int calls[4096];
} line_log;

static ssize_t write_line(void *cookie, const char *text, size_t size)
{
    line_log *log = cookie;
    if (size > 15 && memcmp(text, "{\"event\":\"step\"", 15) == 0 &&
        log->lines < 4096)
        log->calls[log->lines++] = allocation_calls();
    return (ssize_t)size;
}

static void a_steady_step_allocates_nothing(void **state)
{
    (void)state;
    static line_log log;
    fake_data("", 500);
    char x[256], y[256], label[256], out[256];
    snprintf(x, sizeof x, "%s", fake_path("x.idx"));
    snprintf(y, sizeof y, "%s", fake_path("y.idx"));
    snprintf(label, sizeof label, "%s", fake_path("label.idx"));
    snprintf(out, sizeof out, "%s", fake_path("run"));
    fake_options f = {.train_x = x,
                      .train_y = y,
                      .train_label = label,
                      .batch = 16,
                      .epochs = 20,
                      .seed = 1,
                      .lr = 0.05,
                      .checkpoint_every = 1000000};
    ptl_job *job = fake_job_new(&f);
    cookie_io_functions_t io = {.write = write_line};
    train_options o = {.threads = 3,
                       .json = true,
                       .out = out,
                       .output = fopencookie(&log, "w", io),
                       .notes = fopen("/dev/null", "w")};
    ptl_error err;
    if (train_run(job, &o, &err) != PTL_OK)
        fail_msg("%s", err.text);
    fclose(o.output);
    fclose(o.notes);
    fake_job_free(job);
    /* 640 steps over 20 epochs, a smaller last batch in each. */
    assert_int_equal(log.lines, 640);
    assert_true(log.calls[0] > 0);
    for (int i = 3; i < log.lines; i++)
        if (log.calls[i] != log.calls[2])
            fail_msg("%d calls between step 3 and step %d",
                     log.calls[i] - log.calls[2], i + 1);
}

static int remove_folder(void **state)
{
    (void)state;
    fake_folder_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_step_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
