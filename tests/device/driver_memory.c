/*
 * driver_memory.c - the driver's functions for memory.
 *
 * A copy from memory of the host that is not pinned takes its bytes when it is
 * asked for; from pinned memory when it runs, so that changing it too early
 * shows.
 */
#include "driver.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct pinned {
    char *memory;
    size_t bytes;
    bool owned;
    struct pinned *next;
} pinned;
static pinned *pins; /* guarded by the driver's lock */

bool host_is_pinned(const void *memory, size_t bytes)
{
    const char *at = memory;
    for (const pinned *p = pins; p; p = p->next)
        if (at >= p->memory && at + bytes <= p->memory + p->bytes)
            return true;
    return false;
}

static void pin(void *memory, size_t bytes, bool owned)
{
    pinned *p = malloc(sizeof *p);
    if (!p)
        abort();
    *p = (pinned){memory, bytes, owned, pins};
    pins = p;
}

static bool unpin(const void *memory, bool owned)
{
    for (pinned **at = &pins; *at; at = &(*at)->next)
        if ((*at)->memory == memory && (*at)->owned == owned) {
            pinned *p = *at;
            *at = p->next;
            free(p);
            return true;
        }
    return false;
}

CUresult cuMemAllocHost_v2(void **memory, size_t bytes)
{
    struct CUctx_st *c;
    CUresult r = driver_enter(&c);
    if (r == CUDA_SUCCESS && (!memory || !bytes))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) {
        *memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
        if (*memory)
            pin(*memory, bytes, true);
        else
            r = CUDA_ERROR_OUT_OF_MEMORY;
    }
    return driver_leave(r);
}

/* Work that still uses it comes first. */
CUresult cuMemFreeHost(void *memory)
{
    struct CUctx_st *c;
    CUresult r = driver_enter(&c);
    if (r == CUDA_SUCCESS)
        r = stream_drain(c, NULL);
    if (r == CUDA_SUCCESS && !unpin(memory, true))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS)
        free(memory);
    return driver_leave(r);
}

CUresult cuMemHostRegister_v2(void *memory, size_t bytes, unsigned flags)
{
    struct CUctx_st *c;
    CUresult r = driver_enter(&c);
    if (r == CUDA_SUCCESS &&
        (!memory || !bytes || (flags & ~(unsigned)CU_MEMHOSTREGISTER_PORTABLE)))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS && host_is_pinned(memory, 1))
        r = CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    if (r == CUDA_SUCCESS)
        pin(memory, bytes, false);
    return driver_leave(r);
}

CUresult cuMemHostUnregister(void *memory)
{
    struct CUctx_st *c;
    CUresult r = driver_enter(&c);
    if (r == CUDA_SUCCESS)
        r = stream_drain(c, NULL);
    if (r == CUDA_SUCCESS && !unpin(memory, false))
        r = CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    return driver_leave(r);
}

CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes)
{
    struct CUctx_st *c;
    CUresult r = driver_enter(&c);
    if (r == CUDA_SUCCESS) {
        *free_bytes = c->memory.bytes - c->memory.used;
        *total_bytes = c->memory.bytes;
    }
    return driver_leave(r);
}

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes)
{
    struct CUctx_st *c;
    CUresult r = driver_enter(&c);
    if (r == CUDA_SUCCESS)
        r = memory_alloc(&c->memory, bytes, address);
    return driver_leave(r);
}

/* As the driver does, after the work that was asked for. */
CUresult cuMemFree_v2(CUdeviceptr address)
{
    struct CUctx_st *c;
    CUresult r = driver_enter(&c);
    device_memory *d = r == CUDA_SUCCESS && address ? device_of(address) : NULL;
    if (r == CUDA_SUCCESS && address && !d)
        r = CUDA_ERROR_INVALID_VALUE;
    if (d)
        r = stream_drain(device_context(d->ordinal), NULL);
    if (r == CUDA_SUCCESS && d)
        r = memory_free(d, address);
    return driver_leave(r);
}

