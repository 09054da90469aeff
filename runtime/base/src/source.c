/*
 * source.c - line table and positions.
 */
#include "base/source.h"
#include <string.h>

src_file *src_file_new(ptl_arena *arena, const char *name, const char *text,
                       size_t size)
{
    src_file *file = ARENA_NEW(arena, src_file);
    VEC(uint32_t) lines = {0};
    file->name = arena_strdup(arena, name);
    file->text = arena_strndup(arena, text, size);
    file->size = size;
    vec_push(arena, &lines, 0);
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\n')
            vec_push(arena, &lines, (uint32_t)(i + 1));
    file->line_begin = lines.data;
    file->line_count = lines.count;
    return file;
}

/* The last line that begins at or before `offset`. */
static int line_of(const src_file *file, uint32_t offset)
{
    int low = 0, high = file->line_count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (file->line_begin[middle] <= offset)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

void src_position(src_range at, int *line, int *column)
{
    *line = 0;
    *column = 0;
    if (!at.file)
        return;
    int index = line_of(at.file, at.begin);
    *line = index + 1;
    *column = 1;
    for (uint32_t i = at.file->line_begin[index];
         i < at.begin && i < at.file->size; i++)
        if (((unsigned char)at.file->text[i] & 0xC0) != 0x80)
            (*column)++;
}

src_range src_join(src_range a, src_range b)
{
    if (!a.file)
        return b;
    if (a.file != b.file)
        return a;
    if (b.begin < a.begin)
        a.begin = b.begin;
    if (b.end > a.end)
        a.end = b.end;
    return a;
}
