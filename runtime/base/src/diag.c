/*
 * diag.c - collecting and printing diagnostics.
 */
#include "base/diag.h"
#include <stdlib.h>
#include <string.h>

typedef enum severity { ERROR, WARNING, NOTE } severity_kind;

typedef struct message {
    severity_kind severity;
    diag_code code;
    src_range at;
    char *text;
} message;

struct ptl_diags {
    ptl_arena *arena;
    int max_errors, errors, warnings;
    bool muted; /* the last error was over the limit: drop its notes too */
    VEC(message) messages;
};

static const struct {
    const char *slug, *summary;
} codes[] = {
#define DIAG(name, slug, summary) {slug, summary},
#include "base/diag.def"
#undef DIAG
};

ptl_diags *diags_new(int max_errors)
{
    ptl_arena *arena = arena_new();
    ptl_diags *diags = ARENA_NEW(arena, ptl_diags);
    diags->arena = arena;
    diags->max_errors = max_errors;
    return diags;
}

void diags_free(ptl_diags *diags)
{
    if (diags)
        arena_free(diags->arena);
}

static void keep(ptl_diags *diags, severity_kind severity, diag_code code,
                 src_range at, const char *format, va_list args)
{
    message m = {severity, code, at, arena_vprintf(diags->arena, format, args)};
    vec_push(diags->arena, &diags->messages, m);
}

void diag_error(ptl_diags *diags, diag_code code, src_range at,
                const char *format, ...)
{
    diags->errors++;
    diags->muted = diags->max_errors && diags->errors > diags->max_errors;
    if (diags->muted)
        return;
    va_list args;
    va_start(args, format);
    keep(diags, ERROR, code, at, format, args);
    va_end(args);
}

void diag_warning(ptl_diags *diags, diag_code code, src_range at,
                  const char *format, ...)
{
    va_list args;
    diags->warnings++;
    diags->muted = false;
    va_start(args, format);
    keep(diags, WARNING, code, at, format, args);
    va_end(args);
}

void diag_note(ptl_diags *diags, src_range at, const char *format, ...)
{
    if (diags->muted)
        return;
    va_list args;
    va_start(args, format);
    keep(diags, NOTE, DIAG_COUNT, at, format, args);
    va_end(args);
}

int diags_error_count(const ptl_diags *diags)
{
    return diags->errors;
}

int diags_warning_count(const ptl_diags *diags)
{
    return diags->warnings;
}

bool diags_has(const ptl_diags *diags, diag_code code, src_range at)
{
    for (int i = 0; i < diags->messages.count; i++) {
        const message *m = &diags->messages.data[i];
        if (m->severity == ERROR && m->code == code && m->at.file == at.file &&
            m->at.begin == at.begin)
            return true;
    }
    return false;
}

bool diags_has_line(const ptl_diags *diags, diag_code code, src_range at,
                    const char *text)
{
    int line, other, column;
    src_position(at, &line, &column);
    for (int i = 0; i < diags->messages.count; i++) {
        const message *m = &diags->messages.data[i];
        if (m->severity != ERROR || m->code != code || m->at.file != at.file ||
            strcmp(m->text, text) != 0)
            continue;
        src_position(m->at, &other, &column);
        if (other == line)
            return true;
    }
    return false;
}

static const message *error_at(const ptl_diags *diags, int index)
{
    for (int i = 0; i < diags->messages.count; i++)
        if (diags->messages.data[i].severity == ERROR && index-- == 0)
            return &diags->messages.data[i];
    return NULL;
}

diag_code diags_code_at(const ptl_diags *diags, int index)
{
    const message *m = error_at(diags, index);
    return m ? m->code : DIAG_COUNT;
}

src_range diags_range_at(const ptl_diags *diags, int index)
{
    const message *m = error_at(diags, index);
    return m ? m->at : (src_range){0};
}

static bool continues(char c) /* not the first byte of a character */
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Moves `count` characters on, or to `end`. */
static const char *characters_on(const char *p, const char *end, int count)
{
    while (p < end && count > 0) {
        p++;
        while (p < end && continues(*p))
            p++;
        count--;
    }
    return p;
}

/*
 * The source line of `at` with a caret below, tabs as blanks. Of a long line
 * only a part around the place is shown.
 */
static void print_line(const message *m, int line, int column, ptl_str *out)
{
    enum { WIDTH = 120, BEFORE = 60 };
    const src_file *file = m->at.file;
    const char *begin = file->text + file->line_begin[line - 1];
    const char *end = begin + strcspn(begin, "\n");
    const char *place = file->text + m->at.begin;
    int skipped = column > WIDTH ? column - BEFORE : 0;
    if (end > begin && end[-1] == '\r')
        end--;
    const char *from = characters_on(begin, end, skipped);
    const char *to = characters_on(from, end, WIDTH);
    /* What follows a broken byte cannot be shown on a terminal. */
    if (m->code == DIAG_ENCODING)
        to = place;
    str_printf(out, "%5d | %s", line, skipped ? "..." : "");
    for (const char *p = from; p < to; p++)
        str_addc(out, (unsigned char)*p < 0x20 || *p == 0x7F ? ' ' : *p);
    str_printf(out, "%s\n      | %s", to < end ? "..." : "",
               skipped ? "   " : "");
    for (int i = skipped + 1; i < column; i++)
        str_addc(out, ' ');
    str_addc(out, '^');
    for (const char *p = place + 1; p < to && p < file->text + m->at.end; p++)
        if (!continues(*p))
            str_addc(out, '~');
    str_addc(out, '\n');
}

static void print_message(const message *m, ptl_str *out, bool colour)
{
    static const char *const words[] = {"error", "warning", "note"};
    static const char *const colours[] = {"\033[1;31m", "\033[1;35m",
                                          "\033[1;36m"};
    int line = 0, column = 0;
    if (m->at.file) {
        src_position(m->at, &line, &column);
        str_printf(out, "%s:%d:%d: ", m->at.file->name, line, column);
    }
    if (colour)
        str_printf(out, "%s%s:\033[0m ", colours[m->severity],
                   words[m->severity]);
    else
        str_printf(out, "%s: ", words[m->severity]);
    str_add(out, m->text);
    if (m->code != DIAG_COUNT)
        str_printf(out, " [%s]", codes[m->code].slug);
    str_addc(out, '\n');
    if (m->at.file && m->at.begin <= m->at.file->size)
        print_line(m, line, column, out);
}

void diags_print(const ptl_diags *diags, ptl_str *out, bool colour)
{
    for (int i = 0; i < diags->messages.count; i++)
        print_message(&diags->messages.data[i], out, colour);
    if (diags->max_errors && diags->errors > diags->max_errors)
        str_printf(out,
                   "%d more error%s not shown (--max-errors 0 shows all)\n",
                   diags->errors - diags->max_errors,
                   diags->errors - diags->max_errors == 1 ? "" : "s");
}

const char *diag_slug(diag_code code)
{
    return codes[code].slug;
}

const char *diag_summary(diag_code code)
{
    return codes[code].summary;
}

diag_code diag_find(const char *slug)
{
    for (int i = 0; i < DIAG_COUNT; i++)
        if (strcmp(codes[i].slug, slug) == 0)
            return (diag_code)i;
    return DIAG_COUNT;
}
