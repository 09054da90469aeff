/*
 * safetensors.c - a tensor of a safetensors file as data; its first axis
 * counts the records.
 *
 * Option: tensor=NAME (without it, the field's name).
 */
#include "data/reader.h"
#include "runtime/tensor_file.h"
#include <stdio.h>
#include <string.h>

static file_type type_in_file(ptl_dtype dtype)
{
    switch (dtype) {
    case PTL_F32:
        return FILE_F32;
    case PTL_F64:
        return FILE_F64;
    case PTL_I32:
        return FILE_I32;
    case PTL_I64:
        return FILE_I64;
    case PTL_BOOL:
        return FILE_BOOL;
    default:
        return FILE_U8;
    }
}

static ptl_status take_tensor(read_request *r, const tensor_file *file,
                              data_array *out, ptl_error *err)
{
    char name[256];
    const ptl_job_array *array = r->array;
    if (!reader_option(array->options, "tensor", name, sizeof name))
        snprintf(name, sizeof name, "%s", array->field);
    const tensor_entry *e = tensor_file_find(file, name);
    if (!e)
        return ptl_fail(err, PTL_E_DATA, "\"%s\": has no tensor \"%s\"",
                        array->path, name);
    if (e->rank == 0)
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\", tensor \"%s\": is a single number; the first "
                        "axis must count the records",
                        array->path, name);
    file_values v = {.path = array->path,
                     .bytes = e->bytes,
                     .size = e->size,
                     .type = type_in_file(e->dtype),
                     .rank = e->rank};
    memcpy(v.dims, e->dims, (size_t)e->rank * sizeof *v.dims);
    return convert_values(r, &v, out, err);
}

ptl_status read_safetensors(read_request *r, data_array *out, ptl_error *err)
{
    static const char *const names[] = {"tensor", NULL};
    ptl_bytes *bytes;
    tensor_file *file;
    ptl_status st = reader_options_known(r->array, names, err);
    if (st == PTL_OK)
        st = cached_file(r->files, r->array->path, &bytes, err);
    if (st == PTL_OK)
        st = tensor_file_parse(r->array->path, bytes->data, bytes->size, &file,
                               err);
    if (st != PTL_OK)
        return st;
    st = take_tensor(r, file, out, err);
    tensor_file_close(file);
    return st;
}
