/*
 * access.c - one lane's access to memory, in any space, with every check.
 */
#include "access.h"
#include "device.h"
#include "handlers.h"
#include "order.h"
#include "race.h"
#include <inttypes.h>

static const char *const verbs[] = {"read", "write", "atomic operation"};

static u8 *refuse(warp *w, const insn *i, int lane, CUresult error,
                  access_kind kind, u64 address, unsigned bytes,
                  const char *why)
{
    fault_at(w, i, lane, error, "%s of %u bytes at 0x%" PRIx64 ": %s",
             verbs[kind], bytes, address, why);
    return NULL;
}

void access_race(warp *w, const insn *i, int lane, ptx_space space, u64 address)
{
    fault_at(w, i, lane, CUDA_ERROR_LAUNCH_FAILED,
             "race: the word at %s0x%" PRIx64
             " is accessed by another thread without a barrier between",
             space == PTX_SHARED ? "shared " : "", address);
}

void access_unordered(warp *w, const insn *i, int lane, u64 address)
{
    fault_at(w, i, lane, CUDA_ERROR_LAUNCH_FAILED,
             "missing wait: the word at 0x%" PRIx64
             " is used by work of another stream, and nothing orders the two",
             address);
}

static bool shadow_admits(warp *w, const insn *i, int lane, u8 *shadow,
                          u64 offset, unsigned bytes, access_kind kind,
                          u64 address, const char *where)
{
    if (!w->block->launch->checks)
        return true;
    if (!shadow_has(shadow, offset, bytes, SHADOW_ALLOCATED))
        return refuse(w, i, lane, CUDA_ERROR_ILLEGAL_ADDRESS, kind, address,
                      bytes, where);
    if (kind != ACCESS_WRITE &&
        !shadow_has(shadow, offset, bytes, SHADOW_WRITTEN))
        return refuse(w, i, lane, CUDA_ERROR_LAUNCH_FAILED, kind, address,
                      bytes, "uninitialized memory, nothing wrote it");
    if (kind == ACCESS_WRITE)
        shadow_set(shadow, offset, bytes, SHADOW_WRITTEN);
    return true;
}

static u8 *shared_lane(warp *w, const insn *i, int lane, u64 address,
                       unsigned bytes, access_kind kind)
{
    shared_memory *s = &w->block->shared;
    const char *outside = "outside the variables in shared memory";
    if (address > s->bytes || bytes > s->bytes - address)
        return refuse(w, i, lane, CUDA_ERROR_ILLEGAL_ADDRESS, kind, address,
                      bytes, outside);
    if (!shadow_admits(w, i, lane, s->shadow, address, bytes, kind, address,
                       outside))
        return NULL;
    for (u64 k = address / 4; k < (address + bytes) / 4; k++)
        if (kind != ACCESS_ATOMIC && w->block->launch->checks &&
            (kind == ACCESS_WRITE
                 ? race_shared_write(&s->writers[k], &s->readers[k],
                                     w->shared_mark)
                 : race_shared_read(&s->writers[k], &s->readers[k],
                                    w->shared_mark))) {
            access_race(w, i, lane, PTX_SHARED, address);
            return NULL;
        }
    return s->data + address;
}

static bool global_race(warp *w, const device_memory *d, u64 offset,
                        unsigned bytes, access_kind kind)
{
    bool race = false;
    if (!w->block->launch->races || kind == ACCESS_ATOMIC)
        return false;
    for (u64 k = offset / 4; k < (offset + bytes) / 4; k++)
        race |= kind == ACCESS_WRITE
                    ? race_write(&d->writers[k], &d->readers[k], w->race_mark)
                    : race_read(&d->writers[k], &d->readers[k], w->race_mark);
    return race;
}

