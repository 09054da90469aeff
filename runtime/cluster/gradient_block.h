/*
 * gradient_block.h - where a worker adds up the gradients that it will give:
 * memory that they are sent from, without a copy.
 *
 * Of the block a part is given for each bucket. Whoever has one (a message on
 * its way, a link that keeps what is not acknowledged, a parameter server of
 * this machine that adds it up from here) holds the block, so the next sum goes
 * elsewhere until the last of them has let go. With a barrier that is before
 * the next step begins, and there is one block.
 */
#ifndef PTL_CLUSTER_GRADIENT_BLOCK_H
#define PTL_CLUSTER_GRADIENT_BLOCK_H

#include "dist/blob.h"

typedef struct gradient_block {
    dist_blob *blob; /* NULL: none yet */
} gradient_block;    /* zero-initialise */

/* For a sum that begins: `size` bytes that nobody reads, whatever they hold.
 * One thread, as all of these. */
char *gradient_block_begin(gradient_block *b, const blob_source *memory,
                           size_t size);
/* Is this what gradient_block_begin() gave last? */
bool gradient_block_is(const gradient_block *b, const char *block);
/* A part that is final. The caller drops it. */
dist_blob *gradient_block_part(const gradient_block *b, size_t at, size_t size);
void gradient_block_end(gradient_block *b); /* who has parts keeps them */

#endif
