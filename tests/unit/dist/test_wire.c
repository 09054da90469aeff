/*
 * test_wire.c - messages are the bytes that golden/wire says, what is written
 * is read again, and every rule of the format has a message that breaks it.
 *
 * PTL_GOLDEN=update writes the file anew.
 */
#include "base/bf16.h"
#include "base/file.h"
#include "base/str.h"
#include "dist/crc32c.h"
#include "dist/members.h"
#include "dist/wire_samples.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char vectors[] = PTL_SOURCE_DIR "/tests/golden/wire/messages.txt";

/* ---------- golden ---------- */

static void print_frame(ptl_str *out, char label, wire_frame f)
{
    for (size_t i = 0; i < f.size; i++) {
        if (i % 16 == 0)
            str_printf(out, "%s  %c %04zx ", i ? "\n" : "", label, i);
        str_printf(out, " %02x", f.data[i]);
    }
    if (f.size)
        str_addc(out, '\n');
}

static void print_sample(ptl_str *out, const char *name, const wire_sample *s)
{
    str_printf(out, "%s\n", name);
    for (int i = 0; i < s->count; i++)
        print_frame(out, "hpf"[i], s -> frames[i]);
}

/* Bucket 1 whole: 16 numbers, of which each is two bytes. */
static void make_compressed(wire_sample *s)
{
    float x[16] = {0.0f, -0.0f, 1.0f, -2.0f, 0.1f, -1e30f, 1e-40f, INFINITY};
    for (int i = 8; i < 16; i++)
        x[i] = (float)i / 3;
    wire_sample_make(WIRE_PUSH, s);
    bf16_pack(s->payload, x, 16, 1);
    s->said.payload = (wire_frame){s->payload, sizeof(uint16_t) * 16};
    wire_header *h = &s->said.head;
    h->id = 1;
    h->offset = 0;
    h->codec = WIRE_CODEC_BF16;
    wire_sample_write(s);
}

static void every_message_is_the_golden_bytes(void **state)
{
    (void)state;
    ptl_str out = {0};
    ptl_bytes golden = {0};
    wire_sample s;
    for (int type = 0; type < WIRE_TYPE_END; type++)
        if (wire_sample_make(type, &s))
            print_sample(&out, wire_type_name(type), &s);
    make_compressed(&s);
    print_sample(&out, "PUSH, as bf16", &s);
    if (getenv("PTL_GOLDEN"))
        assert_int_equal(file_write_whole(vectors, out.data, out.length, NULL),
                         PTL_OK);
    assert_int_equal(file_read(vectors, &golden, NULL), PTL_OK);
    assert_string_equal(out.data, (const char *)golden.data);
    bytes_free(&golden);
    str_fini(&out);
}

static void there_are_30_messages(void **state)
{
    (void)state;
    int count = 0;
    for (int type = -1; type < 1000; type++)
        count += wire_type_name(type) != NULL;
    assert_int_equal(count, 30);
}

/* ---------- round trip ---------- */

static wire_verdict read_sample(const wire_sample *s, wire_message *out,
                                wire_fault *fault)
{
    return wire_read(s->frames, s->count, &sample_limits, out, fault);
}

static void same_frame(wire_frame a, wire_frame b)
{
    assert_int_equal(a.size, b.size);
    if (a.size)
        assert_memory_equal(a.data, b.data, a.size);
}

static void same_message(const wire_message *a, const wire_message *b)
{
    assert_int_equal(a->head.type, b->head.type);
    assert_int_equal(a->head.epoch, b->head.epoch);
    assert_int_equal(a->head.job, b->head.job);
    assert_int_equal(a->head.incarnation, b->head.incarnation);
    assert_int_equal(a->head.sender, b->head.sender);
    assert_int_equal(a->head.id, b->head.id);
    assert_int_equal(a->head.step, b->head.step);
    assert_int_equal(a->head.sequence, b->head.sequence);
    assert_int_equal(a->head.ack, b->head.ack);
    assert_int_equal(a->head.offset, b->head.offset);
    assert_int_equal(a->head.dtype, b->head.dtype);
    assert_int_equal(a->head.credit, b->head.credit);
    assert_int_equal(a->fields.present, b->fields.present);
    assert_int_equal(a->fields.peer, b->fields.peer);
    assert_int_equal(a->fields.code, b->fields.code);
    assert_int_equal(a->fields.phase, b->fields.phase);
    assert_true(a->fields.weight == b->fields.weight);
    same_frame(a->fields.text, b->fields.text);
    same_frame(a->fields.build, b->fields.build);
    same_frame(a->payload, b->payload);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    for (int type = 0; type < WIRE_TYPE_END; type++) {
        wire_sample s;
        wire_message got;
        wire_fault fault;
        if (!wire_sample_make(type, &s))
            continue;
        if (read_sample(&s, &got, &fault) != WIRE_GOOD)
            fail_msg("%s: %s", wire_type_name(type), fault.text);
        same_message(&got, &s.said);
    }
}