static u8 *global_lane(warp *w, const insn *i, int lane, u64 address,
                       unsigned bytes, access_kind kind)
{
    const device_memory *own = w->block->launch->device;
    device_memory *d = device_of(address);
    if (!d)
        return refuse(w, i, lane, CUDA_ERROR_ILLEGAL_ADDRESS, kind, address,
                      bytes, "no device has such an address");
    if (d != own && !device_may_access(own->ordinal, d->ordinal))
        return refuse(w, i, lane, CUDA_ERROR_ILLEGAL_ADDRESS, kind, address,
                      bytes, "memory of a peer without peer access");
    u64 offset = address - d->base;
    ptl_str where = {0};
    bool inside = offset + bytes <= d->end;
    if (!inside || !shadow_has(d->shadow, offset, bytes, SHADOW_ALLOCATED))
        memory_describe(d, address, &where);
    if (!inside) {
        refuse(w, i, lane, CUDA_ERROR_ILLEGAL_ADDRESS, kind, address, bytes,
               str_text(&where));
    } else
        inside = shadow_admits(w, i, lane, d->shadow, offset, bytes, kind,
                               address, str_text(&where));
    str_fini(&where);
    if (!inside)
        return NULL;
    const uint8_t *unordered = w->block->launch->unordered;
    if (unordered && bytes >= 4 &&
        order_meets(d, offset / 4, bytes / 4, unordered, kind != ACCESS_READ)) {
        access_unordered(w, i, lane, address);
        return NULL;
    }
    if (global_race(w, d, offset, bytes, kind)) {
        access_race(w, i, lane, PTX_GLOBAL, address);
        return NULL;
    }
    return d->host + offset;
}

static u8 *local_lane(warp *w, const insn *i, int lane, u64 address,
                      unsigned bytes, access_kind kind)
{
    size_t room = w->block->launch->kernel->local_bytes;
    if (address > room || bytes > room - address)
        return refuse(w, i, lane, CUDA_ERROR_ILLEGAL_ADDRESS, kind, address,
                      bytes, "outside local memory");
    return w->block->local + (w->index * LANES + (size_t)lane) * room + address;
}

static u8 *fixed_lane(warp *w, const insn *i, int lane, const u8 *data,
                      size_t room, u64 address, unsigned bytes,
                      access_kind kind)
{
    if (kind != ACCESS_READ || address > room || bytes > room - address)
        return refuse(w, i, lane, CUDA_ERROR_ILLEGAL_ADDRESS, kind, address,
                      bytes, "constants end before it or cannot be written");
    return (u8 *)(uintptr_t)(data + address);
}

u8 *access_lane(warp *w, const insn *i, int lane, ptx_space space, u64 address,
                unsigned bytes, access_kind kind)
{
    const launch *l = w->block->launch;
    if (space == PTX_GENERIC) {
        u64 top = address >> 60;
        space = top == 1 ? PTX_SHARED : top == 2 ? PTX_LOCAL : PTX_GLOBAL;
        address -= top == 1 ? SHARED_WINDOW : top == 2 ? LOCAL_WINDOW : 0;
    }
    if (address & (bytes - 1))
        return refuse(w, i, lane, CUDA_ERROR_MISALIGNED_ADDRESS, kind, address,
                      bytes, "misaligned");
    switch (space) {
    case PTX_SHARED:
        return shared_lane(w, i, lane, address, bytes, kind);
    case PTX_LOCAL:
        return local_lane(w, i, lane, address, bytes, kind);
    case PTX_CONST:
        return fixed_lane(w, i, lane, l->kernel->constant_data,
                          l->kernel->constant_bytes, address, bytes, kind);
    case PTX_PARAM:
        return fixed_lane(w, i, lane, l->parameters, l->kernel->parameter_bytes,
                          address, bytes, kind);
    default:
        return global_lane(w, i, lane, address, bytes, kind);
    }
}

static void move_items(warp *w, const insn *i, u32 l, u8 *at, bool write)
{
    int above = 64 - 8 * i->bytes;
    for (int k = 0; k < i->count; k++, at += i->bytes) {
        int32_t place = k < 4 ? i->at[1 + k] : i->more[k - 4];
        if (place == NO_OPERAND)
            continue;
        char *item = w->registers + place + l * (i->wide == 8 ? 8 : 4);
        u64 bits = 0;
        if (write) {
            memcpy(at, item, i->bytes);
            continue;
        }
        memcpy(&bits, at, i->bytes);
        if (i->sign)
            bits = (u64)((s64)(bits << above) >> above);
        bits = i->wide == 2 ? bits & 0xffff : bits;
        memcpy(item, &bits, i->wide == 8 ? 8 : 4);
    }
}

/* A load or a store, lane by lane; `to` is its space, `mode` 1 for a store. */
void run_access_each(warp *w, const insn *i, u32 m)
{
    bool write = i->mode;
    EACH_OF (l, m) {
        u64 address = (u64)i->imm + (i->wide_address ? AT(w, i->at[0], u64)[l]
                                                     : AT(w, i->at[0], u32)[l]);
        u8 *at = access_lane(w, i, (int)l, (ptx_space)i->to, address,
                             (unsigned)i->bytes * i->count,
                             write ? ACCESS_WRITE : ACCESS_READ);
        if (!at)
            return;
        move_items(w, i, l, at, write);
    }
}
