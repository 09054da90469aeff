/*
 * plant.h - faults that a test plants, to show that testing would find them.
 *
 * Each is a mistake of a kind that was made somewhere before. A place asks
 * ir_is_planted() and is wrong when it is; outside of tests nothing is ever
 * planted.
 */
#ifndef PTL_IR_PLANT_H
#define PTL_IR_PLANT_H

#include <stdbool.h>

typedef enum ir_plant {
    IR_PLANT_NONE,
    IR_PLANT_READER,    /* reads at position 0 count as outside */
    IR_PLANT_REDUCTION, /* max begins at 0 */
    IR_PLANT_INVERSION, /* the last position of a solved index is forgotten */
    IR_PLANT_PACKING    /* a ragged panel loses its last row */
} ir_plant;

/* Set before anything is compiled, by tests only. */
extern ir_plant ir_planted;

static inline bool ir_is_planted(ir_plant fault)
{
    return ir_planted == fault;
}

#endif
