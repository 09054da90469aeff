/*
 * csv.c - numbers in text, one record a line.
 *
 * Options: columns=NAME | K | A..B | several of these between commas (without
 * it: the column named as the field is, else all); header=yes|no (without it:
 * the first record is one if a field of it is no number); type=real|int;
 * separator=C (a comma; "tab", "semicolon").
 *
 * One column alone, by name or number, gives records without an axis; anything
 * else gives one axis. Columns are counted from 0, records from 1 after the
 * header, lines from 1.
 */
#include "base/arena.h"
#include "data/csv_scan.h"
#include "data/reader.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct csv_reader {
    read_request *request;
    const char *path;
    csv_scan scan;
    int columns; /* of every record */
    bool header, integers;
    VEC(int) chosen;
    bool alone;       /* the one chosen column is no axis */
    ptl_arena *arena; /* names of columns */
    char **names;     /* with a header */
    data_array *out;
    ptl_error *err;
} csv_reader;

enum { LONGEST_NUMBER = 100 };

/* Text to number: decimal, all of it, finite. */
static bool parse_real(const csv_field *f, double *out, bool single)
{
    char text[LONGEST_NUMBER + 1];
    if (f->length == 0 || f->length > LONGEST_NUMBER)
        return false;
    for (size_t i = 0; i < f->length; i++)
        if (!strchr("0123456789+-.eE", f->text[i]) || !f->text[i])
            return false;
    memcpy(text, f->text, f->length);
    text[f->length] = '\0';
    char *end;
    *out = single ? (double)strtof(text, &end) : strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

static bool parse_int(const csv_field *f, int32_t *out)
{
    double value;
    if (!parse_real(f, &value, false) || value != floor(value) ||
        value < INT32_MIN || value > INT32_MAX)
        return false;
    *out = (int32_t)value;
    return true;
}

static bool all_numbers(const csv_scan *s)
{
    double value;
    for (int i = 0; i < s->count; i++)
        if (!parse_real(&s->fields[i], &value, false))
            return false;
    return true;
}

static ptl_status wrong_option(csv_reader *c, const char *name,
                               const char *value)
{
    return ptl_fail(c->err, PTL_E_PROGRAM, "\"%s\": option %s=%s is not known",
                    c->path, name, value);
}

static ptl_status read_choices(csv_reader *c, char *separator, bool *ask)
{
    static const char *const names[] = {"columns", "header", "type",
                                        "separator", NULL};
    const ptl_job_array *array = c->request->array;
    char value[32];
    ptl_status st = reader_options_known(array, names, c->err);
    if (st != PTL_OK)
        return st;
    *ask = true;
    if (reader_option(array->options, "header", value, sizeof value)) {
        c->header = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;
        if (!c->header && strcmp(value, "no") && strcmp(value, "false"))
            return wrong_option(c, "header", value);
        *ask = false;
    }
    if (reader_option(array->options, "type", value, sizeof value)) {
        c->integers = strcmp(value, "int") == 0;
        if (!c->integers && strcmp(value, "real") != 0)
            return wrong_option(c, "type", value);
    }
    *separator = ',';
    if (reader_option(array->options, "separator", value, sizeof value)) {
        *separator = strcmp(value, "tab") == 0         ? '\t'
                     : strcmp(value, "semicolon") == 0 ? ';'
                                                       : value[0];
        if (!*separator || *separator == '"' || *separator == '\n')
            return wrong_option(c, "separator", value);
    }
    return PTL_OK;
}

/* Looks at the first record: how many columns, and is it a header? */
static ptl_status read_first(csv_reader *c, bool ask)
{
    if (!csv_scan_next(&c->scan))
        return ptl_fail(c->err, PTL_E_DATA, "\"%s\": no records", c->path);
    if (c->scan.fault)
        return ptl_fail(c->err, PTL_E_DATA, "\"%s\", line %lld: %s", c->path,
                        (long long)c->scan.record_line, c->scan.fault);
    c->columns = c->scan.count;
    if (ask)
        c->header = !all_numbers(&c->scan);
    if (!c->header)
        return PTL_OK;
    c->names = ARENA_ARRAY(c->arena, char *, c->columns);
    for (int i = 0; i < c->columns; i++)
        c->names[i] = arena_strndup(c->arena, c->scan.fields[i].text,
                                    c->scan.fields[i].length);
    return PTL_OK;
}

static int column_named(const csv_reader *c, const char *name, size_t length)
{
    for (int i = 0; c->names && i < c->columns; i++)
        if (strlen(c->names[i]) == length &&
            memcmp(c->names[i], name, length) == 0)
            return i;
    return -1;
}

static bool parse_column(const char *text, size_t length, int *out)
{
    if (length == 0 || length > 8)
        return false;
    *out = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

/* One piece of the option: NAME, K or A..B. */
static ptl_status choose_piece(csv_reader *c, const char *piece, size_t length)
{
    int first = column_named(c, piece, length), last;
    if (first >= 0) {
        vec_push(c->arena, &c->chosen, first);
        return PTL_OK;
    }
    const char *dots = memmem(piece, length, "..", 2);
    size_t head = dots ? (size_t)(dots - piece) : length;
    if (!parse_column(piece, head, &first))
        return ptl_fail(c->err, PTL_E_DATA, "\"%s\": has no column \"%.*s\"",
                        c->path, (int)length, piece);
    last = first + 1;
    if (dots && !parse_column(dots + 2, length - head - 2, &last))
        return wrong_option(c, "columns", piece);
    if (last > c->columns || first >= last)
        return ptl_fail(c->err, PTL_E_DATA,
                        "\"%s\": columns %.*s are asked for, it has %d",
                        c->path, (int)length, piece, c->columns);
    for (int i = first; i < last; i++)
        vec_push(c->arena, &c->chosen, i);
    c->alone = c->alone && !dots;
    return PTL_OK;
}

static ptl_status choose_columns(csv_reader *c)
{
    const ptl_job_array *array = c->request->array;
    size_t room = strlen(array->options ? array->options : "") + 1;
    char *option = arena_alloc(c->arena, room);
    c->alone = true;
    if (!reader_option(array->options, "columns", option, room)) {
        int own = column_named(c, array->field, strlen(array->field));
        c->alone = own >= 0;
        for (int i = 0; i < c->columns; i++)
            if (own < 0 || i == own)
                vec_push(c->arena, &c->chosen, i);
        return PTL_OK;
    }
    for (const char *at = option;; at++) {
        size_t length = strcspn(at, ",");
        ptl_status st = choose_piece(c, at, length);
        if (st != PTL_OK)
            return st;
        at += length;
        if (!*at)
            break;
        c->alone = false;
    }
    return PTL_OK;
}

static int64_t count_records(csv_reader *c)
{
    csv_scan again = c->scan;
    again.fields = NULL;
    again.room = 0;
    int64_t rows = c->header ? 0 : 1;
    while (csv_scan_next(&again))
        rows++;
    csv_scan_fini(&again);
    return rows;
}

static ptl_status make_array(csv_reader *c)
{
    data_array *out = c->out;
    out->dtype = c->integers               ? PTL_I32
                 : c->request->options.f64 ? PTL_F64
                                           : PTL_F32;
    out->rows = count_records(c);
    out->rank = c->alone ? 0 : 1;
    out->dims[0] = c->chosen.count;
    size_t item = (size_t)dtype_size(out->dtype);
    int64_t shape[] = {out->rows, c->chosen.count};
    int64_t bytes = shape_bytes(shape, 2, item);
    out->record_bytes = (size_t)c->chosen.count * item;
    out->block = bytes < 0 ? NULL : calloc((size_t)bytes + 1, 1);
    out->bytes = out->block;
    if (!out->bytes)
        return ptl_fail(c->err, PTL_E_MEMORY,
                        "no memory for the %lld records of \"%s\"",
                        (long long)out->rows, c->path);
    return PTL_OK;
}

static bool store(const csv_reader *c, const csv_field *f, size_t index)
{
    void *bytes = c->out->bytes;
    double value;
    if (c->integers)
        return parse_int(f, (int32_t *)bytes + index);
    if (!parse_real(f, &value, c->out->dtype == PTL_F32))
        return false;
    if (c->out->dtype == PTL_F32)
        ((float *)bytes)[index] = (float)value;
    else
        ((double *)bytes)[index] = value;
    return true;
}

static ptl_status bad_field(csv_reader *c, int64_t row, int column)
{
    const csv_field *f = &c->scan.fields[column];
    int shown = f->length < 40 ? (int)f->length : 40;
    char name[64] = "";
    if (c->names)
        snprintf(name, sizeof name, " (\"%.50s\")", c->names[column]);
    return bad_record(
        c->request, row, c->out->rows, c->err,
        "\"%s\", record %lld (line %lld), column %d%s: \"%.*s\" "
        "is not %s",
        c->path, (long long)row + 1, (long long)c->scan.record_line, column,
        name, shown, f->text,
        c->integers ? "an integer of 32 bits" : "a finite number");
}

static ptl_status store_record(csv_reader *c, int64_t row)
{
    const csv_scan *s = &c->scan;
    if (s->fault)
        return bad_record(c->request, row, c->out->rows, c->err,
                          "\"%s\", record %lld (line %lld): %s", c->path,
                          (long long)row + 1, (long long)s->record_line,
                          s->fault);
    if (s->count != c->columns)
        return bad_record(c->request, row, c->out->rows, c->err,
                          "\"%s\", record %lld (line %lld): %d fields, the "
                          "first line has %d",
                          c->path, (long long)row + 1,
                          (long long)s->record_line, s->count, c->columns);
    size_t base = (size_t)row * (size_t)c->chosen.count;
    for (int i = 0; i < c->chosen.count; i++) {
        int column = c->chosen.data[i];
        if (!store(c, &s->fields[column], base + (size_t)i))
            return bad_field(c, row, column);
    }
    return PTL_OK;
}

static ptl_status store_records(csv_reader *c)
{
    ptl_status st = PTL_OK;
    int64_t row = 0;
    if (!c->header)
        st = store_record(c, row++);
    while (st == PTL_OK && csv_scan_next(&c->scan))
        st = store_record(c, row++);
    return st;
}

ptl_status read_csv(read_request *r, data_array *out, ptl_error *err)
{
    csv_reader c = {
        .request = r, .path = r->array->path, .out = out, .err = err};
    ptl_bytes *file;
    char separator = 0;
    bool ask = true;
    c.arena = arena_new();
    ptl_status st = read_choices(&c, &separator, &ask);
    if (st == PTL_OK)
        st = cached_file(r->files, c.path, &file, err);
    if (st == PTL_OK) {
        csv_scan_init(&c.scan, file->data, file->size, separator);
        st = read_first(&c, ask);
    }
    if (st == PTL_OK)
        st = choose_columns(&c);
    if (st == PTL_OK)
        st = make_array(&c);
    if (st == PTL_OK)
        st = store_records(&c);
    csv_scan_fini(&c.scan);
    arena_free(c.arena);
    return st;
}
