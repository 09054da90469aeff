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
    switch (dtype) {
    case PTL_F32:
        return (double)((const float *)bytes)[i];
    case PTL_F64:
        return ((const double *)bytes)[i];
    case PTL_I32:
        return ((const int32_t *)bytes)[i];
    case PTL_I64:
        return (double)((const int64_t *)bytes)[i];
    default:
        return ((const uint8_t *)bytes)[i];
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
