/*
 * tensor_file.c - safetensors, strictly.
 *
 * The header is checked whole before a single value is used: a file whose
 * ranges overlap, leave gaps or end elsewhere than the file does is damaged.
 */
#include "runtime/tensor_file.h"
#include "base/file.h"
#include "base/json.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const size_t max_header = (size_t)100 << 20;

struct tensor_file {
    char *name;
    ptl_bytes bytes; /* owned; data NULL where borrowed */
    ptl_arena *arena;
    tensor_entry *entries; /* in the order of their values */
    int count;
};

typedef struct parser {
    const char *name;
    const unsigned char *values;
    size_t size; /* of the values */
    tensor_file *file;
    ptl_error *err;
} parser;

static ptl_status damaged(const parser *p, const char *tensor,
                          const char *reason)
{
    return ptl_fail(p->err, PTL_E_DATA, "\"%s\", tensor \"%s\": %s", p->name,
                    tensor, reason);
}

static ptl_status read_shape(parser *p, const json_value *v, tensor_entry *e,
                             size_t *size)
{
    const json_value *shape = json_get(v, "shape");
    if (!shape || shape->kind != JSON_ARRAY)
        return damaged(p, e->name, "has no shape");
    if (shape->count > PTL_MAX_RANK)
        return damaged(p, e->name, "has more than 8 axes");
    e->rank = shape->count;
    int64_t bytes = dtype_size(e->dtype);
    bool empty = false;
    for (int i = 0; i < e->rank; i++) {
        const json_value *d = &shape->items[i];
        if (d->kind != JSON_NUMBER || !d->integral || d->integer < 0)
            return damaged(p, e->name, "a size of its shape is no number");
        e->dims[i] = d->integer;
        if (d->integer == 0)
            empty = true;
        else if (__builtin_mul_overflow(bytes, d->integer, &bytes))
            return damaged(p, e->name, "its shape is too large");
    }
    *size = empty ? 0 : (size_t)bytes;
    return PTL_OK;
}

static ptl_status read_range(parser *p, const json_value *v, tensor_entry *e,
                             size_t needed)
{
    const json_value *range = json_get(v, "data_offsets");
    if (!range || range->kind != JSON_ARRAY || range->count != 2 ||
        range->items[0].kind != JSON_NUMBER || !range->items[0].integral ||
        range->items[1].kind != JSON_NUMBER || !range->items[1].integral)
        return damaged(p, e->name, "has no data_offsets");
    int64_t begin = range->items[0].integer, end = range->items[1].integer;
    if (begin < 0 || end < begin)
        return damaged(p, e->name, "its data_offsets are out of order");
    if ((uint64_t)end > p->size)
        return damaged(p, e->name, "its values end beyond the file: truncated");
    if ((size_t)(end - begin) != needed)
        return damaged(p, e->name,
                       "its data_offsets do not fit its type and shape");
    e->bytes = p->values + begin;
    e->size = needed;
    return PTL_OK;
}

static ptl_status read_entry(parser *p, const char *name, const json_value *v,
                             tensor_entry *e)
{
    const char *label;
    size_t needed = 0;
    e->name = name;
    if (v->kind != JSON_OBJECT || v->count != 3)
        return damaged(p, name, "its entry in the header is damaged");
    if (!json_get_text(v, "dtype", &label))
        return damaged(p, name, "has no dtype");
    e->dtype = dtype_find(label);
    if (e->dtype == PTL_DTYPE_COUNT)
        return ptl_fail(p->err, PTL_E_DATA,
                        "\"%s\", tensor \"%s\": type %.20s is not read",
                        p->name, name, label);
    ptl_status st = read_shape(p, v, e, &needed);
    return st == PTL_OK ? read_range(p, v, e, needed) : st;
}

/* By where the values begin; empty tensors before the one they share with. */
static int by_place(const void *a, const void *b)
{
    const tensor_entry *x = a, *y = b;
    if (x->bytes != y->bytes)
        return (const char *)x->bytes < (const char *)y->bytes ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

static ptl_status check_cover(parser *p)
{
    tensor_file *f = p->file;
    const unsigned char *at = p->values;
    if (f->count)
        qsort(f->entries, (size_t)f->count, sizeof *f->entries, by_place);
    for (int i = 0; i < f->count; i++) {
        const tensor_entry *e = &f->entries[i];
        if (e->bytes != at)
            return damaged(p, e->name, "its values overlap or leave a gap");
        at += e->size;
    }
    if (at != p->values + p->size)
        return ptl_fail(p->err, PTL_E_DATA,
                        "\"%s\": %zu bytes follow the last tensor", p->name,
                        (size_t)(p->values + p->size - at));
    return PTL_OK;
}

static ptl_status read_entries(parser *p, const json_value *header)
{
    tensor_file *f = p->file;
    f->entries = ARENA_ARRAY(f->arena, tensor_entry, header->count + 1);
    for (int i = 0; i < header->count; i++) {
        if (strcmp(header->keys[i], "__metadata__") == 0)
            continue;
        ptl_status st = read_entry(p, header->keys[i], &header->items[i],
                                   &f->entries[f->count++]);
        if (st != PTL_OK)
            return st;
    }
    return check_cover(p);
}

static ptl_status parse_file(tensor_file *f, const unsigned char *bytes,
                             size_t size, ptl_error *err)
{
    uint64_t length = 0;
    if (size < 8)
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\": truncated: %zu bytes are too few for a "
                        "safetensors file",
                        f->name, size);
    for (int i = 0; i < 8; i++)
        length |= (uint64_t)bytes[i] << (8 * i);
    if (length > max_header)
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\": not a safetensors file: its header would have "
                        "%llu bytes",
                        f->name, (unsigned long long)length);
    if (length > size - 8)
        return ptl_fail(err, PTL_E_DATA, "\"%s\": truncated within its header",
                        f->name);
    json_value header;
    ptl_error why = {0};
    if (json_parse(f->arena, (const char *)bytes + 8, (size_t)length, &header,
                   &why) != PTL_OK ||
        header.kind != JSON_OBJECT)
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\": damaged safetensors header: %.200s", f->name,
                        why.text[0] ? why.text : "no object");
    parser p = {.name = f->name,
                .values = bytes + 8 + length,
                .size = size - 8 - (size_t)length,
                .file = f,
                .err = err};
    return read_entries(&p, &header);
}

