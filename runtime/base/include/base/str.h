/*
 * str.h - a growable string on the heap, for printers and file writers.
 */
#ifndef PTL_BASE_STR_H
#define PTL_BASE_STR_H

#include "base/arena.h"
#include <stdarg.h>
#include <stddef.h>

/* Zero-initialise to start. `data` is NUL-terminated once anything was added. */
typedef struct ptl_str {
    char *data;
    size_t length, room;
} ptl_str;

void str_add(ptl_str *s, const char *text);
void str_addn(ptl_str *s, const char *bytes, size_t count);
void str_addc(ptl_str *s, char c);
void str_printf(ptl_str *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void str_vprintf(ptl_str *s, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
void str_clear(ptl_str *s); /* keeps the memory */
void str_fini(ptl_str *s);
const char *str_text(const ptl_str *s); /* never NULL */
/* Its text in `arena`; `s` is ended. */
const char *str_keep(ptl_str *s, ptl_arena *arena);

#endif
