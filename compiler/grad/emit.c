/*
 * emit.c - the comprehensions that one read's adjoint becomes.
 *
 * Which form, in this order:
 *   plain    one piece over the whole of what is read: a comprehension
 *   store    a(v) tells its variables apart: one comprehension over them,
 *            stored at a(v) into zeros
 *   phases   several pieces over disjoint strided slices
 *   scatter  += at a(v), in order; the last resort, reported where it is not
 *            data that decides
 * Data-dependent subscripts whose variables the other subscripts have
 * eliminated become a guard [u == t[..]] and need no scatter.
 */
#include "grad/grad_priv.h"
#include "ir/memo.h"
#include "opt/rewrite.h"
#include <string.h>

/* A system on its way to a comprehension. */
typedef struct builder {
    ir_graph *g;
    const ir_node *y;
    const grad_read *r;
    const grad_system *s;
    int new_var[GRAD_SLOTS]; /* slot -> variable of the new one, or -1 */
    ir_var vars[IR_MAX_VARS];
    int out_count, var_count;
    ir_affine map[IR_MAX_VARS]; /* y's variables -> the new ones */
} builder;

static ir_affine affine_of(const builder *b, const grad_lin *l)
{
    ir_affine a = ir_affine_const(l->constant);
    for (int i = 0; i < b->s->slot_count; i++) {
        if (l->coef[i] == 0)
            continue;
        ir_affine v = b->new_var[i] < 0
                          ? ir_affine_const(b->s->lo[i])
                          : ir_affine_var(b->g, b->new_var[i]);
        a = ir_affine_add(b->g, a, ir_affine_scale(b->g, v, l->coef[i]));
    }
    return a;
}

/* ---------- variables and their names ---------- */

static bool is_name_taken(const builder *b, const char *name)
{
    for (int i = 0; i < b->y->comp.var_count; i++)
        if (strcmp(b->y->comp.vars[i].name, name) == 0)
            return true;
    for (int i = 0; i < b->var_count; i++)
        if (strcmp(b->vars[i].name, name) == 0)
            return true;
    return false;
}

static const char *fresh_name(const builder *b, const char *first)
{
    static const char *const names[] = {"u", "v", "i", "j", "k", "l", "m"};
    if (first && !is_name_taken(b, first))
        return first;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!is_name_taken(b, names[i]))
            return names[i];
    for (int i = 2;; i++) {
        const char *tried = arena_printf(b->g->arena, "u%d", i);
        if (!is_name_taken(b, tried))
            return tried;
    }
}

/* The variable that an axis of x stands for, where the subscript is bare. */
static int bare_variable(const builder *b, int axis)
{
    const ir_sub *sub = &b->r->read->subs[axis];
    if (sub->gather || sub->affine.constant != 0 ||
        sub->affine.term_count != 1 || sub->affine.terms[0].coef != 1)
        return -1;
    return sub->affine.terms[0].var;
}

static bool is_name_used(const builder *b, const char *name)
{
    for (int i = 0; i < b->var_count; i++)
        if (strcmp(b->vars[i].name, name) == 0)
            return true;
    return false;
}

static const char *axis_name(const builder *b, int axis)
{
    int bare = bare_variable(b, axis);
    const ir_node *x = b->r->read->node;
    if (bare >= 0 && !is_name_used(b, b->y->comp.vars[bare].name))
        return b->y->comp.vars[bare].name;
    return fresh_name(b, x->kind == IR_COMP ? x->comp.vars[axis].name : NULL);
}

static void add_var(builder *b, int slot, const char *name)
{
    PTL_ASSERT(b->var_count < IR_MAX_VARS);
    b->new_var[slot] = b->var_count;
    b->vars[b->var_count++] =
        (ir_var){name, b->s->lo[slot], b->s->hi[slot]};
}

