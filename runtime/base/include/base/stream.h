/*
 * stream.h - copies of more than caches hold.
 *
 * A plain store reads the line it writes to, and keeps it: for bytes that are
 * needed again only after as many others have passed, that is a third more of
 * memory's traffic, and the place of what is needed sooner. Stores with the
 * non-temporal hint (Intel 64 and IA-32 Architectures Software Developer's
 * Manual, volume 1, 10.4.6.2) go around them.
 */
#ifndef PTL_BASE_STREAM_H
#define PTL_BASE_STREAM_H

#include <stddef.h>

/* What caches are taken to hold, of all processes of a machine. */
enum { STREAM_BYTES = 32 << 20 };

/* memcpy(). Whole at its return, for other threads and processes too. */
void stream_copy(void *to, const void *from, size_t bytes);

#endif
