/*
 * dataset.c - reads the arrays of a source and makes one set of records of
 * them: equal counts, the range of rows asked for, bad records left out.
 *
 * `origin` remembers which record of the file a row was, so that a message
 * about a value names the record the user can look up.
 */
#include "data/reader.h"
#include <stdlib.h>
#include <string.h>

struct ptl_dataset {
    data_options options;
    data_array *arrays;
    ptl_job_tensor *raw;
    unsigned char *bad; /* one for each row still there; NULL: none is */
    int64_t *origin;    /* NULL: row i was record first + i */
    int64_t first, rows, skipped;
    int count;
};

typedef struct reader {
    const char *name;
    data_reader read;
    data_peeker peek;
} reader;

static const reader readers[] = {
#define READER(name) {#name, read_##name, NULL},
#define PEEKED(name) {#name, read_##name, peek_##name},
#include "data/readers.def"
#undef READER
};

static const reader *find_reader(const char *name)
{
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (strcmp(readers[i].name, name) == 0)
            return &readers[i];
    return NULL;
}

data_peeker data_find_peeker(const char *name)
{
    const reader *r = name ? find_reader(name) : NULL;
    return r ? r->peek : NULL;
}

ptl_status cached_file(file_cache *files, const char *path, ptl_bytes **out,
                       ptl_error *err)
{
    if (!files->bytes.data || strcmp(files->path, path) != 0) {
        bytes_free(&files->bytes);
        free(files->path);
        files->path = NULL;
        ptl_status st = file_read_gz(path, &files->bytes, err);
        if (st != PTL_OK)
            return st;
        files->path = strdup(path);
        if (!files->path)
            return ptl_fail(err, PTL_E_MEMORY, "no memory for \"%s\"", path);
    }
    *out = &files->bytes;
    return PTL_OK;
}

/* Calls for the next "name=value;" of options; false at the end. */
static bool next_option(const char **at, const char **name, size_t *name_length,
                        const char **value, size_t *value_length)
{
    while (**at == ';' || **at == ' ')
        (*at)++;
    if (!**at)
        return false;
    *name = *at;
    *name_length = strcspn(*at, "=;");
    *at += *name_length;
    *value = *at;
    *value_length = 0;
    if (**at == '=') {
        *value = *at + 1;
        *value_length = strcspn(*value, ";");
        *at = *value + *value_length;
    }
    return true;
}

bool reader_option(const char *options, const char *name, char *to, size_t size)
{
    const char *at = options ? options : "", *key, *value;
    size_t key_length, length;
    while (next_option(&at, &key, &key_length, &value, &length)) {
        if (key_length != strlen(name) || memcmp(key, name, key_length) != 0)
            continue;
        if (length >= size)
            return false;
        memcpy(to, value, length);
        to[length] = '\0';
        return true;
    }
    return false;
}

ptl_status reader_options_known(const ptl_job_array *array,
                                const char *const *names, ptl_error *err)
{
    const char *at = array->options ? array->options : "", *key, *value;
    size_t key_length, length;
    while (next_option(&at, &key, &key_length, &value, &length)) {
        bool known = false;
        for (const char *const *n = names; *n && !known; n++)
            known =
                strlen(*n) == key_length && memcmp(*n, key, key_length) == 0;
        if (!known)
            return ptl_fail(err, PTL_E_PROGRAM,
                            "the reader of \"%s\" has no option \"%.*s\"",
                            array->path, (int)key_length, key);
    }
    return PTL_OK;
}

void data_array_fini(data_array *array)
{
    free(array->field);
    free(array->path);
    free(array->block);
    *array = (data_array){0};
}

static ptl_status no_memory(ptl_error *err)
{
    return ptl_fail(err, PTL_E_MEMORY, "no memory for the data");
}

/* Joins what this array found bad with what the ones before it found. */
static void merge_bad(ptl_dataset *d, unsigned char *bad, int64_t rows)
{
    if (!d->bad) {
        d->bad = bad;
        return;
    }
    for (int64_t i = 0; bad && i < rows; i++)
        d->bad[i] |= bad[i];
    free(bad);
}

