/*
 * file.c - the training step of a .ptl file becomes a program, built as
 * `ptlc run` builds it.
 */
#include "job_build.h"
#include "work.h"
#include <string.h>

static driver *driver_open(void)
{
    static driver d;
    d = (driver){.arena = arena_new(), .diags = diags_new(0)};
    return &d;
}

/* The program is its own; what it was made from goes. */
static void driver_close(driver *d)
{
    diags_free(d->diags);
    arena_free(d->arena);
}

/* `set=A=1,B=2` overrides as --set does. */
static void take_sets(driver *d, const work_request *r)
{
    const char *sets = request_text(r, "set");
    char *copy = sets ? arena_strdup(d->arena, sets) : NULL;
    for (char *s = copy ? strtok(copy, ",") : NULL; s; s = strtok(NULL, ","))
        vec_push(d->arena, &d->options.set, s);
}

static ptl_status diags_fail(const driver *d, ptl_error *err)
{
    ptl_str text = {0};
    diags_print(d->diags, &text, false);
    ptl_status st = ptl_fail(err, PTL_E_PROGRAM, "%s", str_text(&text));
    str_fini(&text);
    return st;
}

ptl_status file_compile(const work_request *r, ptl_program **out,
                        ptl_error *err)
{
    const char *path = request_text(r, "file");
    driver *d = driver_open();
    ptl_job *job = NULL;
    take_sets(d, r);
    ptl_status st = job_open(d, path ? path : "", &job, err);
    if (st == PTL_OK) {
        st = job->build(job, PTL_PROGRAM_TRAIN, job->batch, NULL, 0, out, err);
        job->free(job);
    }
    if (diags_error_count(d->diags) > 0)
        st = diags_fail(d, err);
    driver_close(d);
    return st;
}
