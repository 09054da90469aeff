/*
 * poly.h - integer polynomials over variables, in canonical form.
 *
 * What sizes and subscripts are before anyone says how large N is. A product
 * is a multiset of atoms: variables, and floors of one polynomial by another,
 * whose arguments are canonical too. Two polynomials that are equal by the
 * rules of algebra are equal term by term; of floors more may hold than is
 * seen here (see poly_facts.h).
 *
 * a mod q is a - q * floor(a / q), and ceil_div(a, q) is floor((a + q - 1) /
 * q).
 *
 * Polynomials are immutable and live in the arena of their `polys`, with the
 * table of atoms. What would overflow 64 bits, or grow past POLY_MAX_TERMS or
 * POLY_MAX_DEGREE, is NULL, and so is everything made of NULL.
 */
#ifndef PTL_LANG_POLY_H
#define PTL_LANG_POLY_H

#include "base/arena.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

enum { POLY_MAX_TERMS = 64, POLY_MAX_DEGREE = 8 };

typedef struct polys polys;
typedef struct poly poly;
typedef struct poly_atom poly_atom;

/* Identity is the address: two variables may have one name. */
typedef struct poly_var {
    const char *name;
    const poly *lo, *hi; /* lies in lo..hi, both included; NULL: no end there.
                            Of variables made before this one */
    int64_t value;       /* for poly_value() */
    bool vague;          /* stands for something no proof knows */
    const poly_atom *atom;
} poly_var;

struct poly_atom {
    int id;                   /* counts from 0 in the order of making */
    poly_var *var;            /* NULL: a floor, */
    const poly *top, *bottom; /* of top / bottom */
};

/* coef times the product of `degree` atoms, sorted by id. */
typedef struct poly_term {
    int64_t coef; /* not 0 */
    int degree;
    const poly_atom *atoms[POLY_MAX_DEGREE];
} poly_term;

/* Sorted: higher degrees first, then by ids. No terms: 0. */
struct poly {
    int count;
    poly_term *terms;
};

polys *polys_new(ptl_arena *arena);

poly_var *poly_var_new(polys *all, const char *name);
const poly *poly_number(polys *all, int64_t n);
const poly *poly_of(polys *all, const poly_var *v);

const poly *poly_add(polys *all, const poly *a, const poly *b);
const poly *poly_sub(polys *all, const poly *a, const poly *b);
const poly *poly_scale(polys *all, const poly *a, int64_t by);
const poly *poly_mul(polys *all, const poly *a, const poly *b);
/* Rounded down; what b divides leaves the floor. NULL where b is 0. */
const poly *poly_floor(polys *all, const poly *a, const poly *b);
const poly *poly_ceil(polys *all, const poly *a, const poly *b);
const poly *poly_mod(polys *all, const poly *a, const poly *b);
/* `a` with `by` in place of the variable, within floors too. */
const poly *poly_put(polys *all, const poly *a, const poly_var *v,
                     const poly *by);

/* Of canonical forms; NULL equals nothing. */
bool poly_equal(const poly *a, const poly *b);
bool poly_is_number(const poly *a, int64_t *n);
/* Is `v` in `a`, within floors too? */
bool poly_mentions(const poly *a, const poly_var *v);
/* The number that `a` is where every variable has its `value`; false: it does
 * not fit, or a division by 0. */
bool poly_value(const poly *a, int64_t *out);

/* As the language writes it: `2*N + 1`, `(N + 1) / 2`. */
void poly_print(const poly *a, ptl_str *out);

/* q = `coef` times the atoms of `a` without those of `b`; q is neither of them.
 * False: `b` has an atom that `a` has not. */
bool poly_without_atoms(const poly_term *a, const poly_term *b, int64_t coef,
                        poly_term *q);

#endif
