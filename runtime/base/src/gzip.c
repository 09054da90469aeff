/*
 * gzip.c - unpacks gzip data in memory, and says what is wrong with it.
 *
 * libdeflate is twice as fast as zlib, but wants all room at once and says no
 * more than "bad". So it is asked first, for what is one whole member, and what
 * it does not take goes to zlib, whose answer counts and has place and reason.
 * zlib's gz* functions take trailing bytes and some truncations silently, so
 * the members are walked here.
 */
#include "base/file.h"
#include <libdeflate.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef struct unpacker {
    const char *path;
    z_stream stream;
    const ptl_bytes *packed;
    size_t taken; /* packed bytes given to zlib so far */
    ptl_bytes out;
    size_t room;
} unpacker;

static ptl_status damaged(const unpacker *u, ptl_error *err)
{
    return ptl_fail(err, PTL_E_DATA,
                    "\"%s\": damaged gzip data after %zu unpacked bytes: %s",
                    u->path, u->out.size,
                    u->stream.msg ? u->stream.msg : "not a gzip stream");
}

static void feed(unpacker *u)
{
    if (u->stream.avail_in)
        return;
    size_t left = u->packed->size - u->taken;
    uInt piece = left < UINT_MAX / 2 ? (uInt)left : UINT_MAX / 2;
    u->stream.next_in = u->packed->data + u->taken;
    u->stream.avail_in = piece;
    u->taken += piece;
}

static ptl_status make_room(unpacker *u, ptl_error *err)
{
    if (u->out.size < u->room)
        return PTL_OK;
    size_t room = u->room ? u->room * 2 : u->packed->size * 4 + 4096;
    unsigned char *data = realloc(u->out.data, room + 1);
    if (!data)
        return ptl_fail(err, PTL_E_MEMORY, "no memory to unpack \"%s\"",
                        u->path);
    u->out.data = data;
    u->room = room;
    return PTL_OK;
}

/* Unpacks until zlib reports the end of a member. */
static ptl_status unpack_member(unpacker *u, ptl_error *err)
{
    for (;;) {
        ptl_status st = make_room(u, err);
        if (st != PTL_OK)
            return st;
        feed(u);
        size_t space = u->room - u->out.size;
        uInt piece = space < UINT_MAX / 2 ? (uInt)space : UINT_MAX / 2;
        u->stream.next_out = u->out.data + u->out.size;
        u->stream.avail_out = piece;
        int code = inflate(&u->stream, Z_NO_FLUSH);
        u->out.size += piece - u->stream.avail_out;
        if (code == Z_STREAM_END)
            return PTL_OK;
        if (code == Z_BUF_ERROR ||
            (code == Z_OK && !u->stream.avail_in &&
             u->taken == u->packed->size && u->stream.avail_out))
            return ptl_fail(err, PTL_E_DATA,
                            "\"%s\": truncated gzip data after %zu unpacked "
                            "bytes",
                            u->path, u->out.size);
        if (code != Z_OK)
            return damaged(u, err);
    }
}

static bool another_member(const unpacker *u)
{
    const unsigned char *at = u->stream.next_in;
    return u->stream.avail_in >= 2 && at[0] == 0x1f && at[1] == 0x8b;
}

static ptl_status unpack(unpacker *u, ptl_error *err)
{
    for (;;) {
        ptl_status st = unpack_member(u, err);
        if (st != PTL_OK)
            return st;
        feed(u);
        if (!u->stream.avail_in)
            return PTL_OK;
        if (!another_member(u))
            return ptl_fail(err, PTL_E_DATA,
                            "\"%s\": %zu bytes follow the gzip data", u->path,
                            u->stream.avail_in + u->packed->size - u->taken);
        if (inflateReset2(&u->stream, 15 + 16) != Z_OK)
            return damaged(u, err);
    }
}

/* The size that the end of the last member states, modulo 2^32. */
static size_t stated_size(const ptl_bytes *packed)
{
    const unsigned char *end = packed->data + packed->size;
    return (size_t)end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 |
           (size_t)end[-1] << 24;
}

/* False: not one whole member, or not right: zlib shall say. */
static bool unpack_whole(const ptl_bytes *packed, ptl_bytes *out)
{
    enum { LEAST_BYTES = 18, MOST_RATIO = 1040, FLAGS = 3, HEADER_CRC = 2 };
    /* libdeflate does not check the header's own checksum, if it has one. */
    if (packed->size < LEAST_BYTES || packed->data[FLAGS] & HEADER_CRC)
        return false;
    size_t size = stated_size(packed), taken = 0, made = 0;
    if (size / MOST_RATIO > packed->size)
        return false;
    unsigned char *room = bytes_room(size);
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    bool good =
        room && d &&
        libdeflate_gzip_decompress_ex(d, packed->data, packed->size, room, size,
                                      &taken, &made) == LIBDEFLATE_SUCCESS &&
        taken == packed->size && made == size;
    libdeflate_free_decompressor(d);
    if (!good) {
        free(room);
        return false;
    }
    room[size] = '\0';
    *out = (ptl_bytes){room, size};
    return true;
}

static ptl_status unpack_members(const char *path, const ptl_bytes *packed,
                                 ptl_bytes *out, ptl_error *err)
{
    unpacker u = {.path = path, .packed = packed};
    if (inflateInit2(&u.stream, 15 + 16) != Z_OK)
        return ptl_fail(err, PTL_E_MEMORY, "no memory to unpack \"%s\"", path);
    ptl_status st = unpack(&u, err);
    inflateEnd(&u.stream);
    if (st != PTL_OK) {
        bytes_free(&u.out);
        return st;
    }
    u.out.data[u.out.size] = '\0';
    *out = u.out;
    return PTL_OK;
}

ptl_status file_read_gz(const char *path, ptl_bytes *out, ptl_error *err)
{
    ptl_bytes packed;
    ptl_status st = file_read(path, &packed, err);
    if (st != PTL_OK)
        return st;
    if (packed.size < 2 || packed.data[0] != 0x1f || packed.data[1] != 0x8b) {
        *out = packed;
        return PTL_OK;
    }
    if (!unpack_whole(&packed, out))
        st = unpack_members(path, &packed, out, err);
    bytes_free(&packed);
    return st;
}

static bool unpack_head(const unsigned char *packed, size_t packed_size,
                        unsigned char *to, size_t *size)
{
    z_stream z = {.next_in = (unsigned char *)packed,
                  .avail_in = (uInt)packed_size,
                  .next_out = to,
                  .avail_out = (uInt)*size};
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return false;
    int code = inflate(&z, Z_SYNC_FLUSH);
    inflateEnd(&z);
    *size -= z.avail_out;
    return code == Z_OK || code == Z_STREAM_END;
}

bool file_head_gz(const char *path, unsigned char *to, size_t *size)
{
    unsigned char packed[16 << 10];
    FILE *f = fopen(path, "rbe");
    if (!f)
        return false;
    size_t got = fread(packed, 1, sizeof packed, f);
    bool good = !ferror(f);
    fclose(f);
    if (good && got > 2 && packed[0] == 0x1f && packed[1] == 0x8b)
        return unpack_head(packed, got, to, size);
    *size = got < *size ? got : *size;
    memcpy(to, packed, *size);
    return good;
}
