/*
 * child.h - one process that was started, and the pipes to it.
 */
#ifndef PTL_LAUNCH_CHILD_H
#define PTL_LAUNCH_CHILD_H

#include "launch/children.h"
#include "launch/lines.h"
#include <sys/types.h>

typedef struct child {
    const child_spec *spec;
    pid_t pid;    /* also its process group; 0: not there any more */
    int status;   /* once it ended: as its exit status, 128 + N for a signal */
    int in;       /* -1: none, or ended */
    int out, err; /* -1: ended */
    size_t sent;  /* of spec->input */
    child_lines out_lines, err_lines;
} child;

/* Starts it. False: errno says why, and nothing is left. */
bool child_start(child *c, const child_spec *spec, bool json);

/* To its whole group. */
void child_kill(const child *c, int signal);

/* If it has ended: ends what is left of its group, and true. */
bool child_reap(child *c);

/* Writes of its input what goes without waiting. */
void child_feed(child *c);

/* Takes what can be read without waiting; true: up to its end, which closes. */
bool child_read(child *c, bool err, ptl_str *out, ptl_str *other);

/* Closes what is open, passes on what is left. */
void child_close(child *c, ptl_str *out, ptl_str *other);

#endif
