/*
 * lines.c - see lines.h.
 */
#include "launch/lines.h"
#include "base/json.h"
#include <string.h>

static bool is_object(const char *line, size_t count)
{
    ptl_error err;
    json_value value;
    if (count == 0 || *line != '{')
        return false;
    ptl_arena *arena = arena_new();
    bool good = json_parse(arena, line, count, &value, &err) == PTL_OK;
    arena_free(arena);
    return good;
}

static void add_object(const child_lines *l, const char *line, size_t count,
                       ptl_str *out)
{
    json_out j = {.text = out};
    json_open(&j, '{');
    json_key(&j, "role");
    json_text(&j, l->name);
    size_t blank = 1 + strspn(line + 1, " \t\r");
    if (line[blank] != '}')
        str_addc(out, ',');
    str_addn(out, line + 1, count - 1);
}

static void add_line(const child_lines *l, const char *line, size_t count,
                     ptl_str *out, ptl_str *other)
{
    bool object = l->name && l->json && is_object(line, count);
    ptl_str *to = l->name && l->json && !object ? other : out;
    if (object) {
        add_object(l, line, count, to);
    } else {
        if (l->name)
            str_printf(to, "%s| ", l->name);
        str_addn(to, line, count);
    }
    str_addc(to, '\n');
}

/* `rest` and then these bytes are a line. */
static void complete(child_lines *l, const char *bytes, size_t count,
                     ptl_str *out, ptl_str *other)
{
    if (l->rest.length > 0) {
        str_addn(&l->rest, bytes, count);
        add_line(l, l->rest.data, l->rest.length, out, other);
        str_clear(&l->rest);
    } else {
        add_line(l, bytes, count, out, other);
    }
}

void lines_take(child_lines *l, const char *bytes, size_t count, ptl_str *out,
                ptl_str *other)
{
    const char *end = bytes + count;
    while (bytes < end) {
        const char *line_end = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t piece = (size_t)((line_end ? line_end : end) - bytes);
        size_t room = LINES_MOST - l->rest.length;
        if (piece > room) {
            complete(l, bytes, room, out, other);
            bytes += room;
        } else if (line_end) {
            complete(l, bytes, piece, out, other);
            bytes = line_end + 1;
        } else {
            str_addn(&l->rest, bytes, piece);
            bytes = end;
        }
    }
}

void lines_end(child_lines *l, ptl_str *out, ptl_str *other)
{
    if (l->rest.length > 0)
        complete(l, "", 0, out, other);
    str_fini(&l->rest);
}
