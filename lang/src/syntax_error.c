/*
 * syntax_error.c - says what is wrong where a token does not fit, and what to
 * write instead.
 *
 * The parser tells which tokens could stand here; the rules below look for the
 * mistakes people make, first match wins, and the last one just lists what was
 * expected. Each rule also decides how parse.c gets going again.
 */
#include "base/nearest.h"
#include "grammar.h"
#include "parse_priv.h"
#include <string.h>

static bool expects(const unexpected *u, const char *token)
{
    for (int i = 0; i < u->count; i++)
        if (strcmp(u->expected[i], token) == 0)
            return true;
    return false;
}

static bool is(const unexpected *u, const char *token)
{
    return strcmp(u->token, token) == 0;
}

static bool is_in(const char *token, const char *const *set)
{
    for (; *set; set++)
        if (strcmp(*set, token) == 0)
            return true;
    return false;
}

static bool is_one_of(const unexpected *u, const char *const *tokens)
{
    return is_in(u->token, tokens);
}

static const char *text_of(const parse_state *s, span at)
{
    return arena_strndup(s->arena, s->source->text + at.begin,
                         at.end - at.begin);
}

bool on_new_line(const parse_state *s, span at)
{
    const char *from = s->source->text + s->previous.end;
    return at.begin > s->previous.end &&
           memchr(from, '\n', at.begin - s->previous.end);
}

static const open_bracket *innermost(const parse_state *s, const char *kinds)
{
    for (int i = s->open.count - 1; i >= 0; i--)
        if (strchr(kinds, s->open.data[i].kind))
            return &s->open.data[i];
    return NULL;
}

/* Whether the text at `at` is the first of a statement or declaration. */
static bool begins_statement(const parse_state *s, span at)
{
    const char *text = s->source->text;
    uint32_t i = at.begin;
    while (i > 0 && strchr(" \t\r", text[i - 1]))
        i--;
    return i == 0 || strchr("\n;{}", text[i - 1]);
}

/* Where to point: what is missing at the end is missing after the last token.
 */
static span place(const parse_state *s, const unexpected *u)
{
    if (is(u, "end of file") && s->previous.end > 0)
        return (span){s->previous.end, s->previous.end};
    return u->at;
}

/* ---------- the rules: true when they reported ---------- */

static bool already_reported(parse_state *s, const unexpected *u)
{
    (void)s;
    return is(u, "strange text");
}

static const char *after_word(const char *text)
{
    while (scan_is_word(*text))
        text++;
    return text + strspn(text, " \t");
}

/* `fn f(`, `train {`, `test "t"`; but `model m = ...` is a statement. */
static bool is_declaration(const char *text)
{
    static const char *const alone[] = {"import", "ptl", NULL};
    static const char *const named[] = {
        "fn", "layer", "model", "data", "optimizer", "schedule", NULL};
    static const char *const plain[] = {"train", "test", "cluster", NULL};
    const char *next = after_word(text);
    size_t length = strcspn(text, " \t({;");
    char word[16] = {0};
    if (length == 0 || length >= sizeof word)
        return false;
    memcpy(word, text, length);
    if (is_in(word, plain))
        return *next == '{' || *next == '"' || *after_word(next) == '{';
    if (is_in(word, named))
        return scan_is_word(*next) && strchr("({", *after_word(next));
    return is_in(word, alone);
}

/*
 * A declaration at the beginning of a line, within braces: the token that does
 * not fit, or one shortly before it, as soft keywords are names there.
 */
static bool begins_declaration(const parse_state *s, const unexpected *u,
                               span *out)
{
    const char *text = s->source->text;
    span at = u->at;
    while (at.begin > 0 && text[at.begin - 1] != '\n')
        at.begin--;
    at.end = at.begin;
    while (scan_is_word(text[at.end]))
        at.end++;
    *out = at;
    return at.begin >= s->statement && is_declaration(text + at.begin);
}

