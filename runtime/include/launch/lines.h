/*
 * lines.h - what a child writes, cut into lines that say whose they are.
 *
 * Text: "worker0| line". JSON: an object gets `"role":"worker0"` as its first
 * member; what is no object goes to standard error, as text. A last line
 * without an end gets one. A line longer than LINES_MOST comes in pieces, each
 * a line.
 */
#ifndef PTL_LAUNCH_LINES_H
#define PTL_LAUNCH_LINES_H

#include "base/str.h"
#include <stdbool.h>

enum { LINES_MOST = 1 << 20 };

typedef struct child_lines {
    const char *name; /* NULL: lines stay as they are */
    bool json;
    ptl_str rest; /* of a line whose end has not come */
} child_lines;

/* Appends what is whole to `out`, or to `other` where it is no JSON though it
 * should be. */
void lines_take(child_lines *l, const char *bytes, size_t count, ptl_str *out,
                ptl_str *other);
/* The same with what is left, and gives its memory back. */
void lines_end(child_lines *l, ptl_str *out, ptl_str *other);

#endif
