/*
 * fuzz_wire.c - damaged messages by the million: none may crash the reader, and
 * what it accepts is what its rules promise.
 *
 *   fuzz_wire [--seconds N] [--seed N] [--plant NAME]
 *
 * A good message of each type is changed: bits, bytes, numbers at the edges,
 * frames cut, doubled and exchanged. Mostly both checksums are made right
 * again, or everything would end there. Frames are copied into blocks of their
 * exact size, so that a byte too far is seen. What was accepted is held against
 * the rules once more, in other words, and written anew: it must be the same
 * bytes. With --plant a mistake of base/plants.def is in the reader: not to
 * find it is exit status 1.
 */
#include "base/clock.h"
#include "base/philox.h"
#include "base/plant.h"
#include "dist/crc32c.h"
#include "dist/members.h"
#include "dist/wire_samples.h"
#include <sanitizer/common_interface_defs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t seed, drawn;

static uint64_t draw(uint64_t below)
{
    uint32_t w[4];
    philox_words(seed, 0, drawn++, w);
    return below ? ((uint64_t)w[0] << 32 | w[1]) % below : 0;
}

/* ---------- frames that own their bytes ---------- */

typedef struct block {
    uint8_t *data;
    size_t size;
} block;

static void set_block(block *b, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    free(b->data);
    *b = (block){copy, size};
}

typedef struct input {
    block frames[4];
    int count;
} input;

static void take_sample(input *in)
{
    wire_sample s;
    while (!wire_sample_make((int)draw(WIRE_TYPE_END), &s))
        ;
    in->count = s.count;
    for (int i = 0; i < s.count; i++)
        set_block(&in->frames[i], s.frames[i].data, s.frames[i].size);
}

/* ---------- damage ---------- */

static void change_number(block *b)
{
    static const uint64_t edges[] = {
        0,          1,          0x7f,      0x80,       0xff,          0xffff,
        0x7fffffff, UINT32_MAX, INT64_MAX, UINT64_MAX, ~(uint64_t)63, 63,
        64,         65};
    static const int widths[] = {1, 2, 4, 8};
    int bytes = widths[draw(4)];
    if (b->size < 8)
        return;
    size_t at = draw(b->size / (size_t)bytes) * (size_t)bytes;
    uint64_t value = edges[draw(sizeof edges / sizeof *edges)];
    if (draw(3) == 0)
        value = wire_get(b->data + at, bytes) + draw(5) - 2;
    wire_put(b->data + at, value, bytes);
}

static void resize(block *b)
{
    size_t size = draw(2) ? draw(b->size + 1) : b->size + draw(64);
    uint8_t *copy = calloc(size ? size : 1, 1);
    if (!copy)
        abort();
    memcpy(copy, b->data, size < b->size ? size : b->size);
    free(b->data);
    *b = (block){copy, size};
}

static void change_one(input *in)
{
    block *b = &in->frames[draw((uint64_t)in->count)];
    switch (draw(6)) {
    case 0:
        if (b->size)
            b->data[draw(b->size)] ^= (uint8_t)(1 << draw(8));
        break;
    case 1:
    case 2:
        change_number(b);
        break;
    case 3:
        resize(b);
        break;
    case 4:
        in->count = 1 + (int)draw(4);
        for (int i = 0; i < in->count; i++)
            if (!in->frames[i].data)
                set_block(&in->frames[i], NULL, 0);
        break;
    default: {
        int i = (int)draw((uint64_t)in->count);
        block other = in->frames[0];
        in->frames[0] = in->frames[i];
        in->frames[i] = other;
    }
    }
}

static void mend_checksums(input *in)
{
    block *head = &in->frames[0];
    uint32_t crc = 0;
    if (head->size != WIRE_HEADER_BYTES)
        return;
    for (int i = 1; i < in->count; i++)
        crc = crc32c(crc, in->frames[i].data, in->frames[i].size);
    if (in->count > 1 && draw(4))
        wire_put(head->data + 72, in->frames[1].size, 4);
    wire_put(head->data + 88, crc, 4);
    wire_put(head->data + 92, crc32c(0, head->data, 92), 4);
}

/* ---------- one input ---------- */

static void die(const input *in, const char *what)
{
    fprintf(stderr, "fuzz_wire: %s (seed %llu, draw %llu)\n", what,
            (unsigned long long)seed, (unsigned long long)drawn);
    for (int f = 0; f < in->count; f++) {
        fprintf(stderr, "frame %d:", f);
        for (size_t i = 0; i < in->frames[f].size; i++)
            fprintf(stderr, " %02x", in->frames[f].data[i]);
        fputc('\n', stderr);
    }
    exit(ptl_is_planted(PTL_PLANT_NONE) ? 1 : 0);
}