static bool missing_brace(parse_state *s, const unexpected *u)
{
    const open_bracket *open = innermost(s, "{");
    bool at_end = is(u, "end of file");
    span at = place(s, u);
    if (!open || !(at_end || begins_declaration(s, u, &at)))
        return false;
    if (at_end)
        parse_error(s, DIAG_SYNTAX, at, "missing `}` at the end of the file");
    else
        parse_error(s, DIAG_SYNTAX, at, "missing `}` before `%s`",
                    text_of(s, at));
    diag_note(s->diags, parse_range(s, open->at), "this `{` is still open");
    s->cure = CURE_BRACE;
    s->restart = at_end ? (uint32_t)s->source->size : at.begin;
    return true;
}

static bool has_closer(const unexpected *u, char open)
{
    return expects(u, open == '(' ? "')'" : "']'");
}

/* The last byte before `at` that is no blank, where `at` begins a line; else
 * `at` itself. */
static uint32_t line_before(const parse_state *s, uint32_t at)
{
    const char *text = s->source->text;
    uint32_t i = at;
    while (i > 0 && strchr(" \t\r", text[i - 1]))
        i--;
    if (i == 0 || text[i - 1] != '\n')
        return at;
    while (i > 0 && strchr(" \t\r\n", text[i - 1]))
        i--;
    return i;
}

/* `test "t"` and a new line: what follows is its body. The line's first word
 * may have been read as a name: `train` may have one. */
static bool missing_open_brace(parse_state *s, const unexpected *u)
{
    uint32_t at = s->previous.end;
    if (!expects(u, "'{'"))
        return false;
    if (!on_new_line(s, u->at))
        at = line_before(s, s->previous.begin);
    if (!on_new_line(s, u->at) &&
        (at == s->previous.begin || u->count > 1 || at == 0))
        return false;
    parse_error(s, DIAG_SYNTAX, (span){at, at}, "missing `{`");
    s->cure = CURE_BODY;
    return true;
}

/* `)` with nothing to close, or where `]` is wanted. */
static bool wrong_closer(parse_state *s, const unexpected *u)
{
    const open_bracket *open =
        s->open.count > 0 ? &s->open.data[s->open.count - 1] : NULL;
    char closer = s->source->text[u->at.begin];
    if (!is(u, "')'") && !is(u, "']'"))
        return false;
    if (!open || open->kind == '{') {
        parse_error(s, DIAG_SYNTAX, u->at, "`%c` without a `%c`", closer,
                    closer == ')' ? '(' : '[');
        return true;
    }
    if ((open->kind == '(') == (closer == ')') || !has_closer(u, open->kind))
        return false;
    parse_error(s, DIAG_SYNTAX, u->at, "`%c` closes no `%c`", closer,
                open->kind);
    diag_note(s->diags, parse_range(s, open->at), "this `%c` is still open",
              open->kind);
    return true;
}

/* `let z = 3;`, `z -= 1;`, `x[i, :]`: how others define and slice. */
static bool foreign_form(parse_state *s, const unexpected *u)
{
    static const char *const words[] = {"let",  "var",    "const",
                                        "auto", "float",  "double",
                                        "int",  "tensor", NULL};
    const char *text = s->source->text;
    bool after_name = s->previous_token == T_NAME && is(u, "name");
    char c = text[u->at.begin];
    if (after_name && is_in(text_of(s, s->previous), words)) {
        parse_error(s, DIAG_SYNTAX, s->previous,
                    "a definition takes no `%s`: write `%s = ...;`",
                    text_of(s, s->previous), text_of(s, u->at));
        return true;
    }
    if (strchr("-*/", c) && text[u->at.end] == '=' && expects(u, "+=")) {
        parse_error(s, DIAG_SYNTAX, (span){u->at.begin, u->at.end + 1},
                    "there is no `%c=`; a new value gets a new name", c);
        return true;
    }
    if (is(u, "':'") && s->open.count > 0 &&
        s->open.data[s->open.count - 1].kind == '[') {
        parse_error(s, DIAG_SYNTAX, u->at,
                    "there are no slices: give each axis an index, as in "
                    "`y[i, j] = x[i, j + 1]`");
        return true;
    }
    return false;
}

/* `a, b = f(x);` */
static bool names_without_parentheses(parse_state *s, const unexpected *u)
{
    if (!is(u, "','") || s->previous_token != T_NAME || !expects(u, "+=") ||
        !begins_statement(s, s->previous))
        return false;
    const char *text = s->source->text;
    span names = s->previous;
    uint32_t i = names.end;
    while (scan_is_word(text[i]) || (text[i] && strchr(", \t", text[i])))
        if (scan_is_word(text[i++]))
            names.end = i;
    if (text[i] != '=' || text[i + 1] == '=')
        return false;
    parse_error(s, DIAG_SYNTAX, names,
                "several results are taken in parentheses: `(%s) = ...`",
                text_of(s, names));
    return true;
}

