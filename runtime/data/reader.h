/*
 * reader.h - what a reader of a file format is given and what it makes.
 *
 * To add one: a row in readers.def, a file with its function, a table of good
 * and damaged files in the tests, a paragraph in runtime/README.md.
 */
#ifndef PTL_DATA_READER_H
#define PTL_DATA_READER_H

#include "base/file.h"
#include "runtime/data.h"

/* The file read last: two fields of one csv read it once. */
typedef struct file_cache {
    char *path;
    ptl_bytes bytes;
} file_cache;

typedef struct read_request {
    const ptl_job_array *array;
    data_options options;
    file_cache *files;
    /* With skip_bad the reader sets these instead of failing; on the heap, one
     * for each row, NULL: all are good. The caller frees them. */
    unsigned char *bad;
} read_request;

/* Fills dtype, rank, dims, rows, record_bytes, bytes and the block (on the
 * heap) they lie in. */
typedef ptl_status (*data_reader)(read_request *r, data_array *out,
                                  ptl_error *err);

#define READER(name)                                                           \
    ptl_status read_##name(read_request *r, data_array *out, ptl_error *err);
#include "data/readers.def"
#undef READER

/* Fills dtype, rank, dims, rows and record_bytes from the file's beginning;
 * false where that does not tell. What is wrong is the reader's to say. */
typedef bool (*data_peeker)(const ptl_job_array *array,
                            const data_options *options, data_array *out);

#define READER(name)
#define PEEKED(name)                                                           \
    bool peek_##name(const ptl_job_array *array, const data_options *options,  \
                     data_array *out);
#include "data/readers.def"
#undef READER

/* NULL: there is none. */
data_peeker data_find_peeker(const char *reader);
/* The raw field as the compiler wants it; its path is the array's field. */
ptl_job_tensor data_tensor_of(const data_array *a);

/* The content of `path`, unpacked, borrowed until the next call; or taken, and
 * `out` cleared. */
ptl_status cached_file(file_cache *files, const char *path, ptl_bytes **out,
                       ptl_error *err);

/* The value of option `name` in `options` ("name=value;..."), copied to `to`;
 * false: not there, or too long for `size`. */
bool reader_option(const char *options, const char *name, char *to,
                   size_t size);
/* Fails where `options` has a name that is not in the NULL-ended list. */
ptl_status reader_options_known(const ptl_job_array *array,
                                const char *const *names, ptl_error *err);

/* Numbers as they stand in files. */
typedef enum file_type {
    FILE_U8,
    FILE_BOOL,
    FILE_I8,
    FILE_I16,
    FILE_U16,
    FILE_I32,
    FILE_U32,
    FILE_I64,
    FILE_U64,
    FILE_F32,
    FILE_F64,
} file_type;

size_t file_type_size(file_type type);

typedef struct file_values {
    const char *path;
    const unsigned char *bytes;
    size_t size;      /* exactly what the shape asks for */
    ptl_bytes *block; /* they lie in: may be taken; NULL: only borrowed */
    file_type type;
    bool big_endian;
    int rank; /* with the axis of the records */
    int64_t dims[PTL_MAX_RANK + 1];
} file_values;

/* Elements * size, or -1 where that overflows. dims are >= 0. */
int64_t shape_bytes(const int64_t *dims, int rank, size_t item);

/* The shape and type of an array of `from`, as convert_values() will make it.
 * `*bytes` is the size of all records; false where it overflows. */
bool describe_values(const data_options *options, const file_values *from,
                     data_array *out, int64_t *bytes);
/* Converts to the types of data.h; what stands in the file as it will in memory
 * is not copied where its block may be taken. Bools are 0 or 1 or an error. */
ptl_status convert_values(read_request *r, const file_values *from,
                          data_array *out, ptl_error *err);

/* Marks row `row` of `rows` bad where the request skips bad records; else
 * fails with `status` and the sentence. */
ptl_status bad_record(read_request *r, int64_t row, int64_t rows,
                      ptl_error *err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* An npy file in memory, which may be taken; `name` stands for it in messages.
 */
ptl_status parse_npy(read_request *r, const char *name, ptl_bytes *file,
                     data_array *out, ptl_error *err);

#endif