/* Slots of `targets` become axes, unsolved variables become reductions. */
static void number_variables(builder *b)
{
    const grad_system *s = b->s;
    for (int i = 0; i < GRAD_SLOTS; i++)
        b->new_var[i] = -1;
    for (int v = 0; v < s->var_count; v++)
        for (int d = 0; d < s->rank; d++)
            if (s->target[d].coef[v] != 0 && b->new_var[v] < 0)
                add_var(b, v, b->y->comp.vars[v].name);
    for (int d = 0; d < s->rank; d++)
        for (int i = s->var_count; i < s->slot_count; i++)
            if (s->target[d].coef[i] != 0 && b->new_var[i] < 0)
                add_var(b, i,
                        i < s->var_count + s->rank ? axis_name(b, d)
                                                   : fresh_name(b, NULL));
    b->out_count = b->var_count;
    for (int v = 0; v < s->var_count; v++)
        if (!s->solved[v] && b->new_var[v] < 0)
            add_var(b, v, b->y->comp.vars[v].name);
    for (int v = 0; v < s->var_count; v++)
        b->map[v] = affine_of(b, &s->var[v]);
}

/* ---------- windows ---------- */

typedef struct limit {
    ir_affine value;
    int64_t lo, hi;
    bool low_open, high_open; /* not decided by the ranges */
} limit;

/* A property of expressions, each shared part looked at once. */
typedef struct judge {
    ir_memo known; /* expression -> yes or no */
    ir_graph *g;
    const limit *limit;
} judge;

static char yes_mark, no_mark;

static bool recall(const judge *j, const ir_expr *e, bool *answer)
{
    const void *known = ir_memo_get(&j->known, e);
    *answer = known == &yes_mark;
    return known != NULL;
}

static bool remember(judge *j, const ir_expr *e, bool answer)
{
    ir_memo_put(&j->known, e, answer ? &yes_mark : &no_mark);
    return answer;
}

static bool is_tame_in(judge *j, const ir_expr *e);

static bool is_tame_op(judge *j, const ir_expr *e)
{
    switch (e->op) {
    case IR_DIV_OP:
        return is_tame_in(j, e->args[0]) &&
               e->args[1]->kind == IR_EXPR_CONST && e->args[1]->number != 0.0;
    case IR_POW_OP:
    case IR_SQRT_OP:
    case IR_EXP_OP:
    case IR_LOG_OP:
        return false;
    default:
        for (int i = e->op == IR_SELECT_OP; i < e->arg_count; i++)
            if (!is_tame_in(j, e->args[i]))
                return false;
        return true;
    }
}

/* Can the value, once another factor is 0, not turn into NaN? */
static bool is_tame_in(judge *j, const ir_expr *e)
{
    bool answer = false;
    switch (e->kind) {
    case IR_EXPR_CONST:
        return __builtin_isfinite(e->number);
    case IR_EXPR_VAR:
    case IR_EXPR_INSIDE:
    case IR_EXPR_RANDOM:
        return true;
    case IR_EXPR_READ:
        return !e->outside || is_tame_in(j, e->outside);
    case IR_EXPR_OP:
        break;
    }
    if (e->type != IR_REAL || recall(j, e, &answer))
        return e->type != IR_REAL || answer;
    return remember(j, e, is_tame_op(j, e));
}

static bool is_tame(const ir_expr *e)
{
    judge j = {0};
    bool answer = is_tame_in(&j, e);
    ir_memo_fini(&j.known);
    return answer;
}

/* Is `read` outside its axes wherever the limit fails? Then the value it has
 * there can stand for the limit. */
static bool read_implies(ir_graph *g, const ir_expr *read, const limit *w)
{
    for (int d = 0; d < read->sub_count; d++) {
        const ir_sub *sub = &read->subs[d];
        int64_t n = read->node->type.dims[d];
        if (sub->mode != IR_PLAIN || sub->gather)
            continue;
        for (int sign = 1; sign >= -1; sign -= 2) {
            ir_affine k = ir_affine_add(
                g, sub->affine, ir_affine_scale(g, w->value, -sign));
            if (k.term_count != 0)
                continue;
            /* 0 <= sign * value + k < n */
            int64_t lo = sign > 0 ? -k.constant : k.constant - n + 1;
            int64_t hi = sign > 0 ? n - k.constant : k.constant + 1;
            if ((!w->low_open || lo >= w->lo) && (!w->high_open || hi <= w->hi))
                return true;
        }
    }
    return false;
}

