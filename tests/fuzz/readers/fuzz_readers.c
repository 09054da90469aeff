/*
 * fuzz_readers.c - damaged data files by the thousand: none may crash a
 * reader, and what is refused is refused by name.
 *
 *   fuzz_readers [--seconds N] [--seed N] [--save FILE]
 *
 * Good files of each format are made here and then changed: bits, bytes,
 * numbers at the edges, pieces cut out, doubled, moved between files, the end
 * cut off. The file at work is FILE (default fuzz_readers.input); it stays
 * where the process dies, with the format in FILE.format:
 * `fuzz_readers --try FORMAT FILE`.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/philox.h"
#include "base/str.h"
#include "runtime/data.h"
#include "runtime/tensor_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

enum { MOST_BYTES = 1 << 14 };

typedef struct sample {
    const char *reader, *options;
    ptl_str bytes;
} sample;

static uint64_t seed, drawn;

static uint64_t draw(uint64_t below)
{
    uint32_t w[4];
    philox_words(seed, 0, drawn++, w);
    return below ? ((uint64_t)w[0] << 32 | w[1]) % below : 0;
}

/* ---------- good files ---------- */

static void be32(ptl_str *s, uint32_t v)
{
    for (int i = 3; i >= 0; i--)
        str_addc(s, (char)(v >> 8 * i & 0xff));
}

static void le32(ptl_str *s, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        str_addc(s, (char)(v >> 8 * i & 0xff));
}

static void values(ptl_str *s, int bytes)
{
    for (int i = 0; i < bytes; i++)
        str_addc(s, (char)(i * 37 & (bytes == 2 ? 1 : 255)));
}

static ptl_str make_idx(int type, int item)
{
    ptl_str s = {0};
    be32(&s, (uint32_t)type << 8 | 3);
    be32(&s, 5);
    be32(&s, 4);
    be32(&s, 3);
    values(&s, 60 * item);
    return s;
}

static ptl_str pack(const ptl_str *from, int window_bits)
{
    ptl_str out = {0};
    unsigned char packed[4096];
    z_stream z = {.next_in = (Bytef *)from->data,
                  .avail_in = (uInt)from->length,
                  .next_out = packed,
                  .avail_out = sizeof packed};
    deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
    deflate(&z, Z_FINISH);
    str_addn(&out, (char *)packed, z.total_out);
    deflateEnd(&z);
    return out;
}

static ptl_str make_npy(const char *descr, const char *shape, int bytes)
{
    ptl_str dict = {0}, s = {0};
    str_printf(&dict, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
               descr, shape);
    str_addn(&s, "\x93NUMPY\1\0", 8);
    str_addc(&s, (char)dict.length);
    str_addc(&s, '\0');
    str_addn(&s, dict.data, dict.length);
    values(&s, bytes);
    str_fini(&dict);
    return s;
}

static ptl_str make_npz(bool deflated)
{
    ptl_str inner = make_npy("<f4", "(3, 2)", 24), s = {0};
    ptl_str body = deflated ? pack(&inner, -15) : (ptl_str){0};
    const ptl_str *stored = deflated ? &body : &inner;
    uint32_t crc = (uint32_t)crc32_z(0, (Bytef *)inner.data, inner.length);
    for (int part = 0; part < 2; part++) {
        le32(&s, part ? 0x02014b50 : 0x04034b50);
        if (part)
            str_addn(&s, "\0\0", 2);
        str_addn(&s, "\0\0\0\0", 4);
        str_addc(&s, deflated ? 8 : 0);
        str_addn(&s, "\0\0\0\0\0", 5);
        le32(&s, crc);
        le32(&s, (uint32_t)stored->length);
        le32(&s, (uint32_t)inner.length);
        le32(&s, 5);
        if (part)
            str_addn(&s, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 14);
        str_add(&s, "x.npy");
        if (!part)
            str_addn(&s, stored->data, stored->length);
    }
    le32(&s, 0x06054b50);
    str_addn(&s, "\0\0\0\0\1\0\1\0", 8);
    le32(&s, 51);
    le32(&s, (uint32_t)(35 + stored->length));
    str_addn(&s, "\0\0", 2);
    str_fini(&inner);
    str_fini(&body);
    return s;
}

