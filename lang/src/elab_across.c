/*
 * elab_across.c - across_params(sum(..i) e): one number of all parameters.
 *
 * Its tree depends on the parameters' shapes alone, so that whoever holds which
 * slice of them adds in the same order: the elements of a parameter are cut, as
 * they lie in memory, into blocks of 65,536; a block is one sum; blocks are
 * added in order, then parameters.
 */
#include "elab_optim_priv.h"
#include "lang/slices.h"
#include <string.h>

enum {
    BLOCK = 65536,
    CHAIN = 256, /* additions in one expression */
};

/* ---------- adding in order ---------- */

typedef struct chain {
    elab *e;
    src_range at;
    ty_expr *sum;
    int length;
} chain;

static void chain_add(chain *c, ty_expr *x)
{
    elab *e = c->e;
    c->sum = c->sum ? tx_op2(e, TY_ADD_OP, c->sum, x, c->at) : x;
    if (++c->length < CHAIN)
        return;
    ty_tensor *t = tensor_define(e, "across", NULL, 0, c->sum, c->at);
    c->sum = tx_read_vars(e, t, NULL, c->at);
    c->length = 0;
}

static ty_tensor *chain_end(chain *c)
{
    if (!c->sum)
        c->sum = tx_real(c->e, 0.0, c->at);
    return tensor_define(c->e, "across", NULL, 0, c->sum, c->at);
}

/* ---------- one parameter ---------- */

static void vars_of(elab *e, const ty_tensor *t, ty_var **vars)
{
    for (int i = 0; i < t->rank; i++)
        vars[i] =
            ty_var_new(e, arena_printf(e->arena, "i%d", i), t->dims[i], t->at);
}

/* An element as it is kept. It is rounded before it is added: one that is a
 * product would else be a term of a contraction, or not, as its definition is
 * put in its place, or not. */
static ty_expr *rounded(elab *e, ty_tensor *t, ty_sub *subs)
{
    ty_expr *read = tx_read(e, t, subs, NULL, t->at);
    return tx_op(e, TY_STOP_OP, &read, t->at);
}

/* The sum of rows [first + block * rows, ... + rows) of `t`; `block` may be
 * NULL. */
static ty_expr *sum_of_rows(elab *e, ty_tensor *t, int64_t first, int64_t rows,
                            ty_var *block)
{
    ty_sub *subs = ARENA_ARRAY(e->arena, ty_sub, t->rank + 1);
    ty_var **vars = ARENA_ARRAY(e->arena, ty_var *, t->rank + 1);
    src_range at = t->at;
    vars_of(e, t, vars);
    vars[0]->hi = rows;
    for (int i = 0; i < t->rank; i++)
        subs[i].index = tx_var(e, vars[i], at);
    if (first)
        subs[0].index =
            tx_op2(e, TY_ADD_OP, subs[0].index, tx_int(e, first, at), at);
    if (block)
        subs[0].index = tx_op2(
            e, TY_ADD_OP,
            tx_op2(e, TY_MUL_OP, tx_var(e, block, at), tx_int(e, rows, at), at),
            subs[0].index, at);
    return tx_reduce(e, RED_SUM, vars, t->rank, NULL, rounded(e, t, subs), at);
}

/* `t` cut along its first axis into blocks of `rows`. */
static block_sums sums_of_blocks(elab *e, ty_tensor *t, int64_t rows)
{
    int64_t full = t->dims[0] / rows, left = t->dims[0] % rows;
    block_sums s = {.full = full};
    ty_var *block = ty_var_new(e, "block", full, t->at);
    if (full)
        s.blocks = tensor_define(e, "across.blocks", &block, 1,
                                 sum_of_rows(e, t, 0, rows, block), t->at);
    if (left)
        s.last =
            tensor_define(e, "across.last", NULL, 0,
                          sum_of_rows(e, t, full * rows, left, NULL), t->at);
    return s;
}

