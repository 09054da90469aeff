/*
 * hostlist.h - lists of machines as Slurm writes them: `node[01-03,7],other`.
 */
#ifndef PTL_LAUNCH_HOSTLIST_H
#define PTL_LAUNCH_HOSTLIST_H

#include "base/arena.h"
#include "base/status.h"

enum { HOSTLIST_MOST = 1 << 16 };

typedef VEC(const char *) host_list;

/*
 * Appends every machine `text` names, in order. A name may have several
 * brackets: `rack[1-2]node[3-4]` counts the last one fastest. A number has the
 * digits of its range's first one, zeros included. E_DATA: no such list, or
 * more than HOSTLIST_MOST machines; the message quotes it.
 */
ptl_status hostlist_expand(ptl_arena *arena, const char *text, host_list *out,
                           ptl_error *err);

#endif
