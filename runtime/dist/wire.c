/*
 * wire.c - the header of 96 bytes, byte by byte, and the order of the checks.
 */
#include "base/plant.h"
#include "dist/crc32c.h"
#include "dist/wire_table.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void wire_put(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

uint64_t wire_get(const uint8_t *from, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}

wire_verdict wire_wrong(wire_fault *fault, wire_verdict verdict,
                        wire_reason code, const char *format, ...)
{
    va_list args;
    fault->code = code;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    return verdict;
}

/* ---------- out ---------- */

static uint32_t checksum(wire_frame payload, wire_frame fields)
{
    uint32_t crc = payload.data ? crc32c(0, payload.data, payload.size) : 0;
    return crc32c(crc, fields.data, fields.size);
}

void wire_write(const wire_header *h, wire_frame payload, wire_frame fields,
                uint8_t out[WIRE_HEADER_BYTES])
{
    uint32_t flags = h->flags & ~(uint32_t)WIRE_TLVS;
    memcpy(out, "PTLW", 4);
    out[4] = WIRE_MAJOR;
    out[5] = WIRE_MINOR;
    wire_put(out + 6, h->type, 2);
    wire_put(out + 8, flags | (fields.size ? WIRE_TLVS : 0), 4);
    wire_put(out + 12, h->epoch, 4);
    wire_put(out + 16, h->job, 8);
    wire_put(out + 24, h->incarnation, 8);
    wire_put(out + 32, h->sender, 4);
    wire_put(out + 36, h->id, 4);
    wire_put(out + 40, h->step, 8);
    wire_put(out + 48, h->sequence, 8);
    wire_put(out + 56, h->ack, 8);
    wire_put(out + 64, h->offset, 8);
    wire_put(out + 72, payload.size, 4);
    out[76] = h->to;
    out[77] = 0;
    out[78] = h->dtype;
    out[79] = h->codec;
    wire_put(out + 80, h->credit, 8);
    wire_put(out + 88, checksum(payload, fields), 4);
    wire_put(out + 92, crc32c(0, out, 92), 4);
}

/* ---------- in ---------- */

static void read_header(const uint8_t *in, wire_header *h)
{
    h->major = in[4];
    h->minor = in[5];
    h->type = (uint16_t)wire_get(in + 6, 2);
    h->flags = (uint32_t)wire_get(in + 8, 4);
    h->epoch = (uint32_t)wire_get(in + 12, 4);
    h->job = wire_get(in + 16, 8);
    h->incarnation = wire_get(in + 24, 8);
    h->sender = (uint32_t)wire_get(in + 32, 4);
    h->id = (uint32_t)wire_get(in + 36, 4);
    h->step = wire_get(in + 40, 8);
    h->sequence = wire_get(in + 48, 8);
    h->ack = wire_get(in + 56, 8);
    h->offset = wire_get(in + 64, 8);
    h->bytes = (uint32_t)wire_get(in + 72, 4);
    h->to = in[76];
    h->dtype = in[78];
    h->codec = in[79];
    h->credit = wire_get(in + 80, 8);
}

static wire_verdict malformed(wire_fault *fault, const char *text)
{
    return wire_wrong(fault, WIRE_BAD, WIRE_REASON_MALFORMED, "%s", text);
}

