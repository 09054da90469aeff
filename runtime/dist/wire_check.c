/*
 * wire_check.c - every range of a header.
 */
#include "base/plant.h"
#include "dist/wire_table.h"

enum {
    KNOWN_FLAGS = WIRE_LAST | WIRE_EMPTY | WIRE_RETRANSMIT | WIRE_TLVS |
                  WIRE_GO | WIRE_EXACT | WIRE_SLOTS
};

#define BAD(...) wire_wrong(fault, WIRE_BAD, WIRE_REASON_MALFORMED, __VA_ARGS__)

static wire_verdict check_sender(const wire_header *h, const wire_row *row,
                                 wire_fault *fault)
{
    char name[32];
    int role = wire_role(h->sender);
    if (role < WIRE_COORDINATOR || role > WIRE_WORKER)
        return BAD("%s: there is no role %d", row->name, role);
    if (!(row->from >> role & 1))
        return BAD("%s is nothing that %s says", row->name,
                   wire_node_name(h->sender, name));
    if (h->to > WIRE_WORKER)
        return BAD("%s: there is no role %d", row->name, h->to);
    if (h->incarnation == 0)
        return BAD("%s: the incarnation is 0", row->name);
    return WIRE_GOOD;
}

static wire_verdict check_sequence(const wire_header *h, const wire_row *row,
                                   wire_fault *fault)
{
    bool sequenced = row->class != WIRE_LINK;
    if (h->flags & ~(uint32_t)KNOWN_FLAGS && h->minor <= WIRE_MINOR)
        return BAD("%s: flags 0x%x", row->name, (unsigned)h->flags);
    if ((h->sequence != 0) != sequenced)
        return BAD("%s %s a sequence number", row->name,
                   sequenced ? "needs" : "has");
    return WIRE_GOOD;
}

static const char *const codec_names[] = {
    [WIRE_CODEC_NONE] = "uncompressed", [WIRE_CODEC_BF16] = "as bf16"};

/* A chunk lies in its bucket, on whole elements, and says when it ends it. */
static wire_verdict check_chunk(const wire_header *h, const wire_row *row,
                                const wire_limits *limits, wire_fault *fault)
{
    if (h->id >= (uint32_t)limits->bucket_count)
        return BAD("%s: there is no bucket %u", row->name, (unsigned)h->id);
    const uint64_t *sizes =
        h->type == WIRE_SNAP_CHUNK ? limits->slot_bytes : limits->bucket_bytes;
    uint64_t all = sizes ? sizes[h->id] : 0;
    ptl_dtype type = limits->bucket_types[h->id];
    int codec =
        h->type == WIRE_PUSH ? wire_push_codec(limits, h->id) : WIRE_CODEC_NONE;
    if (h->dtype != 1 + (int)type || h->codec != codec)
        return BAD("%s: elements of bucket %u are %s, %s", row->name,
                   (unsigned)h->id, dtype_name(type), codec_names[codec]);
    uint64_t span = (uint64_t)h->bytes * wire_codec_ratio(codec);
    bool outside = h->offset > all || span > all - h->offset;
    if (ptl_is_planted(PTL_PLANT_BOUNDS))
        outside = h->offset + span > all;
    if (outside)
        return BAD("%s: %u bytes from %llu on, bucket %u has %llu", row->name,
                   (unsigned)h->bytes, (unsigned long long)h->offset,
                   (unsigned)h->id, (unsigned long long)all);
    if (h->offset % limits->chunk != 0)
        return BAD("%s: no chunk begins at %llu", row->name,
                   (unsigned long long)h->offset);
    if (h->flags & WIRE_EMPTY)
        return h->bytes || h->offset || !(h->flags & WIRE_LAST)
                   ? BAD("%s: EMPTY, and yet %u bytes from %llu on", row->name,
                         (unsigned)h->bytes, (unsigned long long)h->offset)
                   : WIRE_GOOD;
    bool last = h->offset + span == all;
    if (!last && span != limits->chunk)
        return BAD("%s: a chunk of %u bytes within a bucket", row->name,
                   (unsigned)h->bytes);
    if (((h->flags & WIRE_LAST) != 0) != last)
        return BAD("%s: the flag LAST is wrong", row->name);
    return WIRE_GOOD;
}

static wire_verdict check_payload(const wire_header *h, const wire_row *row,
                                  const wire_limits *limits, wire_fault *fault)
{
    if (row->payload == WIRE_PAYLOAD_CHUNK)
        return check_chunk(h, row, limits, fault);
    if (h->dtype || h->codec || h->offset)
        return BAD("%s has no elements, and says of what type", row->name);
    if (row->payload == WIRE_PAYLOAD_NONE && h->bytes)
        return BAD("%s has a payload", row->name);
    return WIRE_GOOD;
}

wire_verdict wire_check(const wire_header *h, const wire_row *row,
                        const wire_limits *limits, wire_fault *fault)
{
    wire_verdict verdict = check_sender(h, row, fault);
    if (verdict == WIRE_GOOD)
        verdict = check_sequence(h, row, fault);
    if (verdict == WIRE_GOOD)
        verdict = check_payload(h, row, limits, fault);
    return verdict;
}
