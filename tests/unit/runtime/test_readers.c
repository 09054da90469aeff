/*
 * test_readers.c - each format read, and each kind of damage named: file,
 * record where there is one, reason.
 */
#include "base/file.h"
#include "base/str.h"
#include "runtime/data.h"
#include "runtime/fake_job.h"
#include "runtime/tensor_file.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

typedef struct source {
    const char *reader, *field, *options;
    bool f64, skip_bad;
} source;

static ptl_status open_file(const source *s, const char *name,
                            ptl_dataset **out, ptl_error *err)
{
    ptl_job_array array = {s->field, fake_path(name), s->options};
    ptl_job_source from = {.reader = s->reader,
                           .arrays = &array,
                           .array_count = 1,
                           .begin = 0,
                           .end = -1};
    data_options options = {.f64 = s->f64, .skip_bad = s->skip_bad};
    return data_open(&from, &options, out, err);
}

static ptl_dataset *open_bytes(const source *s, const void *bytes, size_t size)
{
    ptl_dataset *d = NULL;
    ptl_error err;
    fake_write("file", bytes, size);
    if (open_file(s, "file", &d, &err) != PTL_OK)
        fail_msg("refused: %s", err.text);
    return d;
}

/* The bytes are refused with E_DATA; the message names the file and has the
 * words. */
static void assert_refused(const source *s, const void *bytes, size_t size,
                           const char *words)
{
    ptl_dataset *d = NULL;
    ptl_error err = {0};
    fake_write("file", bytes, size);
    ptl_status st = open_file(s, "file", &d, &err);
    if (st == PTL_OK)
        fail_msg("not refused: expected \"%s\"", words);
    assert_int_equal(ptl_exit_status(st), 3);
    if (!strstr(err.text, words) || !strstr(err.text, "/file\""))
        fail_msg("\"%s\" lacks the file or \"%s\"", err.text, words);
}

static const data_array *first(const ptl_dataset *d)
{
    return data_array_at(d, 0);
}

static const float *reals(const ptl_dataset *d)
{
    return (const float *)(const void *)first(d)->bytes;
}

static const int32_t *ints(const ptl_dataset *d)
{
    return (const int32_t *)(const void *)first(d)->bytes;
}

static size_t pack_gz(const void *bytes, size_t size, unsigned char *to,
                      size_t room)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)bytes,
                  .avail_in = (uInt)size,
                  .next_out = to,
                  .avail_out = (uInt)room};
    assert_int_equal(
        deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t packed = z.total_out;
    deflateEnd(&z);
    return packed;
}

/* --- idx */

static const source idx = {"idx", "image", "", false, false};
/* Three records of 2 by 2 bytes. */
static const unsigned char small_idx[] = {0, 0, 8, 3, 0, 0,  0,  3, 0, 0,
                                          0, 2, 0, 0, 0, 2,  1,  2, 3, 4,
                                          5, 6, 7, 8, 9, 10, 11, 12};

static void idx_keeps_bytes_and_shape(void **state)
{
    (void)state;
    ptl_dataset *d = open_bytes(&idx, small_idx, sizeof small_idx);
    int count;
    const ptl_job_tensor *raw = data_raw(d, &count);
    assert_int_equal(count, 1);
    assert_string_equal(raw->path, "image");
    assert_int_equal(raw->dtype, PTL_U8);
    assert_int_equal(raw->rank, 2);
    assert_int_equal(raw->dims[1], 2);
    assert_int_equal(data_rows(d), 3);
    unsigned char some[8];
    data_gather(d, 0, (const uint32_t[]){2, 0}, 0, 2, some);
    assert_memory_equal(some, ((unsigned char[]){9, 10, 11, 12, 1, 2, 3, 4}),
                        8);
    data_gather(d, 0, NULL, 1, 1, some);
    assert_int_equal(some[0], 5);
    data_close(d);
}

