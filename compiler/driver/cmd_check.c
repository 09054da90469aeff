/*
 * cmd_check.c - `ptlc check FILE...`: says what is wrong, or nothing.
 *
 * A file with a `train` block is elaborated as training and as evaluation
 * would; the test blocks of every file are elaborated too, and not run.
 */
#include "compile_file.h"

static void check_tests(driver *d, const lang_modules *modules)
{
    const lang_module *m = modules->modules[0];
    for (int i = 0; i < m->file_count; i++) {
        const ast_file *f = m->files[i];
        for (int j = 0; f && j < f->decl_count; j++) {
            elab_options options = {.mode = ELAB_EVAL};
            if (f->decls[j]->kind == DECL_TEST)
                elab_test(d->arena, modules, m, f->decls[j], &options,
                          d->diags);
        }
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
    return EXIT_DONE;
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
