/*
 * idx.c - the format of the MNIST files (Y. LeCun, C. Cortes, C. Burges).
 *
 *   bytes 0, 1   zero
 *   byte  2      type: 08 u8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64
 *   byte  3      number of axes
 *   then         each size as 32 bits, then the values; all big-endian
 *
 * The first axis counts the records.
 */
#include "data/reader.h"

static bool type_of(unsigned char code, file_type *out)
{
    switch (code) {
    case 0x08:
        *out = FILE_U8;
        return true;
    case 0x09:
        *out = FILE_I8;
        return true;
    case 0x0B:
        *out = FILE_I16;
        return true;
    case 0x0C:
        *out = FILE_I32;
        return true;
    case 0x0D:
        *out = FILE_F32;
        return true;
    case 0x0E:
        *out = FILE_F64;
        return true;
    default:
        return false;
    }
}

static ptl_status read_header(const ptl_bytes *file, file_values *v,
                              ptl_error *err)
{
    const unsigned char *b = file->data;
    if (file->size < 4)
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\": truncated: %zu bytes are too few for the "
                        "header of an idx file",
                        v->path, file->size);
    if (b[0] != 0 || b[1] != 0 || !type_of(b[2], &v->type))
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\": not an idx file: it begins with %02x %02x "
                        "%02x %02x",
                        v->path, b[0], b[1], b[2], b[3]);
    v->rank = b[3];
    if (v->rank < 1 || v->rank > PTL_MAX_RANK + 1)
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\": has %d axes, 1 to %d are read", v->path,
                        v->rank, PTL_MAX_RANK + 1);
    if (file->size < 4 + 4 * (size_t)v->rank)
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\": truncated in the sizes of its %d axes",
                        v->path, v->rank);
    for (int i = 0; i < v->rank; i++) {
        const unsigned char *s = b + 4 + 4 * i;
        v->dims[i] = (int64_t)s[0] << 24 | s[1] << 16 | s[2] << 8 | s[3];
    }
    return PTL_OK;
}

/* The header's promise against what the file holds. */
static ptl_status check_size(const ptl_bytes *file, size_t header,
                             const file_values *v, ptl_error *err)
{
    size_t item = file_type_size(v->type);
    int64_t needed = shape_bytes(v->dims, v->rank, item);
    int64_t record = shape_bytes(v->dims + 1, v->rank - 1, item);
    size_t there = file->size - header;
    if (needed < 0 || record < 0)
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\": the sizes in its header are too large",
                        v->path);
    if (there < (size_t)needed)
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\", record %lld: truncated: the header says %lld "
                        "records of %lld bytes, the file has %zu bytes of them",
                        v->path, (long long)(there / (size_t)record) + 1,
                        (long long)v->dims[0], (long long)record, there);
    if (there > (size_t)needed)
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\": %zu bytes follow the last of %lld records",
                        v->path, there - (size_t)needed, (long long)v->dims[0]);
    return PTL_OK;
}

bool peek_idx(const ptl_job_array *array, const data_options *options,
              data_array *out)
{
    unsigned char head[4 + 4 * (PTL_MAX_RANK + 1)];
    ptl_bytes file = {head, sizeof head};
    file_values v = {.path = array->path, .big_endian = true};
    int64_t bytes;
    return file_head_gz(array->path, head, &file.size) &&
           read_header(&file, &v, NULL) == PTL_OK &&
           describe_values(options, &v, out, &bytes);
}

ptl_status read_idx(read_request *r, data_array *out, ptl_error *err)
{
    static const char *const names[] = {NULL};
    ptl_bytes *file;
    file_values v = {.path = r->array->path, .big_endian = true};
    ptl_status st = reader_options_known(r->array, names, err);
    if (st == PTL_OK)
        st = cached_file(r->files, v.path, &file, err);
    if (st == PTL_OK)
        st = read_header(file, &v, err);
    if (st != PTL_OK)
        return st;
    size_t header = 4 + 4 * (size_t)v.rank;
    st = check_size(file, header, &v, err);
    if (st != PTL_OK)
        return st;
    v.bytes = file->data + header;
    v.size = file->size - header;
    v.block = file;
    return convert_values(r, &v, out, err);
}
