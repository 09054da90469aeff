/*
 * diag.h - what is wrong with the user's program, collected.
 *
 * A phase reports and goes on; the driver prints and decides the exit status.
 * Slugs (`[shape-mismatch]`) are stable: tests, documentation and
 * `ptlc explain` refer to them. They come from diag.def.
 */
#ifndef PTL_BASE_DIAG_H
#define PTL_BASE_DIAG_H

#include "base/source.h"
#include "base/str.h"
#include <stdbool.h>

typedef enum diag_code {
#define DIAG(name, slug, summary) DIAG_##name,
#include "base/diag.def"
#undef DIAG
    DIAG_COUNT
} diag_code;

typedef struct ptl_diags ptl_diags;

/* `max_errors` 0 means no limit; further errors are counted, not kept. */
ptl_diags *diags_new(int max_errors);
void diags_free(ptl_diags *diags);

/* Each returns at once; notes belong to the error or warning before them. */
void diag_error(ptl_diags *diags, diag_code code, src_range at,
                const char *format, ...) __attribute__((format(printf, 4, 5)));
void diag_warning(ptl_diags *diags, diag_code code, src_range at,
                  const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void diag_note(ptl_diags *diags, src_range at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

int diags_error_count(const ptl_diags *diags);
int diags_warning_count(const ptl_diags *diags);
/* Was this error said at this place before? */
bool diags_has(const ptl_diags *diags, diag_code code, src_range at);
/* Was just this said on this line before? */
bool diags_has_line(const ptl_diags *diags, diag_code code, src_range at,
                    const char *text);
/* The slugs and places of the kept errors in order, for tests. */
src_range diags_range_at(const ptl_diags *diags, int index);
diag_code diags_code_at(const ptl_diags *diags, int index);

/*
 * file:line:col: error: message [slug], the line, a caret; notes below. With
 * `colour`, ANSI colours.
 */
void diags_print(const ptl_diags *diags, ptl_str *out, bool colour);

const char *diag_slug(diag_code code);
const char *diag_summary(diag_code code);
/* DIAG_COUNT when there is no such slug. */
diag_code diag_find(const char *slug);

#endif