/* The host's place for a range of a device, or NULL after a message. */
static uint8_t *range(CUdeviceptr address, uint64_t bytes, const char *what)
{
    device_memory *d = device_of(address);
    if (d && (!bytes || memory_is_allocated(d, address, bytes)))
        return d->host + (address - d->base);
    ptl_str where = {0};
    if (d)
        memory_describe(d, address, &where);
    else
        str_add(&where, "no device has it");
    fprintf(stderr, "virtual device: %s of %llu bytes at 0x%llx: begins %s\n",
            what, (unsigned long long)bytes, (unsigned long long)address,
            str_text(&where));
    str_fini(&where);
    return NULL;
}

static bool is_range(CUdeviceptr address, uint64_t bytes)
{
    device_memory *d = device_of(address);
    return d && (!bytes || memory_is_allocated(d, address, bytes));
}

/* Whether nothing meets the range that need not have come before. */
static bool is_ordered(const operation *op, CUdeviceptr address, bool write)
{
    device_memory *d = device_of(address);
    if (!settings()->checks || !stream_are_several() ||
        order_touch(d, address - d->base, op->bytes, op->number, op->unordered,
                    write))
        return true;
    fprintf(stderr,
            "virtual device: missing wait: %llu bytes at 0x%llx are %s while "
            "work of another stream uses them\n",
            (unsigned long long)op->bytes, (unsigned long long)address,
            write ? "written" : "read");
    return false;
}

static CUresult run_to_device(operation *op, struct CUctx_st *context)
{
    (void)context;
    uint8_t *to = range(op->to, op->bytes, "copy");
    if (!to)
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    if (!is_ordered(op, op->to, true))
        return CUDA_ERROR_LAUNCH_FAILED;
    memcpy(to, op->staged ? op->staged : op->from_host, op->bytes);
    memory_set_written(device_of(op->to), op->to, op->bytes);
    return CUDA_SUCCESS;
}

static CUresult run_to_host(operation *op, struct CUctx_st *context)
{
    (void)context;
    const uint8_t *from = range(op->from, op->bytes, "copy");
    if (!from)
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    if (!is_ordered(op, op->from, false))
        return CUDA_ERROR_LAUNCH_FAILED;
    memcpy(op->to_host, from, op->bytes);
    return CUDA_SUCCESS;
}

/* What was not written is not written afterwards either. */
static CUresult run_between(operation *op, struct CUctx_st *context)
{
    (void)context;
    uint8_t *to = range(op->to, op->bytes, "copy");
    const uint8_t *from = range(op->from, op->bytes, "copy");
    if (!to || !from)
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    if (!is_ordered(op, op->from, false) || !is_ordered(op, op->to, true))
        return CUDA_ERROR_LAUNCH_FAILED;
    memmove(to, from, op->bytes);
    const device_memory *source = device_of(op->from);
    device_memory *target = device_of(op->to);
    uint64_t at = op->from - source->base, into = op->to - target->base;
    for (uint64_t k = 0; k < op->bytes; k++)
        if (shadow_has(source->shadow, at + k, 1, SHADOW_WRITTEN))
            shadow_set(target->shadow, into + k, 1, SHADOW_WRITTEN);
        else
            shadow_clear(target->shadow, into + k, 1, SHADOW_WRITTEN);
    return CUDA_SUCCESS;
}

static CUresult run_set(operation *op, struct CUctx_st *context)
{
    (void)context;
    uint8_t *to = range(op->to, op->bytes, "memset");
    if (!to)
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    if (!is_ordered(op, op->to, true))
        return CUDA_ERROR_LAUNCH_FAILED;
    for (uint64_t k = 0; k < op->bytes; k++)
        to[k] = (uint8_t)(op->value >> 8 * (k & 3));
    memory_set_written(device_of(op->to), op->to, op->bytes);
    return CUDA_SUCCESS;
}

/* Enters and finds the stream; ranges that are wrong now are refused now. */
static CUresult enter(struct CUctx_st **c, struct CUstream_st **s, CUstream h,
                      CUdeviceptr a, CUdeviceptr b, size_t bytes)
{
    CUresult r = driver_enter(c);
    *s = r == CUDA_SUCCESS ? stream_of(*c, h) : NULL;
    if (r == CUDA_SUCCESS && !*s)
        r = CUDA_ERROR_INVALID_HANDLE;
    if (r == CUDA_SUCCESS && !(is_range(a, bytes) && is_range(b, bytes)))
        r = CUDA_ERROR_INVALID_VALUE;
    return r;
}