static void idx_types_become_those_of_the_language(void **state)
{
    (void)state;
    static const unsigned char i8[] = {0, 0, 9, 1, 0, 0, 0, 2, 255, 127};
    ptl_dataset *d = open_bytes(&idx, i8, sizeof i8);
    assert_int_equal(first(d)->dtype, PTL_I32);
    assert_int_equal(ints(d)[0], -1);
    assert_int_equal(ints(d)[1], 127);
    data_close(d);
    static const unsigned char i16[] = {0, 0, 11, 1, 0, 0, 0, 1, 0xff, 0xfe};
    d = open_bytes(&idx, i16, sizeof i16);
    assert_int_equal(ints(d)[0], -2);
    data_close(d);
    static const unsigned char f32[] = {0, 0, 13,   1,    0, 0,
                                        0, 1, 0x40, 0x20, 0, 0};
    d = open_bytes(&idx, f32, sizeof f32);
    assert_true(reals(d)[0] == 2.5f);
    data_close(d);
    source wide = idx;
    wide.f64 = true;
    d = open_bytes(&wide, f32, sizeof f32);
    assert_int_equal(first(d)->dtype, PTL_F64);
    assert_true(*(const double *)(const void *)first(d)->bytes == 2.5);
    data_close(d);
}

static void idx_damage_is_named(void **state)
{
    (void)state;
    unsigned char b[64];
    assert_refused(&idx, "", 0, "truncated");
    assert_refused(&idx, small_idx, 3, "truncated");
    assert_refused(&idx, small_idx, 9, "truncated in the sizes");
    /* The third of three records lacks a byte. */
    assert_refused(&idx, small_idx, sizeof small_idx - 1,
                   "record 3: truncated: the header says 3 records of 4 bytes");
    memcpy(b, small_idx, sizeof small_idx);
    b[sizeof small_idx] = 7;
    assert_refused(&idx, b, sizeof small_idx + 1, "1 bytes follow the last");
    b[2] = 0x0A;
    assert_refused(&idx, b, sizeof small_idx, "not an idx file");
    b[2] = 8;
    b[0] = 'x';
    assert_refused(&idx, b, sizeof small_idx, "not an idx file");
    b[0] = 0;
    b[3] = 0;
    assert_refused(&idx, b, sizeof small_idx, "0 axes");
    b[3] = 200;
    assert_refused(&idx, b, sizeof small_idx, "200 axes");
    static const unsigned char vast[] = {0,   0,   14,  3,   255, 255, 255, 255,
                                         255, 255, 255, 255, 255, 255, 255, 255,
                                         0,   0,   0,   0,   0,   0,   0,   0};
    assert_refused(&idx, vast, sizeof vast, "too large");
    static const unsigned char none[] = {0, 0, 8, 1, 0, 0, 0, 0};
    assert_refused(&idx, none, sizeof none, "no records");
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    ptl_dataset *d;
    ptl_error err;
    assert_int_equal(open_file(&idx, "nowhere.gz", &d, &err), PTL_E_IO);
    assert_non_null(strstr(err.text, "nowhere.gz\": No such file"));
}

static void gzip_is_unpacked_also_in_members(void **state)
{
    (void)state;
    unsigned char b[256];
    size_t size = pack_gz(small_idx, sizeof small_idx, b, sizeof b);
    ptl_dataset *d = open_bytes(&idx, b, size);
    assert_int_equal(data_rows(d), 3);
    data_close(d);
    size = pack_gz(small_idx, 10, b, sizeof b);
    size += pack_gz(small_idx + 10, sizeof small_idx - 10, b + size,
                    sizeof b - size);
    d = open_bytes(&idx, b, size);
    assert_int_equal(data_rows(d), 3);
    data_close(d);
}

static void damaged_gzip_is_named(void **state)
{
    (void)state;
    unsigned char b[256], broken[256];
    size_t size = pack_gz(small_idx, sizeof small_idx, b, sizeof b);
    for (size_t cut = 2; cut < size; cut++)
        assert_refused(&idx, b, cut, "truncated gzip data");
    memcpy(broken, b, size);
    broken[size] = 'x';
    assert_refused(&idx, broken, size + 1, "1 bytes follow the gzip data");
    memcpy(broken, b, size);
    broken[size - 6] ^= 1; /* of the checksum */
    assert_refused(&idx, broken, size, "damaged gzip data");
    for (size_t i = size - 4; i < size; i++) { /* the size it states */
        memcpy(broken, b, size);
        broken[i] ^= 1;
        assert_refused(&idx, broken, size, "damaged gzip data");
    }
}