/* `y[n][k]` */
static bool second_bracket(parse_state *s, const unexpected *u)
{
    if (!is(u, "'['") || s->previous_token != ']')
        return false;
    parse_error(s, DIAG_SYNTAX, u->at,
                "all indices stand in one pair of brackets: `x[i, j]`");
    return true;
}

/* `a if c else b` */
static bool python_choice(parse_state *s, const unexpected *u)
{
    if (!is(u, "if") || !expects(u, "'?'"))
        return false;
    parse_error(s, DIAG_SYNTAX, u->at, "a choice is written `c ? a : b`");
    return true;
}

/* `depth: int in [1, 6] = 4` */
static bool interval_before_default(parse_state *s, const unexpected *u)
{
    if (!is(u, "'='") || !expects(u, "','") || expects(u, "==") ||
        (s->previous_token != ']' && s->previous_token != ')'))
        return false;
    parse_error(s, DIAG_SYNTAX, u->at,
                "a default stands before the interval: `k: int = 4 in [1, 6]`");
    return true;
}

/* `30 sec`: a word behind a number that is nearly a unit. */
static bool misspelt_unit(parse_state *s, span at)
{
    static const char *const units[] = {
#define UNIT(name) name,
#include "lang/keywords.def"
    };
    const char *text = text_of(s, at);
    const char *near =
        strlen(text) < 3
            ? NULL
            : ptl_nearest(text, units, (int)(sizeof units / sizeof *units));
    if (near)
        parse_error(s, DIAG_SYNTAX, at,
                    "no unit is called `%s`; did you mean `%s`?", text, near);
    return near != NULL;
}

static bool product_without_star(parse_state *s, const unexpected *u)
{
    static const char *const words[] = {"in", "if", "else", "as", "from", NULL};
    char c = s->source->text[u->at.begin];
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if ((s->previous_token != T_INT && s->previous_token != T_REAL) || !word ||
        is_one_of(u, words) || !expects(u, "'*'"))
        return false;
    if (misspelt_unit(s, u->at))
        return true;
    parse_error(s, DIAG_SYNTAX, u->at,
                "a product is written with `*`: `%s * %s`",
                text_of(s, s->previous), text_of(s, u->at));
    return true;
}

/* The words after `<-` that make it a comparison: `k <-1`. */
static bool less_minus(parse_state *s, const unexpected *u)
{
    if (!is(u, "<-"))
        return false;
    const char *text = s->source->text;
    span rest = {u->at.end, u->at.end};
    while (text[rest.end] == '_' || text[rest.end] == '.' ||
           (text[rest.end] >= '0' && text[rest.end] <= '9') ||
           ((text[rest.end] | 32) >= 'a' && (text[rest.end] | 32) <= 'z'))
        rest.end++;
    parse_error(s, DIAG_SYNTAX, u->at,
                "`<-` updates a state; a comparison is written `< -%s`",
                text_of(s, rest));
    return true;
}

static bool assignment_for_equality(parse_state *s, const unexpected *u)
{
    if (!is(u, "'='") || !expects(u, "=="))
        return false;
    if (s->previous_token == T_UNIT) /* batch = 64 epochs = 5; */
        parse_error(s, DIAG_SYNTAX, s->previous, "missing `;` before `%s`",
                    text_of(s, s->previous));
    else
        parse_error(s, DIAG_SYNTAX, u->at, "unexpected `=`; `==` compares");
    return true;
}

static bool chained_comparison(parse_state *s, const unexpected *u)
{
    static const char *const comparisons[] = {
        "'<'", "'>'", "<=", ">=", "==", "!=", NULL};
    if (!is_one_of(u, comparisons) || !expects(u, "&&") || expects(u, "'<'"))
        return false;
    parse_error(s, DIAG_SYNTAX, u->at,
                "comparisons do not chain: write `a < b && b < c`");
    return true;
}

