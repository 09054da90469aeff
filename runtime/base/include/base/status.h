/*
 * status.h - how the world's failures travel: a status and one sentence.
 *
 * The sentence starts in lower case, takes no full stop, quotes what the user
 * wrote and names what failed: `could not open "x.gz": no such file`.
 */
#ifndef PTL_BASE_STATUS_H
#define PTL_BASE_STATUS_H

typedef enum ptl_status {
#define STATUS(name, exit_status, text) PTL_##name,
#include "base/status.def"
#undef STATUS
    PTL_STATUS_COUNT
} ptl_status;

typedef struct ptl_error {
    ptl_status status;
    char text[1024];
} ptl_error;

/* Fills `err` (may be NULL) and returns `status`. */
ptl_status ptl_fail(ptl_error *err, ptl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int ptl_exit_status(ptl_status status);
const char *ptl_status_text(ptl_status status);

/* We are wrong: stops the process (exit 70). Never on input. */
_Noreturn void ptl_panic(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define PTL_ASSERT(cond)                                                       \
    ((cond) ? (void)0 : ptl_panic(__FILE__, __LINE__, "%s", #cond))
#ifdef PTL_DEBUG
#define PTL_DEBUG_ASSERT(cond) PTL_ASSERT(cond)
#else
#define PTL_DEBUG_ASSERT(cond) ((void)0)
#endif

#endif