static ptl_str make_safetensors(void)
{
    static const char header[] =
        "{\"__metadata__\":{\"k\":\"v\"},\"x\":{\"dtype\":\"F32\",\"shape\":[3,"
        "2],\"data_offsets\":[0,24]},\"y\":{\"dtype\":\"I32\",\"shape\":[2],"
        "\"data_offsets\":[24,32]}}";
    ptl_str s = {0};
    le32(&s, sizeof header - 1);
    le32(&s, 0);
    str_add(&s, header);
    values(&s, 32);
    return s;
}

static ptl_str make_text(const char *text)
{
    ptl_str s = {0};
    str_add(&s, text);
    return s;
}

enum { SAMPLES = 15 };
static sample samples[SAMPLES];

static void make_samples(void)
{
    ptl_str u8 = make_idx(8, 1);
    ptl_str csv = make_text("a,\"b b\",c\n1,2.5,-3e-2\r\n4, 5 ,\"6\"\n7,8,9\n");
    sample all[SAMPLES] = {
        {"idx", "", u8},
        {"idx", "", make_idx(11, 2)},
        {"idx", "", make_idx(14, 8)},
        {"idx", "", pack(&u8, 31)},
        {"csv", "columns=0..2", csv},
        {"csv", "columns=c,a;header=yes", make_text(csv.data)},
        {"csv", "columns=1;type=int", make_text("1,2\n3,4\n\n5,6")},
        {"csv", "", pack(&csv, 31)},
        {"npy", "", make_npy("<f8", "(3, 2)", 48)},
        {"npy", "", make_npy(">i4", "(4,)", 16)},
        {"npy", "", make_npy("|b1", "(2, 1, 1)", 2)},
        {"npz", "", make_npz(false)},
        {"npz", "", make_npz(true)},
        {"safetensors", "", make_safetensors()},
        {"safetensors", "tensor=y", make_safetensors()},
    };
    memcpy(samples, all, sizeof all);
}

/* ---------- damage ---------- */

static void cut(ptl_str *s)
{
    size_t at = draw(s->length + 1), most = s->length - at;
    size_t count = draw(most < 32 ? most + 1 : 32);
    memmove(s->data + at, s->data + at + count, most - count);
    s->length -= count;
}

static void insert(ptl_str *s, const char *bytes, size_t count)
{
    ptl_str out = {0};
    size_t at = draw(s->length + 1);
    str_addn(&out, s->data, at);
    str_addn(&out, bytes, count);
    str_addn(&out, s->data + at, s->length - at);
    str_fini(s);
    *s = out;
}

static void change_one(ptl_str *s)
{
    static const char *const words[] = {"{",
                                        "}",
                                        "[",
                                        "]",
                                        "\"",
                                        ",",
                                        ":",
                                        "-1",
                                        "0",
                                        "\n",
                                        "\r",
                                        "999999999999999999999",
                                        "1e999",
                                        "nan",
                                        "\\u0000",
                                        "(",
                                        ")",
                                        "False",
                                        "'",
                                        "\xff\xff\xff\xff",
                                        "\x7f",
                                        "\x1f\x8b",
                                        "9223372036854775807",
                                        "..",
                                        ";"};
    if (!s->length)
        return;
    const sample *other = &samples[draw(SAMPLES)];
    size_t at = draw(s->length), from = draw(other->bytes.length);
    size_t count = draw(other->bytes.length - from + 1);
    const char *word = words[draw(sizeof words / sizeof *words)];
    switch (draw(8)) {
    case 0:
        s->data[at] = (char)(s->data[at] ^ (1 << draw(8)));
        break;
    case 1:
        s->data[at] = (char)draw(256);
        break;
    case 2:
        s->data[at] = (char)(draw(2) ? 0xff : 0);
        break;
    case 3:
        cut(s);
        break;
    case 4:
        s->length = at;
        break;
    case 5:
        insert(s, word, strlen(word));
        break;
    case 6:
        insert(s, other->bytes.data + from, count);
        break;
    default:
        insert(s, s->data + at, draw(s->length - at + 1));
    }
}

