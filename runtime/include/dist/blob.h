/*
 * blob.h - bytes that several messages share, until the last lets go.
 *
 * Counting is atomic: a transport may let go in a thread of its own. The bytes
 * are not written any more once a second holder has them.
 */
#ifndef PTL_DIST_BLOB_H
#define PTL_DIST_BLOB_H

#include <stddef.h>
#include <stdint.h>

typedef struct dist_blob dist_blob;

dist_blob *blob_new(size_t size); /* one holder: the caller */
dist_blob *blob_copy(const void *bytes, size_t size);
dist_blob *blob_keep(dist_blob *blob); /* one more holder; accepts NULL */
void blob_drop(dist_blob *blob);       /* accepts NULL */
uint8_t *blob_bytes(dist_blob *blob);
size_t blob_size(const dist_blob *blob);

#endif
