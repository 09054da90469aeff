/*
 * print.c - the textual form of a graph.
 *
 * One statement a node, in the order of the graph. Expressions are infix; what
 * a statement uses twice and is not small is named by a `let`, so that shared
 * expressions print in linear size.
 */
#include "base/map.h"
#include "base/memo.h"
#include "ir/text.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct printer {
    ptl_str *out;
    ptl_arena *scratch;
    int indent;
    const char *vars[IR_MAX_VARS]; /* unique names in the current statement */
    int var_count;
    ptl_memo lets; /* expression -> its name */
} printer;

static void print_expr(printer *p, const ir_expr *e, int tightness);
static void print_graph(printer *p, const ir_graph *g);

/* ---------- words ---------- */

static void print_string(printer *p, const char *text)
{
    str_addc(p->out, '"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c == '"' || *c == '\\' || *c < 0x20 || *c == 0x7F)
            str_printf(p->out, "\\x%02x", *c);
        else
            str_addc(p->out, (char)*c);
    str_addc(p->out, '"');
}

/* A name is written bare when it looks like a path of words. */
static void print_name(printer *p, const char *name)
{
    bool bare = isalpha((unsigned char)name[0]) || name[0] == '_';
    for (const char *c = name; *c && bare; c++)
        bare = isalnum((unsigned char)*c) || *c == '_' || *c == '.';
    bare = bare && !ir_is_reserved(name);
    if (bare)
        str_add(p->out, name);
    else
        print_string(p, name);
}

void ir_number_text(double x, bool real, char text[40])
{
    if (!real) {
        snprintf(text, 40, "%lld", (long long)x);
        return;
    }
    if (isnan(x) || isinf(x)) {
        snprintf(text, 40, "%s", isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, 40, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    if (!strpbrk(text, ".e"))
        strcat(text, ".0");
}

static void print_number(printer *p, double x, bool real)
{
    char text[40];
    ir_number_text(x, real, text);
    str_add(p->out, text);
}

static void print_type(printer *p, const ir_type *t)
{
    str_add(p->out, ir_kind_words[t->kind]);
    if (t->kind == IR_INT && t->bound)
        str_printf(p->out, "(%lld)", (long long)t->bound);
    if (t->rank == 0)
        return;
    for (int i = 0; i < t->rank; i++)
        str_printf(p->out, "%s%lld", i ? ", " : "[", (long long)t->dims[i]);
    str_addc(p->out, ']');
}

/* ---------- variables of a statement ---------- */

static bool is_taken(const printer *p, const char *name)
{
    for (int i = 0; i < p->var_count; i++)
        if (strcmp(p->vars[i], name) == 0)
            return true;
    return ir_is_reserved(name);
}

static void add_var(printer *p, const char *name)
{
    char *word = arena_strdup(p->scratch, name && *name ? name : "i");
    for (char *c = word; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            *c = '_';
    if (isdigit((unsigned char)word[0]))
        word[0] = '_';
    const char *tried = word;
    for (int i = 2; is_taken(p, tried); i++)
        tried = arena_printf(p->scratch, "%s_%d", word, i);
    p->vars[p->var_count++] = tried;
}

/* ---------- subscripts ---------- */

static void print_affine_term(printer *p, int64_t coef, int var)
{
    if (coef != 1)
        str_printf(p->out, "%lld*", (long long)coef);
    str_add(p->out, p->vars[var]);
}

static void print_sub_sum(printer *p, const ir_sub *sub)
{
    const ir_affine *a = &sub->affine;
    bool started = false;
    for (int i = 0; i < a->term_count; i++) {
        int64_t coef = a->terms[i].coef;
        if (started)
            str_add(p->out, coef < 0 ? " - " : " + ");
        print_affine_term(p, started && coef < 0 ? -coef : coef,
                          a->terms[i].var);
        started = true;
    }
    if (sub->gather) {
        if (started)
            str_add(p->out, " + ");
        print_expr(p, sub->gather, started ? IR_PREC_MUL : IR_PREC_ADD);
        started = true;
    }
    if (!started)
        str_printf(p->out, "%lld", (long long)a->constant);
    else if (a->constant != 0)
        str_printf(p->out, " %c %lld", a->constant < 0 ? '-' : '+',
                   llabs(a->constant));
}

static void print_subs(printer *p, const ir_sub *subs, int count)
{
    for (int i = 0; i < count; i++) {
        if (i)
            str_add(p->out, ", ");
        if (subs[i].mode != IR_PLAIN)
            str_printf(p->out, "%s(", ir_mode_words[subs[i].mode]);
        print_sub_sum(p, &subs[i]);
        if (subs[i].mode != IR_PLAIN)
            str_addc(p->out, ')');
    }
}

static void print_read(printer *p, const ir_expr *e)
{
    print_name(p, e->node->name);
    str_addc(p->out, '[');
    print_subs(p, e->subs, e->sub_count);
    if (e->outside) {
        str_add(p->out, " else ");
        print_expr(p, e->outside, IR_PREC_SELECT);
    }
    str_addc(p->out, ']');
}

/* ---------- operations ---------- */

static void print_call(printer *p, const ir_expr *e)
{
    str_printf(p->out, "%s(", ir_scalars[e->op].text);
    for (int i = 0; i < e->arg_count; i++) {
        if (i)
            str_add(p->out, ", ");
        print_expr(p, e->args[i], IR_PREC_SELECT);
    }
    str_addc(p->out, ')');
}

static void print_select(printer *p, const ir_expr *e)
{
    print_expr(p, e->args[0], IR_PREC_OR);
    str_add(p->out, " ? ");
    print_expr(p, e->args[1], IR_PREC_OR);
    str_add(p->out, " : ");
    print_expr(p, e->args[2], IR_PREC_SELECT);
}

static void print_infix(printer *p, const ir_expr *e, int level)
{
    /* Sums and products lean left; comparisons and powers do not lean. */
    bool leans = level != IR_PREC_COMPARE && level != IR_PREC_POW;
    print_expr(p, e->args[0], leans ? level : level + 1);
    str_printf(p->out, " %s ", ir_scalars[e->op].text);
    print_expr(p, e->args[1], level + 1);
}

static void print_op(printer *p, const ir_expr *e, int tightness)
{
    int level = ir_precedence(e->op);
    bool parens = level < tightness;
    if (parens)
        str_addc(p->out, '(');
    if (ir_is_call(e->op)) {
        print_call(p, e);
    } else if (e->op == IR_SELECT_OP) {
        print_select(p, e);
    } else if (e->arg_count == 1) {
        str_add(p->out, ir_scalars[e->op].text);
        print_expr(p, e->args[0], IR_PREC_PRIMARY);
    } else {
        print_infix(p, e, level);
    }
    if (parens)
        str_addc(p->out, ')');
}

static void print_random(printer *p, const ir_expr *e)
{
    str_add(p->out, e->random == IR_UNIFORM ? "uniform(" : "normal(");
    print_string(p, e->site_name);
    const ir_expr *args[] = {e->element, e->step, e->seed};
    for (int i = 0; i < 3; i++) {
        str_add(p->out, ", ");
        print_expr(p, args[i], IR_PREC_SELECT);
    }
    str_addc(p->out, ')');
}

static void print_expr(printer *p, const ir_expr *e, int tightness)
{
    const char *let = memo_get(&p->lets, e);
    if (let) {
        str_add(p->out, let);
        return;
    }
    switch (e->kind) {
    case IR_EXPR_CONST:
        if (e->type == IR_BOOL)
            str_add(p->out, e->number != 0.0 ? "true" : "false");
        else
            print_number(p, e->number, e->type == IR_REAL);
        break;
    case IR_EXPR_VAR:
        str_add(p->out, p->vars[e->var]);
        break;
    case IR_EXPR_READ:
        print_read(p, e);
        break;
    case IR_EXPR_INSIDE:
        str_add(p->out, "inside(");
        print_read(p, e);
        str_addc(p->out, ')');
        break;
    case IR_EXPR_OP:
        print_op(p, e, tightness);
        break;
    case IR_EXPR_RANDOM:
        print_random(p, e);
        break;
    }
}

/* ---------- what is shared ---------- */

typedef struct share {
    int uses;
    int weight; /* leaves and operations if written out, capped */
    ir_expr *e;
} share;

typedef struct share_ctx {
    ptl_arena *arena;
    ptl_memo shares;
    VEC(share *) order; /* children first */
} share_ctx;

static int use(share_ctx *c, const ir_expr *e)
{
    if (!e)
        return 0;
    share *s = memo_get(&c->shares, e);
    s->uses++;
    return s->weight;
}

static void weigh(ir_expr *e, void *ctx)
{
    enum { CAP = 1000 };
    share_ctx *c = ctx;
    share *s = ARENA_NEW(c->arena, share);
    s->e = e;
    s->weight = 1 + e->sub_count + use(c, e->outside) + use(c, e->element) +
                use(c, e->step) + use(c, e->seed);
    for (int i = 0; i < e->sub_count; i++)
        s->weight += use(c, e->subs[i].gather);
    for (int i = 0; i < e->arg_count; i++)
        s->weight += use(c, e->args[i]);
    s->weight = s->weight < CAP ? s->weight : CAP;
    memo_put(&c->shares, e, s);
    vec_push(c->arena, &c->order, s);
}

/* Visits body and filter as one, so that what both use is shared. */
static void find_shared(share_ctx *c, ir_expr *body, ir_expr *filter)
{
    ir_expr *roots[] = {body, filter};
    ir_expr both = {.kind = IR_EXPR_OP, .args = roots,
                    .arg_count = filter ? 2 : 1};
    ir_visit(&both, weigh, c);
}

static void print_lets(printer *p, ir_expr *body, ir_expr *filter)
{
    enum { WORTH_A_NAME = 6 };
    share_ctx c = {.arena = p->scratch};
    int count = 0;
    find_shared(&c, body, filter);
    for (int i = 0; i < c.order.count - 1; i++) { /* the last is the pair */
        share *s = c.order.data[i];
        if (s->uses < 2 || s->weight < WORTH_A_NAME)
            continue;
        char *name = arena_printf(p->scratch, "$%d", count++);
        str_printf(p->out, "\n%*slet %s = ", p->indent + 4, "", name);
        print_expr(p, s->e, IR_PREC_SELECT);
        str_addc(p->out, ';');
        memo_put(&p->lets, s->e, name);
    }
    if (count)
        str_printf(p->out, "\n%*s", p->indent + 4, "");
    else
        str_addc(p->out, ' ');
    memo_fini(&c.shares);
}

/* ---------- statements ---------- */

static void begin(printer *p, const char *word, const ir_node *n)
{
    p->var_count = 0;
    str_printf(p->out, "%*s%s ", p->indent, "", word);
    print_name(p, n->name);
}

static void print_input(printer *p, const ir_node *n)
{
    begin(p, "input", n);
    str_add(p->out, ": ");
    print_type(p, &n->type);
    str_printf(p->out, " %s %s;\n", ir_role_words[n->role],
               dtype_name(n->storage));
}

static void print_literal(printer *p, const ir_node *n)
{
    int64_t count = ir_element_count(&n->type);
    begin(p, "literal", n);
    str_add(p->out, ": ");
    print_type(p, &n->type);
    str_printf(p->out, " %s = {", dtype_name(n->storage));
    for (int64_t i = 0; i < count; i++) {
        if (i)
            str_add(p->out, ", ");
        print_number(p, n->values[i], n->type.kind == IR_REAL);
    }
    str_add(p->out, "};\n");
}

static void print_ranges(printer *p, const ir_comp *c)
{
    str_addc(p->out, '[');
    for (int i = 0; i < c->var_count; i++) {
        if (i == c->out_count)
            str_add(p->out, i ? " | " : "| ");
        else if (i)
            str_add(p->out, ", ");
        add_var(p, c->vars[i].name);
        str_printf(p->out, "%s:", p->vars[i]);
        if (i >= c->out_count)
            str_printf(p->out, "%lld..", (long long)c->vars[i].lo);
        str_printf(p->out, "%lld", (long long)c->vars[i].hi);
    }
    str_addc(p->out, ']');
}

static void print_comp(printer *p, const ir_node *n)
{
    const ir_comp *c = &n->comp;
    begin(p, "comp", n);
    print_ranges(p, c);
    if (n->type.kind == IR_INT && n->type.bound)
        str_printf(p->out, " below %lld", (long long)n->type.bound);
    str_add(p->out, " =");
    print_lets(p, c->body, c->filter);
    if (c->reduce != IR_MAP)
        str_printf(p->out, "%s ", ir_reduce_words[c->reduce]);
    print_expr(p, c->body, IR_PREC_SELECT);
    if (c->filter) {
        str_add(p->out, " if ");
        print_expr(p, c->filter, IR_PREC_SELECT);
    }
    str_add(p->out, ";\n");
    memo_fini(&p->lets);
}

static void print_piece(printer *p, const ir_node *n, const ir_piece *piece)
{
    p->var_count = 0;
    str_printf(p->out, "%*s[", p->indent + 4, "");
    for (int i = 0; i < piece->source->type.rank; i++) {
        add_var(p, piece->names[i]);
        str_printf(p->out, "%s%s", i ? ", " : "", p->vars[i]);
    }
    str_add(p->out, "] at [");
    print_subs(p, piece->subs, n->type.rank);
    str_add(p->out, "] += ");
    print_name(p, piece->source->name);
    str_add(p->out, ";\n");
}

static void print_scatter(printer *p, const ir_node *n)
{
    begin(p, "scatter", n);
    str_add(p->out, ": ");
    print_type(p, &n->type);
    str_add(p->out, n->disjoint ? " disjoint {\n" : " {\n");
    for (int i = 0; i < n->piece_count; i++)
        print_piece(p, n, &n->pieces[i]);
    str_printf(p->out, "%*s};\n", p->indent, "");
}

static void print_link(printer *p, const char *word, const ir_node *n)
{
    str_printf(p->out, " %s ", word);
    print_name(p, n->name);
}

static void print_scan(printer *p, const ir_node *n)
{
    const ir_scan *s = n->scan;
    begin(p, "scan", n);
    str_printf(p->out, ": %lld%s {\n", (long long)s->trips,
               s->reversed ? " reversed" : "");
    p->indent += 4;
    print_graph(p, s->body);
    p->indent -= 4;
    str_printf(p->out, "%*s}", p->indent, "");
    if (s->counter)
        print_link(p, "counter", s->counter);
    for (int i = 0; i < s->bind_count; i++) {
        print_link(p, "bind", s->bind_outer[i]);
        print_link(p, "to", s->bind_inner[i]);
    }
    for (int i = 0; i < s->carry_count; i++) {
        print_link(p, "carry", s->carries[i].init);
        print_link(p, "in", s->carries[i].input);
        print_link(p, "next", s->carries[i].next);
    }
    for (int i = 0; i < s->stack_count; i++)
        print_link(p, "stack", s->stacked[i]);
    str_add(p->out, ";\n");
}

static void print_node(printer *p, const ir_node *n)
{
    switch (n->kind) {
    case IR_INPUT:
        print_input(p, n);
        break;
    case IR_LITERAL:
        print_literal(p, n);
        break;
    case IR_COMP:
        print_comp(p, n);
        break;
    case IR_SCATTER:
        print_scatter(p, n);
        break;
    case IR_SCAN:
        print_scan(p, n);
        break;
    case IR_SCAN_OUT:
        begin(p, "result", n);
        str_add(p->out, " = ");
        print_name(p, n->of->name);
        str_printf(p->out, " %d;\n", n->out_index);
        break;
    }
}

static void print_output(printer *p, const ir_output *o)
{
    str_printf(p->out, "%*s%s ", p->indent, "",
               o->role == IR_OUT_VALUE ? "output" : "update");
    print_name(p, o->name);
    str_add(p->out, " = ");
    print_name(p, o->node->name);
    if (o->target)
        print_link(p, "into", o->target);
    str_add(p->out, ";\n");
}

static void print_graph(printer *p, const ir_graph *g)
{
    for (int i = 0; i < g->nodes.count; i++)
        print_node(p, g->nodes.data[i]);
    for (int i = 0; i < g->outputs.count; i++)
        print_output(p, &g->outputs.data[i]);
}

void ir_print(const ir_graph *g, ptl_str *out)
{
    printer p = {.out = out, .scratch = arena_new()};
    print_graph(&p, g);
    arena_free(p.scratch);
}