static void the_checksum_of_a_gzip_header_counts(void **state)
{
    (void)state;
    enum { HEADER = 10, FLAGS = 3, HEADER_CRC = 2 };
    unsigned char b[256], with[256];
    size_t size = pack_gz(small_idx, sizeof small_idx, b, sizeof b);
    memcpy(with, b, HEADER);
    with[FLAGS] |= HEADER_CRC;
    unsigned long sum = crc32(crc32(0, NULL, 0), with, HEADER);
    with[HEADER] = (unsigned char)(sum & 0xff);
    with[HEADER + 1] = (unsigned char)(sum >> 8 & 0xff);
    memcpy(with + HEADER + 2, b + HEADER, size - HEADER);
    ptl_dataset *d = open_bytes(&idx, with, size + 2);
    assert_int_equal(data_rows(d), 3);
    data_close(d);
    with[HEADER] ^= 1;
    assert_refused(&idx, with, size + 2, "damaged gzip data");
}

/* --- csv */

static const source csv = {"csv", "x", "columns=0..2", false, false};

static ptl_dataset *open_text(const source *s, const char *text)
{
    return open_bytes(s, text, strlen(text));
}

static void refuse_text(const source *s, const char *text, const char *words)
{
    assert_refused(s, text, strlen(text), words);
}

static void csv_reads_ranges_names_and_single_columns(void **state)
{
    (void)state;
    ptl_dataset *d = open_text(&csv, "1,2,3\n4,5e-1,-6\r\n\n");
    assert_int_equal(data_rows(d), 2);
    assert_int_equal(first(d)->rank, 1);
    assert_int_equal(first(d)->dims[0], 2);
    assert_true(reals(d)[3] == 0.5f);
    data_close(d);
    source s = csv;
    s.options = "columns=b,a";
    d = open_text(&s, "\xEF\xBB\xBF"
                      "a,\"b\",c\n1,2,3\n4, 5 ,6");
    assert_int_equal(data_rows(d), 2);
    assert_true(reals(d)[0] == 2 && reals(d)[1] == 1);
    assert_true(reals(d)[2] == 5 && reals(d)[3] == 4);
    data_close(d);
    s.options = "columns=2;type=int";
    d = open_text(&s, "1,2,\"3\"\n4,5,6.0\n");
    assert_int_equal(first(d)->rank, 0);
    assert_int_equal(first(d)->dtype, PTL_I32);
    assert_int_equal(ints(d)[1], 6);
    data_close(d);
    s.options = "";
    s.field = "c";
    d = open_text(&s, "a,b,c\n1,2,3\n");
    assert_int_equal(first(d)->rank, 0);
    assert_true(reals(d)[0] == 3);
    data_close(d);
}

static void csv_headers_and_separators_can_be_told(void **state)
{
    (void)state;
    source s = csv;
    s.options = "columns=0..2;header=yes;separator=semicolon";
    ptl_dataset *d = open_text(&s, "1;2\n3;4\n");
    assert_int_equal(data_rows(d), 1);
    assert_true(reals(d)[0] == 3);
    data_close(d);
    s.options = "columns=0..2;separator=tab;header=false";
    d = open_text(&s, "1\t2\n");
    assert_int_equal(data_rows(d), 1);
    data_close(d);
    s.options = "columns=0..2;header=no";
    refuse_text(&s, "a,b\n1,2\n", "record 1 (line 1), column 0: \"a\"");
}

static void csv_damage_is_named(void **state)
{
    (void)state;
    refuse_text(&csv, "", "no records");
    refuse_text(&csv, "1,2\n3\n", "record 2 (line 2): 1 fields");
    refuse_text(&csv, "1,2\n3,4,5\n", "record 2 (line 2): 3 fields");
    refuse_text(&csv, "a,b\n1,2\n3,x\n",
                "record 2 (line 3), column 1 (\"b\"): \"x\" is not a finite");
    refuse_text(&csv, "1,2\n3,\n", "\"\" is not a finite");
    refuse_text(&csv, "1,2\n3,nan\n", "nan");
    refuse_text(&csv, "1,2\n3,0x10\n", "0x10");
    refuse_text(&csv, "1,2\n3,1e999\n", "1e999");
    refuse_text(&csv, "1,2\n3,\"4\n", "a quote is not closed");
    refuse_text(&csv, "1,2\n\"3\"x,4\n", "text follows a closing quote");
    refuse_text(&csv, "\"1\n", "a quote is not closed");
    assert_refused(&csv, "1,2\n3,\0\n", 8, "record 2");
    source s = csv;
    s.options = "columns=0..3";
    refuse_text(&s, "1,2\n", "it has 2");
    s.options = "columns=speed";
    refuse_text(&s, "a,b\n1,2\n", "no column \"speed\"");
    s.options = "columns=0;type=int";
    refuse_text(&s, "1.5,2\n", "an integer of 32 bits");
    refuse_text(&s, "3000000000,2\n", "an integer of 32 bits");
}