static bool foreign_word(parse_state *s, const unexpected *u)
{
    static const struct {
        const char *word, *ours;
    } words[] = {
        {"and", "&&"}, {"or", "||"},   {"not", "!"},       {"elif", "else if"},
        {"def", "fn"}, {"func", "fn"}, {"function", "fn"}, {"class", "layer"},
    };
    span places[] = {u->at, s->previous};
    bool names[] = {is(u, "name"), s->previous_token == T_NAME};
    for (int p = 0; p < 2; p++)
        for (size_t i = 0; names[p] && i < sizeof words / sizeof *words; i++) {
            const char *text = text_of(s, places[p]);
            if (strcmp(words[i].word, text) != 0)
                continue;
            parse_error(s, DIAG_SYNTAX, places[p], "`%s` is written `%s`", text,
                        words[i].ours);
            return true;
        }
    if (is(u, "'*'") && s->previous_token == '*') {
        parse_error(s, DIAG_SYNTAX, u->at, "a power is written `a ^ b`");
        return true;
    }
    return false;
}

/* `layr x()`, `retrun x;`: a word near a keyword where one may stand. */
static bool misspelt_keyword(parse_state *s, const unexpected *u)
{
    static const char *const words[] = {
#define KEYWORD(text, token) text,
#define SOFT(text, token) text,
#include "lang/keywords.def"
    };
    bool previous = s->previous_token == T_NAME && !on_new_line(s, u->at);
    span at = previous ? s->previous : u->at;
    if ((!previous && !is(u, "name")) || !begins_statement(s, at))
        return false;
    const char *text = text_of(s, at);
    if (strlen(text) < 4) /* most short words are near one another */
        return false;
    const char *nearest =
        ptl_nearest(text, words, (int)(sizeof words / sizeof *words));
    if (!nearest)
        return false;
    parse_error(s, DIAG_SYNTAX, at, "unexpected `%s`; did you mean `%s`?", text,
                nearest);
    return true;
}

static bool reduction_without_binders(parse_state *s, const unexpected *u)
{
    if (s->previous_token != T_REDUCTION || !expects(u, "'('") || u->count != 1)
        return false;
    const char *word = text_of(s, s->previous);
    parse_error(s, DIAG_SYNTAX, s->previous,
                "`%s` is a reduction: write `%s(k) ...` with the indices it "
                "runs over",
                word, word);
    return true;
}

/* `sum(x)` reads as binders, `sum(x[k])` and `max(a, 0)` do not. */
static bool reduction_as_call(parse_state *s, const unexpected *u)
{
    const open_bracket *open = innermost(s, "(");
    const char *text = s->source->text;
    if (!open || open->at.begin < 3 || open != &s->open.data[s->open.count - 1])
        return false;
    uint32_t end = open->at.begin, begin = end;
    while (begin > 0 && text[begin - 1] >= 'a' && text[begin - 1] <= 'z')
        begin--;
    ast_reduction reduction;
    if (scan_word(text + begin, end - begin, &reduction) != T_REDUCTION ||
        expects(u, "'*'") || expects(u, "'-'"))
        return false;
    const char *word = ast_reduction_text(reduction);
    parse_error(s, DIAG_SYNTAX, u->at,
                "`%s` takes the indices it runs over, then what is reduced: "
                "`%s(k) x[k]`",
                word, word);
    if (reduction == RED_MAX || reduction == RED_MIN)
        diag_note(s->diags, (src_range){0}, "of two values: `%simum(a, b)`",
                  word);
    return true;
}

static bool keyword_as_name(parse_state *s, const unexpected *u)
{
    const char *text = text_of(s, u->at);
    if (!expects(u, "name") || expects(u, "integer") || text[0] < 'a' ||
        text[0] > 'z' || is(u, "name"))
        return false;
    parse_error(s, DIAG_SYNTAX, u->at,
                "`%s` is a word of the language and cannot be a name", text);
    return true;
}

static bool brace_without_open(parse_state *s, const unexpected *u)
{
    if (!is(u, "'}'") || innermost(s, "{"))
        return false;
    parse_error(s, DIAG_SYNTAX, u->at, "`}` without a `{`");
    return true;
}

/* ---------- the last rule: what was expected ---------- */

