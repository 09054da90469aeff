/*
 * coupling.c - see coupling.h.
 *
 * The loss is read as a sum of terms, through names, signs and factors. Each
 * term that is a mean over rows has a denominator; if all have the same one,
 * shards can add numerators and denominators up and divide once.
 */
#include "lower/coupling.h"
#include <string.h>

typedef struct terms {
    ptl_arena *arena;
    ty_expr *weight; /* of the terms so far; NULL: rows */
    bool any;        /* there was a mean */
    bool mixed;      /* two terms divide by different sums */
} terms;

static bool over_rows(const ty_expr *x)
{
    for (int i = 0; x->kind == TY_REDUCE && i < x->count; i++)
        if (x->vars[i]->batch)
            return true;
    return false;
}

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

static void add_weight(terms *t, ty_expr *weight)
{
    bool same = weight == t->weight ||
                (weight && t->weight && same_text(weight, t->weight));
    t->mixed |= t->any && !same;
    t->any = true;
    t->weight = weight;
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

static void add_quotient(terms *t, ty_expr *x)
{
    ty_expr *below = without_guard(x->args[1]);
    if (over_rows(below) && below->reduction == RED_SUM)
        add_weight(t, below);
    else if (over_rows(definition_of(x->args[0])))
        add_weight(t, NULL);
}

static void add_terms(terms *t, ty_expr *x)
{
    x = definition_of(x);
    if (x->kind == TY_REDUCE && over_rows(x))
        add_weight(t, x->reduction == RED_MEAN && x->filter
                          ? count_of(t->arena, x)
                          : NULL);
    if (x->kind != TY_OP)
        return;
    if (x->op == TY_DIV_OP) {
        add_quotient(t, x);
        return;
    }
    if (x->op == TY_ADD_OP || x->op == TY_SUB_OP || x->op == TY_NEG_OP ||
        x->op == TY_MUL_OP)
        for (int i = 0; i < x->count; i++)
            add_terms(t, x->args[i]);
}

ty_expr *coupling_weight(ptl_arena *arena, const typed_program *program)
{
    terms t = {.arena = arena};
    ty_expr whole = {.kind = TY_READ, .tensor = program->loss};
    add_terms(&t, &whole);
    return t.mixed ? NULL : t.weight;
}
