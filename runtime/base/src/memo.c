/*
 * memo.c - open addressing on the heap.
 */
#include "base/memo.h"
#include "base/status.h"
#include <stdint.h>
#include <stdlib.h>

void memo_fini(ptl_memo *memo)
{
    free(memo->keys);
    free(memo->values);
    *memo = (ptl_memo){0};
}

static int find_slot(const ptl_memo *memo, const void *key)
{
    uint64_t hash = (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);
    int mask = memo->room - 1;
    int i = (int)(hash >> 40) & mask;
    while (memo->keys[i] && memo->keys[i] != key)
        i = (i + 1) & mask;
    return i;
}

static void grow(ptl_memo *memo)
{
    ptl_memo larger = {.room = memo->room ? memo->room * 2 : 32};
    larger.keys = calloc((size_t)larger.room, sizeof *larger.keys);
    larger.values = calloc((size_t)larger.room, sizeof *larger.values);
    if (!larger.keys || !larger.values)
        ptl_panic(__FILE__, __LINE__, "out of memory");
    for (int i = 0; i < memo->room; i++)
        if (memo->keys[i])
            memo_put(&larger, memo->keys[i], memo->values[i]);
    memo_fini(memo);
    *memo = larger;
}

void *memo_get(const ptl_memo *memo, const void *key)
{
    if (!memo->room)
        return NULL;
    int i = find_slot(memo, key);
    return memo->keys[i] ? memo->values[i] : NULL;
}

void memo_put(ptl_memo *memo, const void *key, void *value)
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

bool memo_add(ptl_memo *memo, const void *key)
{
    if (memo->room && memo->keys[find_slot(memo, key)])
        return false;
    memo_put(memo, key, NULL);
    return true;
}
