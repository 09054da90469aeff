/*
 * memory.c - global memory of the virtual devices.
 *
 * Each device reserves one region of the host's addresses and as much shadow as
 * it needs; pages come when they are touched.
 */
#include "memory.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

static void *reserve(uint64_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

bool memory_open(device_memory *d, int ordinal, uint64_t bytes)
{
    const uint64_t region = UINT64_C(1) << REGION_BITS;
    *d = (device_memory){.ordinal = ordinal, .bytes = bytes, .end = PAGE};
    d->base = (UINT64_C(16) + (uint64_t)ordinal) << 48;
    d->host = reserve(region);
    d->shadow = reserve(region / 4);
    d->writers = reserve(region * 2);
    d->readers = reserve(region * 2);
    return d->host && d->shadow && d->writers && d->readers;
}

void memory_forget_races(device_memory *d)
{
    madvise(d->writers, d->end * 2, MADV_DONTNEED);
    madvise(d->readers, d->end * 2, MADV_DONTNEED);
}

/* The byte's bits within the shadow of its word. */
static int byte_bits(uint64_t offset, int bits)
{
    return (0x11 << (offset & 3)) & bits;
}

void shadow_set(uint8_t *shadow, uint64_t offset, uint64_t bytes, int bits)
{
    uint64_t end = offset + bytes;
    for (; offset < end && offset & 3; offset++)
        shadow[offset >> 2] |= (uint8_t)byte_bits(offset, bits);
    for (; offset + 4 <= end; offset += 4)
        shadow[offset >> 2] |= (uint8_t)bits;
    for (; offset < end; offset++)
        shadow[offset >> 2] |= (uint8_t)byte_bits(offset, bits);
}

void shadow_clear(uint8_t *shadow, uint64_t offset, uint64_t bytes, int bits)
{
    for (uint64_t end = offset + bytes; offset < end; offset++)
        shadow[offset >> 2] &= (uint8_t)~byte_bits(offset, bits);
}

bool shadow_has(const uint8_t *shadow, uint64_t offset, uint64_t bytes,
                int bits)
{
    uint64_t end = offset + bytes;
    bool all = true;
    for (; offset < end && offset & 3; offset++)
        all &= !(~shadow[offset >> 2] & byte_bits(offset, bits));
    for (; offset + 4 <= end; offset += 4)
        all &= !(~shadow[offset >> 2] & bits);
    for (; offset < end; offset++)
        all &= !(~shadow[offset >> 2] & byte_bits(offset, bits));
    return all;
}

static void remember(device_memory *d, uint64_t offset, uint64_t bytes)
{
    if (d->count == d->room) {
        d->room = d->room ? d->room * 2 : 64;
        d->allocations =
            realloc(d->allocations, d->room * sizeof *d->allocations);
        if (!d->allocations)
            abort();
    }
    d->allocations[d->count++] = (allocation){offset, bytes, false};
}

CUresult memory_alloc(device_memory *d, uint64_t bytes, CUdeviceptr *address)
{
    const uint64_t region = UINT64_C(1) << REGION_BITS;
    if (!bytes || !address)
        return CUDA_ERROR_INVALID_VALUE;
    if (bytes > d->bytes - d->used || d->end + bytes + 2 * PAGE > region)
        return CUDA_ERROR_OUT_OF_MEMORY;
    uint64_t offset = d->end;
    remember(d, offset, bytes);
    memset(d->host + offset, POISON, bytes);
    shadow_set(d->shadow, offset, bytes, SHADOW_ALLOCATED);
    d->used += bytes;
    d->end = (offset + bytes + 2 * PAGE - 1) / PAGE * PAGE;
    *address = d->base + offset;
    return CUDA_SUCCESS;
}

CUresult memory_free(device_memory *d, CUdeviceptr address)
{
    allocation *a = (allocation *)(uintptr_t)memory_find(d, address);
    if (!a || a->freed || d->base + a->offset != address)
        return CUDA_ERROR_INVALID_VALUE;
    uint64_t pages = (a->bytes + PAGE - 1) / PAGE * PAGE;
    a->freed = true;
    d->used -= a->bytes;
    memset(d->shadow + a->offset / 4, 0, (a->bytes + 3) / 4);
    madvise(d->host + a->offset, pages, MADV_DONTNEED);
    madvise(d->writers + a->offset / 4, pages * 2, MADV_DONTNEED);
    madvise(d->readers + a->offset / 4, pages * 2, MADV_DONTNEED);
    return CUDA_SUCCESS;
}

device_memory *memory_owner(device_memory *devices, int count,
                            CUdeviceptr address)
{
    uint64_t ordinal = (address >> 48) - 16;
    return ordinal < (uint64_t)count ? &devices[ordinal] : NULL;
}

const allocation *memory_find(const device_memory *d, CUdeviceptr address)
{
    uint64_t offset = address - d->base;
    size_t low = 0, high = d->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (d->allocations[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &d->allocations[low - 1] : NULL;
}

bool memory_is_allocated(const device_memory *d, CUdeviceptr address,
                         uint64_t bytes)
{
    const allocation *a = memory_find(d, address);
    uint64_t at = a ? address - d->base - a->offset : 0;
    return a && !a->freed && at <= a->bytes && bytes <= a->bytes - at;
}

void memory_set_written(device_memory *d, CUdeviceptr address, uint64_t bytes)
{
    shadow_set(d->shadow, address - d->base, bytes, SHADOW_WRITTEN);
}

void memory_describe(const device_memory *d, CUdeviceptr address, ptl_str *out)
{
    const allocation *a = memory_find(d, address);
    uint64_t at = a ? address - d->base - a->offset : 0;
    if (!a)
        str_printf(out, "no allocation of device %d is before it", d->ordinal);
    else if (at >= a->bytes)
        str_printf(out,
                   "%" PRIu64 " bytes past the end of %" PRIu64 " %s bytes "
                   "of device %d",
                   at - a->bytes, a->bytes, a->freed ? "freed" : "allocated",
                   d->ordinal);
    else
        str_printf(out,
                   "%" PRIu64 " bytes into %" PRIu64 " %s bytes of "
                   "device %d",
                   at, a->bytes, a->freed ? "freed" : "allocated", d->ordinal);
}
