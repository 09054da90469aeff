/*
 * test_ps_pieces.c - the programs that update pieces of parameters: what a job
 * makes them of, and what it refuses.
 */
#include "driver/ps_job.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ptl_status ask(ps_job *f, const ptl_job_piece *pieces, int count,
                      ptl_program **program_out)
{
    ptl_error err = {0};
    return f->job->build_update(f->job, f->job->rounds, pieces, count, NULL, 0,
                                program_out, &err);
}

static void a_program_without_pieces_gives_the_rate(void **state)
{
    (void)state;
    ps_job f = {0};
    ptl_error err = {0};
    ptl_program *p;
    ptl_run *run;
    ps_job_open(&f, ps_job_mlp, "",
                "optim.sgd(lr = optim.linear(first = 0.5));", NULL);
    assert_int_equal(ask(&f, NULL, 0, &p), PTL_OK);
    ps_job_good(run_open(p, f.s.pool, &run, &err), &err, &f.d);
    run_set(run, "step", 1);
    run_set(run, "total_steps", 2);
    ps_job_execute(&f, run);
    float rate = *(const float *)run_data(run, program_find(p, "lr"));
    run_set(run, "step", 0);
    ps_job_execute(&f, run);
    assert_true(*(const float *)run_data(run, program_find(p, "lr")) == 0.5f);
    assert_true(rate < 0.5f);
    run_close(run);
    p->release(p);
    ps_job_close(&f);
}

static void what_is_no_piece_is_refused(void **state)
{
    (void)state;
    static const ptl_job_piece wrong[] = {
        {"m.f9.w", 0, 10, "m.f9.w"}, /* no parameter */
        {"m.f3.b", 0, 10, "m.f3.b"}, /* frozen */
        {"m.f1.b", 0, 257, "m.f1.b[0..257]"} /* too long */,
        {"m.f1.b", 256, 1, "m.f1.b[256..257]"},
        {"m.f1.b", -1, 2, "m.f1.b[-1..1]"},
        {"m.f1.b", 3, 0, "m.f1.b[3..3]"},
    };
    ps_job f = {0};
    ptl_program *p;
    ps_job_open(&f, ps_job_mlp, "",
                "optim.sgd(lr = 0.1); set \"*.f1.*\" { lr = 1.0; } freeze "
                "\"*.f3.b\";",
                NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(ask(&f, &wrong[i], 1, &p), PTL_E_INTERNAL);
    ptl_job_piece right = {"m.f1.b", 255, 1, "m.f1.b[255..256]"};
    assert_int_equal(ask(&f, &right, 1, &p), PTL_OK);
    p->release(p);
    ps_job_close(&f);
}

static void what_needs_all_of_it_is_not_cut(void **state)
{
    (void)state;
    static const ptl_job_piece part = {"m.f1.w", 0, 10, "part"};
    ps_job f = {0};
    ptl_program *p;
    ps_job_open(&f, ps_job_mlp, "", "optim.adafactor();", NULL);
    assert_int_equal(ask(&f, &part, 1, &p), PTL_E_INTERNAL);
    ps_job_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_without_pieces_gives_the_rate),
        cmocka_unit_test(what_is_no_piece_is_refused),
        cmocka_unit_test(what_needs_all_of_it_is_not_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
