/*
 * parse.c - pushes tokens into the parser, and recovers after an error.
 *
 * Where a `)`, `]` or `;` is missing at the end of a line or statement, the
 * parser gets it and nothing is lost. After any other error, tokens are skipped
 * to the end of the statement or declaration: its `;`, its closed `{ ... }`, or
 * the `}` of the block around it. The parser then gets the `;` its `error ';'`
 * rule waits for, in the innermost list that is open.
 *
 * Needs:    any bytes.
 * Provides: a tree as ast.h promises; a diagnostic for all that is wrong.
 */
#include "grammar.h"
#include "parse_priv.h"
#include <string.h>

src_range parse_range(const parse_state *s, span at)
{
    return (src_range){s->source, at.begin, at.end};
}

void parse_error(parse_state *s, diag_code code, span at, const char *format,
                 ...)
{
    va_list args;
    if (s->quiet)
        return;
    va_start(args, format);
    const char *text = arena_vprintf(s->arena, format, args);
    va_end(args);
    diag_error(s->diags, code, parse_range(s, at), "%s", text);
}

const char *parse_word(parse_state *s, const char *text, size_t length)
{
    char *word = arena_strndup(s->arena, text, length);
    char *known = map_get(s->words, word);
    if (!known)
        map_put(s->words, word, known = word);
    return known;
}

/* ---------- what may be text at all ---------- */

