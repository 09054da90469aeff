/*
 * gradient_block.c - see gradient_block.h.
 */
#include "cluster/gradient_block.h"

char *gradient_block_begin(gradient_block *b, const blob_source *memory,
                           size_t size)
{
    if (b->blob && blob_is_shared(b->blob))
        gradient_block_end(b);
    if (!b->blob)
        b->blob = blob_from(memory, size);
    return (char *)blob_bytes(b->blob);
}

bool gradient_block_is(const gradient_block *b, const char *block)
{
    return b->blob && (const char *)blob_bytes(b->blob) == block;
}

dist_blob *gradient_block_part(const gradient_block *b, size_t at, size_t size)
{
    return blob_part(b->blob, at, size);
}

void gradient_block_end(gradient_block *b)
{
    blob_drop(b->blob);
    b->blob = NULL;
}