/* The elements of `t` in one row, as they lie in memory. */
static ty_tensor *flattened(elab *e, ty_tensor *t)
{
    int64_t count = ty_element_count(t), stride = 1;
    ty_piece *piece = ARENA_NEW(e->arena, ty_piece);
    ty_tensor *flat;
    ty_expr *place = tx_int(e, 0, t->at);
    piece->vars = ARENA_ARRAY(e->arena, ty_var *, t->rank + 1);
    piece->var_count = t->rank;
    piece->subs = ARENA_ARRAY(e->arena, ty_sub, 1);
    piece->at = t->at;
    vars_of(e, t, piece->vars);
    for (int i = t->rank - 1; i >= 0; i--) {
        ty_expr *step = tx_op2(e, TY_MUL_OP, tx_var(e, piece->vars[i], t->at),
                               tx_int(e, stride, t->at), t->at);
        place = tx_op2(e, TY_ADD_OP, step, place, t->at);
        stride *= t->dims[i];
    }
    piece->subs[0].index = place;
    piece->body = tx_read_vars(e, t, piece->vars, t->at);
    flat = tensor_new(e, TY_VALUE, tensor_path(e, "across.flat"), TY_REAL, 1,
                      &count, t->at);
    flat->pieces = piece;
    flat->piece_count = 1;
    return flat;
}

block_sums across_blocks(elab *e, ty_tensor *t)
{
    int64_t count = ty_element_count(t);
    int64_t row = t->rank && t->dims[0] ? count / t->dims[0] : 1;
    if (t->rank == 0)
        return (block_sums){.last = tensor_define(e, "across.block", NULL, 0,
                                                  rounded(e, t, NULL), t->at)};
    if (count <= BLOCK)
        return (block_sums){.last = tensor_define(
                                e, "across.block", NULL, 0,
                                sum_of_rows(e, t, 0, t->dims[0], NULL), t->at)};
    if (BLOCK % row)
        return sums_of_blocks(e, flattened(e, t), BLOCK);
    return sums_of_blocks(e, t, BLOCK / row);
}

/* Blocks added in order. */
static ty_tensor *sum_in_order(elab *e, const block_sums *s, src_range at)
{
    chain c = {.e = e, .at = at};
    if (!s->full)
        return s->last;
    for (int64_t b = 0; b < s->full; b++) {
        ty_sub *sub = ARENA_ARRAY(e->arena, ty_sub, 1);
        sub->index = tx_int(e, b, at);
        chain_add(&c, tx_read(e, s->blocks, sub, NULL, at));
    }
    if (s->last)
        chain_add(&c, tx_read_vars(e, s->last, NULL, at));
    return chain_end(&c);
}

/* What `across_params(sum(..i) e)` gives for each element of a parameter. */
static ty_tensor *elements(elab *e, const update_run *r, const ast_expr *sum)
{
    scope *in = scope_new(e, r->scope, r->frame);
    value *v = value_new(e, V_PACK, sum->at);
    int mark = e->checks.count;
    pack *p = ARENA_NEW(e->arena, pack);
    ty_expr *x;
    p->rank = r->shape->rank;
    p->has_vars = true;
    p->at = sum->binders[0].at;
    vars_of(e, r->shape, p->vars);
    for (int i = 0; i < p->rank; i++)
        p->dims[i] = r->shape->dims[i];
    v->pack = p;
    scope_bind(e, in, pack_key(e, sum->binders[0].name), v, p->at);
    x = value_scalar_expr(e, eval(e, in, sum->a), sum->a->at);
    if (!x || !checks_run(e, mark))
        return NULL;
    if (x->type == TY_BOOL)
        x = tx_to(e, TY_REAL, x);
    return tensor_define(e, "across.each", p->vars, p->rank,
                         tx_to(e, TY_REAL, x), sum->at);
}

/* ---------- all parameters ---------- */

static bool is_sum_over_elements(elab *e, const ast_expr *call)
{
    const ast_expr *x = call->count == 1 ? call->args[0].expr : NULL;
    if (x && !call->args[0].name && x->kind == EXPR_REDUCE &&
        x->reduction == RED_SUM && x->count == 1 && x->binders[0].is_pack &&
        !x->b)
        return true;
    elab_error(e, DIAG_BAD_ARGUMENT, call->at,
               "across_params takes the sum over the elements of a parameter: "
               "across_params(sum(..i) g[..i]^2)");
    return false;
}

