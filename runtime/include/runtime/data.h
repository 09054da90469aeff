/*
 * data.h - the records of a data source, in memory.
 *
 * A source (job.h) has one or more arrays with one row for each record. They
 * keep the type of their file where the language has it, and become the
 * nearest where not:
 *
 *   u8, bool                        as they are
 *   i8 i16 u16 i32 u32 i64 u64      i32; a value that does not fit is an error
 *   f32, f64, text                  the program's real: f32, or f64
 *
 * All failures name the file, the record where there is one (from 1), and the
 * reason.
 */
#ifndef PTL_RUNTIME_DATA_H
#define PTL_RUNTIME_DATA_H

#include "runtime/job.h"
#include <stddef.h>

/* One field of all records. */
typedef struct data_array {
    char *field, *path;
    ptl_dtype dtype;
    int rank; /* of one record: without the axis of the records */
    int64_t dims[PTL_MAX_RANK];
    int64_t rows;
    size_t record_bytes;
    unsigned char *bytes; /* rows * record_bytes, */
    unsigned char *block; /* within this: owned */
} data_array;

typedef struct data_options {
    bool f64;      /* reals are f64 */
    bool skip_bad; /* leave bad records out and count them */
} data_options;

typedef struct ptl_dataset ptl_dataset;

ptl_status data_open(const ptl_job_source *source, const data_options *options,
                     ptl_dataset **out, ptl_error *err);
void data_close(ptl_dataset *data); /* accepts NULL */

/* The same by a thread of its own; `source` outlives it. Each loading ends with
 * one of the two calls below, both of which wait for the thread. */
typedef struct data_loading data_loading;
ptl_status data_load(const ptl_job_source *source, const data_options *options,
                     data_loading **out, ptl_error *err);
/* `*seconds` is how long reading took. */
ptl_status data_loaded(data_loading *l, ptl_dataset **out, double *seconds,
                       ptl_error *err);
void data_load_abandon(data_loading *l); /* accepts NULL */

/*
 * What the beginnings of the files say of the records, so that programs can be
 * made for them while the files are read. Only a guess: the files may turn out
 * damaged, or others by then.
 */
typedef struct data_preview {
    ptl_job_tensor *raw; /* as data_raw() will give; owned */
    int count;
    int64_t rows;
} data_preview;
/* False: only reading everything can tell. */
bool data_preview_open(const ptl_job_source *source,
                       const data_options *options, data_preview *out);
void data_preview_close(data_preview *p);
/* Did it come as foreseen? */
bool data_preview_holds(const data_preview *p, const ptl_dataset *data);

int64_t data_rows(const ptl_dataset *data);
int64_t data_skipped(const ptl_dataset *data);
/* What ptl_job.build() takes: one tensor for each array, in order. */
const ptl_job_tensor *data_raw(const ptl_dataset *data, int *count);
/* Index of the field, -1: none. */
int data_find(const ptl_dataset *data, const char *field);
const data_array *data_array_at(const ptl_dataset *data, int index);

/*
 * Checks every value of a field against [0, bound), once, where data enters.
 * The first outside is an error that names file, record and value; with
 * skip_bad its record is left out instead.
 */
ptl_status data_check_bound(ptl_dataset *data, const char *field, int64_t bound,
                            ptl_error *err);
/* data_check_bound for each DATA buffer of the program that has one. */
ptl_status data_check_program(ptl_dataset *data, const ptl_program *program,
                              ptl_error *err);

/* Copies the records `rows[0..count)` of a field to `to`, one after another;
 * `rows` NULL: those from `first` on. Any thread. */
void data_gather(const ptl_dataset *data, int index, const uint32_t *rows,
                 int64_t first, int64_t count, void *to);

/* One npy file of its own, as `ptlc predict` takes it: the first axis counts
 * the records. data_array_fini() frees the content. */
ptl_status data_read_npy(const char *path, bool f64, data_array *out,
                         ptl_error *err);
void data_array_fini(data_array *array);
/* Every value against [0, bound), as data_check_bound() does. */
ptl_status data_array_check(const data_array *array, int64_t bound,
                            ptl_error *err);
/* Writes an npy (version 1, C order), complete or not at all. */
ptl_status data_write_npy(const char *path, ptl_dtype dtype, int rank,
                          const int64_t *dims, const void *bytes,
                          ptl_error *err);

#endif