static bool is_zero(const ir_expr *e)
{
    return e->kind == IR_EXPR_CONST && e->number == 0.0;
}

static bool is_zero_in(judge *j, const ir_expr *e);

static bool is_zero_op(judge *j, const ir_expr *e)
{
    switch (e->op) {
    case IR_MUL_OP:
        return is_zero_in(j, e->args[0]) || is_zero_in(j, e->args[1]);
    case IR_NEG_OP:
    case IR_DIV_OP:
        return is_zero_in(j, e->args[0]);
    case IR_ADD_OP:
    case IR_SUB_OP:
        return is_zero_in(j, e->args[0]) && is_zero_in(j, e->args[1]);
    case IR_SELECT_OP:
        return is_zero_in(j, e->args[1]) && is_zero_in(j, e->args[2]);
    default:
        return false;
    }
}

/* Is `e` 0 wherever the limit fails, once its reads are 0 outside? */
static bool is_zero_in(judge *j, const ir_expr *e)
{
    bool answer = false;
    if (e->kind == IR_EXPR_CONST)
        return is_zero(e);
    if (e->kind == IR_EXPR_READ)
        return (!e->outside || is_zero(e->outside)) &&
               read_implies(j->g, e, j->limit);
    if (e->kind != IR_EXPR_OP || recall(j, e, &answer))
        return e->kind == IR_EXPR_OP && answer;
    return remember(j, e, is_zero_op(j, e));
}

static bool value_implies(ir_graph *g, const ir_expr *e, const limit *w)
{
    judge j = {.g = g, .limit = w};
    bool answer = is_zero_in(&j, e);
    ir_memo_fini(&j.known);
    return answer;
}

/* In `winner[..] == position`, position is never -1: with `else -1` the
 * comparison fails outside by itself. */
static ir_expr *winner_implies(const builder *b, ir_expr *guard,
                               const limit *w)
{
    int64_t low, high;
    if (!guard || guard->kind != IR_EXPR_OP)
        return NULL;
    if (guard->op == IR_AND_OP) {
        for (int i = 0; i < 2; i++) {
            ir_expr *part = winner_implies(b, guard->args[i], w);
            if (part)
                return ir_op2(b->g, IR_AND_OP,
                              i == 0 ? part : guard->args[0],
                              i == 1 ? part : guard->args[1]);
        }
        return NULL;
    }
    ir_expr *read = guard->args[0];
    if (guard->op != IR_EQ_OP || read->kind != IR_EXPR_READ ||
        read->type != IR_INT || !read_implies(b->g, read, w) ||
        !ir_expr_bounds(guard->args[1], b->vars, &low, &high) || low < 0)
        return NULL;
    if (read->outside)
        return read->outside == ir_int(b->g, -1) ? guard : NULL;
    ir_expr *covered = ir_read(b->g, read->node, read->subs, read->sub_count,
                               ir_int(b->g, -1));
    return ir_op2(b->g, IR_EQ_OP, covered, guard->args[1]);
}

/* lo <= constant + terms < hi, as terms against numbers. */
static ir_expr *limit_condition(ir_graph *g, limit w)
{
    int64_t lo = w.lo - w.value.constant, hi = w.hi - w.value.constant;
    ir_expr *guard = NULL;
    w.value.constant = 0;
    if (w.value.term_count && w.value.terms[0].coef < 0) {
        w.value = ir_affine_scale(g, w.value, -1);
        int64_t mirrored = 1 - hi;
        bool low_open = w.low_open;
        hi = 1 - lo;
        lo = mirrored;
        w.low_open = w.high_open;
        w.high_open = low_open;
    }
    ir_expr *value = ir_affine_value(g, w.value);
    if (w.low_open)
        guard = ir_op2(g, IR_GE_OP, value, ir_int(g, lo));
    if (w.high_open)
        guard = grad_and(g, guard, ir_op2(g, IR_LT_OP, value, ir_int(g, hi)));
    return guard;
}