static ptl_status read_array(ptl_dataset *d, data_reader read,
                             const ptl_job_array *from, file_cache *files,
                             ptl_error *err)
{
    data_array *to = &d->arrays[d->count++];
    read_request r = {.array = from, .options = d->options, .files = files};
    to->field = strdup(from->field);
    to->path = strdup(from->path);
    if (!to->field || !to->path)
        return no_memory(err);
    ptl_status st = read(&r, to, err);
    if (st == PTL_OK && d->count > 1 && to->rows != d->arrays[0].rows)
        st = ptl_fail(err, PTL_E_DATA, "\"%s\" has %lld records, \"%s\" %lld",
                      d->arrays[0].path, (long long)d->arrays[0].rows, to->path,
                      (long long)to->rows);
    if (st != PTL_OK)
        free(r.bad);
    else
        merge_bad(d, r.bad, to->rows);
    return st;
}

static ptl_status read_arrays(ptl_dataset *d, const ptl_job_source *source,
                              ptl_error *err)
{
    const reader *how = find_reader(source->reader);
    if (!how)
        return ptl_fail(err, PTL_E_PROGRAM, "there is no reader \"%s\"",
                        source->reader);
    file_cache files = {0};
    ptl_status st = PTL_OK;
    for (int i = 0; i < source->array_count && st == PTL_OK; i++)
        st = read_array(d, how->read, &source->arrays[i], &files, err);
    free(files.path);
    bytes_free(&files.bytes);
    return st;
}

static void keep_rows(ptl_dataset *d, int64_t begin, int64_t end)
{
    for (int i = 0; i < d->count; i++) {
        data_array *a = &d->arrays[i];
        a->bytes += (size_t)begin * a->record_bytes;
        a->rows = end - begin;
    }
    if (d->bad && begin)
        memmove(d->bad, d->bad + begin, (size_t)(end - begin));
    d->first = begin;
    d->rows = end - begin;
}

static ptl_status take_range(ptl_dataset *d, const ptl_job_source *source,
                             ptl_error *err)
{
    int64_t rows = d->arrays[0].rows;
    int64_t end = source->end < 0 ? rows : source->end;
    if (source->begin < 0 || source->begin > end || end > rows)
        return ptl_fail(err, PTL_E_DATA,
                        "records %lld to %lld of \"%s\" are asked for, it has "
                        "%lld",
                        (long long)source->begin, (long long)end,
                        d->arrays[0].path, (long long)rows);
    keep_rows(d, source->begin, end);
    if (d->rows >= UINT32_MAX)
        return ptl_fail(err, PTL_E_DATA, "\"%s\": more than 2^32 records",
                        d->arrays[0].path);
    if (d->rows == 0)
        return ptl_fail(err, PTL_E_DATA, "\"%s\": no records",
                        d->arrays[0].path);
    return PTL_OK;
}

static ptl_status make_origin(ptl_dataset *d, ptl_error *err)
{
    if (d->origin)
        return PTL_OK;
    d->origin = malloc((size_t)d->rows * sizeof *d->origin);
    if (!d->origin)
        return no_memory(err);
    for (int64_t i = 0; i < d->rows; i++)
        d->origin[i] = d->first + i;
    return PTL_OK;
}

/* Moves the rows whose flag is 0 together, and the flags of `bad` with them. */
static ptl_status compact(ptl_dataset *d, const unsigned char *drop,
                          ptl_error *err)
{
    ptl_status st = make_origin(d, err);
    if (st != PTL_OK)
        return st;
    int64_t kept = 0;
    for (int64_t i = 0; i < d->rows; i++) {
        if (drop[i])
            continue;
        for (int k = 0; k < d->count && kept != i; k++) {
            size_t size = d->arrays[k].record_bytes;
            memcpy(d->arrays[k].bytes + (size_t)kept * size,
                   d->arrays[k].bytes + (size_t)i * size, size);
        }
        if (d->bad)
            d->bad[kept] = d->bad[i];
        d->origin[kept++] = d->origin[i];
    }
    d->rows = kept;
    for (int k = 0; k < d->count; k++)
        d->arrays[k].rows = kept;
    return PTL_OK;
}