/* Sizes and checksums: after this the bytes are those that were sent. */
static wire_verdict check_bytes(const wire_frame *frames, int count,
                                bool placed, wire_fault *fault)
{
    wire_frame fields = {0}, payload = {0};
    if (count < 2 || count > 3)
        return wire_wrong(fault, WIRE_BAD, WIRE_REASON_MALFORMED,
                          "%d frames, not 2 or 3", count);
    const uint8_t *in = frames[0].data;
    if (frames[0].size != WIRE_HEADER_BYTES)
        return wire_wrong(fault, WIRE_BAD, WIRE_REASON_MALFORMED,
                          "a header of %zu bytes, not %d", frames[0].size,
                          WIRE_HEADER_BYTES);
    if (memcmp(in, "PTLW", 4) != 0)
        return malformed(fault, "does not begin with PTLW");
    if (wire_get(in + 92, 4) != crc32c(0, in, 92))
        return malformed(fault, "the header's checksum is wrong");
    if (count == 3)
        fields = frames[2];
    if (fields.size > WIRE_FIELDS_BYTES || frames[1].size > WIRE_PAYLOAD_BYTES)
        return malformed(fault, "a frame is too long");
    if (!placed)
        payload = frames[1];
    if (wire_get(in + 88, 4) != checksum(payload, fields) &&
        !ptl_is_planted(PTL_PLANT_CHECKSUM))
        return malformed(fault, "the payload's checksum is wrong");
    return WIRE_GOOD;
}

static wire_verdict check_version(const wire_header *h,
                                  const wire_limits *limits, wire_fault *fault)
{
    char name[32];
    if (h->major != WIRE_MAJOR)
        return wire_wrong(fault, WIRE_REFUSED, WIRE_REASON_VERSION,
                          "%s speaks version %d.%d, this process %d.%d",
                          wire_node_name(h->sender, name), h->major, h->minor,
                          WIRE_MAJOR, WIRE_MINOR);
    if (limits->job && h->job != limits->job)
        return wire_wrong(fault, WIRE_REFUSED, WIRE_REASON_JOB,
                          "%s belongs to another job",
                          wire_node_name(h->sender, name));
    return WIRE_GOOD;
}

static wire_verdict read_type(const wire_frame *frames, int count,
                              const wire_limits *limits, wire_message *out,
                              wire_fault *fault)
{
    const wire_header *h = &out->head;
    const wire_row *row = wire_row_of(h->type);
    if (!row && h->minor > WIRE_MINOR)
        return WIRE_PASS_OVER;
    if (!row)
        return wire_wrong(fault, WIRE_BAD, WIRE_REASON_MALFORMED,
                          "no message has the type %d", h->type);
    bool fields = (h->flags & WIRE_TLVS) != 0;
    if (h->bytes != frames[1].size || fields != (count == 3))
        return malformed(fault, "frames are not those the header speaks of");
    out->payload = frames[1];
    wire_verdict verdict = wire_check(h, row, limits, fault);
    if (verdict == WIRE_GOOD && count == 3)
        verdict = wire_read_fields(frames[2], &out->fields, fault);
    if (verdict == WIRE_GOOD && row->fields & ~out->fields.present)
        return wire_wrong(fault, WIRE_BAD, WIRE_REASON_MALFORMED,
                          "%s lacks a field it must have", row->name);
    return verdict;
}

int wire_receiver(const wire_frame *frames, int count)
{
    bool header = count > 0 && frames[0].size == WIRE_HEADER_BYTES;
    int role = header ? frames[0].data[76] : 0;
    return role <= WIRE_WORKER ? role : 0;
}

int wire_peek_type(const wire_frame *frames, int count)
{
    bool header = count > 0 && frames[0].size == WIRE_HEADER_BYTES;
    return header ? (int)wire_get(frames[0].data + 6, 2) : 0;
}

wire_verdict wire_read(const wire_frame *frames, int count,
                       const wire_limits *limits, wire_message *out,
                       wire_fault *fault)
{
    memset(out, 0, sizeof *out);
    memset(fault, 0, sizeof *fault);
    wire_verdict verdict = check_bytes(frames, count, limits->placed, fault);
    if (verdict != WIRE_GOOD)
        return verdict;
    read_header(frames[0].data, &out->head);
    verdict = check_version(&out->head, limits, fault);
    if (verdict != WIRE_GOOD)
        return verdict;
    if (frames[0].data[77] != 0)
        return malformed(fault, "byte 77 is not 0");
    return read_type(frames, count, limits, out, fault);
}
