/*
 * cmd_check.c - `ptlc check FILE...`: says what is wrong, or nothing.
 *
 * A file with a `train` block is elaborated as training and as evaluation
 * would, and its loss is derived; the test blocks of every file are elaborated
 * too, and not run.
 */
#include "lower/lower.h"
#include "plan.h"
#include "summary.h"
#include <stdio.h>

static void check_tests(driver *d, const lang_modules *modules)
{
    const ast_file *f;
    const lang_module *m = driver_module(modules, &f);
    for (int i = 0; f && i < f->decl_count; i++) {
        elab_options options = {.mode = ELAB_EVAL};
        if (f->decls[i]->kind == DECL_TEST)
            elab_test(d->arena, modules, m, f->decls[i], &options, d->diags);
    }
}

/* What has no derivative, or one that is slow. */
static void check_derivative(driver *d, const typed_program *training)
{
    ir_graph_free(lower_program(training, LOWER_TRAIN, d->diags));
    driver_phase(d, "lower and derive");
}

/* What else was asked for; `training` NULL: there is no train block. */
static int report(driver *d, const char *path, const typed_program *training)
{
    ptl_error err = {0};
    if ((d->options.summary || d->options.plan) && !training)
        return driver_usage("check", "\"%s\" has no train block to sum up",
                            path);
    if (d->options.summary && !print_summary(d, path, &err) &&
        err.status != PTL_OK)
        return driver_fail(&err);
    if (d->options.plan) {
        ptl_str out = {0};
        print_plan(d, training, &out);
        fputs(str_text(&out), stdout);
        str_fini(&out);
    }
    return EXIT_DONE;
}

static int check_file(driver *d, const char *path)
{
    ptl_error err = {0};
    const lang_modules *modules = driver_load_checked(d, path, &err);
    if (!modules)
        return err.status != PTL_OK ? driver_fail(&err) : EXIT_DONE;
    typed_program *training = NULL;
    if (elab_has_train(modules))
        training = driver_elaborate(d, modules, LOWER_TRAIN, &err);
    if (training)
        driver_elaborate(d, modules, LOWER_EVAL, &err);
    if (err.status != PTL_OK)
        return driver_fail(&err);
    check_tests(d, modules);
    if (training && diags_error_count(d->diags) == 0)
        check_derivative(d, training);
    if (diags_error_count(d->diags) > 0)
        return EXIT_DONE;
    return report(d, path, training);
}

int cmd_check(driver *d)
{
    int failed = EXIT_DONE;
    if (d->args.count == 0)
        return driver_usage("check", "which FILE?");
    for (int i = 0; i < d->args.count && failed == EXIT_DONE; i++)
        failed = check_file(d, d->args.data[i]);
    int wrong = driver_report(d);
    return wrong != EXIT_DONE ? wrong : failed;
}
