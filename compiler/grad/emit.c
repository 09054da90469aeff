/*
 * emit.c - the comprehensions that one read's adjoint becomes.
 *
 * Which form, in this order:
 *   plain    one piece over the whole of what is read: a comprehension; where
 *            it is 0 outside of a slice, also that slice's alone (slices.c)
 *   store    a(v) tells its variables apart: one comprehension over them,
 *            stored at a(v) into zeros
 *   phases   several pieces over disjoint strided slices
 *   scatter  += at a(v), in order; the last resort, reported where it is not
 *            data that decides
 * Data-dependent subscripts whose variables the other subscripts have
 * eliminated become a guard [u == t[..]] and need no scatter.
 */
#include "grad/grad_priv.h"
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

/* Adds to `adj` what its windows still demand. */
static void apply_windows(const builder *b, grad_adj *adj)
{
    for (int i = 0; i < b->s->window_count; i++) {
        const grad_window *win = &b->s->windows[i];
        grad_apply_window(b->g, b->vars, affine_of(b, &win->value), win->lo,
                          win->hi, adj);
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

static grad_slice slice_of(const emission *c, builder *b, bool guarded)
{
    grad_slice slice = {.comp = finish(b, guarded)};
    slice.names = ARENA_ARRAY(c->g->arena, const char *, b->out_count);
    for (int i = 0; i < b->out_count; i++)
        slice.names[i] = b->vars[i].name;
    slice.subs = ARENA_ARRAY(c->g->arena, ir_sub, b->s->rank);
    for (int d = 0; d < b->s->rank; d++)
        slice.subs[d].affine = affine_of(b, &b->s->target[d]);
    return slice;
}

static ir_piece piece_of(const emission *c, builder *b, bool guarded)
{
    grad_slice slice = slice_of(c, b, guarded);
    ir_node *source = identity_of(&slice.comp);
    if (!source)
        source = ir_comprehend(c->g, c->part, &slice.comp, c->y->at);
    return (ir_piece){source, slice.names, slice.subs};
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

/* A term over all of what is read. */
static void add_whole(emission *c, builder *b)
{
    ir_comp comp = finish(b, true);
    int before = c->g->nodes.count;
    const char *name = arena_printf(c->g->arena, "%s_sum", c->part);
    grad_term term = {.comp = grad_apart(c->g, name, &comp, c->y->at)};
    term.node = identity_of(&term.comp);
    vec_push(c->g->arena, c->terms, term);
    c->volume += ir_volume(&term.comp);
    for (int i = before; i < c->g->nodes.count; i++)
        c->volume += ir_volume(&c->g->nodes.data[i]->comp);
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
            add_whole(c, &b);
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

/* False: a(v) does not tell its variables apart, or leaves what is read. */
static bool find_store(const grad_system *s, grad_system *store)
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
    *store = as_store(s, used);
    return axes <= IR_MAX_RANK &&
           (grad_is_empty(store) || store_stays_inside(store));
}

/* The last term, if there is one from `first` on, as a part of what is read. */
static void note_slice(emission *c, const grad_system *s, int first)
{
    grad_system store;
    if (c->terms->count == first)
        return;
    grad_term *term = &c->terms->data[c->terms->count - 1];
    if (term->node || !find_store(s, &store) || grad_is_empty(&store))
        return;
    builder b = builder_of(c, &store);
    grad_slice *slice = ARENA_NEW(c->g->arena, grad_slice);
    *slice = slice_of(c, &b, false);
    term->slice = slice;
}

static bool try_store(emission *c, const grad_system *s)
{
    grad_system store;
    if (!find_store(s, &store))
        return false;
    if (grad_is_empty(&store))
        return true;
    builder b = builder_of(c, &store);
    ir_piece piece = piece_of(c, &b, false);
    add_scatter(c, &piece, 1);
    c->volume += system_volume(&store);
    return true;
}

/* Positions that are not known before the program runs. */
static void note_data(ir_expr *e, void *by_data)
{
    if (e->kind == IR_EXPR_READ || e->kind == IR_EXPR_INSIDE ||
        e->kind == IR_EXPR_RANDOM)
        *(bool *)by_data = true;
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
        if (read->subs[d].gather)
            ir_visit(read->subs[d].gather, note_data, &c->by_data);
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
        int first = c->terms->count;
        emit_pieces(c, &pieces);
        note_slice(c, &s, first);
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
    ir_node over = *y;
    grad_read read = *r;
    emission c = {.g = g, .y = &over, .r = &read, .terms = terms};
    c.part = arena_printf(g->arena, "%s_part", name);
    grad_regions regions = {0};
    int first = terms->count;
    while (grad_split_quotient(g, &over, &read))
        ;
    bool done = ir_volume(&over.comp) == 0 ||
                grad_split_regions(g, &over.comp, read.read, &regions);
    for (int i = 0; i < regions.count && done; i++)
        done = emit_region(&c, &regions.data[i]);
    if (!done) {
        terms->count = first;
        c.volume = 0;
        c.y = y;
        c.r = r;
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
