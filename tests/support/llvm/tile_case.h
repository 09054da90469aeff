/*
 * tile_case.h - contractions over packed panels, and what they should give.
 */
#ifndef PTL_TEST_TILE_CASE_H
#define PTL_TEST_TILE_CASE_H

#include "kernel/kernel.h"
#include "runtime/program.h"

/*
 * One TILE kernel with packed operands of random numbers and its tables. C
 * has `row_stride` elements from row to row and `col_stride` between columns;
 * `gap` elements lie between batch entries. The memory is the case's.
 */
typedef struct tile_case {
    kern_module *module;
    kern_tile tile;
    int64_t m_panels, n_panels, task_count;
    void *a, *b; /* packed */
    void *c;
    int64_t c_count; /* elements, gaps and all */
    int64_t *batch_offset, *row_offset, *col_offset;
} tile_case;

/* Fills in what `tile` leaves at zero: blocks of 4 panels. */
tile_case *tile_case_new(kern_tile tile, int64_t row_stride,
                         int64_t col_stride, int64_t gap);
void tile_case_free(tile_case *t);

/* Fills C with a marker that a kernel must overwrite. */
void tile_case_clear(tile_case *t);
void tile_case_run(tile_case *t, ptl_entry entry);
/* C by plain loops, every sum one chain of fma; same layout, gaps hold the
 * marker. Release with free(). */
void *tile_case_expected(const tile_case *t);

#endif
