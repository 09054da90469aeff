/*
 * dtype.c - the table of element types.
 */
#include "base/dtype.h"
#include <string.h>

static const struct {
    int size;
    const char *label, *name;
} dtypes[] = {
#define DTYPE(name, bytes, label, text) {bytes, label, text},
#include "base/dtype.def"
#undef DTYPE
};

int dtype_size(ptl_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *dtype_name(ptl_dtype dtype)
{
    return dtypes[dtype].name;
}

const char *dtype_label(ptl_dtype dtype)
{
    return dtypes[dtype].label;
}

ptl_dtype dtype_find(const char *label)
{
    for (int i = 0; i < PTL_DTYPE_COUNT; i++)
        if (strcmp(dtypes[i].label, label) == 0)
            return (ptl_dtype)i;
    return PTL_DTYPE_COUNT;
}

double dtype_get(ptl_dtype dtype, const void *bytes, int64_t i)
{
    union {
        float f32;
        double f64;
        int32_t i32;
        int64_t i64;
        uint8_t u8;
    } x;
    size_t size = (size_t)dtype_size(dtype);
    memcpy(&x, (const char *)bytes + (size_t)i * size, size);
    switch (dtype) {
    case PTL_F32:
        return (double)x.f32;
    case PTL_F64:
        return x.f64;
    case PTL_I32:
        return x.i32;
    case PTL_I64:
        return (double)x.i64;
    default:
        return x.u8;
    }
}

void dtype_put(ptl_dtype dtype, void *bytes, int64_t i, double x)
{
    switch (dtype) {
    case PTL_F32:
        ((float *)bytes)[i] = (float)x;
        break;
    case PTL_F64:
        ((double *)bytes)[i] = x;
        break;
    case PTL_I32:
        ((int32_t *)bytes)[i] = (int32_t)x;
        break;
    case PTL_I64:
        ((int64_t *)bytes)[i] = (int64_t)x;
        break;
    default:
        ((uint8_t *)bytes)[i] = (uint8_t)x;
    }
}
