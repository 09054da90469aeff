/*
 * memory.h - memory of the virtual devices, and what is known of each byte.
 *
 * A device's addresses begin at (16 + its number) << 48, which no host can
 * dereference, and are never given out twice, so that what was freed is never
 * mistaken for something else. Beside each word of 4 bytes stands one byte of
 * shadow: its upper 4 bits say which of the bytes are allocated, the lower 4
 * which have been written.
 */
#ifndef DEVICE_MEMORY_H
#define DEVICE_MEMORY_H

#include "base/str.h"
#include "device/cuda_api.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    REGION_BITS = 38,
    MAX_DEVICES = 16,
    SHADOW_ALLOCATED = 0xf0,
    SHADOW_WRITTEN = 0x0f,
    SHADOW_BOTH = 0xff,
    POISON = 0xff, /* a NaN wherever it is read as a number */
};

/* Where generic addresses of shared and local memory begin. */
#define SHARED_WINDOW (UINT64_C(1) << 60)
#define LOCAL_WINDOW (UINT64_C(2) << 60)

typedef struct {
    uint64_t offset, bytes; /* in the device's region */
    bool freed;
} allocation;

/* Global memory of one device. */
typedef struct {
    int ordinal;
    uint64_t base;
    uint8_t *host, *shadow;
    uint64_t *writers, *readers; /* who touched a word last (race.h) */
    uint64_t end;                /* where the next allocation may begin */
    uint64_t bytes, used;
    allocation *allocations; /* by offset */
    size_t count, room;
} device_memory;

/* Shared memory of one block. */
typedef struct {
    uint8_t *data, *shadow;
    uint32_t *writers, *readers;
    size_t bytes;      /* with the gaps between variables */
    uint32_t interval; /* between barriers, of the records */
} shared_memory;

bool memory_open(device_memory *d, int ordinal, uint64_t bytes);
CUresult memory_alloc(device_memory *d, uint64_t bytes, CUdeviceptr *address);
CUresult memory_free(device_memory *d, CUdeviceptr address);
/* Forgets who touched what. */
void memory_forget_races(device_memory *d);

/* The device among `count` whose region holds `address`, or NULL. */
device_memory *memory_owner(device_memory *devices, int count,
                            CUdeviceptr address);
/* The last allocation that begins at or before `address`, or NULL. */
const allocation *memory_find(const device_memory *d, CUdeviceptr address);
/* Whether all of [address, address + bytes) is allocated. */
bool memory_is_allocated(const device_memory *d, CUdeviceptr address,
                         uint64_t bytes);
void memory_set_written(device_memory *d, CUdeviceptr address, uint64_t bytes);
/* Where it is, in words: "4 bytes past the end of 1024 allocated bytes". */
void memory_describe(const device_memory *d, CUdeviceptr address, ptl_str *out);

/* Marks bytes [offset, offset + bytes) of a shadow with `bits` of both halves:
 * SHADOW_ALLOCATED, SHADOW_WRITTEN or SHADOW_BOTH. */
void shadow_set(uint8_t *shadow, uint64_t offset, uint64_t bytes, int bits);
void shadow_clear(uint8_t *shadow, uint64_t offset, uint64_t bytes, int bits);
bool shadow_has(const uint8_t *shadow, uint64_t offset, uint64_t bytes,
                int bits);

#endif
