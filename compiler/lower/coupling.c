/*
 * coupling.c - see coupling.h.
 *
 * First the loss: it is read as a sum of terms, through names, signs and
 * factors. Each term that is a mean over rows has a denominator; if all have
 * the same one, shards can add numerators and denominators up and divide once,
 * and those reductions couple nothing. Then every definition that is needed:
 * any other reduction over rows, and any read at another row than one's own.
 */
#include "lower/coupling.h"
#include "base/memo.h"
#include <string.h>

typedef struct finder {
    ptl_arena *arena;
    const typed_program *program;
    coupling *out;
    bool *by_row; /* tensor id: depends on data */
    bool *needed; /* tensor id */
    /* Reductions of the loss's mean: over its rows, and over another sum. */
    VEC(const ty_expr *) finals, weighted;
    bool any, mixed;          /* terms of the loss so far; of two weights */
    VEC(const ty_var *) rows; /* indices that stand for rows seen here */
    const ty_tensor *now;     /* what is being looked at, */
    ptl_memo seen;            /* and its parts that were */
} finder;

static bool is_over_rows(const ty_expr *x)
{
    for (int i = 0; x->kind == TY_REDUCE && i < x->count; i++)
        if (x->vars[i]->batch)
            return true;
    return false;
}

/* ---------- what depends on the data ---------- */

static void mark_by_row(void *ctx, const ty_expr *x)
{
    finder *f = ctx;
    if (ty_read_of(x) && f->by_row[ty_read_of(x)->id])
        f->by_row[f->now->id] = true;
}

static void mark_all_by_row(finder *f)
{
    for (int i = 0; i < f->program->tensors.count; i++) {
        f->now = f->program->tensors.data[i];
        f->by_row[i] = f->now->role == TY_RAW || f->now->batch_axis >= 0;
        ty_visit_tensor(f->now, mark_by_row, f);
    }
}

typedef struct row_search {
    const finder *f;
    bool found;
} row_search;

static void search_rows(void *ctx, const ty_expr *x)
{
    row_search *s = ctx;
    if (is_over_rows(x) || (x->kind == TY_READ && s->f->by_row[x->tensor->id]))
        s->found = true;
}

static bool depends_on_rows(const finder *f, const ty_expr *x)
{
    row_search s = {.f = f};
    ty_visit_expr(x, search_rows, &s);
    return s.found;
}

/* ---------- the loss ---------- */

/* Past names of whole values: what a rank-0 expression is. */
static ty_expr *definition_of(ty_expr *x)
{
    while (x->kind == TY_READ && x->count == 0 && x->tensor->body &&
           x->tensor->role == TY_VALUE)
        x = x->tensor->body;
    return x;
}

static bool same_text(const ty_expr *a, const ty_expr *b)
{
    ptl_str s = {0}, t = {0};
    typed_print_expr(a, &s);
    typed_print_expr(b, &t);
    bool same = !strcmp(str_text(&s), str_text(&t));
    str_fini(&s);
    str_fini(&t);
    return same;
}

/* A term of the loss that is a mean; `weight` NULL: of all rows. */
static void add_mean(finder *f, ty_expr *weight)
{
    ty_expr *before = f->out->weight;
    bool same =
        weight == before || (weight && before && same_text(weight, before));
    f->mixed |= f->any && !same;
    f->any = true;
    f->out->weight = weight;
}

static void add_final(finder *f, const ty_expr *x, bool weighted)
{
    if (weighted)
        vec_push(f->arena, &f->weighted, x);
    else
        vec_push(f->arena, &f->finals, x);
}

/* The number of rows, or of whatever else, that a filter lets through. */
static ty_expr *count_of(ptl_arena *arena, const ty_expr *mean)
{
    ty_expr *one = ARENA_NEW(arena, ty_expr), *sum = ARENA_NEW(arena, ty_expr);
    *one =
        (ty_expr){.kind = TY_CONST, .type = TY_REAL, .number = 1, .depth = 1};
    *sum = *mean;
    sum->reduction = RED_SUM;
    sum->body = one;
    return sum;
}

/* `maximum(sum(n) w[n], 1)` guards against 0 and is the sum elsewhere. */
static ty_expr *without_guard(ty_expr *x)
{
    x = definition_of(x);
    if (x->kind == TY_OP && x->op == TY_MAXIMUM_OP)
        for (int i = 0; i < 2; i++)
            if (definition_of(x->args[1 - i])->kind == TY_CONST)
                return definition_of(x->args[i]);
    return x;
}

static bool is_row_sum(const ty_expr *x)
{
    return is_over_rows(x) && x->reduction == RED_SUM;
}

/* a / b: a weighted mean if both are sums over rows, a mean if b is none. */
static void add_quotient(finder *f, const ty_expr *x)
{
    ty_expr *above = definition_of(x->args[0]);
    ty_expr *below = without_guard(x->args[1]);
    if (!is_row_sum(above))
        return;
    if (!depends_on_rows(f, below)) {
        add_final(f, above, false);
        add_mean(f, NULL);
    } else if (is_row_sum(below)) {
        add_final(f, above, true);
        add_final(f, below, true);
        add_mean(f, below);
    }
}

static void add_terms(finder *f, ty_expr *x)
{
    x = definition_of(x);
    if (is_over_rows(x) && x->reduction == RED_MEAN) {
        add_final(f, x, x->filter != NULL);
        add_mean(f, x->filter ? count_of(f->arena, x) : NULL);
        return;
    }
    if (x->kind != TY_OP)
        return;
    bool plain = x->op == TY_ADD_OP || x->op == TY_SUB_OP || x->op == TY_NEG_OP;
    if (x->op == TY_DIV_OP)
        add_quotient(f, x);
    for (int i = 0; plain && i < x->count; i++)
        add_terms(f, x->args[i]);
    for (int i = 0; x->op == TY_MUL_OP && i < 2; i++)
        if (!depends_on_rows(f, x->args[1 - i]))
            add_terms(f, x->args[i]);
}

