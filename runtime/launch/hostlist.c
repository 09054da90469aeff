/*
 * hostlist.c - see hostlist.h.
 *
 *   list   = name *("," name)
 *   name   = 1*(letters | "[" range *("," range) "]")
 *   range  = digits ["-" digits]
 */
#include "launch/hostlist.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct expansion {
    ptl_arena *arena;
    host_list *out;
    int depth;         /* brackets that are being counted through */
    const char *wrong; /* what is; NULL: nothing */
} expansion;

enum { MOST_DIGITS = 9, MOST_BRACKETS = 16 };

static bool wrong(expansion *x, const char *what)
{
    x->wrong = what;
    return false;
}

/* Moves past digits; -1: there are none, or too many. */
static long read_number(const char **at, int *width)
{
    size_t count = strspn(*at, "0123456789");
    if (count == 0 || count > MOST_DIGITS)
        return -1;
    long number = strtol(*at, NULL, 10);
    *width = (int)count;
    *at += count;
    return number;
}

static bool expand_name(expansion *x, const char *made, const char *rest,
                        const char *end);

/* One `03-07` or `5` of a bracket, each number between `made` and what stands
 * behind the bracket. */
static bool expand_range(expansion *x, const char *made, const char **at,
                         const char *behind, const char *end)
{
    int width, other;
    long first = read_number(at, &width), last = first;
    if (first >= 0 && **at == '-') {
        ++*at;
        last = read_number(at, &other);
    }
    if (first < 0 || last < 0)
        return wrong(x, "a bracket holds numbers and ranges");
    if (last < first)
        return wrong(x, "a range counts upwards");
    for (long i = first; i <= last; i++)
        if (!expand_name(x, arena_printf(x->arena, "%s%0*ld", made, width, i),
                         behind, end))
            return false;
    return true;
}

static bool expand_bracket(expansion *x, const char *made, const char *open,
                           const char *end)
{
    const char *close = memchr(open, ']', (size_t)(end - open));
    if (!close)
        return wrong(x, "a bracket is not closed");
    if (++x->depth > MOST_BRACKETS)
        return wrong(x, "a name has too many brackets");
    const char *at = open;
    while (at != close) {
        at++;
        if (!expand_range(x, made, &at, close + 1, end))
            return false;
        if (at != close && *at != ',')
            return wrong(x, "a bracket holds numbers and ranges");
    }
    x->depth--;
    return true;
}

/* All names that begin with `made` and go on as [rest, end) says. */
static bool expand_name(expansion *x, const char *made, const char *rest,
                        const char *end)
{
    const char *at = rest;
    while (at < end && *at != '[')
        if (*at++ == ']')
            return wrong(x, "a bracket is closed that was not open");
    const char *name =
        arena_printf(x->arena, "%s%.*s", made, (int)(at - rest), rest);
    if (at < end)
        return expand_bracket(x, name, at, end);
    if (x->out->count >= HOSTLIST_MOST)
        return wrong(x, "it names too many machines");
    vec_push(x->arena, x->out, name);
    return true;
}

/* The comma behind a name, or the end. */
static const char *name_end(const char *at)
{
    for (bool inside = false; *at && (inside || *at != ','); at++)
        if (*at == '[' || *at == ']')
            inside = *at == '[';
    return at;
}

ptl_status hostlist_expand(ptl_arena *arena, const char *text, host_list *out,
                           ptl_error *err)
{
    expansion x = {.arena = arena, .out = out};
    for (const char *at = text; !x.wrong; at++) {
        const char *end = name_end(at);
        if (end == at)
            wrong(&x, "a name is empty");
        else
            expand_name(&x, "", at, end);
        at = end;
        if (!*at)
            break;
    }
    if (!x.wrong)
        return PTL_OK;
    return ptl_fail(err, PTL_E_DATA, "\"%s\" is no list of machines: %s", text,
                    x.wrong);
}
