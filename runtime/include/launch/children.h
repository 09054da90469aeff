/*
 * children.h - processes that are started together, watched, and end together.
 *
 * None outlives the caller, not even where that is killed: each is the leader
 * of a process group, is killed by the kernel when its parent dies, and what it
 * leaves in its group is killed when it ends. None has descriptors but the
 * standard ones and the one it is given.
 */
#ifndef PTL_LAUNCH_CHILDREN_H
#define PTL_LAUNCH_CHILDREN_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct child_spec {
    const char *name;        /* "worker0"; stands before its lines */
    bool plain;              /* lines are passed on as they are */
    const char *const *argv; /* ends with NULL; argv[0] is looked for in PATH */
    /* "NAME=VALUE", instead of or beside what the caller's environment has;
     * ends with NULL; NULL: none. */
    const char *const *env;
    /* Becomes descriptor CHILD_FD of the child, and is closed here; -1: none.
     */
    int pass_fd;
    /*
     * NULL: standard input is /dev/null. Else what is written there first; then
     * it stays open, and a signal to be passed on is a line "INT" or "TERM"
     * there (a remote shell carries text, not signals).
     */
    const char *input;
} child_spec;

enum { CHILD_FD = 3 };

typedef struct children_options {
    int out, err; /* where lines go */
    bool json;    /* lines of JSON get a first member "role" */
    int grace_ms; /* from SIGTERM to SIGKILL after a failure */
    int drain_ms; /* the same after a signal was passed on */
    int control;  /* read for lines "INT", "TERM"; its end is "TERM" and then
                     grace_ms; -1: none */
    bool quiet;   /* only children's lines */
} children_options;

/*
 * Starts all and comes back when all have ended. From the calling thread, which
 * is the only one; SIGINT, SIGTERM, SIGHUP and SIGCHLD are its own until it
 * comes back. The first of SIGINT, SIGTERM, SIGHUP is passed on, the second
 * kills; a SIGHUP that was ignored (nohup) stays so.
 *
 * *exit_status: of the first that failed, by time (of those found together, the
 * first whose status is not 75: losing a peer follows from another's failure);
 * 128 + N where signal N ended it; else 128 + the signal that was passed on;
 * else 0. When one fails, the others get SIGTERM, and SIGKILL after grace_ms.
 * E_IO: one could not be started, and none is left.
 */
ptl_status children_run(const child_spec *specs, int count,
                        const children_options *options, int *exit_status,
                        ptl_error *err);

#endif