/* Length of the UTF-8 sequence at `p`, 0 where it is broken. */
static size_t sequence(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char lo, hi;           /* first byte */
        unsigned char next_lo, next_hi; /* second byte */
        unsigned char length;
    } forms[] = {
        {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
        {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
        {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    if (p[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (p[0] < forms[i].lo || p[0] > forms[i].hi)
            continue;
        if (left < forms[i].length || p[1] < forms[i].next_lo ||
            p[1] > forms[i].next_hi)
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if (p[k] < 0x80 || p[k] > 0xBF)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static bool is_text(parse_state *s)
{
    const src_file *source = s->source;
    if (source->size > AST_MAX_SOURCE_BYTES) {
        parse_error(s, DIAG_SOURCE_SIZE, (span){0, 0},
                    "\"%s\" is larger than %d MiB, more than a PTL file may be",
                    source->name, AST_MAX_SOURCE_BYTES >> 20);
        return false;
    }
    for (size_t i = 0; i < source->size;) {
        const unsigned char *p = (const unsigned char *)source->text + i;
        span at = {(uint32_t)i, (uint32_t)i + 1};
        size_t length = sequence(p, source->size - i);
        if (*p == 0) {
            parse_error(s, DIAG_ENCODING, at,
                        "a NUL byte: this is not a text file");
            return false;
        }
        if (length == 0) {
            parse_error(s, DIAG_ENCODING, at, "byte 0x%02x is not UTF-8 here",
                        (unsigned)*p);
            return false;
        }
        i += length;
    }
    return true;
}

/* ---------- tokens into the parser ---------- */

typedef struct token {
    int code;
    PTL_YYSTYPE value;
    span at;
} token;

typedef struct feed {
    parse_state *s;
    parse_scanner *scanner;
    ptl_yypstate *parser;
    bool done;
} feed;

static token next_token(feed *f)
{
    token t = {0};
    t.code = scanner_next(f->scanner, &t.value, &t.at);
    return t;
}

/* Closes what is open inside the innermost `{`; whether there is one. */
static bool drop_parentheses(parse_state *s)
{
    while (s->open.count > 0 && s->open.data[s->open.count - 1].kind != '{')
        s->open.count--;
    return s->open.count > 0;
}

/* `(0, 1]` is an interval, so kinds of brackets need not match. */
static void track_brackets(parse_state *s, const token *t)
{
    if (t->code == ')' || t->code == ']') {
        if (s->open.count > 0 && s->open.data[s->open.count - 1].kind != '{')
            s->open.count--;
    } else if (t->code == '}') {
        if (drop_parentheses(s))
            s->open.count--;
    } else if (t->code == '(' || t->code == '[' || t->code == '{') {
        open_bracket open = {(char)t->code, t->at};
        vec_push(s->arena, &s->open, open);
    }
    if (s->open.count > AST_MAX_DEPTH) {
        parse_error(s, DIAG_NESTING, t->at,
                    "brackets are nested more than %d deep", AST_MAX_DEPTH);
        s->fatal = true;
    }
}

/* Where the statement and the declaration begin that are being read. */
static void track_begin(parse_state *s, const token *t)
{
    if (!s->ended)
        return;
    s->ended = false;
    s->statement = t->at.begin;
    if (s->open.count == 0)
        s->decl = t->at.begin;
}

static void track_end(parse_state *s, const token *t)
{
    s->ended |= t->code == ';' || t->code == '{' || t->code == '}';
}

static void push(feed *f, const token *t)
{
    span at = t->at;
    if (f->done)
        return;
    int status = ptl_yypush_parse(f->parser, t->code, &t->value, &at, f->s);
    f->done = status != YYPUSH_MORE;
    f->s->previous = t->at;
    f->s->previous_token = t->code;
    if (f->s->cure != CURE_NOTHING)
        return;
    track_brackets(f->s, t);
    track_end(f->s, t);
}

/* A token that is not in the text. */
static void push_invented(feed *f, int code, uint32_t at)
{
    token t = {.code = code, .at = {at, at}};
    f->s->cure = CURE_NOTHING;
    push(f, &t);
}

/*
 * Skips from `t`, the token that did not fit, to the end of its statement, and
 * returns the first one after it. Outside all blocks a `}` ends one too.
 */
static token skip_statement(feed *f, token t, bool inside, int depth)
{
    for (;; t = next_token(f)) {
        if (t.code == 0)
            return t;
        if (t.code == ';' && depth == 0)
            return next_token(f);
        if (t.code == '{')
            depth++;
        if (t.code != '}')
            continue;
        if (depth == 0)
            return inside ? t : next_token(f);
        if (--depth > 0)
            continue;
        t = next_token(f);
        if (t.code != T_ELSE && t.code != T_GRAD)
            return t;
    }
}

/* The text of the statement up to `end` means nothing. */
static void lose(parse_state *s, uint32_t end)
{
    span at = {s->open.count > 0 ? s->statement : s->decl, end};
    vec_push(s->arena, &s->lost, at);
}

static token close_blocks(feed *f, token t)
{
    parse_state *s = f->s;
    uint32_t at = s->restart;
    lose(s, at);
    push_invented(f, ';', at);
    while (drop_parentheses(s) && !f->done)
        push_invented(f, '}', at);
    if (t.at.begin == at)
        return t;
    scanner_move(f->scanner, at);
    return next_token(f);
}

/* After an error at `t`; returns the token to go on with. */
static token recover(feed *f, token t)
{
    parse_state *s = f->s;
    cure todo = s->cure;
    bool inside = drop_parentheses(s);
    s->cure = CURE_NOTHING;
    if (todo == CURE_BRACE)
        return close_blocks(f, t);
    if (t.code == ';' &&
        todo == CURE_SKIP) { /* the parser took it for its `error ';'` */
        lose(s, t.at.end);
        track_end(s, &t);
        return next_token(f);
    }
    s->quiet = true;
    t = skip_statement(f, t, inside, todo == CURE_BODY);
    s->quiet = false;
    lose(s, t.at.begin);
    push_invented(f, ';', t.at.begin);
    return t;
}

/* What no statement ends with needs no look for its `;`. */
static bool ends_expression(int code)
{
    return code != ';' && code != '{' && code != '}' && code != ',' &&
           code != 0;
}

static bool begins_or_ends(int code)
{
    static const int words[] = {
        '}',    T_RETURN, T_EXPECT, T_ASSERT, T_HYPER, T_FOR,    T_SCAN,
        T_SLOT, T_USE,    T_PARAM,  T_FN,     T_LAYER, T_IMPORT,
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i] == code)
            return true;
    return false;
}

static void put_in(feed *f, char missing, const open_bracket *open)
{
    parse_state *s = f->s;
    span at = {s->previous.end, s->previous.end};
    bool said = s->unclosed && s->previous_token == T_STRING;
    if (!said)
        parse_error(s, DIAG_SYNTAX, at, "missing `%c`", missing);
    if (!said && open)
        diag_note(s->diags, parse_range(s, open->at), "this `%c` is still open",
                  open->kind);
    push_invented(f, missing, at.begin);
}

/* Puts in what is missing between the last token and `t`. */
static void repair(feed *f, const token *t)
{
    parse_state *s = f->s;
    bool line = on_new_line(s, t->at), ends = line || begins_or_ends(t->code);
    if (t->code == 0 ||
        !(ends || t->code == ';' || t->code == '{' || s->previous_token == '}'))
        return;
    bool closes = line || t->code == ';' || t->code == '{' || t->code == '}';
    while (closes && s->open.count > 0 && !f->done) {
        open_bracket open = s->open.data[s->open.count - 1];
        char closer = open.kind == '(' ? ')' : ']';
        if (open.kind == '{' || parser_accepts(f->parser, t->code) ||
            !parser_accepts(f->parser, closer))
            break;
        put_in(f, closer, &open);
    }
    /* Ends what `else` or `grad` could have continued: the error at `t` would
     * take it along. */
    if (s->previous_token == '}' && !f->done &&
        !parser_accepts(f->parser, t->code) && parser_accepts(f->parser, ';')) {
        s->quiet = true;
        push_invented(f, ';', s->previous.end);
        s->quiet = false;
    }
    if (ends && t->code != ';' && t->code != '{' && !f->done &&
        ends_expression(s->previous_token) &&
        !parser_accepts(f->parser, t->code) && parser_accepts(f->parser, ';'))
        put_in(f, ';', NULL);
    s->unclosed &= !line;
}

static void push_all(feed *f)
{
    parse_state *s = f->s;
    token t = next_token(f);
    s->ended = true;
    while (!f->done && !s->fatal) {
        repair(f, &t);
        track_begin(s, &t);
        push(f, &t);
        t = s->cure == CURE_NOTHING ? next_token(f) : recover(f, t);
    }
}

/* ---------- what was left out ---------- */

/* Words up to one of `end`. */
static void keep_words(parse_state *s, ptl_map *words, span at, const char *end)
{
    const char *text = s->source->text;
    for (uint32_t i = at.begin; i < at.end && !strchr(end, text[i]); i++) {
        uint32_t stop = i;
        while (stop < at.end && scan_is_word(text[stop]))
            stop++;
        if (stop > i)
            map_put(words, parse_word(s, text + i, stop - i), words);
        i = stop > i ? stop - 1 : i;
    }
}

/* What a declaration lacks, those who use it would miss. */
static bool keep_inside(parse_state *s, const ast_file *file, span lost)
{
    bool inside = false;
    for (int j = 0; j < file->decl_count; j++) {
        ast_decl *d = file->decls[j];
        if (lost.begin >= d->at.end || lost.end <= d->at.begin)
            continue;
        d->wrong = inside = true;
        if (!d->lost)
            d->lost = map_new(s->arena);
        keep_words(s, d->lost, lost, "");
    }
    return inside;
}

static void mark_lost(parse_state *s, ast_file *file)
{
    file->lost = map_new(s->arena);
    for (int i = 0; i < s->lost.count; i++)
        if (!keep_inside(s, file, s->lost.data[i]))
            keep_words(s, file->lost, s->lost.data[i], "({;");
}

ast_file *ptl_parse(ptl_arena *arena, const src_file *source, ptl_diags *diags)
{
    parse_state s = {
        .arena = arena,
        .source = source,
        .diags = diags,
        .words = map_new(arena),
    };
    if (!is_text(&s))
        return NULL;
    feed f = {&s, scanner_open(&s), ptl_yypstate_new(), false};
    push_all(&f);
    ptl_yypstate_delete(f.parser);
    scanner_close(f.scanner);
    if (s.fatal)
        return NULL;
    ast_file *file = ARENA_NEW(arena, ast_file);
    file->source = source;
    file->decls = s.decls.data;
    file->decl_count = s.decls.count;
    mark_lost(&s, file);
    return file;
}

/* ---------- emit tokens ---------- */

static const char *token_kind(const src_file *source, const token *t)
{
    static const struct {
        int code;
        const char *kind;
    } kinds[] = {
        {T_BAD, "strange"},         {T_NAME, "name"},   {T_STRING, "text"},
        {T_INT, "integer"},         {T_REAL, "number"}, {T_UNIT, "unit"},
        {T_REDUCTION, "reduction"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].code == t->code)
            return kinds[i].kind;
    char c = source->text[t->at.begin];
    return (c >= 'a' && c <= 'z') ? "keyword" : "symbol";
}

void ast_print_tokens(const src_file *source, ptl_diags *diags, ptl_str *out)
{
    ptl_arena *arena = arena_new();
    parse_state s = {
        .arena = arena,
        .source = source,
        .diags = diags,
        .words = map_new(arena),
    };
    if (is_text(&s)) {
        feed f = {.s = &s, .scanner = scanner_open(&s)};
        for (token t = next_token(&f); t.code != 0; t = next_token(&f)) {
            int line, column;
            src_position(parse_range(&s, t.at), &line, &column);
            str_printf(out, "%d:%d %s ", line, column, token_kind(source, &t));
            str_addn(out, source->text + t.at.begin, t.at.end - t.at.begin);
            str_addc(out, '\n');
        }
        scanner_close(f.scanner);
    }
    arena_free(arena);
}
