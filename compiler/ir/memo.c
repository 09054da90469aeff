/*
 * memo.c - open addressing on the heap.
 */
#include "ir/memo.h"
#include "base/status.h"
#include <stdint.h>
#include <stdlib.h>

void ir_memo_fini(ir_memo *memo)
{
    free(memo->keys);
    free(memo->values);
    *memo = (ir_memo){0};
}

static int find_slot(const ir_memo *memo, const void *key)
{
    uint64_t hash = (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);
    int mask = memo->room - 1;
    int i = (int)(hash >> 40) & mask;
    while (memo->keys[i] && memo->keys[i] != key)
        i = (i + 1) & mask;
    return i;
}

static void grow(ir_memo *memo)
{
    ir_memo larger = {.room = memo->room ? memo->room * 2 : 32};
    larger.keys = calloc((size_t)larger.room, sizeof *larger.keys);
    larger.values = calloc((size_t)larger.room, sizeof *larger.values);
    if (!larger.keys || !larger.values)
        ptl_panic(__FILE__, __LINE__, "out of memory");
    for (int i = 0; i < memo->room; i++)
        if (memo->keys[i])
            ir_memo_put(&larger, memo->keys[i], memo->values[i]);
    ir_memo_fini(memo);
    *memo = larger;
}

void *ir_memo_get(const ir_memo *memo, const void *key)
{
    if (!memo->room)
        return NULL;
    int i = find_slot(memo, key);
    return memo->keys[i] ? memo->values[i] : NULL;
}

void ir_memo_put(ir_memo *memo, const void *key, void *value)
{
    if (memo->count * 2 >= memo->room)
        grow(memo);
    int i = find_slot(memo, key);
    if (!memo->keys[i]) {
        memo->keys[i] = key;
        memo->count++;
    }
    memo->values[i] = value;
}

bool ir_memo_add(ir_memo *memo, const void *key)
{
    if (memo->room && memo->keys[find_slot(memo, key)])
        return false;
    ir_memo_put(memo, key, NULL);
    return true;
}