/* ---------- one input ---------- */

static volatile unsigned long touched;

static void use(const ptl_dataset *d)
{
    const data_array *a = data_array_at(d, 0);
    unsigned long sum = 0;
    for (size_t i = 0; i < (size_t)a->rows * a->record_bytes; i++)
        sum += a->bytes[i];
    touched += sum;
}

static void die(const char *reader, const char *what)
{
    fprintf(stderr, "fuzz_readers: %s: %s (seed %llu, draw %llu)\n", reader,
            what, (unsigned long long)seed, (unsigned long long)drawn);
    abort();
}

static bool try_file(const sample *s, const char *path, bool skip_bad)
{
    ptl_job_array array = {"x", path, s->options};
    ptl_job_source source = {
        .reader = s->reader, .arrays = &array, .array_count = 1, .end = -1};
    data_options options = {.skip_bad = skip_bad, .f64 = draw(2)};
    ptl_dataset *d;
    ptl_error err = {0};
    ptl_status st = data_open(&source, &options, &d, &err);
    if (st == PTL_OK) {
        if (data_rows(d) < 1)
            die(s->reader, "accepted without a record");
        use(d);
        data_check_bound(d, "x", 3, &err);
        data_close(d);
        return true;
    }
    if (ptl_exit_status(st) != 3 || !strstr(err.text, path))
        die(s->reader, err.text);
    return false;
}

static void write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(2);
    }
}

static bool try_changed(const sample *s, const char *path, int changes)
{
    ptl_str bytes = {0};
    str_addn(&bytes, s->bytes.data, s->bytes.length);
    for (int i = 0; i < changes && bytes.length < MOST_BYTES; i++)
        change_one(&bytes);
    write_file(path, bytes.data, bytes.length);
    str_fini(&bytes);
    return try_file(s, path, draw(2));
}

static void note_format(const char *path, const char *reader)
{
    char name[4096];
    snprintf(name, sizeof name, "%s.format", path);
    write_file(name, reader, strlen(reader));
}

static void run(double seconds, const char *path)
{
    char name[4096];
    long tried = 0, accepted = 0;
    double begin = clock_seconds();
    for (int i = 0; i < SAMPLES; i++)
        if (!try_changed(&samples[i], path, 0))
            die(samples[i].reader, "a good file was refused");
    while (clock_seconds() - begin < seconds) {
        const sample *s = &samples[draw(SAMPLES)];
        note_format(path, s->reader);
        for (int i = 0; i < 50; i++, tried++)
            accepted += try_changed(s, path, 1 + (int)draw(6));
    }
    printf("%ld damaged files, %ld still readable, seed %llu\n", tried,
           accepted, (unsigned long long)seed);
    remove(path);
    snprintf(name, sizeof name, "%s.format", path);
    remove(name);
}

int main(int argc, char **argv)
{
    double seconds = 5;
    const char *path = "fuzz_readers.input";
    seed = (uint64_t)time(NULL);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0) {
            seconds = atof(argv[i + 1]);
        } else if (strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--save") == 0) {
            path = argv[i + 1];
        } else if (strcmp(argv[i], "--try") == 0 && i + 2 < argc) {
            sample s = {.reader = argv[i + 1], .options = ""};
            puts(try_file(&s, argv[i + 2], false) ? "readable" : "refused");
            return 0;
        }
    }
    make_samples();
    run(seconds, path);
    for (int i = 0; i < SAMPLES; i++)
        str_fini(&samples[i].bytes);
    return 0;
}