static void bad_records_can_be_left_out(void **state)
{
    (void)state;
    source s = csv;
    s.skip_bad = true;
    ptl_dataset *d = open_text(&s, "1,2\nx,4\n5\n7,8\n");
    assert_int_equal(data_rows(d), 2);
    assert_int_equal(data_skipped(d), 2);
    assert_true(reals(d)[2] == 7);
    data_close(d);
    ptl_error err;
    fake_write("file", "1,x\n", 4);
    s.options = "columns=0..2;header=no";
    assert_int_equal(open_file(&s, "file", &d, &err), PTL_E_DATA);
    assert_non_null(strstr(err.text, "every record is bad"));
}

static void an_unknown_option_is_the_programs_fault(void **state)
{
    (void)state;
    source s = csv;
    ptl_dataset *d;
    ptl_error err;
    fake_write("file", "1,2\n", 4);
    s.options = "colums=0";
    assert_int_equal(open_file(&s, "file", &d, &err), PTL_E_PROGRAM);
    assert_non_null(strstr(err.text, "colums"));
    s.reader = "xls";
    assert_int_equal(open_file(&s, "file", &d, &err), PTL_E_PROGRAM);
}

/* --- npy, npz */

static const source npy = {"npy", "x", "", false, false};

static size_t make_npy(unsigned char *to, int version, const char *dict,
                       const void *values, size_t size)
{
    size_t length = strlen(dict), begin = version == 1 ? 10 : 12;
    memcpy(to, "\x93NUMPY", 6);
    to[6] = (unsigned char)version;
    to[7] = 0;
    to[8] = (unsigned char)length;
    to[9] = to[10] = to[11] = 0;
    memcpy(to + begin, dict, length);
    memcpy(to + begin + length, values, size);
    return begin + length + size;
}

static void npy_reads_all_versions_and_orders_of_bytes(void **state)
{
    (void)state;
    unsigned char b[256];
    static const float v[] = {1, 2, 3, 4, 5, 6};
    for (int version = 1; version <= 3; version++) {
        size_t n = make_npy(b, version,
                            "{'descr': '<f4', 'fortran_order': False, "
                            "'shape': (3, 2), }  \n",
                            v, sizeof v);
        ptl_dataset *d = open_bytes(&npy, b, n);
        assert_int_equal(data_rows(d), 3);
        assert_int_equal(first(d)->dims[0], 2);
        assert_true(reals(d)[5] == 6);
        data_close(d);
    }
    static const unsigned char big[] = {0, 0, 0, 0, 0, 0, 1, 2};
    size_t n = make_npy(b, 1,
                        "{\"shape\": (1,), \"fortran_order\": True, "
                        "\"descr\": \">i8\"}",
                        big, sizeof big);
    ptl_dataset *d = open_bytes(&npy, b, n);
    assert_int_equal(first(d)->dtype, PTL_I32);
    assert_int_equal(ints(d)[0], 258);
    data_close(d);
}

static void refuse_npy(const char *dict, const void *values, size_t size,
                       const char *words)
{
    unsigned char b[512];
    size_t n = make_npy(b, 1, dict, values, size);
    assert_refused(&npy, b, n, words);
}