/* `every` and `except` of a source, counted from its first row. */
static ptl_status take_every(ptl_dataset *d, const ptl_job_source *source,
                             ptl_error *err)
{
    int64_t k = source->every ? source->every : source->except;
    if (k == 0)
        return PTL_OK;
    if (k < 1 || (source->every && source->except))
        return ptl_fail(err, PTL_E_PROGRAM,
                        "\"%s\": every and except take one positive number",
                        d->arrays[0].path);
    unsigned char *drop = malloc((size_t)d->rows);
    if (!drop)
        return no_memory(err);
    for (int64_t i = 0; i < d->rows; i++)
        drop[i] = (i % k == 0) != (source->every != 0);
    ptl_status st = compact(d, drop, err);
    free(drop);
    if (st == PTL_OK && d->rows == 0)
        st = ptl_fail(err, PTL_E_DATA, "\"%s\": no records are left",
                      d->arrays[0].path);
    return st;
}

static ptl_status drop_bad(ptl_dataset *d, ptl_error *err)
{
    if (!d->bad)
        return PTL_OK;
    int64_t before = d->rows;
    unsigned char *bad = d->bad;
    d->bad = NULL;
    ptl_status st = compact(d, bad, err);
    free(bad);
    if (st != PTL_OK)
        return st;
    d->skipped += before - d->rows;
    if (d->rows == 0)
        return ptl_fail(err, PTL_E_DATA, "\"%s\": every record is bad",
                        d->arrays[0].path);
    return PTL_OK;
}

ptl_job_tensor data_tensor_of(const data_array *a)
{
    ptl_job_tensor t = {.path = a->field,
                        .role = PTL_ROLE_DATA,
                        .dtype = a->dtype,
                        .rank = a->rank};
    memcpy(t.dims, a->dims, sizeof t.dims);
    return t;
}

ptl_status data_open(const ptl_job_source *source, const data_options *options,
                     ptl_dataset **out, ptl_error *err)
{
    ptl_dataset *d = calloc(1, sizeof *d);
    if (!d)
        return no_memory(err);
    d->options = *options;
    size_t room = (size_t)source->array_count + 1;
    d->arrays = calloc(room, sizeof *d->arrays);
    d->raw = calloc(room, sizeof *d->raw);
    ptl_status st = d->arrays && d->raw ? PTL_OK : no_memory(err);
    if (st == PTL_OK && source->array_count < 1)
        st = ptl_fail(err, PTL_E_PROGRAM, "the data source has no arrays");
    if (st == PTL_OK)
        st = read_arrays(d, source, err);
    if (st == PTL_OK)
        st = take_range(d, source, err);
    if (st == PTL_OK)
        st = take_every(d, source, err);
    if (st == PTL_OK)
        st = drop_bad(d, err);
    if (st != PTL_OK) {
        data_close(d);
        return st;
    }
    for (int i = 0; i < d->count; i++)
        d->raw[i] = data_tensor_of(&d->arrays[i]);
    *out = d;
    return PTL_OK;
}

void data_close(ptl_dataset *data)
{
    if (!data)
        return;
    for (int i = 0; data->arrays && i < data->count; i++)
        data_array_fini(&data->arrays[i]);
    free(data->arrays);
    free(data->raw);
    free(data->bad);
    free(data->origin);
    free(data);
}

int64_t data_rows(const ptl_dataset *data)
{
    return data->rows;
}

int64_t data_skipped(const ptl_dataset *data)
{
    return data->skipped;
}

const ptl_job_tensor *data_raw(const ptl_dataset *data, int *count)
{
    *count = data->count;
    return data->raw;
}

int data_find(const ptl_dataset *data, const char *field)
{
    for (int i = 0; i < data->count; i++)
        if (strcmp(data->arrays[i].field, field) == 0)
            return i;
    return -1;
}

const data_array *data_array_at(const ptl_dataset *data, int index)
{
    return &data->arrays[index];
}

#define BOUND_TEXT "\"%s\", record %lld: %s is %lld, outside of idx(%lld)"

static int64_t value_at(const data_array *a, size_t index)
{
    if (a->dtype == PTL_I32)
        return ((const int32_t *)(const void *)a->bytes)[index];
    return a->bytes[index];
}