static void any_changed_bit_is_noticed(void **state)
{
    (void)state;
    for (int type = 0; type < WIRE_TYPE_END; type++) {
        wire_sample s;
        wire_message got;
        wire_fault fault;
        if (!wire_sample_make(type, &s))
            continue;
        for (int f = 0; f < s.count; f++)
            for (size_t bit = 0; bit < 8 * s.frames[f].size; bit++) {
                uint8_t *byte = (uint8_t *)s.frames[f].data + bit / 8;
                *byte = (uint8_t)(*byte ^ 1 << bit % 8);
                assert_int_equal(read_sample(&s, &got, &fault), WIRE_BAD);
                *byte = (uint8_t)(*byte ^ 1 << bit % 8);
            }
    }
}

static void any_cut_frame_is_noticed(void **state)
{
    (void)state;
    for (int type = 0; type < WIRE_TYPE_END; type++) {
        wire_sample s;
        wire_message got;
        wire_fault fault;
        if (!wire_sample_make(type, &s))
            continue;
        for (int f = 0; f < s.count; f++) {
            wire_frame whole = s.frames[f];
            for (size_t size = 0; size < whole.size; size++) {
                s.frames[f].size = size;
                assert_int_equal(read_sample(&s, &got, &fault), WIRE_BAD);
            }
            s.frames[f] = whole;
        }
    }
}

/* ---------- rules ---------- */

typedef struct broken {
    int type;
    void (*harm)(wire_header *h);
    wire_verdict verdict;
    const char *text;
} broken;

#define HARM(name, statement)                                                  \
    static void name(wire_header *h)                                           \
    {                                                                          \
        statement;                                                             \
    }
HARM(other_job, h->job++)
HARM(no_type, h->type = 99)
HARM(no_role, h->sender = wire_node(4, 0))
HARM(wrong_role, h->sender = wire_node(WIRE_PS, 0))
HARM(no_incarnation, h->incarnation = 0)
HARM(strange_flag, h->flags |= 1u << 20)
HARM(no_sequence, h->sequence = 0)
HARM(a_sequence, h->sequence = 1)
HARM(no_bucket, h->id = 3)
HARM(wrong_type, h->dtype = 1 + PTL_F64)
HARM(strange_codec, h->codec = 1)
HARM(past_the_end, (h->id = 1, h->offset = 64))
HARM(far_past_the_end, h->offset = UINT64_MAX - 8)
HARM(off_the_chunks, (h->offset = 4, h->flags = 0))
HARM(not_whole, (h->offset = 0, h->flags = 0))
HARM(not_last, h->flags = 0)
HARM(empty_and_bytes, h->flags |= WIRE_EMPTY)
HARM(an_offset, h->offset = 64)

static const broken rules[] = {
    {WIRE_PUSH, other_job, WIRE_REFUSED, "worker 3 belongs to another job"},
    {WIRE_PUSH, no_type, WIRE_BAD, "no message has the type 99"},
    {WIRE_PUSH, no_role, WIRE_BAD, "PUSH: there is no role 4"},
    {WIRE_PUSH, wrong_role, WIRE_BAD, "PUSH is nothing that ps 0 says"},
    {WIRE_PUSH, no_incarnation, WIRE_BAD, "PUSH: the incarnation is 0"},
    {WIRE_PUSH, strange_flag, WIRE_BAD, "PUSH: flags 0x100009"},
    {WIRE_PUSH, no_sequence, WIRE_BAD, "PUSH needs a sequence number"},
    {WIRE_PING, a_sequence, WIRE_BAD, "PING has a sequence number"},
    {WIRE_PUSH, no_bucket, WIRE_BAD, "PUSH: there is no bucket 3"},
    {WIRE_PUSH, wrong_type, WIRE_BAD,
     "PUSH: elements of bucket 0 are f32, uncompressed"},
    {WIRE_DATA, strange_codec, WIRE_BAD,
     "DATA: elements of bucket 2 are f64, uncompressed"},
    {WIRE_PUSH, past_the_end, WIRE_BAD,
     "PUSH: 32 bytes from 64 on, bucket 1 has 64"},
    {WIRE_PUSH, far_past_the_end, WIRE_BAD,
     "PUSH: 32 bytes from 18446744073709551607 on, bucket 0 has 160"},
    {WIRE_PUSH, off_the_chunks, WIRE_BAD, "PUSH: no chunk begins at 4"},
    {WIRE_PUSH, not_whole, WIRE_BAD,
     "PUSH: a chunk of 32 bytes within a bucket"},
    {WIRE_PUSH, not_last, WIRE_BAD, "PUSH: the flag LAST is wrong"},
    {WIRE_PUSH, empty_and_bytes, WIRE_BAD,
     "PUSH: EMPTY, and yet 32 bytes from 128 on"},
    {WIRE_PULL, an_offset, WIRE_BAD,
     "PULL has no elements, and says of what type"},
};

