/*
 * wire_samples.h - one good message of each type, as bytes.
 */
#ifndef TEST_DIST_WIRE_SAMPLES_H
#define TEST_DIST_WIRE_SAMPLES_H

#include "dist/wire.h"

enum { SAMPLE_PAYLOAD = 256, SAMPLE_FIELDS = 256 };

typedef struct wire_sample {
    uint8_t head[WIRE_HEADER_BYTES], payload[SAMPLE_PAYLOAD],
        fields[SAMPLE_FIELDS];
    wire_frame frames[3];
    int count;
    wire_message said; /* what was written; payload as in frames */
} wire_sample;

/* Three buckets, of chunks of 64 bytes: 160 of f32, 64 of f32, 24 of f64. */
extern const wire_limits sample_limits;

/* False: no message has this type. */
bool wire_sample_make(int type, wire_sample *out);
/* Writes the sample's frames anew, after `said` was changed. */
void wire_sample_write(wire_sample *s);

#endif