/* Adds to `adj` what its windows still demand. */
static void apply_windows(const builder *b, grad_adj *adj)
{
    bool tame = is_tame(adj->value);
    for (int i = 0; i < b->s->window_count; i++) {
        const grad_window *win = &b->s->windows[i];
        limit w = {affine_of(b, &win->value), win->lo, win->hi, false, false};
        int64_t low, high;
        ir_affine_range(w.value, b->vars, &low, &high);
        w.low_open = low < w.lo;
        w.high_open = high >= w.hi;
        if (!w.low_open && !w.high_open)
            continue;
        ir_expr *covered = winner_implies(b, adj->guard, &w);
        if (covered)
            adj->guard = covered;
        else if (!tame || !value_implies(b->g, adj->value, &w))
            adj->guard = grad_and(b->g, adj->guard, limit_condition(b->g, w));
    }
}

/* u == t[..] for subscripts through data. */
static void apply_gathers(const builder *b, grad_adj *adj)
{
    ir_graph *g = b->g;
    for (int d = 0; d < b->s->rank; d++) {
        if (!b->s->gather[d])
            continue;
        grad_lin affine = b->s->row[d];
        affine.coef[b->s->var_count + d] = 0;
        ir_expr *at = ir_expr_substitute(g, b->s->gather[d], b->map, NULL);
        at = ir_op2(g, IR_ADD_OP, at,
                    ir_affine_value(g, affine_of(b, &affine)));
        ir_expr *u = ir_affine_value(g, affine_of(b, &b->s->target[d]));
        adj->guard = grad_and(g, adj->guard, ir_op2(g, IR_EQ_OP, u, at));
    }
}

/* ---------- one comprehension ---------- */

static ir_comp finish(builder *b, bool guarded_gathers)
{
    ir_graph *g = b->g;
    const grad_adj *a = &b->r->adj;
    grad_adj adj = {
        .guard = a->guard ? ir_expr_substitute(g, a->guard, b->map, NULL)
                          : NULL,
        .value = ir_expr_substitute(g, a->value, b->map, NULL),
    };
    apply_windows(b, &adj);
    if (guarded_gathers)
        apply_gathers(b, &adj);
    ir_comp c = {.out_count = b->out_count, .var_count = b->var_count};
    ir_var *vars = ARENA_ARRAY(g->arena, ir_var, b->var_count);
    memcpy(vars, b->vars, (size_t)b->var_count * sizeof *vars);
    c.vars = vars;
    c.reduce = b->var_count > b->out_count ? IR_SUM : IR_MAP;
    c.body = opt_simplify_expr(g, adj.value, vars, true);
    if (adj.guard)
        adj.guard = opt_simplify_expr(g, adj.guard, vars, true);
    bool always = !adj.guard || (adj.guard->kind == IR_EXPR_CONST &&
                                 adj.guard->number != 0.0);
    if (!always && c.reduce == IR_SUM)
        c.filter = adj.guard;
    else if (!always)
        c.body = ir_select(g, adj.guard, c.body, ir_real(g, 0.0));
    return c;
}

/* ---------- choosing the form ---------- */

typedef struct emission {
    ir_graph *g;
    const ir_node *y;
    const grad_read *r;
    const char *part; /* names of new nodes */
    grad_terms *terms;
    int64_t volume;
    bool scattered, by_data;
} emission;

