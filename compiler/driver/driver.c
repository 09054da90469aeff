/*
 * driver.c - loading and reporting, the same for every command.
 */
#include "driver.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lang_sources driver_sources(driver *d)
{
    VEC(const char *) dirs = {0};
    for (int i = 0; i < d->options.include.count; i++)
        vec_push(d->arena, &dirs, d->options.include.data[i]);
    const char *path = getenv("PTL_PATH");
    while (path && *path) {
        size_t length = strcspn(path, ":");
        if (length > 0)
            vec_push(d->arena, &dirs, arena_strndup(d->arena, path, length));
        path += length + (path[length] != 0);
    }
    return (lang_sources){ptl_stdlib_files, dirs.data, dirs.count};
}

lang_modules *driver_load(driver *d, const char *path, ptl_error *err)
{
    lang_sources sources = driver_sources(d);
    return lang_load(d->arena, path, &sources, d->diags, err);
}

int driver_report(driver *d)
{
    ptl_str text = {0};
    diags_print(d->diags, &text, d->colour);
    fputs(str_text(&text), stderr);
    str_fini(&text);
    return diags_error_count(d->diags) > 0 ? EXIT_WRONG : EXIT_DONE;
}

void driver_phase(driver *d, const char *phase)
{
    double now = clock_seconds();
    if (d->options.time)
        fprintf(stderr, "  %9.3f s  %s\n", now - d->since, phase);
    d->since = now;
}

int driver_fail(const ptl_error *err)
{
    fprintf(stderr, "ptlc: error: %s\n", err->text);
    return ptl_exit_status(err->status);
}

int driver_usage(const char *command, const char *format, ...)
{
    va_list args;
    fputs("ptlc: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n`ptlc %s%s--help` tells more\n", command ? command : "",
            command ? " " : "");
    return EXIT_USAGE;
}
