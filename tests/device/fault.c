/*
 * fault.c - says what a kernel did wrong, where, and ends its launch.
 */
#include "lanes.h"
#include "settings.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void describe(ptl_str *s, const warp *w, const insn *i, int lane,
                     const char *format, va_list args)
{
    const block *b = w->block;
    const unsigned *shape = b->launch->shape;
    unsigned t = w->index * LANES + (unsigned)lane;
    str_printf(s,
               "virtual device %d: kernel \"%s\": ", b->launch->device->ordinal,
               b->launch->kernel->name);
    str_vprintf(s, format, args);
    if (i->source)
        str_printf(s, "\n  at PTX line %u: %s", i->source->line,
                   i->source->text);
    str_printf(s, "\n  block (%u, %u, %u), thread (%u, %u, %u)\n", b->index[0],
               b->index[1], b->index[2], t % shape[0], t / shape[0] % shape[1],
               t / shape[0] / shape[1]);
}

void fault_at(warp *w, const insn *i, int lane, CUresult error,
              const char *format, ...)
{
    launch *l = w->block->launch;
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&l->lock);
    if (!l->fault.error) {
        l->fault.error = error;
        describe(&l->fault.text, w, i, lane, format, args);
        fputs(str_text(&l->fault.text), stderr);
        fflush(stderr);
        if (settings()->abort)
            _Exit(70);
    }
    pthread_mutex_unlock(&l->lock);
    va_end(args);
    l->stopped = true;
    w->stop = 0;
    w->mask = 0;
}
