/*
 * special.h - special registers, as operands a block fills before it begins.
 */
#ifndef DEVICE_SPECIAL_H
#define DEVICE_SPECIAL_H

#include "exec.h"

/* Number of the one named, with its bytes; -1 when there is none. */
int special_find(const char *name, int *bytes);
void special_fill_launch(const warp *w); /* once */
void special_fill_block(const warp *w);  /* those that differ by block */

#endif