static CUresult to_device(CUdeviceptr to, const void *from, size_t bytes,
                          CUstream stream, bool wait)
{
    struct CUctx_st *c;
    struct CUstream_st *s;
    CUresult r = enter(&c, &s, stream, to, to, bytes);
    if (r == CUDA_SUCCESS && bytes) {
        operation *op = operation_new();
        op->run = run_to_device, op->to = to, op->bytes = bytes;
        op->from_host = from;
        if (!wait && !host_is_pinned(from, bytes)) {
            op->staged = malloc(bytes);
            if (!op->staged)
                abort();
            memcpy(op->staged, from, bytes);
        }
        stream_push(s, op);
        r = wait ? stream_drain(s->context, s) : c->sticky;
    }
    return driver_leave(r);
}

static CUresult to_host(void *to, CUdeviceptr from, size_t bytes,
                        CUstream stream, bool wait)
{
    struct CUctx_st *c;
    struct CUstream_st *s;
    CUresult r = enter(&c, &s, stream, from, from, bytes);
    if (r == CUDA_SUCCESS && bytes) {
        operation *op = operation_new();
        op->run = run_to_host, op->from = from, op->bytes = bytes;
        op->to_host = to;
        wait |= !host_is_pinned(to, bytes);
        stream_push(s, op);
        r = wait ? stream_drain(s->context, s) : c->sticky;
    }
    return driver_leave(r);
}

static CUresult between(CUdeviceptr to, CUdeviceptr from, size_t bytes,
                        CUstream stream)
{
    struct CUctx_st *c;
    struct CUstream_st *s;
    CUresult r = enter(&c, &s, stream, to, from, bytes);
    if (r == CUDA_SUCCESS && bytes) {
        operation *op = operation_new();
        op->run = run_between, op->bytes = bytes;
        op->to = to, op->from = from;
        stream_push(s, op);
        r = c->sticky;
    }
    return driver_leave(r);
}

static CUresult set(CUdeviceptr to, uint32_t value, size_t bytes,
                    CUstream stream)
{
    struct CUctx_st *c;
    struct CUstream_st *s;
    CUresult r = enter(&c, &s, stream, to, to, bytes);
    if (r == CUDA_SUCCESS && bytes) {
        operation *op = operation_new();
        op->run = run_set, op->to = to, op->bytes = bytes;
        op->value = value;
        stream_push(s, op);
        r = c->sticky;
    }
    return driver_leave(r);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes)
{
    return to_device(to, from, bytes, NULL, true);
}

CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes)
{
    return to_host(to, from, bytes, NULL, true);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
    return between(to, from, bytes, NULL);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes,
                              CUstream stream)
{
    return to_device(to, from, bytes, stream, false);
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes,
                              CUstream stream)
{
    return to_host(to, from, bytes, stream, false);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes,
                              CUstream stream)
{
    return between(to, from, bytes, stream);
}

/* Needs no peer access: the driver copies through the host where it has to. */
CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context,
                           CUdeviceptr from, CUcontext from_context,
                           size_t bytes, CUstream stream)
{
    if (!to_context || !from_context || device_of(to) != &to_context->memory ||
        device_of(from) != &from_context->memory)
        return CUDA_ERROR_INVALID_VALUE;
    return between(to, from, bytes, stream);
}

static uint32_t repeated(unsigned char value)
{
    return value * UINT32_C(0x01010101);
}

CUresult cuMemsetD8_v2(CUdeviceptr address, unsigned char value, size_t count)
{
    return set(address, repeated(value), count, NULL);
}

CUresult cuMemsetD8Async(CUdeviceptr address, unsigned char value, size_t count,
                         CUstream stream)
{
    return set(address, repeated(value), count, stream);
}

CUresult cuMemsetD32_v2(CUdeviceptr address, unsigned value, size_t count)
{
    return address & 3 ? CUDA_ERROR_INVALID_VALUE
                       : set(address, value, count * 4, NULL);
}

CUresult cuMemsetD32Async(CUdeviceptr address, unsigned value, size_t count,
                          CUstream stream)
{
    return address & 3 ? CUDA_ERROR_INVALID_VALUE
                       : set(address, value, count * 4, stream);
}
