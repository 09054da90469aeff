/*
 * ptx_lex.c - PTX text as tokens.
 */
#include "ptx_lex.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void skip_space(ptx_lexer *x)
{
    for (;; x->at++) {
        if (*x->at == '\n')
            x->line++;
        else if (x->at[0] == '/' && x->at[1] == '/')
            x->at += strcspn(x->at, "\n") - 1;
        else if (x->at[0] == '/' && x->at[1] == '*') {
            const char *end = strstr(x->at + 2, "*/");
            for (; x->at[1] && x->at != end; x->at++)
                x->line += *x->at == '\n';
            x->at += end != NULL;
        } else if (!*x->at || !isspace((unsigned char)*x->at))
            return;
    }
}

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '%';
}

/* Suffixes belong to a word; "::" occurs within them (cta::shared). */
static const char *word_end(const char *at)
{
    while (in_word(*at) || (*at == '.' && in_word(at[1])) ||
           (at[0] == ':' && at[1] == ':'))
        at += at[0] == ':' ? 2 : 1;
    return at;
}

static void number(ptx_token *t)
{
    char *end;
    const char *s = t->text;
    bool hex_float = s[0] == '0' && s[1] && strchr("fFdD", s[1]);
    if (hex_float) {
        t->kind = tolower(s[1]) == 'f' ? TOKEN_F32 : TOKEN_F64;
        t->bits = strtoull(s + 2, &end, 16);
    } else {
        bool binary = s[0] == '0' && tolower(s[1]) == 'b';
        t->kind = TOKEN_INTEGER;
        t->bits = strtoull(binary ? s + 2 : s, &end, binary ? 2 : 0);
        if (*end == '.' || tolower(*end) == 'e') {
            double value = strtod(s, &end);
            memcpy(&t->bits, &value, sizeof value);
            t->kind = TOKEN_F64;
        }
        end += toupper(*end) == 'U';
    }
    t->length = (size_t)(end - s);
}

ptx_token ptx_next(ptx_lexer *x)
{
    skip_space(x);
    ptx_token t = {.text = x->at, .line = x->line, .length = 1};
    char c = *x->at;
    if (!c) {
        t.length = 0;
        return t;
    }
    if (isdigit((unsigned char)c))
        number(&t);
    else if (c == '"') {
        const char *end = strchr(x->at + 1, '"');
        t.kind = end ? TOKEN_STRING : TOKEN_BAD;
        t.length = end ? (size_t)(end - x->at) + 1 : 1;
    } else if (in_word(c) || (c == '.' && in_word(x->at[1]))) {
        t.kind = c == '.'   ? TOKEN_DIRECTIVE
                 : c == '%' ? TOKEN_REGISTER
                            : TOKEN_WORD;
        t.length = (size_t)(word_end(x->at + 1) - x->at);
    } else {
        t.kind = TOKEN_MARK;
        t.mark = c;
    }
    x->at += t.length;
    return t;
}