static void every_rule_of_the_header_is_held(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        wire_sample s;
        wire_message got;
        wire_fault fault;
        wire_sample_make(rules[i].type, &s);
        rules[i].harm(&s.said.head);
        wire_sample_write(&s);
        assert_int_equal(read_sample(&s, &got, &fault), rules[i].verdict);
        assert_string_equal(fault.text, rules[i].text);
    }
}

/* ---------- a codec ---------- */

/* The last `bytes` of bucket 1, from `offset` on, in `codec`; "": they are
 * taken. */
static const char *push_in_codec(int type, uint64_t offset, size_t bytes,
                                 uint8_t codec)
{
    static const uint8_t codecs[] = {WIRE_CODEC_NONE, WIRE_CODEC_BF16,
                                     WIRE_CODEC_NONE};
    static wire_fault fault;
    wire_limits limits = sample_limits;
    wire_sample s;
    wire_message got;
    limits.push_codecs = codecs;
    wire_sample_make(type, &s);
    wire_header *h = &s.said.head;
    h->id = 1;
    h->dtype = 1 + PTL_F32;
    h->codec = codec;
    h->offset = offset;
    h->flags |= WIRE_LAST;
    memset(s.payload, 3, bytes);
    s.said.payload = (wire_frame){s.payload, bytes};
    wire_sample_write(&s);
    fault.text[0] = '\0';
    return wire_read(s.frames, s.count, &limits, &got, &fault) == WIRE_GOOD
               ? ""
               : fault.text;
}

/* A gradient's bytes stand for twice as many of the bucket; values are as they
 * are. */
static void bf16_is_half_a_bucket(void **state)
{
    (void)state;
    assert_string_equal(push_in_codec(WIRE_PUSH, 0, 32, WIRE_CODEC_BF16), "");
    assert_string_equal(push_in_codec(WIRE_DATA, 0, 64, WIRE_CODEC_NONE), "");
    assert_string_equal(push_in_codec(WIRE_PUSH, 0, 64, WIRE_CODEC_NONE),
                        "PUSH: elements of bucket 1 are f32, as bf16");
    assert_string_equal(push_in_codec(WIRE_DATA, 0, 32, WIRE_CODEC_BF16),
                        "DATA: elements of bucket 1 are f32, uncompressed");
    assert_string_equal(push_in_codec(WIRE_PUSH, 0, 34, WIRE_CODEC_BF16),
                        "PUSH: 34 bytes from 0 on, bucket 1 has 64");
    assert_string_equal(push_in_codec(WIRE_PUSH, 0, 30, WIRE_CODEC_BF16),
                        "PUSH: a chunk of 30 bytes within a bucket");
}

/* A byte of the header is set and the checksum made right again. */
static void set_byte(wire_sample *s, int at, uint8_t byte)
{
    s->head[at] = byte;
    wire_put(s->head + 92, crc32c(0, s->head, 92), 4);
}

static void another_major_version_is_refused_and_named(void **state)
{
    (void)state;
    wire_sample s;
    wire_message got;
    wire_fault fault;
    wire_sample_make(WIRE_HELLO, &s);
    set_byte(&s, 4, 2);
    assert_int_equal(read_sample(&s, &got, &fault), WIRE_REFUSED);
    assert_int_equal(fault.code, WIRE_REASON_VERSION);
    assert_string_equal(fault.text,
                        "worker 3 speaks version 2.0, this process 1.0");
}

static void an_unknown_type_of_a_newer_minor_is_passed_over(void **state)
{
    (void)state;
    wire_sample s;
    wire_message got;
    wire_fault fault;
    wire_sample_make(WIRE_CREDIT, &s);
    set_byte(&s, 5, 7);
    assert_int_equal(read_sample(&s, &got, &fault), WIRE_GOOD);
    set_byte(&s, 6, 200);
    assert_int_equal(read_sample(&s, &got, &fault), WIRE_PASS_OVER);
    set_byte(&s, 5, 0);
    assert_int_equal(read_sample(&s, &got, &fault), WIRE_BAD);
}

static void unused_bytes_are_0(void **state)
{
    (void)state;
    wire_sample s;
    wire_message got;
    wire_fault fault;
    wire_sample_make(WIRE_CREDIT, &s);
    set_byte(&s, 77, 1);
    assert_int_equal(read_sample(&s, &got, &fault), WIRE_BAD);
    assert_string_equal(fault.text, "byte 77 is not 0");
}

