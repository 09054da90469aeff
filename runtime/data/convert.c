/*
 * convert.c - from the number types of files to those of the language.
 */
#include "data/reader.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char type_sizes[] = {
    [FILE_U8] = 1,  [FILE_BOOL] = 1, [FILE_I8] = 1,  [FILE_I16] = 2,
    [FILE_U16] = 2, [FILE_I32] = 4,  [FILE_U32] = 4, [FILE_I64] = 8,
    [FILE_U64] = 8, [FILE_F32] = 4,  [FILE_F64] = 8};

size_t file_type_size(file_type type)
{
    return type_sizes[type];
}

int64_t shape_bytes(const int64_t *dims, int rank, size_t item)
{
    int64_t bytes = (int64_t)item;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (dims[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(bytes, dims[i], &bytes))
            return -1;
    }
    return empty ? 0 : bytes;
}

ptl_status bad_record(read_request *r, int64_t row, int64_t rows,
                      ptl_error *err, const char *format, ...)
{
    if (r->options.skip_bad) {
        if (!r->bad)
            r->bad = calloc((size_t)rows, 1);
        if (!r->bad)
            return ptl_fail(err, PTL_E_MEMORY, "no memory for \"%s\"",
                            r->array->path);
        r->bad[row] = 1;
        return PTL_OK;
    }
    if (!err)
        return PTL_E_DATA;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return err->status = PTL_E_DATA;
}

/* Bits of one value, in the host's order (which is little-endian). */
static uint64_t load_bits(const unsigned char *at, size_t size, bool big)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++)
        bits |= (uint64_t)at[big ? size - 1 - i : i] << (8 * i);
    return bits;
}

/* False: beyond int64. */
static bool as_integer(file_type type, uint64_t bits, int64_t *out)
{
    switch (type) {
    case FILE_I8:
        *out = (int8_t)bits;
        return true;
    case FILE_I16:
        *out = (int16_t)bits;
        return true;
    case FILE_I32:
        *out = (int32_t)bits;
        return true;
    case FILE_U64:
        *out = (int64_t)bits;
        return bits <= INT64_MAX;
    default:
        *out = (int64_t)bits;
        return true;
    }
}

static double as_real(file_type type, uint64_t bits)
{
    if (type == FILE_F64) {
        double d;
        memcpy(&d, &bits, sizeof d);
        return d;
    }
    uint32_t low = (uint32_t)bits;
    float f;
    memcpy(&f, &low, sizeof f);
    return (double)f;
}

static ptl_dtype target_type(file_type type, bool f64)
{
    switch (type) {
    case FILE_U8:
        return PTL_U8;
    case FILE_BOOL:
        return PTL_BOOL;
    case FILE_F32:
    case FILE_F64:
        return f64 ? PTL_F64 : PTL_F32;
    default:
        return PTL_I32;
    }
}

static ptl_status convert_integers(read_request *r, const file_values *from,
                                   data_array *out, ptl_error *err)
{
    size_t size = file_type_size(from->type);
    int64_t per_row = (int64_t)(out->record_bytes / sizeof(int32_t));
    int32_t *to = (int32_t *)(void *)out->bytes;
    const unsigned char *at = from->bytes;
    for (int64_t row = 0; row < out->rows; row++) {
        for (int64_t k = 0; k < per_row; k++, at += size, to++) {
            uint64_t bits = load_bits(at, size, from->big_endian);
            int64_t value;
            bool fits = as_integer(from->type, bits, &value) &&
                        value >= INT32_MIN && value <= INT32_MAX;
            *to = fits ? (int32_t)value : 0;
            ptl_status st =
                fits ? PTL_OK
                     : bad_record(r, row, out->rows, err,
                                  "\"%s\", record %lld: %llu does not fit "
                                  "into int (32 bits)",
                                  from->path, (long long)row + 1,
                                  (unsigned long long)bits);
            if (st != PTL_OK)
                return st;
        }
    }
    return PTL_OK;
}

