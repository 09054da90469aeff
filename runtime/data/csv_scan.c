/*
 * csv_scan.c - the scanner of csv text.
 *
 * A doubled quote inside a quoted field stays doubled: fields are numbers or
 * names of columns, and neither has one.
 */
#include "data/csv_scan.h"
#include "base/status.h"
#include <stdlib.h>
#include <string.h>

void csv_scan_init(csv_scan *s, const void *text, size_t size, char separator)
{
    *s = (csv_scan){.at = text, .separator = separator, .line = 1};
    s->end = s->at + size;
    if (size >= 3 && memcmp(s->at, "\xEF\xBB\xBF", 3) == 0)
        s->at += 3;
}

void csv_scan_fini(csv_scan *s)
{
    free(s->fields);
    s->fields = NULL;
}

static void add_field(csv_scan *s, csv_field field)
{
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 16;
        s->fields = realloc(s->fields, (size_t)s->room * sizeof *s->fields);
        if (!s->fields)
            ptl_panic(__FILE__, __LINE__, "out of memory in a csv record");
    }
    s->fields[s->count++] = field;
}

static bool at_line_end(const csv_scan *s)
{
    return s->at == s->end || *s->at == '\n' ||
           (*s->at == '\r' && (s->at + 1 == s->end || s->at[1] == '\n'));
}

static void skip_line_end(csv_scan *s)
{
    if (s->at < s->end && *s->at == '\r')
        s->at++;
    if (s->at < s->end && *s->at == '\n')
        s->at++;
    s->line++;
}

static void scan_quoted(csv_scan *s)
{
    const char *begin = ++s->at;
    while (s->at < s->end) {
        if (*s->at == '\n')
            s->line++;
        if (*s->at == '"') {
            if (s->at + 1 == s->end || s->at[1] != '"')
                break;
            s->at++;
        }
        s->at++;
    }
    csv_field field = {begin, (size_t)(s->at - begin), true};
    if (s->at == s->end)
        s->fault = "a quote is not closed";
    else
        s->at++;
    add_field(s, field);
    if (!at_line_end(s) && *s->at != s->separator) {
        s->fault = "text follows a closing quote";
        while (!at_line_end(s) && *s->at != s->separator)
            s->at++;
    }
}

static void scan_plain(csv_scan *s)
{
    const char *begin = s->at;
    while (!at_line_end(s) && *s->at != s->separator)
        s->at++;
    const char *end = s->at;
    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (begin < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    add_field(s, (csv_field){begin, (size_t)(end - begin), false});
}

bool csv_scan_next(csv_scan *s)
{
    s->count = 0;
    s->fault = NULL;
    while (s->at < s->end && at_line_end(s))
        skip_line_end(s);
    if (s->at == s->end)
        return false;
    s->record_line = s->line;
    for (;;) {
        if (s->at < s->end && *s->at == '"')
            scan_quoted(s);
        else
            scan_plain(s);
        if (at_line_end(s))
            break;
        s->at++; /* the separator */
    }
    if (s->at < s->end)
        skip_line_end(s);
    return true;
}
