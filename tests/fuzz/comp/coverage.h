/*
 * coverage.h - which kinds of comprehension have been tried how often.
 *
 * A cell is reduction x stride x dilation x gather x filter x else x pack. A
 * comprehension is classified by looking at it, so that the table tells what
 * was run and not what the generator meant to make.
 */
#ifndef PTL_FUZZ_COVERAGE_H
#define PTL_FUZZ_COVERAGE_H

#include "ir/ir.h"
#include <stdio.h>

typedef struct cell {
    int reduction; /* ir_reduce, or CELL_MEAN */
    int stride;    /* 1, 2, 3: of the first variable of a sum of two */
    int dilation;  /* 1, 2: of the second */
    int gather, filter, outside; /* 0, 1 */
    int pack;      /* rank of the index group, 0..3 */
} cell;

enum {
    CELL_MEAN = IR_REDUCE_COUNT,
    CELL_REDUCTIONS,
    CELL_COUNT = CELL_REDUCTIONS * 3 * 2 * 2 * 2 * 2 * 4
};

int cell_index(const cell *c); /* -1: not in the table */
cell cell_at(int index);
/* A map has no filter; all else can be. */
bool cell_is_feasible(int index);

/* Variables of an index group are called p0, p1, ...; a mean is a sum whose
 * name begins with "mean". */
cell cell_of(const ir_node *comp);

typedef struct coverage {
    int counts[CELL_COUNT];
    int of_losses; /* of the counted: what sums a case up to its loss */
} coverage;

void coverage_add(coverage *table, const ir_graph *g);
/* The feasible cell with the lowest count; `salt` breaks ties. */
int coverage_neediest(const coverage *table, uint64_t salt);
/* How many feasible cells have fewer than `least`. */
int coverage_below(const coverage *table, int least);
/* One line per reduction, stride and dilation, one column per the rest. */
void coverage_print(const coverage *table, FILE *out);

#endif
