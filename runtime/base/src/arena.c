/*
 * arena.c - a chain of blocks, each filled front to back.
 */
#include "base/arena.h"
#include "base/status.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first block is small: many arenas live for one question. */
enum { FIRST_BYTES = 2 * 1024, BLOCK_BYTES = 64 * 1024, ALIGN = 16 };

typedef struct block {
    struct block *next;
    size_t used, room;
    char *data;
} block;

struct ptl_arena {
    block *head;
};

static block *new_block(size_t room)
{
    block *b = malloc(sizeof *b);
    char *data = calloc(1, room);
    if (!b || !data)
        ptl_panic(__FILE__, __LINE__, "out of memory (%zu bytes)", room);
    *b = (block){.room = room, .data = data};
    return b;
}

ptl_arena *arena_new(void)
{
    ptl_arena *arena = malloc(sizeof *arena);
    if (!arena)
        ptl_panic(__FILE__, __LINE__, "out of memory");
    arena->head = NULL;
    return arena;
}

void arena_free(ptl_arena *arena)
{
    if (!arena)
        return;
    for (block *b = arena->head; b;) {
        block *next = b->next;
        free(b->data);
        free(b);
        b = next;
    }
    free(arena);
}

/* Large pieces get a block of their own, behind the one being filled. */
static void *alloc_large(ptl_arena *arena, size_t size)
{
    block *b = new_block(size);
    b->used = size;
    if (arena->head) {
        b->next = arena->head->next;
        arena->head->next = b;
    } else {
        arena->head = b;
    }
    return b->data;
}

/* Twice as much as the last block, and room for `size`. */
static size_t next_room(const block *last, size_t size)
{
    size_t room = FIRST_BYTES;
    while (room < BLOCK_BYTES && (room < size || (last && room <= last->room)))
        room *= 2;
    return room;
}

void *arena_alloc(ptl_arena *arena, size_t size_bytes)
{
    PTL_ASSERT(size_bytes < SIZE_MAX / 2);
    size_t size = (size_bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (size == 0)
        size = ALIGN;
    if (size > BLOCK_BYTES / 4)
        return alloc_large(arena, size);
    block *b = arena->head;
    if (!b || b->room - b->used < size) {
        b = new_block(next_room(b, size));
        b->next = arena->head;
        arena->head = b;
    }
    void *piece = b->data + b->used;
    b->used += size;
    return piece;
}

char *arena_strndup(ptl_arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *arena_strdup(ptl_arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_vprintf(ptl_arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    PTL_ASSERT(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *arena_printf(ptl_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

void *arena_grow_(ptl_arena *arena, void *data, size_t item_bytes, int count,
                  int *room)
{
    int larger = *room ? *room * 2 : 8;
    void *moved = arena_alloc(arena, (size_t)larger * item_bytes);
    if (count)
        memcpy(moved, data, (size_t)count * item_bytes);
    *room = larger;
    return moved;
}