ptl_status tensor_file_parse(const char *name, const void *bytes, size_t size,
                             tensor_file **out, ptl_error *err)
{
    tensor_file *f = calloc(1, sizeof *f);
    if (!f)
        return ptl_fail(err, PTL_E_MEMORY, "no memory to read \"%s\"", name);
    f->arena = arena_new();
    f->name = arena_strdup(f->arena, name);
    ptl_status st = parse_file(f, bytes, size, err);
    if (st != PTL_OK)
        tensor_file_close(f);
    else
        *out = f;
    return st;
}

ptl_status tensor_file_open(const char *path, tensor_file **out, ptl_error *err)
{
    ptl_bytes bytes;
    ptl_status st = file_read(path, &bytes, err);
    if (st != PTL_OK)
        return st;
    st = tensor_file_parse(path, bytes.data, bytes.size, out, err);
    if (st != PTL_OK)
        bytes_free(&bytes);
    else
        (*out)->bytes = bytes;
    return st;
}

void tensor_file_close(tensor_file *file)
{
    if (!file)
        return;
    arena_free(file->arena);
    bytes_free(&file->bytes);
    free(file);
}

int tensor_file_count(const tensor_file *file)
{
    return file->count;
}

const tensor_entry *tensor_file_at(const tensor_file *file, int index)
{
    return &file->entries[index];
}

const tensor_entry *tensor_file_find(const tensor_file *file, const char *name)
{
    for (int i = 0; i < file->count; i++)
        if (strcmp(file->entries[i].name, name) == 0)
            return &file->entries[i];
    return NULL;
}

/* The header, its length before it, padded so that values begin on 8 bytes. */
static void print_header(const tensor_entry *entries, int count, ptl_str *out)
{
    ptl_str text = {0};
    json_out j = {.text = &text};
    int64_t at = 0;
    json_open(&j, '{');
    for (int i = 0; i < count; i++) {
        const tensor_entry *e = &entries[i];
        json_key(&j, e->name);
        json_open(&j, '{');
        json_key(&j, "dtype");
        json_text(&j, dtype_label(e->dtype));
        json_key(&j, "shape");
        json_open(&j, '[');
        for (int k = 0; k < e->rank; k++)
            json_int(&j, e->dims[k]);
        json_close(&j, ']');
        json_key(&j, "data_offsets");
        json_open(&j, '[');
        json_int(&j, at);
        json_int(&j, at += (int64_t)e->size);
        json_close(&j, ']');
        json_close(&j, '}');
    }
    json_close(&j, '}');
    while (text.length % 8)
        str_addc(&text, ' ');
    for (int i = 0; i < 8; i++)
        str_addc(out, (char)(text.length >> (8 * i) & 0xff));
    str_addn(out, text.data, text.length);
    str_fini(&text);
}

static ptl_status write_piece(file_out *file, const void *bytes, size_t size,
                              tensor_file_sum *sum, ptl_error *err)
{
    if (!size)
        return PTL_OK;
    sum->crc = (uint32_t)crc32_z(sum->crc, bytes, size);
    sum->bytes += size;
    return file_write(file, bytes, size, err);
}

ptl_status tensor_file_write(const char *path, const tensor_entry *entries,
                             int count, tensor_file_sum *sum, ptl_error *err)
{
    file_out *file;
    ptl_str header = {0};
    tensor_file_sum all = {.crc = (uint32_t)crc32_z(0, NULL, 0)};
    ptl_status st = file_create(path, &file, err);
    if (st != PTL_OK)
        return st;
    print_header(entries, count, &header);
    st = write_piece(file, header.data, header.length, &all, err);
    for (int i = 0; i < count && st == PTL_OK; i++)
        st = write_piece(file, entries[i].bytes, entries[i].size, &all, err);
    str_fini(&header);
    if (st != PTL_OK) {
        file_abandon(file);
        return st;
    }
    if (sum)
        *sum = all;
    return file_commit(file, err);
}