static ir_node *identity_of(const ir_comp *c)
{
    const ir_expr *e = c->body;
    if (c->reduce != IR_MAP || e->kind != IR_EXPR_READ ||
        e->sub_count != c->out_count || e->outside)
        return NULL;
    for (int d = 0; d < e->sub_count; d++) {
        const ir_affine *a = &e->subs[d].affine;
        if (e->subs[d].mode != IR_PLAIN || e->subs[d].gather ||
            a->constant != 0 || a->term_count != 1 || a->terms[0].var != d ||
            a->terms[0].coef != 1 || e->node->type.dims[d] != c->vars[d].hi)
            return NULL;
    }
    return e->node;
}

static ir_piece piece_of(const emission *c, builder *b, bool guarded)
{
    ir_comp comp = finish(b, guarded);
    ir_node *source = identity_of(&comp);
    if (!source)
        source = ir_comprehend(c->g, c->part, &comp, c->y->at);
    const char **names = ARENA_ARRAY(c->g->arena, const char *, b->out_count);
    for (int i = 0; i < b->out_count; i++)
        names[i] = b->vars[i].name;
    ir_sub *subs = ARENA_ARRAY(c->g->arena, ir_sub, b->s->rank);
    for (int d = 0; d < b->s->rank; d++)
        subs[d].affine = affine_of(b, &b->s->target[d]);
    return (ir_piece){.source = source, .names = names, .subs = subs};
}

static void add_scatter(emission *c, const ir_piece *pieces, int count)
{
    ir_type type = c->r->read->node->type;
    ir_node *n = ir_scatter(c->g, c->part, type, pieces, count, c->y->at);
    n->disjoint = ir_scatter_is_disjoint(n);
    grad_term term = {.node = n, .own = true};
    vec_push(c->g->arena, c->terms, term);
}

static builder builder_of(const emission *c, const grad_system *s)
{
    builder b = {.g = c->g, .y = c->y, .r = c->r, .s = s};
    number_variables(&b);
    return b;
}

static int64_t system_volume(const grad_system *s)
{
    int64_t volume = 1;
    for (int i = 0; i < s->slot_count; i++) {
        bool counts = i < s->var_count ? !s->solved[i] : false;
        for (int d = 0; d < s->rank; d++)
            counts = counts || s->target[d].coef[i] != 0;
        if (counts)
            volume *= s->hi[i] > s->lo[i] ? s->hi[i] - s->lo[i] : 0;
    }
    return volume;
}

static int64_t pieces_volume(const grad_pieces *pieces)
{
    int64_t volume = 0;
    for (int i = 0; i < pieces->count; i++)
        volume += system_volume(pieces->data[i]);
    return volume;
}

static bool is_whole(const grad_pieces *pieces)
{
    if (pieces->count != 1)
        return false;
    for (int d = 0; d < pieces->data[0]->rank; d++)
        if (pieces->data[0]->cut[d])
            return false;
    return true;
}

/* Which variables stand in the subscripts, data-dependent parts included? */
typedef struct use_ctx {
    bool used[IR_MAX_VARS];
} use_ctx;

static void mark_used(ir_expr *e, void *ctx)
{
    use_ctx *u = ctx;
    if (e->kind == IR_EXPR_VAR)
        u->used[e->var] = true;
    for (int i = 0; i < e->sub_count; i++)
        for (int k = 0; k < e->subs[i].affine.term_count; k++)
            u->used[e->subs[i].affine.terms[k].var] = true;
}

static bool gathers_are_settled(const grad_system *original,
                                const grad_system *solved)
{
    for (int d = 0; d < original->rank; d++) {
        use_ctx u = {0};
        if (!original->gather[d])
            continue;
        ir_visit(original->gather[d], mark_used, &u);
        for (int v = 0; v < original->var_count; v++)
            if ((u.used[v] || original->row[d].coef[v] != 0) &&
                !solved->solved[v])
                return false;
    }
    return true;
}

/* Does a reduction over a variable of the subscripts remain? */
static bool has_residue(const grad_system *original, const grad_system *solved)
{
    for (int v = 0; v < original->var_count; v++)
        for (int d = 0; d < original->rank; d++)
            if (original->row[d].coef[v] != 0 && !solved->solved[v])
                return true;
    return false;
}

