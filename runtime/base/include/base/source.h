/*
 * source.h - source text and places in it.
 *
 * Phases carry byte ranges; line and column are computed when a message is
 * printed. A range with no file means "nowhere" (made by the compiler).
 */
#ifndef PTL_BASE_SOURCE_H
#define PTL_BASE_SOURCE_H

#include "base/arena.h"
#include <stdint.h>

typedef struct src_file {
    const char *name; /* as shown in messages */
    const char *text; /* NUL-terminated; size does not count the NUL */
    size_t size;
    uint32_t *line_begin; /* byte offset of each line */
    int line_count;
} src_file;

typedef struct src_range {
    const src_file *file;
    uint32_t begin, end; /* bytes, half open */
} src_range;

/* Copies name and text into the arena. */
src_file *src_file_new(ptl_arena *arena, const char *name, const char *text,
                       size_t size);
/* 1-based; columns count Unicode code points. */
void src_position(src_range at, int *line, int *column);
/* The smallest range that covers both; `a` where the files differ. */
src_range src_join(src_range a, src_range b);

#endif
