/*
 * str.c - the growable string.
 */
#include "base/str.h"
#include "base/status.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(ptl_str *s, size_t more)
{
    size_t needed = s->length + more + 1;
    if (needed <= s->room)
        return;
    size_t room = s->room ? s->room : 64;
    while (room < needed)
        room *= 2;
    char *data = realloc(s->data, room);
    if (!data)
        ptl_panic(__FILE__, __LINE__, "out of memory (%zu bytes)", room);
    s->data = data;
    s->room = room;
}

void str_addn(ptl_str *s, const char *bytes, size_t count)
{
    reserve(s, count);
    if (count)
        memcpy(s->data + s->length, bytes, count);
    s->length += count;
    s->data[s->length] = '\0';
}

void str_add(ptl_str *s, const char *text)
{
    str_addn(s, text, strlen(text));
}

void str_addc(ptl_str *s, char c)
{
    str_addn(s, &c, 1);
}

void str_vprintf(ptl_str *s, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    PTL_ASSERT(length >= 0);
    reserve(s, (size_t)length);
    vsnprintf(s->data + s->length, (size_t)length + 1, format, again);
    s->length += (size_t)length;
    va_end(again);
}

void str_printf(ptl_str *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    str_vprintf(s, format, args);
    va_end(args);
}

void str_clear(ptl_str *s)
{
    s->length = 0;
    if (s->data)
        s->data[0] = '\0';
}

void str_fini(ptl_str *s)
{
    free(s->data);
    *s = (ptl_str){0};
}

const char *str_text(const ptl_str *s)
{
    return s->data ? s->data : "";
}

const char *str_keep(ptl_str *s, ptl_arena *arena)
{
    const char *text = arena_strdup(arena, str_text(s));
    str_fini(s);
    return text;
}
