/*
 * access.h - one lane's access to memory, in any space, with every check.
 *
 * Loads and stores of whole warps take a faster way where all is well and come
 * here where it is not (exec_memory.c), which is also how other spaces are
 * read and written.
 */
#ifndef DEVICE_ACCESS_H
#define DEVICE_ACCESS_H

#include "lanes.h"

typedef enum { ACCESS_READ, ACCESS_WRITE, ACCESS_ATOMIC } access_kind;

/* Where the host finds `bytes` at `address` of `space`; NULL after a fault was
 * reported. A write counts as written. */
u8 *access_lane(warp *w, const insn *i, int lane, ptx_space space, u64 address,
                unsigned bytes, access_kind kind);

/* Two lanes or two groups touched the word at `address` without order. */
void access_race(warp *w, const insn *i, int lane, ptx_space space,
                 u64 address);

/* Other work touched it, which need not have come before. */
void access_unordered(warp *w, const insn *i, int lane, u64 address);

#endif