static void convert_reals(const file_values *from, data_array *out)
{
    size_t size = file_type_size(from->type);
    size_t count = from->size / size;
    float *f32 = (float *)(void *)out->bytes;
    double *f64 = (double *)(void *)out->bytes;
    for (size_t i = 0; i < count; i++) {
        double value = as_real(from->type, load_bits(from->bytes + i * size,
                                                     size, from->big_endian));
        if (out->dtype == PTL_F32)
            f32[i] = (float)value;
        else
            f64[i] = value;
    }
}

static ptl_status check_bools(read_request *r, const file_values *from,
                              data_array *out, ptl_error *err)
{
    for (int64_t row = 0; row < out->rows; row++)
        for (size_t k = 0; k < out->record_bytes; k++) {
            unsigned char *at =
                &out->bytes[(size_t)row * out->record_bytes + k];
            if (*at <= 1)
                continue;
            ptl_status st = bad_record(r, row, out->rows, err,
                                       "\"%s\", record %lld: %d is no bool",
                                       from->path, (long long)row + 1, *at);
            if (st != PTL_OK)
                return st;
            *at = 0;
        }
    return PTL_OK;
}

bool describe_values(const data_options *options, const file_values *from,
                     data_array *out, int64_t *bytes)
{
    out->dtype = target_type(from->type, options->f64);
    out->rows = from->dims[0];
    out->rank = from->rank - 1;
    memcpy(out->dims, from->dims + 1, (size_t)out->rank * sizeof *out->dims);
    size_t item = (size_t)dtype_size(out->dtype);
    int64_t record = shape_bytes(out->dims, out->rank, item);
    *bytes = shape_bytes(from->dims, from->rank, item);
    out->record_bytes = (size_t)record;
    return record >= 0 && *bytes >= 0;
}

/* Do the values stand in the file as they will in memory? */
static bool stand_ready(const file_values *from, ptl_dtype to)
{
    switch (from->type) {
    case FILE_U8:
    case FILE_BOOL:
        return true;
    case FILE_I32:
        return !from->big_endian;
    case FILE_F32:
        return to == PTL_F32 && !from->big_endian;
    case FILE_F64:
        return to == PTL_F64 && !from->big_endian;
    default:
        return false;
    }
}

/* Takes the block the values lie in, if it may and they lie well. */
static bool take_block(const file_values *from, data_array *out)
{
    size_t place = (size_t)(from->bytes - from->block->data);
    if (place % (size_t)dtype_size(out->dtype))
        return false;
    out->block = from->block->data;
    out->bytes = out->block + place;
    *from->block = (ptl_bytes){0};
    return true;
}

static ptl_status make_block(const file_values *from, data_array *out,
                             int64_t size, ptl_error *err)
{
    out->bytes = out->block = bytes_room((size_t)size);
    if (!out->block)
        return ptl_fail(err, PTL_E_MEMORY,
                        "no memory for the %lld bytes of \"%s\"",
                        (long long)size, from->path);
    return PTL_OK;
}

ptl_status convert_values(read_request *r, const file_values *from,
                          data_array *out, ptl_error *err)
{
    int64_t size;
    ptl_status st;
    if (!describe_values(&r->options, from, out, &size))
        return ptl_fail(err, PTL_E_DATA, "\"%s\": the shape is too large",
                        from->path);
    bool ready = stand_ready(from, out->dtype);
    bool taken = ready && from->block && take_block(from, out);
    if (!taken && (st = make_block(from, out, size, err)) != PTL_OK)
        return st;
    if (ready && !taken && from->size)
        memcpy(out->bytes, from->bytes, from->size);
    if (from->type == FILE_BOOL)
        return check_bools(r, from, out, err);
    if (ready)
        return PTL_OK;
    if (from->type == FILE_F32 || from->type == FILE_F64) {
        convert_reals(from, out);
        return PTL_OK;
    }
    return convert_integers(r, from, out, err);
}
