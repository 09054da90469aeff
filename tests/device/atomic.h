/*
 * atomic.h - operations and types of atom and red.
 */
#ifndef DEVICE_ATOMIC_H
#define DEVICE_ATOMIC_H

typedef enum {
#define ATOMIC(name) ATOMIC_##name,
#include "atomic.def"
#undef ATOMIC
} atomic_op;

typedef enum {
    ATOMIC_U32,
    ATOMIC_S32,
    ATOMIC_U64,
    ATOMIC_S64,
    ATOMIC_F32,
    ATOMIC_F64,
} atomic_type;

#endif