static void read_loss(finder *f)
{
    ty_expr whole = {.kind = TY_READ, .tensor = f->program->loss};
    add_terms(f, &whole);
    if (!f->mixed)
        return;
    f->out->weight = NULL;
    f->weighted.count = 0;
}

/* ---------- places ---------- */

static void add_place(finder *f, src_range at, const char *why)
{
    vec_push(f->arena, &f->out->places, ((coupling_place){at, why, f->now}));
}

static bool is_final(const finder *f, const ty_expr *x)
{
    for (int i = 0; i < f->finals.count; i++)
        if (f->finals.data[i] == x)
            return true;
    for (int i = 0; i < f->weighted.count; i++)
        if (f->weighted.data[i] == x)
            return true;
    return false;
}

static const char *reduction_why(const ty_expr *x)
{
    return x->reduction == RED_SUM ? "adds up over the rows"
                                   : "is taken over the rows";
}

/* At one's own row, or at that of a reduction over rows, which was said. */
static bool reads_own_row(const finder *f, const ty_expr *x)
{
    int axis = x->tensor->batch_axis;
    const ty_sub *s = axis >= 0 && axis < x->count ? &x->subs[axis] : NULL;
    if (!s)
        return true;
    if (s->mode != TY_PLAIN || s->index->kind != TY_VAR)
        return false;
    for (int i = 0; i < f->rows.count; i++)
        if (f->rows.data[i] == s->index->var)
            return true;
    return false;
}

static const char number_why[] = "is a row's number within its shard";

static void find_in(finder *f, const ty_expr *x);

/* On the axis of rows an index stands for a row, elsewhere it is a number. */
static void find_in_read(finder *f, const ty_expr *x)
{
    if (!reads_own_row(f, x))
        add_place(f, x->at, "reads other rows");
    for (int i = 0; i < x->count; i++)
        if (i != x->tensor->batch_axis)
            find_in(f, x->subs[i].index);
}

static void find_in(finder *f, const ty_expr *x)
{
    if (!x || !memo_add(&f->seen, x))
        return;
    if (is_over_rows(x) && !is_final(f, x))
        add_place(f, x->at, reduction_why(x));
    if (x->kind == TY_VAR && x->var->batch)
        add_place(f, x->at, number_why);
    if (ty_read_of(x))
        find_in_read(f, x);
    for (int i = 0; x->kind == TY_OP && i < x->count; i++)
        find_in(f, x->args[i]);
    for (int i = 0; x->kind == TY_REDUCE && i < x->count; i++)
        vec_push(f->arena, &f->rows, x->vars[i]);
    find_in(f, x->outside);
    find_in(f, x->filter);
    find_in(f, x->body);
}

/* The index that stands for the row of a value; NULL: it has none. */
static const ty_var *row_of(const ty_tensor *t)
{
    if (t->batch_axis >= 0 && t->vars)
        return t->vars[t->batch_axis];
    for (int i = 0; t->vars && i < t->rank; i++)
        if (t->vars[i]->batch)
            return t->vars[i];
    return NULL;
}

static bool keeps_rows(const ty_tensor *t, const ty_piece *p)
{
    bool over_rows = false;
    for (int i = 0; i < p->var_count; i++)
        over_rows |= p->vars[i]->batch;
    if (!over_rows)
        return true;
    const ty_expr *row =
        t->batch_axis < 0 ? NULL : p->subs[t->batch_axis].index;
    return row && row->kind == TY_VAR && row->var->batch;
}

static void find_in_pieces(finder *f, const ty_tensor *t)
{
    for (int i = 0; i < t->piece_count; i++) {
        const ty_piece *p = &t->pieces[i];
        f->rows.count = 0;
        for (int k = 0; k < p->var_count; k++)
            vec_push(f->arena, &f->rows, p->vars[k]);
        find_in(f, p->body);
        for (int k = 0; k < t->rank; k++)
            if (k != t->batch_axis)
                find_in(f, p->subs[k].index);
        if (!keeps_rows(t, p))
            add_place(f, p->at, "adds up over the rows");
    }
}

static void find_needed(finder *f)
{
    const typed_program *p = f->program;
    f->needed[p->loss->id] = true;
    for (int i = 0; i < p->states.count; i++)
        if (p->states.data[i].next)
            f->needed[p->states.data[i].next->id] = true;
    ty_need_operands(p, f->arena, f->needed);
}

static void find_places(finder *f)
{
    for (int i = 0; i < f->program->tensors.count; i++) {
        const ty_tensor *t = f->program->tensors.data[i];
        if (!f->needed[i])
            continue;
        f->now = t;
        f->rows.count = 0;
        if (row_of(t))
            vec_push(f->arena, &f->rows, row_of(t));
        find_in(f, t->body);
        find_in_pieces(f, t);
    }
}

coupling coupling_find(ptl_arena *arena, const typed_program *program)
{
    coupling out = {0};
    finder f = {.arena = arena, .program = program, .out = &out};
    f.by_row = ARENA_ARRAY(arena, bool, program->tensors.count + 1);
    f.needed = ARENA_ARRAY(arena, bool, program->tensors.count + 1);
    mark_all_by_row(&f);
    read_loss(&f);
    find_needed(&f);
    find_places(&f);
    memo_fini(&f.seen);
    return out;
}