static ptl_status out_of_bound(ptl_dataset *d, const data_array *a, int64_t row,
                               int64_t value, int64_t bound, ptl_error *err)
{
    read_request r = {.options = d->options,
                      .array = &(ptl_job_array){.path = a->path},
                      .bad = d->bad};
    int64_t record = d->origin ? d->origin[row] : d->first + row;
    ptl_status st = bad_record(&r, row, d->rows, err, BOUND_TEXT, a->path,
                               (long long)record + 1, a->field,
                               (long long)value, (long long)bound);
    d->bad = r.bad;
    return st;
}

static ptl_status check_integers(const data_array *a, int64_t bound,
                                 ptl_error *err)
{
    if (a->dtype == PTL_F32 || a->dtype == PTL_F64)
        return ptl_fail(err, PTL_E_DATA,
                        "\"%s\": %s is real, idx(%lld) needs integers", a->path,
                        a->field, (long long)bound);
    return PTL_OK;
}

/* Bytes, as images have them, are within idx(256) whatever they are. */
static bool all_within(const data_array *a, int64_t bound)
{
    return dtype_size(a->dtype) == 1 && bound > UINT8_MAX;
}

/* The first value of a row outside of [0, bound), false: none is. */
static bool row_outside(const data_array *a, int64_t row, int64_t bound,
                        int64_t *value)
{
    size_t per_row = a->record_bytes / (size_t)dtype_size(a->dtype);
    if (all_within(a, bound))
        return false;
    for (size_t k = 0; k < per_row; k++) {
        *value = value_at(a, (size_t)row * per_row + k);
        if (*value < 0 || *value >= bound)
            return true;
    }
    return false;
}

ptl_status data_check_bound(ptl_dataset *data, const char *field, int64_t bound,
                            ptl_error *err)
{
    int index = data_find(data, field);
    int64_t value;
    if (index < 0)
        return ptl_fail(err, PTL_E_DATA, "the data has no field \"%s\"", field);
    const data_array *a = &data->arrays[index];
    ptl_status st = check_integers(a, bound, err);
    for (int64_t row = 0; row < a->rows && st == PTL_OK; row++)
        if (row_outside(a, row, bound, &value))
            st = out_of_bound(data, a, row, value, bound, err);
    return st == PTL_OK ? drop_bad(data, err) : st;
}

ptl_status data_array_check(const data_array *array, int64_t bound,
                            ptl_error *err)
{
    int64_t value;
    ptl_status st = check_integers(array, bound, err);
    for (int64_t row = 0; row < array->rows && st == PTL_OK; row++)
        if (row_outside(array, row, bound, &value))
            return ptl_fail(err, PTL_E_DATA, BOUND_TEXT, array->path,
                            (long long)row + 1, array->field, (long long)value,
                            (long long)bound);
    return st;
}

ptl_status data_check_program(ptl_dataset *data, const ptl_program *program,
                              ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int i = 0; i < program->buffer_count && st == PTL_OK; i++) {
        const ptl_buffer *b = &program->buffers[i];
        if (b->role == PTL_ROLE_DATA && b->idx_bound)
            st = data_check_bound(data, b->name, b->idx_bound, err);
    }
    return st;
}

void data_gather(const ptl_dataset *data, int index, const uint32_t *rows,
                 int64_t first, int64_t count, void *to)
{
    const data_array *a = &data->arrays[index];
    size_t size = a->record_bytes;
    char *at = to;
    if (!rows) {
        memcpy(at, a->bytes + (size_t)first * size, (size_t)count * size);
        return;
    }
    for (int64_t i = 0; i < count; i++, at += size)
        memcpy(at, a->bytes + (size_t)rows[i] * size, size);
}

ptl_status data_read_npy(const char *path, bool f64, data_array *out,
                         ptl_error *err)
{
    file_cache files = {0};
    ptl_job_array array = {.field = "", .path = path, .options = ""};
    read_request r = {
        .array = &array, .options = {.f64 = f64}, .files = &files};
    *out = (data_array){.path = strdup(path)};
    ptl_status st = read_npy(&r, out, err);
    free(files.path);
    bytes_free(&files.bytes);
    if (st != PTL_OK)
        data_array_fini(out);
    return st;
}
