/*
 * share.c - see share.h.
 */
#include "share.h"
#include <string.h>

enum { AT_KIND = 4, AT_FIRST = 8, AT_SECOND = 16, AT_COOKIE = 24 };

static const uint8_t magic[4] = {'P', 'T', 'L', 'S'};

void share_forget(net_share *s)
{
    blob_drop(s->pool);
    *s = (net_share){0};
}

static void write_frame(share_kind kind, uint64_t first, uint64_t second,
                        uint8_t out[SHARE_BYTES])
{
    memset(out, 0, SHARE_BYTES);
    memcpy(out, magic, sizeof magic);
    wire_put(out + AT_KIND, (uint64_t)kind, 4);
    wire_put(out + AT_FIRST, first, 8);
    wire_put(out + AT_SECOND, second, 8);
}

void share_write_offer(const net_pool *p, uint8_t out[SHARE_BYTES])
{
    pool_name n;
    pool_name_of(p, &n);
    write_frame(SHARE_OFFER, (uint64_t)n.fd << 32 | n.pid, n.capacity, out);
    memcpy(out + AT_COOKIE, n.cookie, sizeof n.cookie);
}

void share_write_taken(uint8_t out[SHARE_BYTES])
{
    write_frame(SHARE_TAKEN, 0, 0, out);
}

void share_write_place(uint64_t offset, size_t size, uint8_t out[SHARE_BYTES])
{
    write_frame(SHARE_PLACE, offset, size, out);
}

share_kind share_kind_of(const uint8_t *frame, size_t size)
{
    if (size != SHARE_BYTES || memcmp(frame, magic, sizeof magic) != 0)
        return SHARE_NOTHING;
    uint64_t kind = wire_get(frame + AT_KIND, 4);
    return kind <= SHARE_PLACE ? (share_kind)kind : SHARE_NOTHING;
}

bool share_take_offer(net_share *s, const uint8_t frame[SHARE_BYTES])
{
    uint64_t where = wire_get(frame + AT_FIRST, 8);
    pool_name n = {.pid = (uint32_t)where,
                   .fd = (uint32_t)(where >> 32),
                   .capacity = wire_get(frame + AT_SECOND, 8)};
    memcpy(n.cookie, frame + AT_COOKIE, sizeof n.cookie);
    if (s->pool)
        return false;
    s->pool = pool_map(&n);
    return s->pool != NULL;
}

bool share_payload(const net_share *s, const uint8_t frame[SHARE_BYTES],
                   wire_frame *out)
{
    uint64_t offset = wire_get(frame + AT_FIRST, 8);
    uint64_t size = wire_get(frame + AT_SECOND, 8);
    uint64_t all = s->pool ? blob_size(s->pool) : 0;
    if (!s->pool || size > all || offset > all - size)
        return false;
    *out = (wire_frame){blob_bytes(s->pool) + offset, (size_t)size};
    return true;
}