static void npy_damage_is_named(void **state)
{
    (void)state;
    static const float v[] = {1, 2, 3, 4, 5, 6};
    static const int64_t wide[] = {1, INT64_C(1) << 40};
    refuse_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", v,
               23, "record 3: truncated");
    refuse_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", v,
               24, "8 bytes follow");
    refuse_npy("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }", v,
               24, "Fortran order");
    refuse_npy("{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }", v,
               24, "type \"<c8\" is not read");
    refuse_npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': "
               "(6,), }",
               v, 24, "not one of plain numbers");
    refuse_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", v, 4,
               "single number");
    refuse_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), ", v,
               24, "damaged npy header");
    refuse_npy("{'descr': '<f4', 'shape': (3, 2)}", v, 24, "missing");
    refuse_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", v,
               24, "no number");
    refuse_npy("{'descr': '<f4', 'fortran_order': False, 'shape': "
               "(9223372036854775807, 2)}",
               v, 24, "too large");
    refuse_npy("{'descr': '<f4', 'fortran_order': False, 'shape': "
               "(92233720368547758079, 2)}",
               v, 24, "no number");
    refuse_npy("{'descr': '<f4', 'fortran_order': False, 'shape': "
               "(1,1,1,1,1,1,1,1,1,1)}",
               v, 24, "too many axes");
    refuse_npy("{'descr': '<i8', 'fortran_order': False, 'shape': (2,)}", wide,
               16, "record 2: 1099511627776 does not fit");
    refuse_npy("{'descr': '|b1', 'fortran_order': False, 'shape': (4,)}",
               "\1\0\1\3", 4, "record 4: 3 is no bool");
    assert_refused(&npy, "\x93NUMPX\1\0\0\0", 10, "not an npy");
    assert_refused(&npy, "\x93NUMPY\7\0\0\0", 10, "version 7");
    assert_refused(&npy, "\x93NUMPY\1\0\xff\0", 10, "truncated");
}

static void npy_is_written_as_it_is_read(void **state)
{
    (void)state;
    static const double v[] = {1, 2, 3, 4, 5, 6};
    int64_t dims[] = {2, 1, 3};
    data_array a;
    ptl_error err;
    for (int rank = 1; rank <= 3; rank++) {
        int64_t flat[] = {6};
        assert_int_equal(data_write_npy(fake_path("w.npy"), PTL_F64, rank,
                                        rank == 1 ? flat : dims, v, &err),
                         PTL_OK);
        assert_int_equal(data_read_npy(fake_path("w.npy"), true, &a, &err),
                         PTL_OK);
        assert_int_equal(a.rows, rank == 1 ? 6 : 2);
        if (rank != 2)
            assert_memory_equal(a.bytes, v, sizeof v);
        data_array_fini(&a);
    }
}

static void put16(unsigned char *to, unsigned value)
{
    to[0] = (unsigned char)value;
    to[1] = (unsigned char)(value >> 8);
}

static void put32(unsigned char *to, unsigned value)
{
    put16(to, value & 0xffff);
    put16(to + 2, value >> 16);
}

/* An archive of one stored entry "x.npy". */
static size_t make_npz(unsigned char *to, const unsigned char *npy_bytes,
                       size_t size)
{
    unsigned crc = (unsigned)crc32(0, npy_bytes, (uInt)size);
    memset(to, 0, 35 + size + 51 + 22);
    put32(to, 0x04034b50);
    put16(to + 26, 5);
    memcpy(to + 30, "x.npy", 5);
    memcpy(to + 35, npy_bytes, size);
    unsigned char *c = to + 35 + size, *e = c + 51;
    put32(c, 0x02014b50);
    put32(c + 16, crc);
    put32(c + 20, (unsigned)size);
    put32(c + 24, (unsigned)size);
    put16(c + 28, 5);
    memcpy(c + 46, "x.npy", 5);
    put32(e, 0x06054b50);
    put16(e + 8, 1);
    put16(e + 10, 1);
    put32(e + 12, 51);
    put32(e + 16, (unsigned)(35 + size));
    return 35 + size + 51 + 22;
}

static void npz_gives_its_arrays_and_names_damage(void **state)
{
    (void)state;
    unsigned char inner[256], b[512];
    static const float v[] = {1, 2, 3};
    const source npz = {"npz", "x", "", false, false};
    size_t n = make_npy(inner, 1,
                        "{'descr': '<f4', 'fortran_order': False, 'shape': "
                        "(3,), }",
                        v, sizeof v);
    n = make_npz(b, inner, n);
    ptl_dataset *d = open_bytes(&npz, b, n);
    assert_int_equal(data_rows(d), 3);
    assert_true(reals(d)[2] == 3);
    data_close(d);
    source other = npz;
    other.options = "array=y";
    assert_refused(&other, b, n, "no array \"y\"");
    assert_refused(&npz, b, n - 1, "damaged npz");
    b[60] ^= 1;
    assert_refused(&npz, b, n, "checksum");
}

/* --- safetensors */

static const source safe = {"safetensors", "x", "", false, false};

