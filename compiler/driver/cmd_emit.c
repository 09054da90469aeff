/*
 * cmd_emit.c - `ptlc emit STAGE FILE`: one stage as text on standard output.
 */
#include "base/nearest.h"
#include "driver.h"
#include <stdio.h>
#include <string.h>

typedef struct stage {
    const char *name, *summary;
    bool (*emit)(driver *d, const char *path, ptl_str *out, ptl_error *err);
} stage;

static const stage stages[] = {
#define STAGE(name, text, summary) {text, summary, emit_##name},
#define LATER_STAGE(name, text, summary) {text, summary, NULL},
#include "stages.def"
};

static const char *const stage_names[] = {
#define STAGE(name, text, summary) text,
#define LATER_STAGE(name, text, summary) text,
#include "stages.def"
};

enum { STAGE_COUNT = (int)(sizeof stages / sizeof *stages) };

void emit_help(void)
{
    for (int i = 0; i < STAGE_COUNT; i++)
        printf("  %-12s %s%s\n", stages[i].name, stages[i].summary,
               stages[i].emit ? "" : " (not built yet)");
}

static int unknown_stage(const char *word)
{
    const char *nearest = ptl_nearest(word, stage_names, STAGE_COUNT);
    ptl_str list = {0};
    for (int i = 0; i < STAGE_COUNT; i++)
        str_printf(&list, "%s%s", i > 0 ? ", " : "", stage_names[i]);
    int status =
        nearest
            ? driver_usage("emit", "there is no stage `%s`; did you mean `%s`?",
                           word, nearest)
            : driver_usage("emit", "there is no stage `%s`, but %s", word,
                           str_text(&list));
    str_fini(&list);
    return status;
}

static int emit_stage(driver *d, const stage *s)
{
    ptl_error err = {0};
    ptl_str out = {0};
    int status = EXIT_DONE;
    bool done = s->emit(d, d->args.data[1], &out, &err);
    if (done)
        fputs(str_text(&out), stdout);
    else if (err.status != PTL_OK)
        status = driver_fail(&err);
    str_fini(&out);
    int wrong = driver_report(d);
    return wrong != EXIT_DONE ? wrong : status;
}

int cmd_emit(driver *d)
{
    if (d->args.count != 2)
        return driver_usage("emit", "it takes a STAGE and a FILE");
    for (int i = 0; i < STAGE_COUNT; i++) {
        if (strcmp(stages[i].name, d->args.data[0]) != 0)
            continue;
        if (!stages[i].emit)
            return driver_usage("emit", "the stage `%s` is not built yet",
                                stages[i].name);
        return emit_stage(d, &stages[i]);
    }
    return unknown_stage(d->args.data[0]);
}

bool emit_tokens(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    const src_file *source = lang_read(d->arena, path, err);
    if (!source)
        return false;
    ast_print_tokens(source, d->diags, out);
    return diags_error_count(d->diags) == 0;
}

bool emit_ast(driver *d, const char *path, ptl_str *out, ptl_error *err)
{
    const src_file *source = lang_read(d->arena, path, err);
    const ast_file *file =
        source ? ptl_parse(d->arena, source, d->diags) : NULL;
    if (!file || diags_error_count(d->diags) > 0)
        return false;
    ast_print(file, out);
    return true;
}
