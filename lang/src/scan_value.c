/*
 * scan_value.c - what the text of a token means.
 *
 * Every function reports what is wrong and still returns a value, so that one
 * bad literal costs one message and not the statement around it.
 */
#include "grammar.h"
#include "parse_priv.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    int token;
} keywords[] = {
#define KEYWORD(text, token) {text, token},
#define SOFT(text, token) {text, token},
#include "lang/keywords.def"
};

/* Its first letter tells most words apart. */
static bool is_word(const char *word, const char *text, size_t length)
{
    return word[0] == text[0] && strlen(word) == length &&
           memcmp(word, text, length) == 0;
}

int scan_word(const char *text, size_t length, ast_reduction *reduction)
{
    for (int i = 0; i < RED_COUNT; i++)
        if (is_word(ast_reduction_text((ast_reduction)i), text, length)) {
            *reduction = (ast_reduction)i;
            return T_REDUCTION;
        }
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (is_word(keywords[i].text, text, length))
            return keywords[i].token;
    return T_NAME;
}

bool scan_is_word(char c)
{
    return c == '_' || (c >= '0' && c <= '9') ||
           ((c | 32) >= 'a' && (c | 32) <= 'z');
}

bool scan_is_unit(const char *text)
{
    static const char *const units[] = {
#define UNIT(name) name,
#include "lang/keywords.def"
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i], text) == 0)
            return true;
    return false;
}

/* The token's digits as a C string. */
static char *digits(parse_state *s, span at)
{
    return arena_strndup(s->arena, s->source->text + at.begin,
                         at.end - at.begin);
}

number scan_integer(parse_state *s, span at)
{
    number n = {0};
    errno = 0;
    n.integer = strtoll(digits(s, at), NULL, 10);
    if (errno == ERANGE) {
        parse_error(s, DIAG_NUMBER_RANGE, at,
                    "this integer is larger than %lld", (long long)INT64_MAX);
        n.integer = 0;
    }
    n.real = (double)n.integer;
    return n;
}

number scan_real(parse_state *s, span at)
{
    const char *text = digits(s, at);
    number n = {0};
    if (text[0] == '.')
        parse_error(s, DIAG_SYNTAX, at,
                    "a number needs a digit before the point: write `0%s`",
                    text);
    else if (text[strlen(text) - 1] == '.')
        parse_error(s, DIAG_SYNTAX, at,
                    "a number needs a digit after the point: write `%s0`",
                    text);
    n.real = strtod(text, NULL);
    if (isinf(n.real)) {
        parse_error(s, DIAG_NUMBER_RANGE, at,
                    "this number is larger than any real; `inf` is infinity");
        n.real = 0;
    }
    return n;
}

/* Takes `\x` at `text`; the character it stands for, or 0. */
static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '"':
    case '\\':
        return c;
    default:
        return 0;
    }
}

const char *scan_string(parse_state *s, span at, bool closed)
{
    const char *text = s->source->text;
    uint32_t end = closed ? at.end - 1 : at.end;
    char *out = arena_alloc(s->arena, at.end - at.begin + 1);
    size_t length = 0;
    if (!closed) {
        parse_error(s, DIAG_SYNTAX, (span){at.begin, at.begin + 1},
                    "this text has no closing `\"` on its line");
        s->unclosed = true;
    }
    for (uint32_t i = at.begin + 1; i < end; i++) {
        char c = text[i];
        if (c == '\\' && i + 1 < end) {
            c = unescape(text[++i]);
            if (!c)
                parse_error(s, DIAG_SYNTAX, (span){i - 1, i + 1},
                            "unknown escape; there are `\\n`, `\\t`, `\\\"` "
                            "and `\\\\`");
        }
        if (c)
            out[length++] = c;
    }
    out[length] = 0;
    return out;
}

void scan_foreign_comment(parse_state *s, span at)
{
    parse_error(s, DIAG_SYNTAX, (span){at.begin, at.begin + 1},
                "comments start with `//` and end with the line");
}

void scan_strange(parse_state *s, span at)
{
    static const struct {
        const char *text, *hint;
    } hints[] = {
        {"@", "a matrix product is written `sum(k) a[i, k] * b[k, j]`"},
        {"&", "and is `&&`"},
        {"|", "or is `||`"},
        {"...", "`...` stands for something left out: write it"},
        {"\\", "a backslash has a meaning only inside quotes"},
    };
    const char *text = digits(s, at);
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (strcmp(hints[i].text, text) == 0) {
            parse_error(s, DIAG_SYNTAX, at, "%s", hints[i].hint);
            return;
        }
    if (text[0] == '\'') {
        parse_error(s, DIAG_SYNTAX, at, "text stands in double quotes");
        return;
    }
    int first = 1; /* bytes of the first character */
    while (((unsigned char)text[first] & 0xC0) == 0x80)
        first++;
    if ((unsigned char)text[0] >= 0x80)
        parse_error(s, DIAG_SYNTAX, at,
                    "`%.*s` cannot stand here: outside comments and text, PTL "
                    "is written in ASCII",
                    first, text);
    else if ((unsigned char)text[0] < 0x20 || text[0] == 0x7F)
        parse_error(s, DIAG_SYNTAX, at, "control character 0x%02x",
                    (unsigned)(unsigned char)text[0]);
    else
        parse_error(s, DIAG_SYNTAX, at, "`%s` has no meaning in PTL", text);
}

void scan_doc(parse_state *s, const char *text, size_t length)
{
    if (length > 0 && *text == ' ') {
        text++;
        length--;
    }
    if (length > 0 && text[length - 1] == '\r')
        length--;
    if (s->doc_lines++ > 0)
        vec_push(s->arena, &s->doc, '\n');
    for (size_t i = 0; i < length; i++)
        vec_push(s->arena, &s->doc, text[i]);
}

void scan_doc_end(parse_state *s, uint32_t owner)
{
    if (s->doc_lines == 0)
        return;
    doc_comment doc = {arena_strndup(s->arena, s->doc.count ? s->doc.data : "",
                                     (size_t)s->doc.count),
                       owner};
    vec_push(s->arena, &s->docs, doc);
    s->doc.count = s->doc_lines = 0;
}