static size_t make_safe(unsigned char *to, const char *header,
                        const void *values, size_t size)
{
    size_t length = strlen(header);
    memset(to, 0, 8);
    put32(to, (unsigned)length);
    memcpy(to + 8, header, length);
    memcpy(to + 8 + length, values, size);
    return 8 + length + size;
}

static void safetensors_gives_named_tensors(void **state)
{
    (void)state;
    unsigned char b[512];
    static const float v[] = {1, 2, 3, 4, 5, 6};
    size_t n = make_safe(
        b,
        "{\"__metadata__\":{\"a\":\"b\"},"
        "\"y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[16,24]},"
        "\"x\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}",
        v, sizeof v);
    ptl_dataset *d = open_bytes(&safe, b, n);
    assert_int_equal(data_rows(d), 2);
    assert_true(reals(d)[3] == 4);
    data_close(d);
    source s = safe;
    s.options = "tensor=y";
    d = open_bytes(&s, b, n);
    assert_true(reals(d)[1] == 6);
    data_close(d);
    s.options = "tensor=z";
    assert_refused(&s, b, n, "no tensor \"z\"");
}

static void refuse_safe(const char *header, size_t size, const char *words)
{
    unsigned char b[512];
    static const float v[8];
    size_t n = make_safe(b, header, v, size);
    assert_refused(&safe, b, n, words);
}