static void tighten_reductions(grad_system *s)
{
    bool may[GRAD_SLOTS] = {false};
    for (int v = 0; v < s->var_count; v++) {
        may[v] = !s->solved[v];
        for (int d = 0; d < s->rank; d++)
            may[v] = may[v] && s->target[d].coef[v] == 0;
    }
    grad_tighten(s, may);
}

static void emit_pieces(emission *c, const grad_pieces *pieces)
{
    VEC(ir_piece) made = {0};
    for (int i = 0; i < pieces->count; i++) {
        grad_system *s = pieces->data[i];
        tighten_reductions(s);
        if (grad_is_empty(s))
            continue;
        builder b = builder_of(c, s);
        if (is_whole(pieces)) {
            grad_term term = {.comp = finish(&b, true)};
            term.node = identity_of(&term.comp);
            vec_push(c->g->arena, c->terms, term);
            c->volume += ir_volume(&term.comp);
            return;
        }
        ir_piece piece = piece_of(c, &b, true);
        vec_push(c->g->arena, &made, piece);
        c->volume += system_volume(s);
    }
    if (made.count)
        add_scatter(c, made.data, made.count);
}

/* The read as it stands: its variables are the axes, stored at a(v). */
static grad_system as_store(const grad_system *s, const bool *used)
{
    grad_system store = *s;
    bool may[GRAD_SLOTS] = {false};
    for (int d = 0; d < s->rank; d++) {
        store.target[d] = s->row[d];
        store.target[d].coef[s->var_count + d] = 0;
        if (!s->gather[d])
            grad_window_add(&store, &store.target[d], 0,
                            s->hi[s->var_count + d]);
    }
    for (int v = 0; v < s->var_count; v++)
        may[v] = true;
    grad_tighten(&store, may);
    for (int v = 0; v < s->var_count; v++)
        if (used[v] && !grad_is_empty(&store))
            grad_shift(&store, v);
    return store;
}

static bool store_stays_inside(const grad_system *store)
{
    for (int d = 0; d < store->rank; d++) {
        int64_t low, high;
        grad_lin_range(store, &store->target[d], &low, &high);
        if (low < 0 || high >= store->hi[store->var_count + d])
            return false;
    }
    return true;
}

static bool try_store(emission *c, const grad_system *s)
{
    bool used[IR_MAX_VARS] = {false};
    int axes = 0;
    for (int d = 0; d < s->rank; d++)
        if (s->gather[d])
            return false;
    if (!grad_is_injective(s))
        return false;
    for (int v = 0; v < s->var_count; v++) {
        for (int d = 0; d < s->rank; d++)
            used[v] = used[v] || s->row[d].coef[v] != 0;
        axes += used[v];
    }
    grad_system store = as_store(s, used);
    if (axes > IR_MAX_RANK)
        return false;
    if (grad_is_empty(&store))
        return true;
    if (!store_stays_inside(&store))
        return false;
    builder b = builder_of(c, &store);
    ir_piece piece = piece_of(c, &b, false);
    add_scatter(c, &piece, 1);
    c->volume += system_volume(&store);
    return true;
}

