/*
 * elab_generic.h - the inside of the generic phase: see elab_sizes.c, and
 * elab_prove.c for subscripts.
 */
#ifndef PTL_LANG_ELAB_GENERIC_H
#define PTL_LANG_ELAB_GENERIC_H

#include "elab_priv.h"
#include "lang/poly_facts.h"

/* An index, or data that is read as one, in polynomials. */
typedef struct index_atom {
    const void *of; /* the ty_var or ty_expr */
    poly_var *var;
} index_atom;

struct generic {
    polys *all;
    poly_facts facts;
    VEC(const poly *) windows;
    VEC(index_atom) atoms;
    VEC(const poly *) counted; /* see size_counted() */
    const char *witness; /* for the next error, or NULL */
};

const poly *size_poly(const elab *e, int64_t size);
/* False: it is no polynomial, or too large. */
bool size_of_poly(elab *e, const poly *p, int64_t *out);
/* The variable that a size is; NULL: it is more than that. */
poly_var *size_var(const elab *e, int64_t size);
/* Is there a variable in `p` whose number static control has counted by? */
bool is_counted(const elab *e, const poly *p);
/* An example for the next error: a subscript, and the axis it leaves. */
void subscript_witness(elab *e, int64_t at, int64_t size);

#endif
