/*
 * memo.h - a map from pointers to pointers, for walks over expressions.
 *
 * Expressions are shared, so a walk that forgets what it has seen can take
 * time exponential in their size. Every walk over them goes through one
 * of these.
 */
#ifndef PTL_BASE_MEMO_H
#define PTL_BASE_MEMO_H

#include <stdbool.h>

typedef struct ptl_memo {
    const void **keys;
    void **values;
    int room, count;
} ptl_memo;

/* Zero-initialise to start. */
void memo_fini(ptl_memo *memo);
/* NULL: not there. */
void *memo_get(const ptl_memo *memo, const void *key);
void memo_put(ptl_memo *memo, const void *key, void *value);
/* False when `key` was there already; adds it otherwise. */
bool memo_add(ptl_memo *memo, const void *key);

#endif
