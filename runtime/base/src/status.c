/*
 * status.c - statuses, their texts and exit statuses, and the panic.
 */
#include "base/status.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    int exit_status;
    const char *text;
} statuses[] = {
#define STATUS(name, exit_status, text) {exit_status, text},
#include "base/status.def"
#undef STATUS
};

ptl_status ptl_fail(ptl_error *err, ptl_status status, const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    err->status = status;
    return status;
}

int ptl_exit_status(ptl_status status)
{
    return statuses[status].exit_status;
}

const char *ptl_status_text(ptl_status status)
{
    return statuses[status].text;
}

void ptl_panic(const char *file, int line, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "ptl: internal error at %s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\nptl: this is a fault in PTL, not in your program\n", stderr);
    fflush(NULL);
    _Exit(70);
}
