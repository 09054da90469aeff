/*
 * npz.c - one array of a NumPy npz: a zip archive of npy files, stored or
 * deflated.
 *
 * Option: array=NAME (without it, the field's name). Read from the archive's
 * directory at its end; what an entry says there must agree with what is found
 * at its place, and its CRC-32 with the values. Archives beyond 4 GiB (zip64)
 * and encrypted entries are refused.
 */
#include "data/reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef struct archive {
    const char *path;
    const unsigned char *bytes;
    size_t size;
    ptl_error *err;
} archive;

typedef struct entry {
    unsigned method;
    uint32_t crc, packed, unpacked;
    size_t local; /* where its local header is */
} entry;

static uint32_t get16(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const unsigned char *at)
{
    return get16(at) | get16(at + 2) << 16;
}

static ptl_status damaged(const archive *a, const char *reason)
{
    return ptl_fail(a->err, PTL_E_DATA, "\"%s\": damaged npz: %s", a->path,
                    reason);
}

static bool marked(const archive *a, size_t at, uint32_t mark, size_t length)
{
    return at <= a->size && a->size - at >= length &&
           get32(a->bytes + at) == mark;
}

enum { END_BYTES = 22, CENTRAL_BYTES = 46, LOCAL_BYTES = 30 };
static const uint32_t end_mark = 0x06054b50, central_mark = 0x02014b50,
                      local_mark = 0x04034b50;

/* The end record is the last 22 bytes: npz files have no comment. */
static ptl_status find_directory(const archive *a, size_t *at, int *count)
{
    if (a->size < END_BYTES ||
        !marked(a, a->size - END_BYTES, end_mark, END_BYTES))
        return damaged(a, "no directory at its end: truncated, or no npz");
    const unsigned char *end = a->bytes + a->size - END_BYTES;
    *count = (int)get16(end + 10);
    *at = get32(end + 16);
    if (*count == 0xffff || *at == 0xffffffff)
        return damaged(a, "archives beyond 4 GiB are not read");
    return PTL_OK;
}

/* The entry called `name`, with or without ".npy". */
static bool called(const unsigned char *text, size_t length, const char *name)
{
    size_t wanted = strlen(name);
    if (length < wanted || memcmp(text, name, wanted) != 0)
        return false;
    return length == wanted ||
           (length == wanted + 4 && memcmp(text + wanted, ".npy", 4) == 0);
}

static ptl_status find_entry(const archive *a, const char *name, entry *out)
{
    size_t at = 0;
    int count = 0;
    ptl_status st = find_directory(a, &at, &count);
    for (int i = 0; i < count && st == PTL_OK; i++) {
        if (!marked(a, at, central_mark, CENTRAL_BYTES))
            return damaged(a, "its directory");
        const unsigned char *c = a->bytes + at;
        size_t name_length = get16(c + 28);
        size_t length =
            CENTRAL_BYTES + name_length + get16(c + 30) + get16(c + 32);
        if (a->size - at < length)
            return damaged(a, "its directory");
        at += length;
        if (!called(c + CENTRAL_BYTES, name_length, name))
            continue;
        *out = (entry){.method = get16(c + 10),
                       .crc = get32(c + 16),
                       .packed = get32(c + 20),
                       .unpacked = get32(c + 24),
                       .local = get32(c + 42)};
        if (get16(c + 8) & 1)
            return damaged(a, "encrypted entries are not read");
        return PTL_OK;
    }
    return st != PTL_OK
               ? st
               : ptl_fail(a->err, PTL_E_DATA, "\"%s\": has no array \"%s\"",
                          a->path, name);
}

static bool inflate_entry(const unsigned char *from, const entry *e,
                          unsigned char *to)
{
    z_stream z = {.next_in = (unsigned char *)from,
                  .avail_in = e->packed,
                  .next_out = to,
                  .avail_out = e->unpacked};
    if (inflateInit2(&z, -15) != Z_OK)
        return false;
    int code = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return code == Z_STREAM_END && z.avail_out == 0 && z.avail_in == 0;
}

static ptl_status unpack(const archive *a, const entry *e, ptl_bytes *out)
{
    if (!marked(a, e->local, local_mark, LOCAL_BYTES))
        return damaged(a, "an entry is not where the directory says");
    const unsigned char *local = a->bytes + e->local;
    size_t begin =
        e->local + LOCAL_BYTES + get16(local + 26) + get16(local + 28);
    if (begin > a->size || a->size - begin < e->packed)
        return damaged(a, "truncated within an entry");
    if (e->method != 0 && e->method != 8)
        return damaged(a, "an entry is packed in an unknown way");
    /* Deflate packs at most 1032 to 1: a larger claim is damage, and not worth
     * the memory. */
    if (e->method == 0 ? e->packed != e->unpacked
                       : e->unpacked / 1040 > e->packed)
        return damaged(a, "the sizes of an entry do not agree");
    out->data = bytes_room(e->unpacked);
    out->size = e->unpacked;
    if (!out->data)
        return ptl_fail(a->err, PTL_E_MEMORY, "no memory to unpack \"%s\"",
                        a->path);
    bool ok = true;
    if (e->method == 0)
        memcpy(out->data, a->bytes + begin, e->unpacked);
    else
        ok = inflate_entry(a->bytes + begin, e, out->data);
    if (!ok || crc32_z(crc32_z(0, NULL, 0), out->data, out->size) != e->crc)
        return damaged(a, "the values of an entry do not fit their checksum");
    return PTL_OK;
}

ptl_status read_npz(read_request *r, data_array *out, ptl_error *err)
{
    static const char *const names[] = {"array", NULL};
    ptl_bytes *file;
    char name[256];
    ptl_status st = reader_options_known(r->array, names, err);
    if (st == PTL_OK)
        st = cached_file(r->files, r->array->path, &file, err);
    if (st != PTL_OK)
        return st;
    if (!reader_option(r->array->options, "array", name, sizeof name))
        snprintf(name, sizeof name, "%s", r->array->field);
    archive a = {r->array->path, file->data, file->size, err};
    entry e = {0};
    ptl_bytes npy = {0};
    st = find_entry(&a, name, &e);
    if (st == PTL_OK)
        st = unpack(&a, &e, &npy);
    if (st == PTL_OK)
        st = parse_npy(r, r->array->path, &npy, out, err);
    bytes_free(&npy);
    return st;
}
