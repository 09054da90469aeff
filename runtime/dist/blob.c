/*
 * blob.c - see blob.h.
 */
#include "dist/blob.h"
#include "base/status.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct dist_blob {
    atomic_int holders;
    size_t size;
    _Alignas(64) uint8_t bytes[];
};

dist_blob *blob_new(size_t size)
{
    size_t all = (sizeof(dist_blob) + size + 63) / 64 * 64;
    dist_blob *b = aligned_alloc(64, all);
    PTL_ASSERT(b);
    atomic_init(&b->holders, 1);
    b->size = size;
    return b;
}

dist_blob *blob_copy(const void *bytes, size_t size)
{
    dist_blob *b = blob_new(size);
    if (size > 0)
        memcpy(b->bytes, bytes, size);
    return b;
}

dist_blob *blob_keep(dist_blob *b)
{
    if (b)
        atomic_fetch_add(&b->holders, 1);
    return b;
}

void blob_drop(dist_blob *b)
{
    if (b && atomic_fetch_sub(&b->holders, 1) == 1)
        free(b);
}

uint8_t *blob_bytes(dist_blob *b)
{
    return b->bytes;
}

size_t blob_size(const dist_blob *b)
{
    return b->size;
}
