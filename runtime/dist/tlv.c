/*
 * tlv.c - the third frame: fields by name.
 */
#include "base/plant.h"
#include "dist/wire_table.h"
#include <math.h>
#include <string.h>

enum { CRITICAL = 0x8000 };

/* ---------- out ---------- */

typedef struct writer {
    uint8_t *out;
    size_t size, room;
} writer;

static void put_bytes(writer *w, const void *bytes, size_t count)
{
    if (w->size + count <= w->room && count > 0)
        memcpy(w->out + w->size, bytes, count);
    w->size += count;
}

static void put_field(writer *w, wire_field field, const void *value,
                      size_t bytes)
{
    uint8_t head[4];
    wire_put(head, wire_field_rows[field].number, 2);
    wire_put(head + 2, bytes, 2);
    put_bytes(w, head, sizeof head);
    put_bytes(w, value, bytes);
}

static void put_number(writer *w, wire_field field, uint64_t value)
{
    uint8_t bytes[8];
    wire_put(bytes, value, 8);
    put_field(w, field, bytes, wire_field_rows[field].least);
}

static void put_one(writer *w, const wire_fields *f, wire_field field)
{
    uint64_t bits;
    switch (field) {
    case WIRE_FIELD_VERSIONS:
        put_field(w, field, f->versions, sizeof f->versions);
        break;
    case WIRE_FIELD_BUILD:
        put_field(w, field, f->build.data, f->build.size);
        break;
    case WIRE_FIELD_PEER:
        put_number(w, field, f->peer);
        break;
    case WIRE_FIELD_CODE:
        put_number(w, field, f->code);
        break;
    case WIRE_FIELD_TEXT:
        put_field(w, field, f->text.data, f->text.size);
        break;
    case WIRE_FIELD_WEIGHT:
        memcpy(&bits, &f->weight, sizeof bits);
        put_number(w, field, bits);
        break;
    case WIRE_FIELD_PHASE:
        put_number(w, field, f->phase);
        break;
    case WIRE_FIELD_COUNT:
        break;
    }
}

size_t wire_write_fields(const wire_fields *f, uint8_t *out, size_t room)
{
    writer w = {.out = out, .room = room};
    for (int i = 0; i < WIRE_FIELD_COUNT; i++)
        if (f->present >> i & 1)
            put_one(&w, f, (wire_field)i);
    return w.size;
}

/* ---------- in ---------- */

static int find_field(unsigned number)
{
    for (int i = 0; i < WIRE_FIELD_COUNT; i++)
        if (wire_field_rows[i].number == number)
            return i;
    return -1;
}

static wire_verdict take_weight(uint64_t bits, wire_fields *out,
                                wire_fault *fault)
{
    memcpy(&out->weight, &bits, sizeof bits);
    if (isfinite(out->weight) && out->weight >= 0)
        return WIRE_GOOD;
    return wire_wrong(fault, WIRE_BAD, WIRE_REASON_MALFORMED, "a weight of %g",
                      out->weight);
}

static wire_verdict take(wire_field field, wire_frame v, wire_fields *out,
                         wire_fault *fault)
{
    switch (field) {
    case WIRE_FIELD_VERSIONS:
        memcpy(out->versions, v.data, sizeof out->versions);
        break;
    case WIRE_FIELD_BUILD:
        out->build = v;
        break;
    case WIRE_FIELD_PEER:
        out->peer = wire_get(v.data, 8);
        break;
    case WIRE_FIELD_CODE:
        out->code = (uint32_t)wire_get(v.data, 4);
        break;
    case WIRE_FIELD_TEXT:
        out->text = v;
        break;
    case WIRE_FIELD_WEIGHT:
        return take_weight(wire_get(v.data, 8), out, fault);
    case WIRE_FIELD_PHASE:
        out->phase = (uint32_t)wire_get(v.data, 4);
        break;
    case WIRE_FIELD_COUNT:
        break;
    }
    return WIRE_GOOD;
}

static wire_verdict read_one(unsigned number, wire_frame value,
                             wire_fields *out, wire_fault *fault)
{
    int field = find_field(number);
    if (field < 0) {
        if (!(number & CRITICAL))
            return WIRE_GOOD;
        return wire_wrong(fault, WIRE_REFUSED, WIRE_REASON_FIELD,
                          "the critical field 0x%04x is not known here",
                          number);
    }
    const wire_field_row *row = &wire_field_rows[field];
    if (value.size < row->least || value.size > row->most)
        return wire_wrong(fault, WIRE_BAD, WIRE_REASON_MALFORMED,
                          "the field %s has %zu bytes", row->name, value.size);
    if (out->present >> field & 1)
        return wire_wrong(fault, WIRE_BAD, WIRE_REASON_MALFORMED,
                          "the field %s stands twice", row->name);
    out->present |= 1u << field;
    return take((wire_field)field, value, out, fault);
}

wire_verdict wire_read_fields(wire_frame frame, wire_fields *out,
                              wire_fault *fault)
{
    wire_verdict verdict = WIRE_GOOD;
    for (size_t at = 0; at < frame.size && verdict == WIRE_GOOD;) {
        size_t left = frame.size - at;
        size_t bytes = left < 4 ? 0 : wire_get(frame.data + at + 2, 2);
        bool cut = left < 4 || bytes > left - 4;
        if (ptl_is_planted(PTL_PLANT_FIELD_END))
            cut = left < 4;
        if (cut)
            return wire_wrong(fault, WIRE_BAD, WIRE_REASON_MALFORMED,
                              "fields end within one, at byte %zu", at);
        verdict =
            read_one((unsigned)wire_get(frame.data + at, 2),
                     (wire_frame){frame.data + at + 4, bytes}, out, fault);
        at += 4 + bytes;
    }
    return verdict;
}