static void safetensors_damage_is_named(void **state)
{
    (void)state;
    unsigned char b[512] = {0};
    assert_refused(&safe, "\1\0\0", 3, "truncated");
    put32(b, 100);
    assert_refused(&safe, b, 20, "truncated within its header");
    memset(b, 0xff, 8);
    assert_refused(&safe, b, 20, "not a safetensors file");
    refuse_safe("{\"x\":", 0, "damaged safetensors header");
    refuse_safe("[]", 0, "damaged safetensors header");
    refuse_safe("{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,"
                "16]}} x",
                16, "something follows");
    refuse_safe("{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,"
                "16]}}",
                12, "tensor \"x\": its values end beyond the file: truncated");
    refuse_safe("{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,"
                "16]}}",
                20, "4 bytes follow");
    refuse_safe("{\"x\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,"
                "8]}}",
                8, "type BF16 is not read");
    refuse_safe("{\"x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,"
                "16]}}",
                16, "do not fit its type and shape");
    refuse_safe("{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,"
                "0]}}",
                16, "out of order");
    refuse_safe("{\"x\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,"
                "16]}}",
                16, "no number");
    refuse_safe("{\"x\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],"
                "\"data_offsets\":[0,16]}}",
                16, "too large");
    refuse_safe("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,"
                "16]}}",
                16, "leave a gap");
    refuse_safe("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,"
                "8]},\"y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":["
                "4,12]}}",
                12, "overlap");
    refuse_safe("{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,"
                "4]},\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":["
                "4,8]}}",
                8, "stands twice");
}

static void safetensors_round_trip(void **state)
{
    (void)state;
    static const float a[] = {1, 2, 3};
    static const int32_t c[] = {-7};
    static const tensor_entry entries[] = {
        {"net.w/m", PTL_F32, 1, {3}, a, sizeof a},
        {"empty", PTL_F64, 2, {0, 5}, NULL, 0},
        {"a \"quoted\" name", PTL_I32, 0, {0}, c, sizeof c}};
    ptl_error err;
    tensor_file *file;
    tensor_file_sum sum;
    assert_int_equal(tensor_file_write(fake_path("t"), entries, 3, &sum, &err),
                     PTL_OK);
    if (tensor_file_open(fake_path("t"), &file, &err) != PTL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(tensor_file_count(file), 3);
    for (int i = 0; i < 3; i++) {
        const tensor_entry *e = tensor_file_find(file, entries[i].name);
        assert_non_null(e);
        assert_int_equal(e->dtype, entries[i].dtype);
        assert_int_equal(e->rank, entries[i].rank);
        assert_int_equal(e->size, entries[i].size);
        if (e->size)
            assert_memory_equal(e->bytes, entries[i].bytes, e->size);
    }
    tensor_file_close(file);
    ptl_bytes bytes;
    assert_int_equal(file_read(fake_path("t"), &bytes, &err), PTL_OK);
    assert_int_equal(bytes.size, sum.bytes);
    assert_int_equal(crc32(0, bytes.data, (uInt)bytes.size), sum.crc);
    bytes_free(&bytes);
}

/* --- sources of several arrays, ranges, bounds */

static void arrays_of_a_source_agree_in_records(void **state)
{
    (void)state;
    fake_write("three", small_idx, sizeof small_idx);
    static const unsigned char two[] = {0, 0, 8, 1, 0, 0, 0, 2, 1, 2};
    fake_write("two", two, sizeof two);
    ptl_job_array arrays[] = {{"image", fake_path("three"), ""},
                              {"label", fake_path("two"), ""}};
    ptl_job_source from = {
        .reader = "idx", .arrays = arrays, .array_count = 2, .end = -1};
    data_options options = {0};
    ptl_dataset *d;
    ptl_error err;
    assert_int_equal(data_open(&from, &options, &d, &err), PTL_E_DATA);
    assert_non_null(strstr(err.text, "three\" has 3 records"));
    assert_non_null(strstr(err.text, "two\" 2"));
}

static void a_range_of_records_is_taken_and_keeps_its_numbers(void **state)
{
    (void)state;
    fake_write("file", "5,0\n6,1\n7,2\n8,3\n", 16);
    ptl_job_array array = {"x", fake_path("file"), "columns=0;type=int"};
    ptl_job_source from = {.reader = "csv",
                           .arrays = &array,
                           .array_count = 1,
                           .begin = 1,
                           .end = 3};
    data_options options = {0};
    ptl_dataset *d;
    ptl_error err;
    assert_int_equal(data_open(&from, &options, &d, &err), PTL_OK);
    assert_int_equal(data_rows(d), 2);
    assert_int_equal(ints(d)[0], 6);
    assert_int_equal(data_check_bound(d, "x", 8, &err), PTL_OK);
    assert_int_equal(data_check_bound(d, "x", 7, &err), PTL_E_DATA);
    assert_non_null(strstr(err.text, "file\", record 3: x is 7"));
    data_close(d);
    from.end = 5;
    assert_int_equal(data_open(&from, &options, &d, &err), PTL_E_DATA);
    assert_non_null(strstr(err.text, "it has 4"));
}

static void a_byte_is_within_256_and_else_looked_at(void **state)
{
    (void)state;
    static const unsigned char three[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 255, 1};
    fake_write("bytes", three, sizeof three);
    ptl_job_array array = {"x", fake_path("bytes"), ""};
    ptl_job_source from = {
        .reader = "idx", .arrays = &array, .array_count = 1, .end = -1};
    data_options options = {0};
    ptl_dataset *d;
    ptl_error err;
    assert_int_equal(data_open(&from, &options, &d, &err), PTL_OK);
    assert_int_equal(data_check_bound(d, "x", 1000, &err), PTL_OK);
    assert_int_equal(data_check_bound(d, "x", 256, &err), PTL_OK);
    assert_int_equal(data_check_bound(d, "x", 255, &err), PTL_E_DATA);
    assert_non_null(strstr(err.text, "bytes\", record 2: x is 255"));
    data_close(d);
}

static int remove_folder(void **state)
{
    (void)state;
    fake_folder_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idx_keeps_bytes_and_shape),
        cmocka_unit_test(idx_types_become_those_of_the_language),
        cmocka_unit_test(idx_damage_is_named),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(gzip_is_unpacked_also_in_members),
        cmocka_unit_test(damaged_gzip_is_named),
        cmocka_unit_test(the_checksum_of_a_gzip_header_counts),
        cmocka_unit_test(csv_reads_ranges_names_and_single_columns),
        cmocka_unit_test(csv_headers_and_separators_can_be_told),
        cmocka_unit_test(csv_damage_is_named),
        cmocka_unit_test(bad_records_can_be_left_out),
        cmocka_unit_test(an_unknown_option_is_the_programs_fault),
        cmocka_unit_test(npy_reads_all_versions_and_orders_of_bytes),
        cmocka_unit_test(npy_damage_is_named),
        cmocka_unit_test(npy_is_written_as_it_is_read),
        cmocka_unit_test(npz_gives_its_arrays_and_names_damage),
        cmocka_unit_test(safetensors_gives_named_tensors),
        cmocka_unit_test(safetensors_damage_is_named),
        cmocka_unit_test(safetensors_round_trip),
        cmocka_unit_test(arrays_of_a_source_agree_in_records),
        cmocka_unit_test(a_range_of_records_is_taken_and_keeps_its_numbers),
        cmocka_unit_test(a_byte_is_within_256_and_else_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