static const char *site_key(elab *e, const ast_expr *call)
{
    return arena_printf(e->arena, "%p", (const void *)call);
}

/* One parameter's share of a total; false after an error. */
static bool work_out_part(elab *e, const update_run *r, const ast_expr *call,
                          typed_part *out)
{
    block_sums s;
    out->param = r->shape;
    out->each = elements(e, r, call->args[0].expr);
    if (!out->each)
        return false;
    s = across_blocks(e, out->each);
    out->blocks = s.blocks;
    out->last = s.last;
    out->sum = sum_in_order(e, &s, call->at);
    return out->sum != NULL;
}

static bool work_out(elab *e, update_run *runs, int count, const ast_expr *call)
{
    chain c = {.e = e, .at = call->at};
    frame *outer = e->frame;
    typed_total total = {.part_count = count};
    bool good = is_sum_over_elements(e, call);
    total.parts = ARENA_ARRAY(e->arena, typed_part, count + 1);
    for (int i = 0; i < count && good; i++) {
        e->frame = runs[i].frame;
        good = work_out_part(e, &runs[i], call, &total.parts[i]);
        if (good)
            chain_add(&c, tx_read_vars(e, total.parts[i].sum, NULL, call->at));
        e->frame = outer;
    }
    if (!good)
        return false;
    total.tensor = chain_end(&c);
    total.round = typed_round_of(e->out, &total);
    vec_push(e->arena, &e->out->totals, total);
    if (!e->across)
        e->across = map_new(e->arena);
    map_put(e->across, site_key(e, call),
            value_tensor(e, total.tensor, call->at));
    return true;
}

static bool is_across(const ast_expr *x)
{
    return x->kind == EXPR_CALL && x->a->kind == EXPR_NAME &&
           !strcmp(x->a->name, "across_params");
}

/* Is a side of `c ? a : b` read for any parameter? */
static bool is_taken(elab *e, update_run *runs, int count, const ast_expr *c,
                     bool side)
{
    frame *outer = e->frame;
    bool taken = false;
    for (int i = 0; i < count && !taken; i++) {
        e->frame = runs[i].frame;
        value *v = eval(e, runs[i].scope, c);
        taken = v->kind != V_BOOL || (v->integer != 0) == side;
    }
    e->frame = outer;
    return taken;
}

static bool prepare(elab *e, update_run *runs, int count, const ast_expr *x)
{
    if (!x)
        return true;
    if (x->kind == EXPR_COND)
        return prepare(e, runs, count, x->a) &&
               (!is_taken(e, runs, count, x->a, true) ||
                prepare(e, runs, count, x->b)) &&
               (!is_taken(e, runs, count, x->a, false) ||
                prepare(e, runs, count, x->c));
    if (is_across(x))
        return work_out(e, runs, count, x);
    for (int i = 0; i < x->count; i++) {
        const ast_expr *inner = x->kind == EXPR_CALL    ? x->args[i].expr
                                : x->kind == EXPR_LIST  ? x->items[i]
                                : x->kind == EXPR_INDEX ? x->subs[i].expr
                                                        : NULL;
        if (!prepare(e, runs, count, inner))
            return false;
    }
    return prepare(e, runs, count, x->a) && prepare(e, runs, count, x->b) &&
           prepare(e, runs, count, x->c);
}

bool across_prepare(elab *e, update_run *runs, int count, const ast_stmt *st)
{
    return prepare(e, runs, count, st->value);
}

value *eval_across(elab *e, const ast_expr *call)
{
    value *v = e->across ? map_get(e->across, site_key(e, call)) : NULL;
    if (v)
        return v;
    return elab_error(e, DIAG_MISPLACED, call->at,
                      "across_params stands in a statement of an optimizer's "
                      "own body, outside of `if`, functions and another "
                      "across_params: norm = across_params(...);");
}
