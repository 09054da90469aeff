/*
 * parse.c - statements of the textual form (the grammar: compiler/README.md).
 *
 * A format for tests and for looking inside the compiler: the first error ends
 * it. What comes out need not pass ir_verify().
 */
#include "ir/parser.h"
#include "ir/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* More elements than any machine has, few enough that products fit. */
static const int64_t most_elements = (int64_t)1 << 48;

static void parse_statements(ir_parser *p, bool nested);

/* ---------- tokens ---------- */

void ir_parse_fail(ir_parser *p, src_range at, const char *format, ...)
{
    ptl_str text = {0};
    va_list args;
    if (p->failed)
        return;
    p->failed = true;
    va_start(args, format);
    str_vprintf(&text, format, args);
    va_end(args);
    diag_error(p->diags, DIAG_IR_SYNTAX, at, "%s", str_text(&text));
    str_fini(&text);
}

void ir_parse_advance(ir_parser *p)
{
    p->now = ir_lex(p->arena, p->file, &p->next);
    if (p->now.kind == IR_TOK_BAD)
        ir_parse_fail(p, p->now.at, "this is no part of the textual form");
}

bool ir_parse_is(const ir_parser *p, const char *text)
{
    return (p->now.kind == IR_TOK_SIGN || p->now.kind == IR_TOK_WORD) &&
           strcmp(p->now.text, text) == 0;
}

bool ir_parse_accept(ir_parser *p, const char *text)
{
    if (p->failed || !ir_parse_is(p, text))
        return false;
    ir_parse_advance(p);
    return true;
}

void ir_parse_expect(ir_parser *p, const char *text)
{
    if (!ir_parse_accept(p, text))
        ir_parse_fail(p, p->now.at, "expected \"%s\"", text);
}

int64_t ir_parse_int(ir_parser *p)
{
    bool minus = ir_parse_accept(p, "-");
    if (p->now.kind != IR_TOK_INT) {
        ir_parse_fail(p, p->now.at, "expected an integer");
        return 0;
    }
    int64_t value = (int64_t)p->now.number;
    ir_parse_advance(p);
    return minus ? -value : value;
}

const char *ir_parse_name(ir_parser *p)
{
    if (p->now.kind != IR_TOK_WORD && p->now.kind != IR_TOK_STRING) {
        ir_parse_fail(p, p->now.at, "expected a name");
        return "";
    }
    const char *name = p->now.text;
    ir_parse_advance(p);
    return name;
}

ir_node *ir_parse_node(ir_parser *p, const ir_graph *in)
{
    src_range at = p->now.at;
    const char *name = ir_parse_name(p);
    ir_node *n = p->failed ? NULL : ir_find(in, name);
    if (!n)
        ir_parse_fail(p, at, "nothing is called \"%s\"", name);
    return n;
}

/* The index of the word at hand in `words`. */
static int one_of(ir_parser *p, const char *const *words, int count,
                  const char *what)
{
    for (int i = 0; i < count; i++)
        if (ir_parse_accept(p, words[i]))
            return i;
    ir_parse_fail(p, p->now.at, "expected %s", what);
    return 0;
}

static const char *new_name(ir_parser *p)
{
    src_range at = p->now.at;
    const char *name = ir_parse_name(p);
    if (!p->failed && ir_find(p->g, name))
        ir_parse_fail(p, at, "\"%s\" is defined already", name);
    return name;
}

/* ---------- types ---------- */

static void check_count(ir_parser *p, src_range at, int64_t *count,
                        int64_t more)
{
    if (more < 0)
        ir_parse_fail(p, at, "a size is negative");
    else if (more && *count > most_elements / more)
        ir_parse_fail(p, at, "more elements than any memory holds");
    else
        *count *= more;
}

static ir_type parse_type(ir_parser *p)
{
    src_range at = p->now.at;
    int64_t count = 1;
    ir_type t = {.kind = (ir_kind)one_of(p, ir_kind_words, 3, "a type")};
    if (ir_parse_accept(p, "(")) {
        t.bound = ir_parse_int(p);
        ir_parse_expect(p, ")");
    }
    if (!ir_parse_accept(p, "["))
        return t;
    do {
        if (t.rank == IR_MAX_RANK) {
            ir_parse_fail(p, at, "more than %d axes", IR_MAX_RANK);
            return t;
        }
        t.dims[t.rank] = ir_parse_int(p);
        check_count(p, at, &count, t.dims[t.rank++]);
    } while (ir_parse_accept(p, ","));
    ir_parse_expect(p, "]");
    return t;
}

