/*
 * npy.c - NumPy's array file, versions 1 to 3, read and written.
 *
 *   "\x93NUMPY" major minor, length of the header (16 bits in version 1, else
 *   32, little-endian), the header: a Python dict such as
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 *   then the values.
 *
 * The header is read by a reader of exactly this dict, not of Python.
 */
#include "base/str.h"
#include "data/reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct header {
    const char *name; /* of the file */
    const char *at, *end;
    char descr[16];
    bool fortran;
    bool has_descr, has_order, has_shape;
    int rank;
    int64_t dims[PTL_MAX_RANK + 1];
    ptl_error *err;
} header;

static ptl_status damaged(const header *h, const char *reason)
{
    return ptl_fail(h->err, PTL_E_DATA, "\"%s\": damaged npy header: %s",
                    h->name, reason);
}

static void skip_space(header *h)
{
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n'))
        h->at++;
}

static bool take(header *h, const char *text)
{
    size_t length = strlen(text);
    skip_space(h);
    if ((size_t)(h->end - h->at) < length || memcmp(h->at, text, length) != 0)
        return false;
    h->at += length;
    return true;
}

/* 'text' or "text" into `to`. */
static bool take_quoted(header *h, char *to, size_t size)
{
    skip_space(h);
    if (h->at == h->end || (*h->at != '\'' && *h->at != '"'))
        return false;
    char quote = *h->at++;
    size_t length = 0;
    while (h->at < h->end && *h->at != quote) {
        if (length + 1 == size)
            return false;
        to[length++] = *h->at++;
    }
    if (h->at == h->end)
        return false;
    h->at++;
    to[length] = '\0';
    return true;
}

static bool take_number(header *h, int64_t *out)
{
    skip_space(h);
    const char *begin = h->at;
    *out = 0;
    while (h->at < h->end && *h->at >= '0' && *h->at <= '9') {
        if (__builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, *h->at - '0', out))
            return false;
        h->at++;
    }
    return h->at > begin;
}

static ptl_status read_shape(header *h)
{
    if (!take(h, "("))
        return damaged(h, "the shape is no tuple");
    while (!take(h, ")")) {
        if (h->rank == PTL_MAX_RANK + 1)
            return damaged(h, "too many axes");
        if (!take_number(h, &h->dims[h->rank]))
            return damaged(h, "a size of the shape is no number");
        h->rank++;
        if (!take(h, ",") && (h->at == h->end || *h->at != ')'))
            return damaged(h, "the shape has no end");
    }
    h->has_shape = true;
    return PTL_OK;
}

static ptl_status read_entry(header *h)
{
    char key[20];
    if (!take_quoted(h, key, sizeof key) || !take(h, ":"))
        return damaged(h, "expected a key");
    if (strcmp(key, "descr") == 0 && !h->has_descr) {
        if (!take_quoted(h, h->descr, sizeof h->descr))
            return damaged(h, "the type is not one of plain numbers");
        h->has_descr = true;
        return PTL_OK;
    }
    if (strcmp(key, "fortran_order") == 0 && !h->has_order) {
        h->fortran = take(h, "True");
        if (!h->fortran && !take(h, "False"))
            return damaged(h, "fortran_order is neither True nor False");
        h->has_order = true;
        return PTL_OK;
    }
    if (strcmp(key, "shape") == 0 && !h->has_shape)
        return read_shape(h);
    return damaged(h, "an unknown or repeated key");
}

static ptl_status read_dict(header *h)
{
    if (!take(h, "{"))
        return damaged(h, "no dict");
    while (!take(h, "}")) {
        ptl_status st = read_entry(h);
        if (st != PTL_OK)
            return st;
        if (!take(h, ",") && (h->at == h->end || *h->at != '}'))
            return damaged(h, "the dict has no end");
    }
    skip_space(h);
    if (h->at != h->end)
        return damaged(h, "something follows the dict");
    if (!h->has_descr || !h->has_order || !h->has_shape)
        return damaged(h, "descr, fortran_order or shape is missing");
    return PTL_OK;
}

static bool type_of(const char *descr, file_type *type, bool *big)
{
    static const struct {
        const char *code;
        file_type type;
    } types[] = {{"u1", FILE_U8},  {"b1", FILE_BOOL}, {"i1", FILE_I8},
                 {"i2", FILE_I16}, {"u2", FILE_U16},  {"i4", FILE_I32},
                 {"u4", FILE_U32}, {"i8", FILE_I64},  {"u8", FILE_U64},
                 {"f4", FILE_F32}, {"f8", FILE_F64}};
    if (!*descr || !strchr("<>|=", *descr))
        return false;
    *big = *descr == '>';
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(descr + 1, types[i].code) == 0) {
            *type = types[i].type;
            return true;
        }
    return false;
}

static bool one_axis_at_most(const header *h)
{
    int longer = 0;
    for (int i = 0; i < h->rank; i++)
        longer += h->dims[i] > 1;
    return longer <= 1;
}