static bool emit_scatter(emission *c, ptl_diags *diags)
{
    const ir_comp *comp = &c->y->comp;
    const ir_expr *read = c->r->read;
    ir_graph *g = c->g;
    ir_sub subs[IR_MAX_RANK];
    use_ctx u = {0};
    grad_plain_subs(g, comp, read, subs);
    for (int d = 0; d < read->sub_count; d++) {
        for (int i = 0; i < subs[d].affine.term_count; i++)
            u.used[subs[d].affine.terms[i].var] = true;
        if (subs[d].gather)
            ir_visit(subs[d].gather, mark_used, &u);
    }
    /* The variables themselves are the "axes": a system without equations. */
    grad_system s;
    grad_read guarded = *c->r;
    int axes = 0;
    grad_system_init(&s, comp->vars, comp->var_count, NULL, 0, NULL);
    s.rank = 0;
    for (int v = 0; v < comp->var_count; v++)
        if (u.used[v]) {
            if (axes == IR_MAX_RANK) {
                diag_error(diags, DIAG_GRAD_RANK, c->y->at,
                           "the adjoint of \"%s\" scatters over more than %d "
                           "indices",
                           read->node->name, (int)IR_MAX_RANK);
                return false;
            }
            grad_shift(&s, v);
            s.target[axes++].coef[v] = 1;
        }
    s.rank = axes;
    if (!opt_stays_inside(read, comp->vars))
        guarded.adj.guard = grad_and(
            g, guarded.adj.guard,
            ir_inside(g, read->node, read->subs, read->sub_count));
    emission inner = *c;
    inner.r = &guarded;
    builder b = builder_of(&inner, &s);
    ir_piece piece = piece_of(&inner, &b, false);
    ir_sub *final = ARENA_ARRAY(g->arena, ir_sub, read->sub_count);
    for (int d = 0; d < read->sub_count; d++) {
        final[d].affine = ir_affine_substitute(g, subs[d].affine, b.map);
        if (subs[d].gather)
            final[d].gather =
                ir_expr_substitute(g, subs[d].gather, b.map, NULL);
    }
    piece.subs = final;
    add_scatter(c, &piece, 1);
    c->volume += system_volume(&s);
    for (int d = 0; d < read->sub_count; d++)
        c->by_data = c->by_data || read->subs[d].gather;
    c->scattered = true;
    return true;
}

/* One region of the read; false: only a scatter can do it. */
static bool emit_region(emission *c, const grad_region *region)
{
    const ir_comp *comp = &c->y->comp;
    const ir_node *x = c->r->read->node;
    int64_t forward = ir_volume(comp);
    grad_system s;
    grad_pieces pieces = {0};
    bool overlap = false;
    grad_system_init(&s, comp->vars, comp->var_count, region->subs,
                     x->type.rank, x->type.dims);
    for (int i = 0; i < region->window_count; i++) {
        grad_lin value = grad_lin_of(region->windows[i].value);
        grad_window_add(&s, &value, region->windows[i].lo,
                        region->windows[i].hi);
    }
    if (grad_is_empty(&s))
        return true;
    bool solved = grad_invert(c->g, &s, false, &pieces, &overlap);
    if (solved && pieces.count > 0 &&
        !gathers_are_settled(&s, pieces.data[0]))
        return false;
    bool plain = solved && is_whole(&pieces);
    bool wasteful = plain && pieces_volume(&pieces) > 2 * forward &&
                    pieces_volume(&pieces) > ir_element_count(&x->type);
    if (plain && !wasteful && !has_residue(&s, pieces.data[0])) {
        emit_pieces(c, &pieces);
        return true;
    }
    if (try_store(c, &s))
        return true;
    if (wasteful && !grad_invert(c->g, &s, true, &pieces, &overlap))
        return false;
    if (!solved)
        return false;
    emit_pieces(c, &pieces);
    return true;
}

bool grad_emit(ir_graph *g, const ir_node *y, const grad_read *r,
               const char *name, grad_terms *terms, ptl_diags *diags)
{
    emission c = {.g = g, .y = y, .r = r, .terms = terms};
    c.part = arena_printf(g->arena, "%s_part", name);
    grad_regions regions = {0};
    int first = terms->count;
    bool done = ir_volume(&y->comp) == 0 ||
                grad_split_regions(g, &y->comp, r->read, &regions);
    for (int i = 0; i < regions.count && done; i++)
        done = emit_region(&c, &regions.data[i]);
    if (!done) {
        terms->count = first;
        c.volume = 0;
        if (!emit_scatter(&c, diags))
            return false;
    }
    grad_volume_add(g, (grad_volume){y, r->read->node, ir_volume(&y->comp),
                                     c.volume});
    /* Through data there is no other way; through affine subscripts the user
     * may find one. */
    grad_volume_check(g, c.scattered && !c.by_data, diags);
    return true;
}
