/*
 * wire_table.h - rows of messages.def and fields.def, for the codec.
 */
#ifndef PTL_DIST_WIRE_TABLE_H
#define PTL_DIST_WIRE_TABLE_H

#include "dist/wire.h"

typedef enum wire_payload {
    WIRE_PAYLOAD_NONE,
    WIRE_PAYLOAD_TEXT,
    WIRE_PAYLOAD_CHUNK
} wire_payload;

typedef struct wire_row {
    const char *name;
    wire_class class;
    int from; /* bits 1 << role */
    wire_payload payload;
    uint32_t fields; /* bits 1 << wire_field: must be there */
} wire_row;

typedef struct wire_field_row {
    const char *name;
    uint16_t number;
    uint16_t least, most; /* bytes */
} wire_field_row;

extern const wire_field_row wire_field_rows[WIRE_FIELD_COUNT];

const wire_row *wire_row_of(int type); /* NULL: unknown */

/* ---------- the parts of wire_read() ---------- */

wire_verdict wire_wrong(wire_fault *fault, wire_verdict verdict,
                        wire_reason code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The third frame. */
wire_verdict wire_read_fields(wire_frame frame, wire_fields *out,
                              wire_fault *fault);
/* Every range of a header whose checksums and version are right. */
wire_verdict wire_check(const wire_header *h, const wire_row *row,
                        const wire_limits *limits, wire_fault *fault);

#endif