static void frames_are_those_of_the_header(void **state)
{
    (void)state;
    wire_sample s;
    wire_message got;
    wire_fault fault;
    wire_sample_make(WIRE_PUSH, &s);
    for (int count = 0; count < 6; count++)
        if (count != 3)
            assert_int_equal(
                wire_read(s.frames, count, &sample_limits, &got, &fault),
                WIRE_BAD);
    s.said.fields.present = 0;
    wire_sample_write(&s);
    assert_int_equal(read_sample(&s, &got, &fault), WIRE_BAD);
    assert_string_equal(fault.text, "PUSH lacks a field it must have");
}

/* ---------- fields ---------- */

static wire_verdict read_fields(const char *bytes, size_t size,
                                wire_fault *fault)
{
    wire_sample s;
    wire_message got;
    wire_sample_make(WIRE_CREDIT, &s);
    s.frames[2] = (wire_frame){(const uint8_t *)bytes, size};
    s.count = 3;
    wire_write(&s.said.head, s.frames[1], s.frames[2], s.head);
    return read_sample(&s, &got, fault);
}

#define FIELDS(bytes) bytes, sizeof bytes - 1

static void fields_are_checked(void **state)
{
    (void)state;
    wire_fault f;
    assert_int_equal(read_fields(FIELDS("\x34\x12\1\0x"), &f), WIRE_GOOD);
    assert_int_equal(read_fields(FIELDS("\x55\x80\0\0"), &f), WIRE_REFUSED);
    assert_string_equal(f.text, "the critical field 0x8055 is not known here");
    assert_int_equal(read_fields(FIELDS("\x04\x80\4\0\1\2"), &f), WIRE_BAD);
    assert_string_equal(f.text, "fields end within one, at byte 0");
    assert_int_equal(read_fields(FIELDS("\x34\x12\1\0x\4"), &f), WIRE_BAD);
    assert_string_equal(f.text, "fields end within one, at byte 5");
    assert_int_equal(read_fields(FIELDS("\x04\x80\3\0\1\2\3"), &f), WIRE_BAD);
    assert_string_equal(f.text, "the field CODE has 3 bytes");
    assert_int_equal(
        read_fields(FIELDS("\x07\0\4\0\1\0\0\0\x07\0\4\0\1\0\0\0"), &f),
        WIRE_BAD);
    assert_string_equal(f.text, "the field PHASE stands twice");
}

static void a_weight_is_a_number_from_0_on(void **state)
{
    (void)state;
    const double wrong[] = {-1, NAN, INFINITY, -INFINITY};
    wire_sample s;
    wire_message got;
    wire_fault fault;
    wire_sample_make(WIRE_PUSH, &s);
    for (int i = 0; i < 4; i++) {
        s.said.fields.weight = wrong[i];
        wire_sample_write(&s);
        assert_int_equal(read_sample(&s, &got, &fault), WIRE_BAD);
    }
    s.said.fields.weight = 0;
    wire_sample_write(&s);
    assert_int_equal(read_sample(&s, &got, &fault), WIRE_GOOD);
}

static void room_that_is_too_small_is_told_and_kept(void **state)
{
    (void)state;
    uint8_t out[16] = {0};
    wire_sample s;
    wire_sample_make(WIRE_HELLO, &s);
    assert_int_equal(wire_write_fields(&s.said.fields, out, 10), 29);
    assert_int_equal(out[10], 0);
}

/* ---------- members ---------- */

static void members_are_each_once_and_ascending(void **state)
{
    (void)state;
    wire_sample s;
    wire_sample_make(WIRE_MEMBERS, &s);
    wire_frame good = s.said.payload;
    assert_true(members_check(good, 2));
    assert_false(members_check(good, 3));
    for (size_t size = 0; size < good.size; size++)
        assert_false(members_check((wire_frame){good.data, size}, 2));
    dist_member m = {wire_node(WIRE_PS, 0), 1, {0}};
    ptl_str out = {0};
    members_write(&out, &m);
    members_write(&out, &m);
    wire_frame twice = {(const uint8_t *)out.data, out.length};
    assert_false(members_check(twice, 2));
    str_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_is_the_golden_bytes),
        cmocka_unit_test(there_are_30_messages),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(any_changed_bit_is_noticed),
        cmocka_unit_test(any_cut_frame_is_noticed),
        cmocka_unit_test(every_rule_of_the_header_is_held),
        cmocka_unit_test(bf16_is_half_a_bucket),
        cmocka_unit_test(another_major_version_is_refused_and_named),
        cmocka_unit_test(an_unknown_type_of_a_newer_minor_is_passed_over),
        cmocka_unit_test(unused_bytes_are_0),
        cmocka_unit_test(frames_are_those_of_the_header),
        cmocka_unit_test(fields_are_checked),
        cmocka_unit_test(a_weight_is_a_number_from_0_on),
        cmocka_unit_test(room_that_is_too_small_is_told_and_kept),
        cmocka_unit_test(members_are_each_once_and_ascending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
