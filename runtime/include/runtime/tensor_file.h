/*
 * tensor_file.h - safetensors files: named tensors, read and written.
 *
 *   8 bytes   length of the header, little-endian
 *   header    {"NAME":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},..}
 *   values    one after another, no gaps; offsets count from here
 *
 * A file is refused unless all of it is accounted for: known types, sizes that
 * fit their shapes, ranges that cover the values exactly once.
 */
#ifndef PTL_RUNTIME_TENSOR_FILE_H
#define PTL_RUNTIME_TENSOR_FILE_H

#include "base/dtype.h"
#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

typedef struct tensor_entry {
    const char *name;
    ptl_dtype dtype;
    int rank;
    int64_t dims[PTL_MAX_RANK];
    const void *bytes;
    size_t size;
} tensor_entry;

typedef struct tensor_file tensor_file;

/* Reads the whole file; what it gives lives until tensor_file_close(). */
ptl_status tensor_file_open(const char *path, tensor_file **out,
                            ptl_error *err);
/* The same from memory: `name` stands for the file in messages; `bytes` are
 * borrowed. */
ptl_status tensor_file_parse(const char *name, const void *bytes, size_t size,
                             tensor_file **out, ptl_error *err);
void tensor_file_close(tensor_file *file); /* accepts NULL */

int tensor_file_count(const tensor_file *file);
const tensor_entry *tensor_file_at(const tensor_file *file, int index);
/* NULL: none of that name. */
const tensor_entry *tensor_file_find(const tensor_file *file, const char *name);

/* Of a file that was written. */
typedef struct tensor_file_sum {
    uint64_t bytes;
    uint32_t crc; /* CRC-32 of all of them */
} tensor_file_sum;

/*
 * Writes entries in the order given; the file appears complete or not at all.
 * `sum` may be NULL.
 */
ptl_status tensor_file_write(const char *path, const tensor_entry *entries,
                             int count, tensor_file_sum *sum, ptl_error *err);

#endif
