/*
 * print_ptl.c - nodes as PTL source, to be read and to be parsed again.
 *
 * An index needs no range where the language infers one: where it stands bare
 * in a subscript (`x[.., i, ..]`) of an axis of just that size. Other reduction
 * indices carry `in lo..hi`, other results a type, and where such an index
 * stands alone, `i + 0` says that its range is not the axis'. A scatter is a
 * declaration and one `+=` for each piece; what a piece adds is written in place
 * where every index keeps its range that way. Scans: print_scan.c.
 */
#include "grad/print_ptl.h"
#include "ir/text.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A part of a body that is written as a tensor of its own. */
typedef struct helper {
    const char *name;
    int rank, vars[IR_MAX_RANK];
} helper;

/* Levels of the language: what may stand where without parentheses. */
enum {
    P_EXPR = 1, P_OR, P_AND, P_COMPARE, P_ADD, P_MUL, P_UNARY, P_POW, P_PRIMARY
};

static void print_expr(printer *p, const ir_expr *e, int level);

/* ---------- names ---------- */

static bool is_keyword(const char *word)
{
    static const char *const words[] = {
        "ptl",    "import", "as",      "fn",      "layer",  "model",  "use",
        "param",  "state",  "slot",    "hyper",   "return", "assert", "if",
        "else",   "for",    "in",      "scan",    "from",   "grad",   "expect",
        "true",   "false",  "metric",  "data",    "train",  "cluster",
        "optimizer", "schedule", "test", "sync",  "per",    "set",    "freeze",
        "on",     "then",   "sum",     "prod",    "max",    "min",    "argmax",
        "argmin", "lse",    "mean",    "any",     "all",    "inf",    "nan",
        "inside", "clamp",  "wrap",    "reflect", "real",   "int",    "bool",
        "idx",    "stop"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static char *as_word(printer *p, const char *name)
{
    char *word = arena_strdup(p->scratch, *name ? name : "t");
    for (char *c = word; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '_';
    if (isdigit((unsigned char)word[0]))
        word[0] = '_';
    return word;
}

const char *print_word(printer *p, const char *name)
{
    char *word = as_word(p, name);
    const char *tried = word;
    for (int i = 2; map_get(p->taken, tried) || is_keyword(tried); i++)
        tried = arena_printf(p->scratch, "%s_%d", word, i);
    return tried;
}

static bool is_var_taken(const printer *p, const char *word, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(p->vars[i], word) == 0)
            return true;
    return map_get(p->taken, word) || is_keyword(word);
}

void print_name_var(printer *p, int at, const char *name)
{
    char *word = as_word(p, name && *name ? name : "i");
    const char *tried = word;
    for (int i = 2; is_var_taken(p, tried, at); i++)
        tried = arena_printf(p->scratch, "%s%d", word, i);
    p->vars[at] = tried;
}

/* ---------- subscripts ---------- */

static bool print_terms(printer *p, const ir_affine *a, bool negative,
                        bool started)
{
    for (int i = 0; i < a->term_count; i++) {
        int64_t coef = a->terms[i].coef;
        if ((coef < 0) != negative)
            continue;
        if (started)
            str_add(p->out, coef < 0 ? " - " : " + ");
        else if (coef < 0)
            str_add(p->out, "-");
        if (llabs(coef) != 1)
            str_printf(p->out, "%lld*", llabs(coef));
        str_add(p->out, p->vars[a->terms[i].var]);
        started = true;
    }
    return started;
}

static void print_sub(printer *p, const ir_sub *sub)
{
    const ir_affine *a = &sub->affine;
    if (sub->mode != IR_PLAIN)
        str_printf(p->out, "%s(", ir_mode_words[sub->mode]);
    bool started = print_terms(p, a, false, false);
    if (sub->gather) {
        if (started)
            str_add(p->out, " + ");
        print_expr(p, sub->gather, started ? P_MUL : P_ADD);
        started = true;
    }
    started = print_terms(p, a, true, started);
    if (!started)
        str_printf(p->out, "%lld", (long long)a->constant);
    else if (a->constant != 0)
        str_printf(p->out, " %c %lld", a->constant < 0 ? '-' : '+',
                   llabs(a->constant));
    if (sub->mode != IR_PLAIN)
        str_addc(p->out, ')');
}

/* Does an index stand alone whose range is not the axis'? */
static bool is_part(const printer *p, const ir_sub *sub, int64_t size)
{
    const ir_affine *a = &sub->affine;
    if (!p->ranges || sub->mode != IR_PLAIN || sub->gather ||
        a->constant != 0 || a->term_count != 1 || a->terms[0].coef != 1)
        return false;
    const ir_var *v = &p->ranges[a->terms[0].var];
    return v->lo != 0 || v->hi != size;
}

void print_at(printer *p, const ir_node *n, const ir_sub *subs,
                     int count, const ir_expr *outside)
{
    const char *lead = p->leads[n->id];
    str_add(p->out, p->names[n->id]);
    if (count == 0 && !lead)
        return;
    str_printf(p->out, "[%s", lead ? lead : "");
    for (int i = 0; i < count; i++) {
        str_add(p->out, i || lead ? ", " : "");
        print_sub(p, &subs[i]);
        if (!outside && is_part(p, &subs[i], n->type.dims[i]))
            str_add(p->out, " + 0");
    }
    if (outside) {
        str_add(p->out, " else ");
        print_expr(p, outside, P_EXPR);
    }
    str_addc(p->out, ']');
}

/* ---------- expressions ---------- */

static int level_of(const ir_expr *e)
{
    static const int levels[] = {
        [IR_PREC_SELECT] = P_EXPR,    [IR_PREC_OR] = P_OR,
        [IR_PREC_AND] = P_AND,        [IR_PREC_COMPARE] = P_COMPARE,
        [IR_PREC_ADD] = P_ADD,        [IR_PREC_MUL] = P_MUL,
        [IR_PREC_UNARY] = P_UNARY,    [IR_PREC_POW] = P_POW,
        [IR_PREC_PRIMARY] = P_PRIMARY};
    if (e->kind == IR_EXPR_CONST)
        return signbit(e->number) ? P_UNARY : P_PRIMARY;
    if (e->kind != IR_EXPR_OP)
        return P_PRIMARY;
    return e->op == IR_FMA_OP ? P_ADD : levels[ir_precedence(e->op)];
}

static void print_const(printer *p, const ir_expr *e)
{
    char text[40];
    if (e->type == IR_BOOL) {
        str_add(p->out, e->number != 0.0 ? "true" : "false");
        return;
    }
    ir_number_text(e->number, e->type == IR_REAL, text);
    str_add(p->out, text);
}

static void print_binary(printer *p, const ir_expr *e, int level)
{
    /* Chains of && and || lean left as + and * do; == and ^ do not lean. */
    bool leans = level != P_COMPARE && level != P_POW;
    int right = level == P_POW ? P_UNARY : level + 1;
    print_expr(p, e->args[0], leans ? level : level + 1);
    str_printf(p->out, level == P_POW ? "%s" : " %s ", ir_scalars[e->op].text);
    print_expr(p, e->args[1], right);
}

static void print_call(printer *p, const char *name, ir_expr *const *args,
                       int count)
{
    str_printf(p->out, "%s(", name);
    for (int i = 0; i < count; i++) {
        if (i)
            str_add(p->out, ", ");
        print_expr(p, args[i], P_EXPR);
    }
    str_addc(p->out, ')');
}

static bool is_negated(const ir_expr *e)
{
    return e->kind == IR_EXPR_OP && e->op == IR_NEG_OP;
}

static void print_product(printer *p, const ir_expr *a, const ir_expr *b)
{
    print_expr(p, a, P_MUL);
    str_add(p->out, " * ");
    print_expr(p, b, P_UNARY);
}

/* fma(a, b, c) is a*b + c, fma(-a, b, c) is c - a*b. */
static void print_fma(printer *p, ir_expr *const *args)
{
    if (is_negated(args[0])) {
        print_expr(p, args[2], P_ADD);
        str_add(p->out, " - ");
        print_product(p, args[0]->args[0], args[1]);
        return;
    }
    bool minus = is_negated(args[2]);
    print_product(p, args[0], args[1]);
    str_add(p->out, minus ? " - " : " + ");
    print_expr(p, minus ? args[2]->args[0] : args[2], P_MUL);
}

static void print_op(printer *p, const ir_expr *e)
{
    int level = level_of(e);
    if (e->op == IR_FMA_OP) {
        print_fma(p, e->args);
    } else if (ir_is_call(e->op)) {
        print_call(p, ir_scalars[e->op].text, e->args, e->arg_count);
    } else if (e->op == IR_SELECT_OP) {
        print_expr(p, e->args[0], P_OR);
        str_add(p->out, " ? ");
        print_expr(p, e->args[1], P_OR);
        str_add(p->out, " : ");
        print_expr(p, e->args[2], P_EXPR);
    } else if (e->arg_count == 1) {
        str_add(p->out, ir_scalars[e->op].text);
        print_expr(p, e->args[0], P_POW);
    } else {
        print_binary(p, e, level);
    }
}

static void print_random(printer *p, const ir_expr *e)
{
    ir_expr *args[] = {e->element, e->step, e->seed};
    print_call(p, e->random == IR_UNIFORM ? "uniform" : "normal", args, 3);
}

static void print_helper(printer *p, const helper *h)
{
    str_add(p->out, h->name);
    for (int i = 0; i < h->rank; i++)
        str_printf(p->out, "%s%s", i ? ", " : "[", p->vars[h->vars[i]]);
    if (h->rank)
        str_addc(p->out, ']');
}

static void print_expr(printer *p, const ir_expr *e, int level)
{
    const helper *h = memo_get(&p->helpers, e);
    if (h) {
        print_helper(p, h);
        return;
    }
    bool parens = level_of(e) < level;
    if (parens)
        str_addc(p->out, '(');
    switch (e->kind) {
    case IR_EXPR_CONST:
        print_const(p, e);
        break;
    case IR_EXPR_VAR:
        str_add(p->out, p->vars[e->var]);
        break;
    case IR_EXPR_READ:
        print_at(p, e->node, e->subs, e->sub_count, e->outside);
        break;
    case IR_EXPR_INSIDE:
        str_add(p->out, "inside(");
        print_at(p, e->node, e->subs, e->sub_count, NULL);
        str_addc(p->out, ')');
        break;
    case IR_EXPR_OP:
        print_op(p, e);
        break;
    case IR_EXPR_RANDOM:
        print_random(p, e);
        break;
    }
    if (parens)
        str_addc(p->out, ')');
}

/* ---------- ranges the language infers ---------- */

typedef struct bare_ctx {
    const ir_comp *comp;
    bool found[IR_MAX_VARS], differs[IR_MAX_VARS];
} bare_ctx;

static void note_bare(ir_expr *read, void *ctx)
{
    bare_ctx *c = ctx;
    for (int d = 0; d < read->sub_count; d++) {
        const ir_sub *s = &read->subs[d];
        if (s->mode != IR_PLAIN || s->gather || s->affine.constant != 0 ||
            s->affine.term_count != 1 || s->affine.terms[0].coef != 1)
            continue;
        int v = s->affine.terms[0].var;
        bool fits = c->comp->vars[v].lo == 0 &&
                    c->comp->vars[v].hi == read->node->type.dims[d];
        c->differs[v] = c->differs[v] || !fits;
        c->found[v] = c->found[v] || (fits && !read->outside);
    }
}

static bool is_inferred(const bare_ctx *c, int var)
{
    return c->found[var] && !c->differs[var];
}

static bare_ctx find_bare(const ir_comp *c)
{
    bare_ctx bare = {.comp = c};
    ir_visit_reads(c->body, note_bare, &bare);
    if (c->filter)
        ir_visit_reads(c->filter, note_bare, &bare);
    return bare;
}

static bool outputs_inferred(const ir_comp *c)
{
    bare_ctx bare = find_bare(c);
    for (int v = 0; v < c->out_count; v++)
        if (!is_inferred(&bare, v))
            return false;
    return true;
}

/* ---------- statements ---------- */

static void begin_statement(printer *p)
{
    str_add(p->out, p->indent ? p->indent : "");
}

void print_type(printer *p, const ir_type *t)
{
    if (t->kind == IR_INT && t->bound)
        str_printf(p->out, "idx(%lld)", (long long)t->bound);
    else
        str_add(p->out, ir_kind_words[t->kind]);
    for (int i = 0; i < t->rank; i++)
        str_printf(p->out, "%s%lld", i ? ", " : "[", (long long)t->dims[i]);
    if (t->rank)
        str_addc(p->out, ']');
}

static void print_right_side(printer *p, const ir_comp *c)
{
    bare_ctx bare = find_bare(c);
    if (c->reduce == IR_MAP) {
        print_expr(p, c->body, P_EXPR);
        return;
    }
    str_printf(p->out, "%s(", ir_reduce_words[c->reduce]);
    for (int v = c->out_count; v < c->var_count; v++) {
        if (v > c->out_count)
            str_add(p->out, ", ");
        str_add(p->out, p->vars[v]);
        if (!is_inferred(&bare, v))
            str_printf(p->out, " in %lld..%lld", (long long)c->vars[v].lo,
                       (long long)c->vars[v].hi);
    }
    if (c->filter) {
        str_add(p->out, " if ");
        print_expr(p, c->filter, P_EXPR);
    }
    str_add(p->out, ") ");
    print_expr(p, c->body, P_MUL);
}

/* ---------- bodies that share too much to be written out ---------- */

typedef struct share {
    ir_expr *e;
    int uses;
    int64_t size; /* leaves and operations, written out */
} share;

typedef struct share_ctx {
    ptl_arena *arena;
    ptl_memo index;
    VEC(share *) shares; /* parts first */
} share_ctx;

static void use(share_ctx *c, share *by, const ir_expr *part)
{
    enum { ENOUGH = 1 << 20 };
    share *s = part ? memo_get(&c->index, part) : NULL;
    if (!s)
        return;
    s->uses++;
    by->size += s->size;
    by->size = by->size < ENOUGH ? by->size : ENOUGH;
}

static void add_share(ir_expr *e, void *ctx)
{
    share_ctx *c = ctx;
    share *s = ARENA_NEW(c->arena, share);
    s->e = e;
    s->size = 1;
    use(c, s, e->outside);
    for (int i = 0; i < e->arg_count; i++)
        use(c, s, e->args[i]);
    for (int i = 0; i < e->sub_count; i++)
        use(c, s, e->subs[i].gather);
    memo_put(&c->index, e, s);
    vec_push(c->arena, &c->shares, s);
}

typedef struct var_use {
    bool used[IR_MAX_VARS];
} var_use;

static void note_vars(ir_expr *e, void *ctx)
{
    var_use *u = ctx;
    if (e->kind == IR_EXPR_VAR)
        u->used[e->var] = true;
    for (int i = 0; i < e->sub_count; i++)
        for (int k = 0; k < e->subs[i].affine.term_count; k++)
            u->used[e->subs[i].affine.terms[k].var] = true;
}

/* False: it has more indices than a tensor has axes, or one that does not start
 * at 0, as a tensor's do. */
static bool make_helper(printer *p, const ir_node *n, ir_expr *e, helper *h)
{
    var_use u = {0};
    ir_visit(e, note_vars, &u);
    h->rank = 0;
    for (int v = 0; v < n->comp.var_count; v++) {
        if (!u.used[v])
            continue;
        if (h->rank == IR_MAX_RANK || n->comp.vars[v].lo != 0)
            return false;
        h->vars[h->rank++] = v;
    }
    h->name = print_word(p, arena_printf(p->scratch, "%s_term",
                                          p->names[n->id]));
    map_put(p->taken, h->name, h);
    return true;
}

static void state_helper(printer *p, const ir_node *n, const ir_expr *e,
                         const helper *h)
{
    ir_type type = {.kind = e->type, .rank = h->rank};
    for (int i = 0; i < h->rank; i++)
        type.dims[i] = n->comp.vars[h->vars[i]].hi;
    begin_statement(p);
    print_helper(p, h);
    str_add(p->out, ": ");
    print_type(p, &type);
    str_add(p->out, " = ");
    print_expr(p, e, P_EXPR);
    str_add(p->out, ";\n");
}

/*
 * Expressions are shared; written out, a body can be exponential in what it
 * is. Where it grows long, its larger shared parts become tensors.
 */
static void print_helpers(printer *p, const ir_node *n)
{
    enum { LONG = 300, WORTH = 12 };
    share_ctx c = {.arena = p->scratch};
    ir_visit(n->comp.body, add_share, &c);
    share *whole = c.shares.data[c.shares.count - 1];
    for (int i = 0; i < c.shares.count && whole->size > LONG; i++) {
        share *s = c.shares.data[i];
        helper *h = ARENA_NEW(p->scratch, helper);
        if (s->uses < 2 || s->size < WORTH || s->e->type != IR_REAL ||
            !make_helper(p, n, s->e, h))
            continue;
        state_helper(p, n, s->e, h);
        memo_put(&p->helpers, s->e, h);
    }
    memo_fini(&c.index);
}

static void print_comp(printer *p, const ir_node *n)
{
    const ir_comp *c = &n->comp;
    for (int v = 0; v < c->var_count; v++)
        print_name_var(p, v, c->vars[v].name);
    p->ranges = c->vars;
    print_helpers(p, n);
    begin_statement(p);
    str_add(p->out, p->names[n->id]);
    for (int v = 0; v < c->out_count; v++)
        str_printf(p->out, "%s%s", v ? ", " : "[", p->vars[v]);
    if (c->out_count)
        str_addc(p->out, ']');
    if (!outputs_inferred(c)) {
        str_add(p->out, ": ");
        print_type(p, &n->type);
    }
    str_add(p->out, " = ");
    print_right_side(p, c);
    str_add(p->out, ";\n");
    p->ranges = NULL;
    memo_fini(&p->helpers);
}

/* Can a += say what `source` is, instead of naming it? */
static bool may_inline(const printer *p, const ir_node *source)
{
    return source->kind == IR_COMP && p->uses[source->id] == 1 &&
           p->wanted[source->id] && outputs_inferred(&source->comp);
}

static void print_piece(printer *p, const ir_node *n, const ir_piece *piece)
{
    const ir_node *source = piece->source;
    int rank = source->type.rank;
    bool inlined = p->inlined[source->id];
    int count = inlined ? source->comp.var_count : rank;
    ir_var axes[IR_MAX_RANK];
    for (int v = 0; v < rank; v++)
        axes[v] = (ir_var){.hi = source->type.dims[v]};
    p->ranges = inlined ? source->comp.vars : axes;
    for (int v = 0; v < count; v++)
        print_name_var(p, v,
                       v < rank ? piece->names[v] : source->comp.vars[v].name);
    begin_statement(p);
    print_at(p, n, piece->subs, n->type.rank, NULL);
    str_add(p->out, " += ");
    if (inlined) {
        print_right_side(p, &source->comp);
    } else {
        str_add(p->out, p->names[source->id]);
        for (int v = 0; v < rank; v++)
            str_printf(p->out, "%s%s", v ? ", " : "[", p->vars[v]);
        if (rank)
            str_addc(p->out, ']');
    }
    str_add(p->out, ";\n");
    p->ranges = NULL;
}

static void print_scatter(printer *p, const ir_node *n)
{
    begin_statement(p);
    str_printf(p->out, "%s: ", p->names[n->id]);
    print_type(p, &n->type);
    str_add(p->out, ";\n");
    for (int i = 0; i < n->piece_count; i++)
        print_piece(p, n, &n->pieces[i]);
}

static const double *print_list(printer *p, const ir_type *t, int axis,
                                const double *at)
{
    char text[40];
    if (axis == t->rank) {
        ir_number_text(*at, t->kind == IR_REAL, text);
        str_add(p->out, t->kind != IR_BOOL ? text : *at != 0.0 ? "true"
                                                               : "false");
        return at + 1;
    }
    str_addc(p->out, '[');
    for (int64_t i = 0; i < t->dims[axis]; i++) {
        if (i)
            str_add(p->out, ", ");
        at = print_list(p, t, axis + 1, at);
    }
    str_addc(p->out, ']');
    return at;
}

static void print_node(printer *p, const ir_node *n)
{
    switch (n->kind) {
    case IR_INPUT:
        break;
    case IR_LITERAL:
        begin_statement(p);
        str_printf(p->out, "%s = ", p->names[n->id]);
        print_list(p, &n->type, 0, n->values);
        str_add(p->out, ";\n");
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
        print_scan_out(p, n);
        break;
    }
}

/* ---------- the whole ---------- */

static void count_uses(printer *p, ir_graph *g)
{
    for (int i = 0; i < g->nodes.count; i++) {
        ir_node *n = g->nodes.data[i], **operands;
        int count = ir_operands(g, n, &operands);
        for (int k = 0; k < count; k++)
            p->uses[operands[k]->id]++;
        /* The same source twice is two uses. */
        for (int k = 0; k < n->piece_count; k++)
            for (int j = 0; j < k; j++)
                p->uses[n->pieces[k].source->id] +=
                    n->pieces[k].source == n->pieces[j].source;
    }
    for (int i = 0; i < g->outputs.count; i++)
        p->uses[g->outputs.data[i].node->id] += 2;
}

static void find_inlined(printer *p, const ir_node *n)
{
    for (int i = 0; i < n->piece_count; i++) {
        ir_node *source = n->pieces[i].source;
        if (p->wanted[n->id] && may_inline(p, source))
            p->inlined[source->id] = true;
    }
}

void print_open(printer *p, const ir_graph *g)
{
    int nodes = g->nodes.count;
    p->g = g;
    p->names = ARENA_ARRAY(p->scratch, const char *, nodes + 1);
    p->leads = ARENA_ARRAY(p->scratch, const char *, nodes + 1);
    p->kept = ARENA_ARRAY(p->scratch, const char *, nodes + 1);
    p->uses = ARENA_ARRAY(p->scratch, int, nodes + 1);
    p->wanted = ARENA_ARRAY(p->scratch, bool, nodes + 1);
    p->inlined = ARENA_ARRAY(p->scratch, bool, nodes + 1);
}

void print_take_names(printer *p)
{
    for (int i = 0; i < p->g->nodes.count; i++) {
        ir_node *n = p->g->nodes.data[i];
        if (p->names[i])
            continue;
        p->names[i] = print_word(p, n->name);
        map_put(p->taken, p->names[i], n);
    }
}

void print_nodes(printer *p)
{
    /* ir_operands() keeps its answer in the graph's arena; that is all. */
    count_uses(p, (ir_graph *)(uintptr_t)p->g);
    for (int i = 0; i < p->g->nodes.count; i++)
        find_inlined(p, p->g->nodes.data[i]);
    for (int i = 0; i < p->g->nodes.count; i++)
        if (p->wanted[i] && !p->inlined[i])
            print_node(p, p->g->nodes.data[i]);
}

void grad_print_ptl(const ir_graph *g, ir_node *const *from, int count,
                    ptl_str *out)
{
    printer p = {.scratch = arena_new(), .out = out};
    p.taken = map_new(p.scratch);
    print_open(&p, g);
    print_take_names(&p);
    for (int i = 0; i < g->nodes.count; i++)
        p.wanted[i] = !from;
    for (int i = 0; i < count; i++)
        if (from && from[i]->id >= 0)
            p.wanted[from[i]->id] = true;
    print_nodes(&p);
    arena_free(p.scratch);
}
