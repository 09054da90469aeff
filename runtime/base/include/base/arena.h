/*
 * arena.h - memory by lifetime: many small pieces, one release.
 *
 * Compiler code asks an arena, never checks for NULL (running out stops the
 * process with a message) and never frees a piece. Not thread safe: one arena,
 * one thread.
 */
#ifndef PTL_BASE_ARENA_H
#define PTL_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct ptl_arena ptl_arena;

ptl_arena *arena_new(void);
void arena_free(ptl_arena *arena); /* accepts NULL */

/* Zeroed memory, aligned for any type. Lives until arena_free(). */
void *arena_alloc(ptl_arena *arena, size_t size_bytes);
char *arena_strndup(ptl_arena *arena, const char *text, size_t length);
char *arena_strdup(ptl_arena *arena, const char *text);
char *arena_printf(ptl_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vprintf(ptl_arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count)                                        \
    ((type *)arena_alloc((arena), (size_t)(count) * sizeof(type)))

/*
 * A growable array in an arena: `VEC(int) v = {0}; vec_push(arena, &v, 3);`
 * Elements move when the vector grows; pointers into it do not survive a push.
 */
#define VEC(type)                                                              \
    struct {                                                                   \
        type *data;                                                            \
        int count, room;                                                       \
    }
#define vec_push(arena, vec, item)                                             \
    ((vec)->count == (vec)->room                                               \
         ? (void)((vec)->data = arena_grow_((arena), (vec)->data,              \
                                            sizeof *(vec)->data, (vec)->count, \
                                            &(vec)->room))                     \
         : (void)0,                                                            \
     (void)((vec)->data[(vec)->count++] = (item)))
void *arena_grow_(ptl_arena *arena, void *data, size_t item_bytes, int count,
                  int *room);

#endif
