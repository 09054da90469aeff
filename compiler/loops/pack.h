/*
 * pack.h - packing an operand of a contraction: what pack.c (the loops) and
 * pack_read.c (the reads) share. Private to loops/.
 *
 * A panel holds `width` rows (columns) of an operand for every k. Its width is
 * cut into pieces, vectors whose lanes run along the packed axis; they are
 * evaluated for one k after the other.
 */
#ifndef PTL_LOOPS_PACK_H
#define PTL_LOOPS_PACK_H

#include "loops/build.h"

enum { PACK_MOST_PIECES = 6, PACK_MOST_LANES = 16, PACK_MOST_TURN = 4 };

/* A form at the current batch and piece, before the part along K. */
typedef struct pack_form {
    kern_value *base;    /* I64 */
    kern_value *offsets; /* per lane; NULL: by the axis' stride */
} pack_form;

/* A read at the current panel and piece. */
typedef struct pack_read {
    pack_form address;
    pack_form guards[IR_MAX_RANK];
    kern_value *rows[PACK_MOST_LANES]; /* TABLE, PIECES, turned: each row's */
    kern_value
        *turned[PACK_MOST_TURN]; /* values at consecutive k; NULL: none */
} pack_read;

typedef struct pack_piece {
    int first, lanes;
    kern_value *start; /* its first position along the axis */
    kern_value *used;  /* lanes inside the operand, NULL: all */
    pack_read *reads;  /* as in the step */
} pack_piece;

typedef struct packer {
    build *k;
    emit e;
    const sched_step *step;
    const sched_contraction *c;
    ir_expr *factor;
    const sched_axis *axis;
    int width, out;
    pack_piece pieces[PACK_MOST_PIECES];
    int piece_count;
    bool turns; /* some read is turned: `turn` values of k at a time */
    int turn;
    const pack_piece *at; /* the piece being evaluated */
    kern_value *at_k;
    int turned_k; /* which of the turned values at_k is; -1: none is valid */
} packer;

kern_value *pack_number(packer *p, int64_t x);
kern_value *pack_sum(packer *p, kern_value *x, kern_value *y);
kern_value *pack_scaled(packer *p, kern_value *x, int64_t by);

/* Makes the packer read in this way; decides which reads are turned. */
void pack_reads_init(packer *p);
/* The piece's reads at its `start`, for any k. */
void pack_reads_start(packer *p, pack_piece *piece);
/* Loads what is turned for `turn` values of k from `k` on. */
void pack_reads_turn(packer *p, pack_piece *piece, kern_value *k);
/* Does the read go along K with neighbours in memory, a row at a time? */
bool pack_is_turned(const packer *p, const sched_pack_read *read);

#endif