static ptl_status check_content(const header *h, file_values *v, size_t there)
{
    if (!type_of(h->descr, &v->type, &v->big_endian))
        return ptl_fail(h->err, PTL_E_DATA,
                        "\"%s\": type \"%s\" is not read (bool, integers, f4 "
                        "and f8 are)",
                        h->name, h->descr);
    if (h->fortran && !one_axis_at_most(h))
        return ptl_fail(h->err, PTL_E_DATA,
                        "\"%s\": is in Fortran order; save it with "
                        "numpy.ascontiguousarray",
                        h->name);
    if (h->rank == 0)
        return ptl_fail(h->err, PTL_E_DATA,
                        "\"%s\": is a single number; the first axis must count "
                        "the records",
                        h->name);
    size_t item = file_type_size(v->type);
    int64_t needed = shape_bytes(h->dims, h->rank, item);
    int64_t record = shape_bytes(h->dims + 1, h->rank - 1, item);
    if (needed < 0 || record < 0)
        return ptl_fail(h->err, PTL_E_DATA, "\"%s\": the shape is too large",
                        h->name);
    if (there < (size_t)needed)
        return ptl_fail(h->err, PTL_E_DATA,
                        "\"%s\", record %lld: truncated: %lld records of %lld "
                        "bytes are promised, %zu bytes are there",
                        h->name, (long long)(there / (size_t)record) + 1,
                        (long long)h->dims[0], (long long)record, there);
    if (there > (size_t)needed)
        return ptl_fail(h->err, PTL_E_DATA,
                        "\"%s\": %zu bytes follow the last of %lld records",
                        h->name, there - (size_t)needed, (long long)h->dims[0]);
    return PTL_OK;
}

ptl_status parse_npy(read_request *r, const char *name, ptl_bytes *file,
                     data_array *out, ptl_error *err)
{
    const unsigned char *bytes = file->data;
    size_t size = file->size;
    header h = {.name = name, .err = err};
    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return ptl_fail(err, PTL_E_DATA, "\"%s\": not an npy file", name);
    if (bytes[6] < 1 || bytes[6] > 3)
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\": npy version %d is not read (1 to 3 are)", name,
                        bytes[6]);
    size_t begin = bytes[6] == 1 ? 10 : 12;
    size_t length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] > 1 && size >= begin)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (size < begin || size - begin < length)
        return damaged(&h, "truncated");
    h.at = (const char *)bytes + begin;
    h.end = h.at + length;
    ptl_status st = read_dict(&h);
    if (st != PTL_OK)
        return st;
    file_values v = {.path = name, .block = file, .rank = h.rank};
    v.bytes = bytes + begin + length;
    v.size = size - begin - length;
    memcpy(v.dims, h.dims, sizeof v.dims);
    st = check_content(&h, &v, v.size);
    return st == PTL_OK ? convert_values(r, &v, out, err) : st;
}

ptl_status read_npy(read_request *r, data_array *out, ptl_error *err)
{
    static const char *const names[] = {NULL};
    ptl_bytes *file;
    ptl_status st = reader_options_known(r->array, names, err);
    if (st == PTL_OK)
        st = cached_file(r->files, r->array->path, &file, err);
    if (st != PTL_OK)
        return st;
    return parse_npy(r, r->array->path, file, out, err);
}

static const char *descr_of(ptl_dtype dtype)
{
    switch (dtype) {
    case PTL_F32:
        return "<f4";
    case PTL_F64:
        return "<f8";
    case PTL_I32:
        return "<i4";
    case PTL_I64:
        return "<i8";
    case PTL_BOOL:
        return "|b1";
    default:
        return "|u1";
    }
}

ptl_status data_write_npy(const char *path, ptl_dtype dtype, int rank,
                          const int64_t *dims, const void *bytes,
                          ptl_error *err)
{
    ptl_str dict = {0}, head = {0};
    str_printf(&dict, "{'descr': '%s', 'fortran_order': False, 'shape': (",
               descr_of(dtype));
    for (int i = 0; i < rank; i++)
        str_printf(&dict, i + 1 < rank ? "%lld, " : "%lld", (long long)dims[i]);
    str_add(&dict, rank == 1 ? ",), }" : "), }");
    while ((10 + dict.length + 1) % 64)
        str_addc(&dict, ' ');
    str_addc(&dict, '\n');
    str_add(&head, "\x93NUMPY\x01");
    str_addc(&head, '\0');
    str_addc(&head, (char)(dict.length & 0xff));
    str_addc(&head, (char)(dict.length >> 8));
    str_addn(&head, dict.data, dict.length);

    file_out *file;
    int64_t size = shape_bytes(dims, rank, (size_t)dtype_size(dtype));
    PTL_ASSERT(size >= 0);
    ptl_status st = file_create(path, &file, err);
    if (st == PTL_OK) {
        st = file_write(file, head.data, head.length, err);
        if (st == PTL_OK)
            st = file_write(file, bytes, (size_t)size, err);
        if (st == PTL_OK)
            st = file_commit(file, err);
        else
            file_abandon(file);
    }
    str_fini(&dict);
    str_fini(&head);
    return st;
}
