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
    uint8_t *bytes;
    void (*release)(void *ctx, uint8_t *bytes, size_t size); /* NULL: ours */
    void *ctx;
    _Alignas(64) uint8_t own[];
};

static dist_blob *begin(size_t own, size_t size)
{
    size_t all = (sizeof(dist_blob) + own + 63) / 64 * 64;
    dist_blob *b = aligned_alloc(64, all);
    PTL_ASSERT(b);
    *b = (dist_blob){.size = size, .bytes = b->own};
    atomic_init(&b->holders, 1);
    return b;
}

dist_blob *blob_new(size_t size)
{
    return begin(size, size);
}

dist_blob *blob_around(uint8_t *bytes, size_t size,
                   void (*release)(void *ctx, uint8_t *bytes, size_t size),
                   void *ctx)
{
    dist_blob *b = begin(0, size);
    b->bytes = bytes;
    b->release = release;
    b->ctx = ctx;
    return b;
}

static void drop_whole(void *whole, uint8_t *bytes, size_t size)
{
    (void)bytes, (void)size;
    blob_drop(whole);
}

dist_blob *blob_part(dist_blob *of, size_t at, size_t size)
{
    PTL_ASSERT(at <= of->size && size <= of->size - at);
    return blob_around(of->bytes + at, size, drop_whole, blob_keep(of));
}

dist_blob *blob_copy(const void *bytes, size_t size)
{
    return blob_copy_from(NULL, bytes, size);
}

dist_blob *blob_from(const blob_source *source, size_t size)
{
    dist_blob *b =
        source && source->get ? source->get(source->ctx, size) : NULL;
    return b ? b : blob_new(size);
}

dist_blob *blob_copy_from(const blob_source *source, const void *bytes,
                          size_t size)
{
    dist_blob *b = blob_from(source, size);
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
    if (!b || atomic_fetch_sub(&b->holders, 1) != 1)
        return;
    if (b->release)
        b->release(b->ctx, b->bytes, b->size);
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

bool blob_is_shared(const dist_blob *b)
{
    return atomic_load(&b->holders) != 1;
}
