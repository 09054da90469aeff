/*
 * nearest.h - "did you mean": the known name that is nearest to a wrong one.
 */
#ifndef PTL_BASE_NEAREST_H
#define PTL_BASE_NEAREST_H

/*
 * The first of the nearest of `names` by letters inserted, left out, changed or
 * swapped, or by words joined with `_` before or after it; NULL when none is
 * near enough to be meant.
 */
const char *ptl_nearest(const char *word, const char *const *names, int count);

#endif
