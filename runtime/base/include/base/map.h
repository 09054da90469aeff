/*
 * map.h - a hash map from strings to pointers, in an arena.
 */
#ifndef PTL_BASE_MAP_H
#define PTL_BASE_MAP_H

#include "base/arena.h"
#include <stdint.h>

typedef struct ptl_map ptl_map;

ptl_map *map_new(ptl_arena *arena);
/* Copies the key; a later value for the same key replaces the earlier one. */
void map_put(ptl_map *map, const char *key, void *value);
void *map_get(const ptl_map *map, const char *key); /* NULL: not there */
int map_count(const ptl_map *map);
/* Entries in the order of their first insertion. */
const char *map_key_at(const ptl_map *map, int index);
void *map_value_at(const ptl_map *map, int index);

/* FNV-1a, 64 bit: names of sites and cache keys. */
uint64_t ptl_hash(const void *bytes, size_t size);
uint64_t ptl_hash_more(uint64_t hash, const void *bytes, size_t size);

#endif
