/*
 * library.c - see library.h.
 */
#include "train/library.h"
#include "base/str.h"

/* Steps of a scan's trips share their product. */
static int first_step(const ptl_program *p, const ptl_product *product)
{
    for (int i = 0; i < p->step_count; i++)
        if (p->steps[i].product == product)
            return i;
    return -1;
}

static void name_refused(ptl_str *text, const char *name, int before)
{
    enum { NAMED = 4 };
    if (before < NAMED)
        str_printf(text, "%s\"%s\"", before ? ", " : "", name);
    else if (before == NAMED)
        str_add(text, ", ...");
}

void library_report(const session *s, train_log *log, const session_program *p)
{
    const ptl_program *program = p->program;
    int taken = 0, refused = 0;
    ptl_str names = {0};
    for (int i = 0; i < program->product_count; i++) {
        int step = first_step(program, &program->products[i]);
        run_by by = step < 0 ? RUN_BY_LAUNCH : run_step_by(p->run, step);
        if (by == RUN_REFUSED)
            name_refused(&names, program->steps[step].name, refused++);
        taken += by == RUN_BY_LIBRARY;
    }
    if (taken && !s->options->quiet)
        log_note(log, "cuBLASLt computes %d product%s of %s (%lld records)",
                 taken, taken == 1 ? "" : "s", program->name,
                 (long long)p->rows);
    if (refused)
        log_note(log,
                 "warning: cuBLASLt refuses %d product%s of %s, which PTL's "
                 "kernel%s compute%s: %s",
                 refused, refused == 1 ? "" : "s", program->name,
                 refused == 1 ? "" : "s", refused == 1 ? "s" : "",
                 str_text(&names));
    str_fini(&names);
}