static ptl_dtype parse_storage(ir_parser *p)
{
    for (int i = 0; i < PTL_DTYPE_COUNT; i++)
        if (ir_parse_accept(p, dtype_name((ptl_dtype)i)))
            return (ptl_dtype)i;
    ir_parse_fail(p, p->now.at, "expected how it is stored");
    return PTL_F32;
}

/* ---------- inputs and literals ---------- */

static void parse_input(ir_parser *p)
{
    const char *name = new_name(p);
    ir_parse_expect(p, ":");
    ir_type type = parse_type(p);
    int role = one_of(p, ir_role_words, 6, "a role");
    ptl_dtype storage = parse_storage(p);
    if (!p->failed)
        ir_input(p->g, name, type, (ir_input_role)role, storage);
}

static double parse_element(ir_parser *p, ir_kind kind)
{
    double sign = ir_parse_accept(p, "-") ? -1.0 : 1.0;
    double value = p->now.number;
    if (ir_parse_accept(p, "inf"))
        return sign * HUGE_VAL;
    if (ir_parse_accept(p, "nan"))
        return (double)NAN;
    if (p->now.kind != (kind == IR_REAL ? IR_TOK_REAL : IR_TOK_INT))
        ir_parse_fail(p, p->now.at, "expected %s",
                      kind == IR_REAL ? "a real number" : "an integer");
    ir_parse_advance(p);
    return sign * value;
}

static void parse_literal(ir_parser *p)
{
    VEC(double) values = {0};
    const char *name = new_name(p);
    ir_parse_expect(p, ":");
    src_range at = p->now.at;
    ir_type type = parse_type(p);
    ptl_dtype storage = parse_storage(p);
    ir_parse_expect(p, "=");
    ir_parse_expect(p, "{");
    while (!p->failed && !ir_parse_is(p, "}")) {
        vec_push(p->arena, &values, parse_element(p, type.kind));
        if (!ir_parse_accept(p, ","))
            break;
    }
    ir_parse_expect(p, "}");
    if (p->failed)
        return;
    if (ir_element_count(&type) != values.count)
        ir_parse_fail(p, at, "the type has %lld elements, %d are given",
                      (long long)ir_element_count(&type), values.count);
    else
        ir_literal(p->g, name, type, values.data)->storage = storage;
}

/* ---------- comprehensions ---------- */

static void add_var(ir_parser *p)
{
    src_range at = p->now.at;
    const char *name = ir_parse_name(p);
    for (int i = 0; i < p->var_count; i++)
        if (strcmp(p->vars[i], name) == 0)
            ir_parse_fail(p, at, "two variables are called \"%s\"", name);
    if (p->var_count == IR_MAX_VARS)
        ir_parse_fail(p, at, "more than %d variables", IR_MAX_VARS);
    else
        p->vars[p->var_count++] = name;
}

static void parse_range(ir_parser *p, ir_var *var, bool reduced,
                        int64_t *volume)
{
    src_range at = p->now.at;
    add_var(p);
    ir_parse_expect(p, ":");
    var->name = p->var_count ? p->vars[p->var_count - 1] : "";
    var->lo = 0;
    if (reduced) {
        var->lo = ir_parse_int(p);
        ir_parse_expect(p, "..");
    }
    var->hi = ir_parse_int(p);
    check_count(p, at, volume, var->hi - var->lo);
}

static void parse_ranges(ir_parser *p, ir_comp *c, ir_var *vars)
{
    int64_t volume = 1;
    ir_parse_expect(p, "[");
    if (!ir_parse_is(p, "|") && !ir_parse_is(p, "]"))
        do {
            if (p->var_count == IR_MAX_RANK)
                ir_parse_fail(p, p->now.at, "more than %d axes", IR_MAX_RANK);
            else
                parse_range(p, &vars[p->var_count], false, &volume);
        } while (!p->failed && ir_parse_accept(p, ","));
    c->out_count = p->var_count;
    if (ir_parse_accept(p, "|"))
        do {
            if (p->var_count == IR_MAX_VARS)
                ir_parse_fail(p, p->now.at, "more than %d variables",
                              IR_MAX_VARS);
            else
                parse_range(p, &vars[p->var_count], true, &volume);
        } while (!p->failed && ir_parse_accept(p, ","));
    ir_parse_expect(p, "]");
    c->var_count = p->var_count;
}

