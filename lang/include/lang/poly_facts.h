/*
 * poly_facts.h - what is known of the variables of polynomials, and what
 * follows from it.
 *
 * Proofs are sound and not complete: false means "not seen". They know the ends
 * of every variable, floors (q*f <= p < q*f + q for f = floor(p / q), q > 0),
 * and the facts given. A variable between two ends is replaced by both, which
 * decides what is affine in it. The numbers of steps and of facts used in one
 * proof are limited, so that each ends soon.
 */
#ifndef PTL_LANG_POLY_FACTS_H
#define PTL_LANG_POLY_FACTS_H

#include "lang/poly.h"

/* An equation used from left to right. */
typedef struct poly_rule {
    const poly_var *var; /* equals `rest`; or NULL, then `lead` does */
    poly_term lead;      /* coefficient 1 */
    const poly *rest;
} poly_rule;

typedef struct poly_facts {
    polys *all;
    VEC(const poly *) not_negative;
    VEC(poly_rule) rules;
    ptl_arena *arena;
} poly_facts;

void poly_facts_init(poly_facts *f, ptl_arena *arena, polys *all);
/* What NULL would say is not known. */
void poly_know_not_negative(poly_facts *f, const poly *p);
void poly_know_zero(poly_facts *f, const poly *p);
/* Facts known so far; back to them. */
typedef struct poly_mark {
    int not_negative, rules;
} poly_mark;
poly_mark poly_facts_mark(const poly_facts *f);
void poly_facts_reset(poly_facts *f, poly_mark to);

bool poly_proven_not_negative(poly_facts *f, const poly *p);

/* Variables are rigid: polynomials without floors and vague variables that
 * differ as polynomials are different sizes. */
typedef enum poly_verdict { POLY_SAME, POLY_OTHER, POLY_MAYBE } poly_verdict;
poly_verdict poly_compare(poly_facts *f, const poly *a, const poly *b);

/* The smallest numbers, from each variable's lower end (or 1) on, for which `goal` is
 * not negative and the facts about its variables, and those of `a` and `b` (may
 * be NULL), hold. */
enum { POLY_EXAMPLE_VARS = 6 };
typedef struct poly_example {
    poly_var *vars[POLY_EXAMPLE_VARS];
    int64_t values[POLY_EXAMPLE_VARS];
    int count;
} poly_example;
/* False: none was found among small numbers. */
bool poly_find_example(poly_facts *f, const poly *goal, const poly *a,
                       const poly *b, poly_example *out);
/* Swaps the variables' values with those of the example. */
void poly_example_swap(poly_example *x);

#endif
