/*
 * embed.h - files that are part of the binary: the library in PTL.
 */
#ifndef PTL_BASE_EMBED_H
#define PTL_BASE_EMBED_H

#include <stddef.h>

typedef struct ptl_embedded {
    const char *name; /* path below stdlib/, e.g. "nn/linear.ptl" */
    const char *text; /* NUL-terminated */
    size_t size;
} ptl_embedded;

extern const ptl_embedded ptl_stdlib_files[]; /* ends with a NULL name */
extern const int ptl_stdlib_file_count;

#endif
