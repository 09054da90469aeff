/*
 * cmd_check.c - `ptlc check FILE...`: says what is wrong, or nothing.
 *
 * A file with a `train` block is elaborated as training and as evaluation
 * would; the test blocks of every file are elaborated too, and not run.
 */
#include "summary.h"

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

static int check_file(driver *d, const char *path)
{
    ptl_error err = {0};
    const lang_modules *modules = driver_load_checked(d, path, &err);
    if (!modules)
        return err.status != PTL_OK ? driver_fail(&err) : EXIT_DONE;
    if (elab_has_train(modules) &&
        driver_elaborate(d, modules, LOWER_TRAIN, &err))
        driver_elaborate(d, modules, LOWER_EVAL, &err);
    if (err.status != PTL_OK)
        return driver_fail(&err);
    check_tests(d, modules);
    if (!d->options.summary || diags_error_count(d->diags) > 0)
        return EXIT_DONE;
    if (!elab_has_train(modules))
        return driver_usage("check", "\"%s\" has no train block to sum up",
                            path);
    if (!print_summary(d, path, &err))
        return err.status != PTL_OK ? driver_fail(&err) : EXIT_DONE;
    return EXIT_DONE;
}

int cmd_check(driver *d)
{
    int failed = EXIT_DONE;
    if (d->args.count == 0)
        return driver_usage("check", "which FILE?");
    if (d->options.plan)
        return driver_usage("check", "--plan is not built yet");
    for (int i = 0; i < d->args.count && failed == EXIT_DONE; i++)
        failed = check_file(d, d->args.data[i]);
    int wrong = driver_report(d);
    return wrong != EXIT_DONE ? wrong : failed;
}
