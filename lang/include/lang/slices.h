/*
 * slices.h - the update of some parameters, or of slices of them, alone: what
 * a process that owns no more than these carries out.
 *
 * Optimizers are read with the parameters as they are, so `rank(w)`, groups
 * and averages mean what they always do; then what is left is laid flat. A
 * slice is a vector, its slots too.
 */
#ifndef PTL_LANG_SLICES_H
#define PTL_LANG_SLICES_H

#include "lang/typed.h"

/* Elements [first, first + count), in memory's order, of parameter `path`.
 * `name` is the slice's own; all elements keep the path and their shape. */
typedef struct typed_slice {
    const char *path, *name;
    int64_t first, count;
} typed_slice;

/*
 * May `param`, one of `program`'s, be updated slice by slice? It may where each
 * element of the new value and of every slot reads that element alone, and
 * numbers which all parameters have alike, totals among them; and so do its
 * shares of totals. No slot of another shape, no reduction over the parameter,
 * no use of an element's place.
 */
bool typed_may_be_cut(const typed_program *program, const typed_param *param);

/* The round of a total whose parts are there: after all totals that it reads.
 */
int typed_round_of(const typed_program *program, const typed_total *total);
/* Rounds of partial sums that the update needs; 0: no totals. */
int typed_round_count(const typed_program *program);

/*
 * The program's parameters become these slices, in this order: PATH/SLOT is now
 * NAME/SLOT. Totals become inputs `total/K`, and `partials` are those of
 * `round`: "blocks/K/NAME" and "last/K/NAME", see typed_part. False where a
 * slice is of no trained parameter, leaves it, or may not be cut; the program
 * is of no use then.
 */
bool typed_take_slices(typed_program *program, const typed_slice *slices,
                       int count, int round);

#endif