/* Known fields alone can be written again; unknown ones are passed over. */
static void write_again(const input *in, const wire_message *m)
{
    uint8_t head[WIRE_HEADER_BYTES], fields[SAMPLE_FIELDS];
    size_t bytes = wire_write_fields(&m->fields, fields, sizeof fields);
    bool same = in->count == 2 ? bytes == 0 : bytes == in->frames[2].size;
    if (!same || m->head.minor != WIRE_MINOR)
        return;
    wire_write(&m->head, m->payload, (wire_frame){fields, bytes}, head);
    wire_message again;
    wire_fault fault;
    wire_frame frames[3] = {{head, sizeof head}, m->payload, {fields, bytes}};
    if (wire_read(frames, bytes ? 3 : 2, &sample_limits, &again, &fault) !=
            WIRE_GOOD ||
        again.head.credit != m->head.credit || again.head.id != m->head.id)
        die(in, "accepted, and not again");
}

/* A frame of the message lies within one that was given. */
static void check_inside(const input *in, wire_frame f)
{
    for (int i = 0; i < in->count; i++) {
        const block *b = &in->frames[i];
        size_t at = (size_t)(f.data - b->data);
        if (f.data >= b->data && at <= b->size && f.size <= b->size - at)
            return;
    }
    if (f.size)
        die(in, "bytes outside of every frame");
}

static void look_again(const input *in, const wire_message *m)
{
    uint64_t all = 0;
    int type = m->head.type;
    uint32_t crc = crc32c(0, in->frames[1].data, in->frames[1].size);
    if (in->count == 3)
        crc = crc32c(crc, in->frames[2].data, in->frames[2].size);
    if (wire_get(in->frames[0].data + 88, 4) != crc)
        die(in, "a wrong checksum");
    check_inside(in, m->fields.text);
    check_inside(in, m->fields.build);
    if (type == WIRE_PUSH || type == WIRE_DATA || type == WIRE_SNAP_CHUNK) {
        if (m->head.id >= 3)
            die(in, "a bucket that is not there");
        all = sample_limits.bucket_bytes[m->head.id];
        if (m->head.offset > all || m->payload.size > all - m->head.offset)
            die(in, "bytes outside of the bucket");
    }
    if (type == WIRE_PUSH && !(m->fields.weight >= 0))
        die(in, "a negative weight");
    if ((m->head.sequence == 0) != (wire_class_of(type) == WIRE_LINK))
        die(in, "a wrong sequence");
    write_again(in, m);
}

static volatile unsigned touched;

static bool try_input(const input *in)
{
    wire_frame frames[4];
    wire_message m;
    wire_fault fault;
    for (int i = 0; i < in->count; i++)
        frames[i] = (wire_frame){in->frames[i].data, in->frames[i].size};
    wire_verdict verdict =
        wire_read(frames, in->count, &sample_limits, &m, &fault);
    bool told = verdict == WIRE_BAD || verdict == WIRE_REFUSED;
    if (told != (fault.text[0] != '\0') || told != (fault.code != 0))
        die(in, "refused without a reason, or the other way round");
    if (verdict != WIRE_GOOD)
        return false;
    look_again(in, &m);
    for (size_t i = 0; i < m.payload.size; i++)
        touched += m.payload.data[i];
    for (size_t i = 0; i < m.fields.text.size; i++)
        touched += m.fields.text.data[i];
    if (m.head.type == WIRE_MEMBERS)
        touched += members_check(m.payload, m.head.id);
    return true;
}

/* What a sanitizer stops at is what was planted. */
static void found(void)
{
    fprintf(stderr, "fuzz_wire: found by a sanitizer\n");
    _exit(0);
}

static void run(double seconds)
{
    long tried = 0, accepted = 0;
    input in = {0};
    double begin = clock_seconds();
    while (clock_seconds() - begin < seconds)
        for (int i = 0; i < 500; i++, tried++) {
            take_sample(&in);
            if (!try_input(&in))
                die(&in, "a good message was refused");
            for (int changes = 1 + (int)draw(4); changes > 0; changes--)
                change_one(&in);
            if (draw(8))
                mend_checksums(&in);
            accepted += try_input(&in);
        }
    for (int i = 0; i < 4; i++)
        free(in.frames[i].data);
    printf("%ld damaged messages, %ld still good, seed %llu\n", tried, accepted,
           (unsigned long long)seed);
}

int main(int argc, char **argv)
{
    double seconds = 5;
    seed = (uint64_t)time(NULL);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--plant") == 0)
            ptl_planted = ptl_plant_find(argv[i + 1]);
    }
    if (ptl_planted == PTL_PLANT_COUNT) {
        fprintf(stderr, "fuzz_wire: no such mistake\n");
        return 2;
    }
    if (!ptl_is_planted(PTL_PLANT_NONE))
        __sanitizer_set_death_callback(found);
    run(seconds);
    return ptl_is_planted(PTL_PLANT_NONE) ? 0 : 1;
}
