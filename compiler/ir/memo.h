/*
 * memo.h - a map from pointers to pointers, for walks over expressions.
 *
 * Expressions are shared, so a walk that forgets what it has seen can take
 * time exponential in their size. Every walk in the compiler goes through one
 * of these.
 */
#ifndef PTL_IR_MEMO_H
#define PTL_IR_MEMO_H

#include <stdbool.h>

typedef struct ir_memo {
    const void **keys;
    void **values;
    int room, count;
} ir_memo;

/* Zero-initialise to start. */
void ir_memo_fini(ir_memo *memo);
/* NULL: not there. */
void *ir_memo_get(const ir_memo *memo, const void *key);
void ir_memo_put(ir_memo *memo, const void *key, void *value);
/* False when `key` was there already; adds it otherwise. */
bool ir_memo_add(ir_memo *memo, const void *key);

#endif
