/*
 * map.c - open addressing over an entry list that keeps insertion order.
 */
#include "base/map.h"
#include <string.h>

typedef struct entry {
    const char *key;
    uint64_t hash;
    void *value;
} entry;

struct ptl_map {
    ptl_arena *arena;
    VEC(entry) entries;
    int *slots; /* entry index + 1, 0: free */
    int slot_count;
};

uint64_t ptl_hash_more(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t ptl_hash(const void *bytes, size_t size)
{
    return ptl_hash_more(UINT64_C(0xcbf29ce484222325), bytes, size);
}

ptl_map *map_new(ptl_arena *arena)
{
    ptl_map *map = ARENA_NEW(arena, ptl_map);
    map->arena = arena;
    map->slot_count = 16;
    map->slots = ARENA_ARRAY(arena, int, map->slot_count);
    return map;
}

/* The slot of `key`, or the free one where it would go. */
static int *find_slot(const ptl_map *map, const char *key, uint64_t hash)
{
    size_t mask = (size_t)map->slot_count - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        int *slot = &map->slots[i];
        if (*slot == 0)
            return slot;
        const entry *e = &map->entries.data[*slot - 1];
        if (e->hash == hash && strcmp(e->key, key) == 0)
            return slot;
    }
}

static void grow(ptl_map *map)
{
    map->slot_count *= 2;
    map->slots = ARENA_ARRAY(map->arena, int, map->slot_count);
    for (int i = 0; i < map->entries.count; i++) {
        const entry *e = &map->entries.data[i];
        *find_slot(map, e->key, e->hash) = i + 1;
    }
}

void map_put(ptl_map *map, const char *key, void *value)
{
    uint64_t hash = ptl_hash(key, strlen(key));
    int *slot = find_slot(map, key, hash);
    if (*slot) {
        map->entries.data[*slot - 1].value = value;
        return;
    }
    entry e = {arena_strdup(map->arena, key), hash, value};
    vec_push(map->arena, &map->entries, e);
    *slot = map->entries.count;
    if (map->entries.count * 2 > map->slot_count)
        grow(map);
}

void *map_get(const ptl_map *map, const char *key)
{
    int slot = *find_slot(map, key, ptl_hash(key, strlen(key)));
    return slot ? map->entries.data[slot - 1].value : NULL;
}

int map_count(const ptl_map *map)
{
    return map->entries.count;
}

const char *map_key_at(const ptl_map *map, int index)
{
    return map->entries.data[index].key;
}

void *map_value_at(const ptl_map *map, int index)
{
    return map->entries.data[index].value;
}