/* `';'` as `;` in backquotes; classes of tokens as plain words. */
static const char *shown(const parse_state *s, const char *token)
{
    static const struct {
        const char *token, *text;
    } classes[] = {
        {"name", "a name"},           {"integer", "an integer"},
        {"number", "a number"},       {"text", "text in quotes"},
        {"reduction", "a reduction"}, {"end of file", "the end of the file"},
    };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(classes[i].token, token) == 0)
            return classes[i].text;
    if (token[0] == '\'')
        return arena_printf(s->arena, "`%c`", token[1]);
    return arena_printf(s->arena, "`%s`", token);
}

typedef VEC(const char *) text_list;

/*
 * The expected tokens in few words: all that begins an expression is one of
 * them, soft keywords hide behind "name", operators that could go on go unsaid.
 */
static text_list shorten(const parse_state *s, const unexpected *u)
{
    static const char *const first[] = {
        "integer", "number", "text", "reduction", "true", "false",
        "name",    "'('",    "'['",  "'-'",       "'!'",  NULL};
    static const char *const operators[] = {
        "'*'",  "'/'", "'%'", "'+'", "'-'", "'^'", "'?'", "'.'", "'['", "'('",
        "unit", "==",  "!=",  "'<'", "'>'", "<=",  ">=",  "&&",  "||",  NULL};
    static const char *const soft[] = {
#define SOFT(text, token) text,
#include "lang/keywords.def"
        NULL};
    bool value = expects(u, "integer") && expects(u, "'('");
    bool going_on = expects(u, "'*'") || expects(u, "'+'");
    text_list list = {0};
    if (value)
        vec_push(s->arena, &list, "an expression");
    for (int i = 0; i < u->count; i++) {
        const char *token = u->expected[i];
        if ((value && is_in(token, first)) ||
            (going_on && is_in(token, operators)) ||
            (expects(u, "name") && is_in(token, soft)))
            continue;
        vec_push(s->arena, &list, shown(s, token));
    }
    return list;
}

static const char *found(const parse_state *s, const unexpected *u)
{
    span at = u->at;
    const char *text = s->source->text;
    if (at.end > at.begin + 40)
        for (at.end = at.begin + 40;
             ((unsigned char)text[at.end] & 0xC0) == 0x80;)
            at.end--;
    return arena_printf(s->arena, "`%s`%s", text_of(s, at),
                        at.end < u->at.end ? "..." : "");
}

static bool anything_else(parse_state *s, const unexpected *u)
{
    enum { MANY = 5 };
    text_list list = shorten(s, u);
    ptl_str text = {0};
    if (is(u, "end of file"))
        str_add(&text, "the file ends too early");
    else
        str_printf(&text, "unexpected %s", found(s, u));
    if (list.count > 0 && list.count <= MANY) {
        str_add(&text, "; expected ");
        for (int i = 0; i < list.count; i++) {
            if (i > 0)
                str_add(&text, i + 1 < list.count ? ", " : " or ");
            str_add(&text, list.data[i]);
        }
    } else if (list.count > 0) {
        str_printf(&text, "; expected a %s",
                   innermost(s, "{") ? "statement" : "declaration");
    }
    parse_error(s, DIAG_SYNTAX, place(s, u), "%s", str_text(&text));
    if (is(u, "end of file") && s->open.count > 0) {
        const open_bracket *open = &s->open.data[s->open.count - 1];
        diag_note(s->diags, parse_range(s, open->at), "this `%c` is still open",
                  open->kind);
    }
    str_fini(&text);
    return true;
}

void report_unexpected(parse_state *s, const unexpected *u)
{
    static bool (*const rules[])(parse_state *, const unexpected *) = {
        /* clang-format off */
        already_reported,
        missing_brace,
        missing_open_brace,
        foreign_word,
        foreign_form,
        names_without_parentheses,
        second_bracket,
        python_choice,
        interval_before_default,
        wrong_closer,
        product_without_star,
        less_minus,
        assignment_for_equality,
        chained_comparison,
        reduction_without_binders,
        reduction_as_call,
        keyword_as_name,
        brace_without_open,
        misspelt_keyword,
        anything_else,
        /* clang-format on */
    };
    s->cure = CURE_SKIP;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i](s, u))
            return;
}
