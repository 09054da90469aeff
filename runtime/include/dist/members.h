/*
 * members.h - the payload of MEMBERS: who belongs to an epoch.
 */
#ifndef PTL_DIST_MEMBERS_H
#define PTL_DIST_MEMBERS_H

#include "base/str.h"
#include "dist/wire.h"

typedef struct dist_member {
    uint32_t node;
    uint64_t incarnation;
    wire_frame endpoint; /* where others reach it; not terminated */
} dist_member;

void members_write(ptl_str *out, const dist_member *m);
/*
 * The member at byte `*at` of the payload, which moves past it. False at the
 * end, and where the bytes are no member: then `*at` stays before the end.
 */
bool members_next(wire_frame payload, size_t *at, dist_member *out);
/* Are these `count` members, in ascending order, each once, of known roles? */
bool members_check(wire_frame payload, uint32_t count);

#endif
