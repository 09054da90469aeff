/*
 * wire.h - messages as bytes: written, read, and checked before any use.
 *
 * The format is in runtime/README.md, "Wire format". Nothing here allocates or
 * keeps what it is given; what is read points into the frames.
 */
#ifndef PTL_DIST_WIRE_H
#define PTL_DIST_WIRE_H

#include "base/dtype.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_MAJOR = 1,
    WIRE_MINOR = 0,
    WIRE_HEADER_BYTES = 96,
    WIRE_CHUNK_BYTES = 1 << 20,   /* of a CHUNK, unless told otherwise */
    WIRE_PAYLOAD_BYTES = 4 << 20, /* of any payload, at most */
    WIRE_FIELDS_BYTES = 1 << 16   /* of the third frame, at most */
};

typedef enum wire_type {
#define MESSAGE(name, number, class, from, payload, fields)                    \
    WIRE_##name = number,
#include "dist/messages.def"
#undef MESSAGE
    WIRE_TYPE_END /* no message */
} wire_type;

typedef enum wire_class { WIRE_LINK, WIRE_CONTROL, WIRE_DATA_CLASS } wire_class;

typedef enum wire_reason {
    WIRE_NO_REASON,
#define REASON(name, number, said_in) WIRE_REASON_##name = number,
#include "dist/reasons.def"
#undef REASON
    WIRE_REASON_END
} wire_reason;

typedef enum wire_phase {
    WIRE_NO_PHASE,
#define PHASE(name, number, patience) WIRE_PHASE_##name = number,
#include "dist/phases.def"
#undef PHASE
    WIRE_PHASE_END
} wire_phase;

/* Places of fields in wire_fields.present; not the wire's numbers. */
typedef enum wire_field {
#define FIELD(name, number, least, most) WIRE_FIELD_##name,
#include "dist/fields.def"
#undef FIELD
    WIRE_FIELD_COUNT
} wire_field;

enum wire_flag {
    WIRE_LAST = 1 << 0,
    WIRE_EMPTY = 1 << 1,
    WIRE_RETRANSMIT = 1 << 2,
    WIRE_TLVS = 1 << 3, /* set by wire_write() */
    WIRE_GO = 1 << 4,
    WIRE_EXACT = 1 << 5,
    WIRE_SLOTS = 1 << 6
};

enum { WIRE_COORDINATOR = 1, WIRE_PS = 2, WIRE_WORKER = 3 };
enum { WIRE_CODEC_NONE = 0, WIRE_CODEC_BF16 = 1 };

/* A process: role << 24 | index. */
static inline uint32_t wire_node(int role, int index)
{
    return (uint32_t)role << 24 | (uint32_t)index;
}
static inline int wire_role(uint32_t node)
{
    return (int)(node >> 24);
}
static inline int wire_index(uint32_t node)
{
    return (int)(node & 0xffffff);
}

typedef struct wire_header {
    uint8_t major, minor;
    uint16_t type;
    uint32_t flags, epoch;
    uint64_t job, incarnation;
    uint32_t sender, id;
    uint64_t step, sequence, ack, offset;
    uint32_t bytes; /* of the payload */
    uint8_t to; /* role of the receiver, of which a process may have several;
                   0: whoever has the connection */
    uint8_t dtype;  /* 0: none; else 1 + ptl_dtype */
    uint8_t codec;
    uint64_t credit;
} wire_header;

typedef struct wire_frame {
    const uint8_t *data;
    size_t size;
} wire_frame;

typedef struct wire_fields {
    uint32_t present; /* bit 1 << wire_field */
    uint8_t versions[4];
    uint64_t peer;
    uint32_t code, phase;
    double weight;
    wire_frame build, text; /* not terminated */
} wire_fields;

typedef struct wire_message {
    wire_header head;
    wire_fields fields;
    wire_frame payload;
    /* Memory of the sender's that the payload lies in, and stays in while it is
     * not acknowledged by its receiver's machine; NULL: it lives during the
     * call. Set by the hub. */
    struct dist_blob *holder;
} wire_message;

/* What every CHUNK is held to. */
typedef struct wire_limits {
    uint64_t job;   /* 0: any */
    uint32_t chunk; /* bytes; every chunk but a bucket's last has them */
    int bucket_count;
    const uint64_t *bucket_bytes, *slot_bytes; /* slot_bytes NULL: none */
    const ptl_dtype *bucket_types;
    const uint8_t *push_codecs; /* of gradients, by bucket; NULL: none */
    bool placed; /* this payload was not copied: it has no checksum */
} wire_limits;

typedef enum wire_verdict {
    WIRE_GOOD,
    WIRE_PASS_OVER, /* of a newer minor version, and not needed */
    WIRE_BAD,       /* breaks a rule: say ERROR */
    WIRE_REFUSED    /* of another job or version: say REJECT */
} wire_verdict;

typedef struct wire_fault {
    wire_reason code;
    char text[200]; /* starts in lower case or with the message's name */
} wire_fault;

/* ---------- what the tables say ---------- */

const char *wire_type_name(int type); /* NULL: unknown */
wire_class wire_class_of(int type);   /* of a known type */
const char *wire_reason_name(int code);
const char *wire_phase_name(int phase);
int wire_phase_patience(int phase);
/* "worker 3", "ps 0", "the coordinator"; in `text` of at least 32 bytes. */
const char *wire_node_name(uint32_t node, char *text);

/* ---------- out ---------- */

/*
 * The fields of `f` that are present, as the third frame, in `out`; returns the
 * bytes, at most `room` of them are written. Does not look at the type.
 */
size_t wire_write_fields(const wire_fields *f, uint8_t *out, size_t room);
/*
 * The header over both other frames: sets version, payload bytes, the flag TLVS
 * and both checksums. A payload without data, but of some size, is one that the
 * receiver reads where it lies: none is taken of it.
 */
void wire_write(const wire_header *h, wire_frame payload, wire_frame fields,
                uint8_t out[WIRE_HEADER_BYTES]);

/* ---------- in ---------- */

/* What `to` says in a message that was not read yet; 0 also where it will not
 * be understood. */
int wire_receiver(const wire_frame *frames, int count);
int wire_peek_type(const wire_frame *frames,
                   int count); /* likewise, its type */

/*
 * Checks every rule. On GOOD `out` is filled and points into `frames`; else
 * `fault` says why, and of `out->head` only what the first checks passed may
 * be used: sender and incarnation under WIRE_REFUSED.
 */
wire_verdict wire_read(const wire_frame *frames, int count,
                       const wire_limits *limits, wire_message *out,
                       wire_fault *fault);

/* ---------- numbers, for whoever packs a payload ---------- */

/* The codec of a bucket's gradients, and bytes of the bucket that one of the
 * payload stands for. */
static inline uint8_t wire_push_codec(const wire_limits *l, uint32_t bucket)
{
    return l->push_codecs ? l->push_codecs[bucket] : WIRE_CODEC_NONE;
}
static inline uint32_t wire_codec_ratio(int codec)
{
    return codec == WIRE_CODEC_BF16 ? 2 : 1;
}

void wire_put(uint8_t *to, uint64_t value, int bytes);
uint64_t wire_get(const uint8_t *from, int bytes);

#endif
