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
