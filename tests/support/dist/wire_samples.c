/*
 * wire_samples.c - see wire_samples.h.
 */
#include "dist/wire_samples.h"
#include "dist/members.h"
#include <string.h>

static const uint64_t bucket_bytes[] = {160, 64, 24};
static const ptl_dtype bucket_types[] = {PTL_F32, PTL_F32, PTL_F64};

const wire_limits sample_limits = {
    .job = 0x0123456789abcdef,
    .chunk = 64,
    .bucket_count = 3,
    .bucket_bytes = bucket_bytes,
    .slot_bytes = bucket_bytes,
    .bucket_types = bucket_types,
};

static wire_frame text_frame(const char *text)
{
    return (wire_frame){(const uint8_t *)text, strlen(text)};
}

static void set_payload(wire_sample *s, const void *bytes, size_t size)
{
    memcpy(s->payload, bytes, size);
    s->said.payload = (wire_frame){s->payload, size};
}

static void set_chunk(wire_sample *s, uint32_t bucket, uint64_t offset)
{
    uint8_t bytes[64];
    uint64_t left = bucket_bytes[bucket] - offset;
    size_t size = left < sizeof bytes ? left : sizeof bytes;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 37 + bucket);
    set_payload(s, bytes, size);
    wire_header *h = &s->said.head;
    h->id = bucket;
    h->offset = offset;
    h->dtype = (uint8_t)(1 + bucket_types[bucket]);
    if (offset + size == bucket_bytes[bucket])
        h->flags |= WIRE_LAST;
}

static void set_members(wire_sample *s)
{
    const dist_member members[] = {
        {wire_node(WIRE_PS, 0), 0x77, text_frame("node0:2222")},
        {wire_node(WIRE_WORKER, 0), 0x88, text_frame("")},
    };
    ptl_str out = {0};
    for (int i = 0; i < 2; i++)
        members_write(&out, &members[i]);
    set_payload(s, out.data, out.length);
    str_fini(&out);
    s->said.head.id = 2;
    s->said.head.flags |= WIRE_GO;
}

static void set_field(wire_sample *s, wire_field field)
{
    s->said.fields.present |= 1u << field;
}

/* Who says it: the first role that may. */
static uint32_t sender_of(int type)
{
    switch (type) {
    case WIRE_WELCOME:
    case WIRE_REJECT:
    case WIRE_WHO:
    case WIRE_MEMBERS:
    case WIRE_CKPT_REQ:
    case WIRE_SHARDMAP:
    case WIRE_TOTALS:
        return wire_node(WIRE_COORDINATOR, 0);
    case WIRE_PUSH_ACK:
    case WIRE_DATA:
    case WIRE_NACK:
    case WIRE_BAR_RELEASE:
    case WIRE_PARTIALS:
        return wire_node(WIRE_PS, 1);
    default:
        return wire_node(WIRE_WORKER, 3);
    }
}

static void set_refusal(wire_sample *s, uint32_t code, const char *text)
{
    set_field(s, WIRE_FIELD_CODE);
    set_field(s, WIRE_FIELD_TEXT);
    s->said.fields.code = code;
    s->said.fields.text = text_frame(text);
}

static void set_hello(wire_sample *s)
{
    const char *agreement = "model lenet\nseed 1\nbucket 0 = 160 B of f32\n";
    const uint8_t versions[4] = {1, 0, 1, 0};
    set_payload(s, agreement, strlen(agreement));
    memcpy(s->said.fields.versions, versions, sizeof versions);
    set_field(s, WIRE_FIELD_VERSIONS);
    set_field(s, WIRE_FIELD_BUILD);
    set_field(s, WIRE_FIELD_PEER);
    s->said.fields.build = text_frame("0.1.0");
    s->said.fields.peer = 0x99;
}

static void set_content(wire_sample *s, int type)
{
    wire_header *h = &s->said.head;
    switch (type) {
    case WIRE_HELLO:
        set_hello(s);
        break;
    case WIRE_WELCOME:
        set_field(s, WIRE_FIELD_PEER);
        s->said.fields.peer = 0x99;
        break;
    case WIRE_REJECT:
        set_refusal(s, WIRE_REASON_TAKEN, "worker 2 is here already");
        break;
    case WIRE_ERROR:
        set_refusal(s, WIRE_REASON_MALFORMED, "PULL has a payload");
        break;
    case WIRE_NACK:
        set_refusal(s, WIRE_REASON_STALE, "epoch 3 is over, this is 4");
        break;
    case WIRE_JOIN:
        set_payload(s, "node3:2223", 10);
        break;
    case WIRE_MEMBERS:
        set_members(s);
        break;
    case WIRE_PUSH:
        set_chunk(s, 0, 128);
        set_field(s, WIRE_FIELD_WEIGHT);
        s->said.fields.weight = 32;
        break;
    case WIRE_DATA:
        set_chunk(s, 2, 0);
        break;
    case WIRE_SNAP_CHUNK:
        set_chunk(s, 0, 64);
        break;
    case WIRE_PARTIALS:
        set_payload(s, "\0\0\200\077\0\0\0\100", 8);
        break;
    case WIRE_TOTALS:
        set_payload(s, "\0\0\100\100", 4);
        break;
    case WIRE_PULL:
        h->flags |= WIRE_EXACT;
        break;
    case WIRE_PING:
    case WIRE_PONG:
        set_field(s, WIRE_FIELD_PHASE);
        s->said.fields.phase = WIRE_PHASE_TRAINING;
        break;
    }
}

void wire_sample_write(wire_sample *s)
{
    size_t bytes = wire_write_fields(&s->said.fields, s->fields, SAMPLE_FIELDS);
    s->frames[0] = (wire_frame){s->head, WIRE_HEADER_BYTES};
    s->frames[1] = s->said.payload;
    s->frames[2] = (wire_frame){s->fields, bytes};
    s->count = bytes ? 3 : 2;
    wire_write(&s->said.head, s->frames[1], s->frames[2], s->head);
}

bool wire_sample_make(int type, wire_sample *s)
{
    if (!wire_type_name(type))
        return false;
    memset(s, 0, sizeof *s);
    wire_header *h = &s->said.head;
    s->said.payload.data = s->payload;
    h->type = (uint16_t)type;
    h->epoch = 4;
    h->job = sample_limits.job;
    h->incarnation = 0xfedcba9876543210;
    h->sender = sender_of(type);
    h->to = WIRE_PS;
    h->id = 1;
    h->step = 1000000000001;
    h->sequence = wire_class_of(type) == WIRE_LINK ? 0 : 17;
    h->ack = 16;
    h->credit = 9000000000;
    set_content(s, type);
    wire_sample_write(s);
    return true;
}
