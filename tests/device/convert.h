/*
 * convert.h - the types cvt knows.
 */
#ifndef DEVICE_CONVERT_H
#define DEVICE_CONVERT_H

typedef enum {
    CLASS_UNSIGNED,
    CLASS_SIGNED,
    CLASS_FLOAT,
    CLASS_BRAIN,
} convert_class;

typedef struct {
    const char *name;
    convert_class class;
    int bits;
} convert_type;

extern const convert_type convert_types[]; /* ended by one without name */

/* As MXCSR numbers them. */
enum { ROUND_NEAREST, ROUND_DOWN, ROUND_UP, ROUND_ZERO };

#endif
