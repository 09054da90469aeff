/*
 * blob.h - bytes that several messages share, until the last lets go.
 *
 * Counting is atomic: a transport may let go in a thread of its own. The bytes
 * are not written any more once a second holder has them.
 */
#ifndef PTL_DIST_BLOB_H
#define PTL_DIST_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct dist_blob dist_blob;

dist_blob *blob_new(size_t size); /* one holder: the caller */
dist_blob *blob_copy(const void *bytes, size_t size);
/* Around bytes of somebody's, who takes them back when the last holder drops
 * them, in whatever thread that is. */
dist_blob *blob_around(uint8_t *bytes, size_t size,
                   void (*release)(void *ctx, uint8_t *bytes, size_t size),
                   void *ctx);
/* `size` of its bytes, from `at` on: a holder of it. */
dist_blob *blob_part(dist_blob *of, size_t at, size_t size);
dist_blob *blob_keep(dist_blob *blob); /* one more holder; accepts NULL */
void blob_drop(dist_blob *blob);       /* accepts NULL */
uint8_t *blob_bytes(dist_blob *blob);
size_t blob_size(const dist_blob *blob);
/* To its only holder: is it one? Then the others are done with its bytes. */
bool blob_is_shared(const dist_blob *blob);

/* Memory that is cheap to send from. */
typedef struct blob_source {
    void *ctx;
    dist_blob *(*get)(void *ctx, size_t size); /* NULL: it has none left */
} blob_source;

/* From there, else as blob_new(). An empty source has none. */
dist_blob *blob_from(const blob_source *source, size_t size);
dist_blob *blob_copy_from(const blob_source *source, const void *bytes,
                          size_t size);

#endif
