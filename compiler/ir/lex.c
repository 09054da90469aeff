/*
 * lex.c - cuts the textual form into tokens.
 */
#include "ir/lex.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    ptl_arena *arena;
    const src_file *file;
    uint32_t at;
} reader;

/* NUL at the end of the text; a NUL inside the text is a bad character. */
static char peek(const reader *r, uint32_t ahead)
{
    size_t at = (size_t)r->at + ahead;
    return at < r->file->size ? r->file->text[at] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void skip_blanks(reader *r)
{
    for (;;) {
        char c = peek(r, 0);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            r->at++;
        } else if (c == '#') {
            while (r->at < r->file->size && peek(r, 0) != '\n')
                r->at++;
        } else {
            return;
        }
    }
}

static void lex_word(reader *r, ir_token *t)
{
    uint32_t begin = r->at;
    while (is_word(peek(r, 0)) ||
           (peek(r, 0) == '.' && is_word(peek(r, 1))))
        r->at++;
    t->kind = IR_TOK_WORD;
    t->text = arena_strndup(r->arena, r->file->text + begin, r->at - begin);
}

/* "0..7" is the integer 0, then a sign. */
static void lex_number(reader *r, ir_token *t)
{
    uint32_t begin = r->at;
    t->kind = IR_TOK_INT;
    while (is_digit(peek(r, 0)))
        r->at++;
    if (peek(r, 0) == '.' && is_digit(peek(r, 1))) {
        t->kind = IR_TOK_REAL;
        r->at++;
        while (is_digit(peek(r, 0)))
            r->at++;
    }
    uint32_t signs = peek(r, 1) == '+' || peek(r, 1) == '-';
    if (peek(r, 0) == 'e' && is_digit(peek(r, 1 + signs))) {
        t->kind = IR_TOK_REAL;
        r->at += 1 + signs;
        while (is_digit(peek(r, 0)))
            r->at++;
    }
    char *text = arena_strndup(r->arena, r->file->text + begin, r->at - begin);
    t->number = strtod(text, NULL);
    if (t->kind == IR_TOK_INT && t->number >= 0x1p53)
        t->kind = IR_TOK_BAD;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void lex_string(reader *r, ir_token *t)
{
    size_t length = 0;
    char *text = arena_alloc(r->arena, r->file->size - r->at + 1);
    t->kind = IR_TOK_STRING;
    for (r->at++; peek(r, 0) != '"'; r->at++) {
        char c = peek(r, 0);
        if (c == '\0' || c == '\n') {
            t->kind = IR_TOK_BAD;
            return;
        }
        if (c == '\\') {
            int high = hex_digit(peek(r, 2)), low = hex_digit(peek(r, 3));
            if (peek(r, 1) != 'x' || high < 0 || low < 0 || high + low == 0) {
                t->kind = IR_TOK_BAD;
                return;
            }
            c = (char)(high * 16 + low);
            r->at += 3;
        }
        text[length++] = c;
    }
    r->at++;
    t->text = text;
}

static void lex_sign(reader *r, ir_token *t)
{
    static const char *const pairs[] = {"..", "==", "!=", "<=",
                                        ">=", "&&", "||", "+="};
    char two[3] = {peek(r, 0), peek(r, 1), '\0'};
    size_t length = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strcmp(pairs[i], two) == 0)
            length = 2;
    if (length == 0 && two[0] && strchr("[](){},;:=|+-*/%^<>!?$", two[0]))
        length = 1;
    t->kind = length ? IR_TOK_SIGN : IR_TOK_BAD;
    t->text = arena_strndup(r->arena, two, length);
    r->at += length ? (uint32_t)length : 1;
}

ir_token ir_lex(ptl_arena *arena, const src_file *file, uint32_t *offset)
{
    reader r = {arena, file, *offset};
    ir_token t = {.kind = IR_TOK_END, .text = ""};
    skip_blanks(&r);
    uint32_t begin = r.at;
    char c = peek(&r, 0);
    if (r.at < file->size) {
        if (isalpha((unsigned char)c) || c == '_')
            lex_word(&r, &t);
        else if (is_digit(c))
            lex_number(&r, &t);
        else if (c == '"')
            lex_string(&r, &t);
        else
            lex_sign(&r, &t);
    }
    t.at = (src_range){file, begin, r.at};
    *offset = r.at;
    return t;
}