static void parse_lets(ir_parser *p)
{
    p->lets = map_new(p->arena);
    while (ir_parse_accept(p, "let")) {
        char name[24];
        ir_parse_expect(p, "$");
        snprintf(name, sizeof name, "%lld", (long long)ir_parse_int(p));
        ir_parse_expect(p, "=");
        ir_expr *e = ir_parse_expr(p);
        ir_parse_expect(p, ";");
        map_put(p->lets, name, e);
    }
}

static void parse_comp(ir_parser *p)
{
    ir_var vars[IR_MAX_VARS];
    ir_comp c = {.vars = vars};
    src_range at = p->now.at;
    int64_t bound = 0;
    const char *name = new_name(p);
    parse_ranges(p, &c, vars);
    if (ir_parse_accept(p, "below"))
        bound = ir_parse_int(p);
    ir_parse_expect(p, "=");
    parse_lets(p);
    for (int i = 1; i < IR_REDUCE_COUNT; i++)
        if (c.reduce == IR_MAP && ir_parse_accept(p, ir_reduce_words[i]))
            c.reduce = (ir_reduce)i;
    c.body = ir_parse_expr(p);
    if (ir_parse_accept(p, "if"))
        c.filter = ir_parse_expr(p);
    if (p->failed)
        return;
    ir_node *n = ir_comprehend(p->g, name, &c, src_join(at, p->now.at));
    if (n->type.kind == IR_INT)
        n->type.bound = bound;
}

/* ---------- scatters ---------- */

static void parse_piece(ir_parser *p, ir_piece *piece, int rank)
{
    src_range at = p->now.at;
    ir_sub *subs = ARENA_ARRAY(p->arena, ir_sub, IR_MAX_RANK);
    int count = 0;
    p->var_count = 0;
    ir_parse_expect(p, "[");
    if (!ir_parse_is(p, "]"))
        do
            add_var(p);
        while (!p->failed && ir_parse_accept(p, ","));
    ir_parse_expect(p, "]");
    ir_parse_expect(p, "at");
    ir_parse_expect(p, "[");
    ir_parse_subs(p, subs, &count);
    ir_parse_expect(p, "]");
    ir_parse_expect(p, "+=");
    piece->source = ir_parse_node(p, p->g);
    ir_parse_expect(p, ";");
    if (p->failed)
        return;
    if (count != rank || p->var_count != piece->source->type.rank)
        ir_parse_fail(p, at, "the piece does not fit the rank");
    const char **names = ARENA_ARRAY(p->arena, const char *, p->var_count);
    for (int i = 0; i < p->var_count; i++)
        names[i] = p->vars[i];
    piece->names = names;
    piece->subs = subs;
}

static void parse_scatter(ir_parser *p)
{
    VEC(ir_piece) pieces = {0};
    src_range at = p->now.at;
    const char *name = new_name(p);
    ir_parse_expect(p, ":");
    ir_type type = parse_type(p);
    bool disjoint = ir_parse_accept(p, "disjoint");
    ir_parse_expect(p, "{");
    while (!p->failed && !ir_parse_is(p, "}")) {
        ir_piece piece = {0};
        parse_piece(p, &piece, type.rank);
        vec_push(p->arena, &pieces, piece);
    }
    ir_parse_expect(p, "}");
    if (!p->failed)
        ir_scatter(p->g, name, type, pieces.data, pieces.count,
                   src_join(at, p->now.at))
            ->disjoint = disjoint;
}

/* ---------- scans ---------- */

static ir_graph *parse_body(ir_parser *p)
{
    ir_graph *outer = p->g;
    ir_graph *body = ir_graph_new();
    ir_parse_expect(p, "{");
    if (++p->nesting > IR_PARSE_NESTING)
        ir_parse_fail(p, p->now.at, "nested more than %d deep",
                      IR_PARSE_NESTING);
    p->g = body;
    parse_statements(p, true);
    p->g = outer;
    p->nesting--;
    ir_parse_expect(p, "}");
    return body;
}

static void parse_links(ir_parser *p, ir_scan *s)
{
    VEC(ir_node *) outer = {0};
    VEC(ir_node *) inner = {0};
    VEC(ir_node *) stacked = {0};
    VEC(ir_carry) carries = {0};
    while (!p->failed) {
        if (ir_parse_accept(p, "counter")) {
            s->counter = ir_parse_node(p, s->body);
        } else if (ir_parse_accept(p, "bind")) {
            vec_push(p->arena, &outer, ir_parse_node(p, p->g));
            ir_parse_expect(p, "to");
            vec_push(p->arena, &inner, ir_parse_node(p, s->body));
        } else if (ir_parse_accept(p, "carry")) {
            ir_carry c = {.init = ir_parse_node(p, p->g)};
            ir_parse_expect(p, "in");
            c.input = ir_parse_node(p, s->body);
            ir_parse_expect(p, "next");
            c.next = ir_parse_node(p, s->body);
            vec_push(p->arena, &carries, c);
        } else if (ir_parse_accept(p, "stack")) {
            vec_push(p->arena, &stacked, ir_parse_node(p, s->body));
        } else {
            break;
        }
    }
    s->bind_outer = outer.data;
    s->bind_inner = inner.data;
    s->bind_count = inner.count;
    s->stacked = stacked.data;
    s->stack_count = stacked.count;
    s->carries = carries.data;
    s->carry_count = carries.count;
}

