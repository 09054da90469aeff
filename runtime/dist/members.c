/*
 * members.c - who belongs to an epoch, as bytes.
 */
#include "dist/members.h"

enum { FIXED_BYTES = 4 + 8 + 2 };

void members_write(ptl_str *out, const dist_member *m)
{
    uint8_t head[FIXED_BYTES];
    wire_put(head, m->node, 4);
    wire_put(head + 4, m->incarnation, 8);
    wire_put(head + 12, m->endpoint.size, 2);
    str_addn(out, (const char *)head, sizeof head);
    if (m->endpoint.size)
        str_addn(out, (const char *)m->endpoint.data, m->endpoint.size);
}

bool members_next(wire_frame payload, size_t *at, dist_member *out)
{
    size_t left = payload.size - *at;
    if (left < FIXED_BYTES)
        return false;
    const uint8_t *from = payload.data + *at;
    size_t endpoint = wire_get(from + 12, 2);
    if (endpoint > left - FIXED_BYTES)
        return false;
    out->node = (uint32_t)wire_get(from, 4);
    out->incarnation = wire_get(from + 4, 8);
    out->endpoint = (wire_frame){from + FIXED_BYTES, endpoint};
    *at += FIXED_BYTES + endpoint;
    return true;
}

bool members_check(wire_frame payload, uint32_t count)
{
    size_t at = 0;
    uint32_t seen = 0, last = 0;
    dist_member m;
    for (; members_next(payload, &at, &m); seen++, last = m.node) {
        int role = wire_role(m.node);
        if (role != WIRE_PS && role != WIRE_WORKER)
            return false;
        if (m.node <= last || m.incarnation == 0)
            return false;
    }
    return at == payload.size && seen == count;
}