static void parse_scan(ir_parser *p)
{
    ir_scan s = {0};
    src_range at = p->now.at;
    const char *name = new_name(p);
    ir_parse_expect(p, ":");
    s.trips = ir_parse_int(p);
    if (s.trips < 0 || s.trips > most_elements)
        ir_parse_fail(p, at, "a scan makes 0 to 2^48 trips");
    s.reversed = ir_parse_accept(p, "reversed");
    s.body = parse_body(p);
    parse_links(p, &s);
    if (p->failed)
        ir_graph_free(s.body);
    else
        ir_scan_new(p->g, name, &s, src_join(at, p->now.at));
}

static void parse_result(ir_parser *p)
{
    const char *name = new_name(p);
    ir_parse_expect(p, "=");
    src_range at = p->now.at;
    ir_node *scan = ir_parse_node(p, p->g);
    int64_t index = ir_parse_int(p);
    if (p->failed)
        return;
    if (scan->kind != IR_SCAN) {
        ir_parse_fail(p, at, "\"%s\" is no scan", scan->name);
        return;
    }
    const ir_scan *s = scan->scan;
    if (index < 0 || index >= s->carry_count + s->stack_count) {
        ir_parse_fail(p, at, "the scan has no result %lld", (long long)index);
        return;
    }
    int stacked = (int)index - s->carry_count;
    if (stacked >= 0) {
        int64_t count = ir_element_count(&s->stacked[stacked]->type);
        if (s->stacked[stacked]->type.rank == IR_MAX_RANK)
            ir_parse_fail(p, at, "the result has too many axes");
        check_count(p, at, &count, s->trips);
    }
    if (!p->failed)
        ir_scan_out(p->g, name, scan, (int)index);
}

/* ---------- outputs and the whole ---------- */

static void parse_output(ir_parser *p, ir_out_role role)
{
    const char *name = ir_parse_name(p);
    ir_node *target = NULL;
    ir_parse_expect(p, "=");
    ir_node *node = ir_parse_node(p, p->g);
    if (role == IR_OUT_UPDATE) {
        ir_parse_expect(p, "into");
        target = ir_parse_node(p, p->g);
    }
    if (!p->failed)
        ir_output_add(p->g, name, node, role, target);
}

static void parse_statement(ir_parser *p)
{
    p->var_count = 0;
    p->ops = 0;
    if (ir_parse_accept(p, "input"))
        parse_input(p);
    else if (ir_parse_accept(p, "literal"))
        parse_literal(p);
    else if (ir_parse_accept(p, "comp"))
        parse_comp(p);
    else if (ir_parse_accept(p, "scatter"))
        parse_scatter(p);
    else if (ir_parse_accept(p, "scan"))
        parse_scan(p);
    else if (ir_parse_accept(p, "result"))
        parse_result(p);
    else if (ir_parse_accept(p, "output"))
        parse_output(p, IR_OUT_VALUE);
    else if (ir_parse_accept(p, "update"))
        parse_output(p, IR_OUT_UPDATE);
    else
        ir_parse_fail(p, p->now.at, "expected a statement");
    ir_parse_expect(p, ";");
}

static void parse_statements(ir_parser *p, bool nested)
{
    while (!p->failed && p->now.kind != IR_TOK_END &&
           !(nested && ir_parse_is(p, "}")))
        parse_statement(p);
}

ir_graph *ir_parse(const src_file *file, ptl_diags *diags)
{
    ir_parser p = {.file = file, .diags = diags, .arena = arena_new()};
    ir_graph *g = p.g = ir_graph_new();
    if (file->size > (size_t)UINT32_MAX / 2)
        ir_parse_fail(&p, (src_range){0}, "the text is too long");
    else
        ir_parse_advance(&p);
    parse_statements(&p, false);
    arena_free(p.arena);
    if (!p.failed)
        return g;
    ir_graph_free(g);
    return NULL;
}
