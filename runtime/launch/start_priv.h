/*
 * start_priv.h - what start.c, remote.c and agent.c share.
 */
#ifndef PTL_LAUNCH_START_PRIV_H
#define PTL_LAUNCH_START_PRIV_H

#include "base/str.h"
#include "launch/children.h"
#include "launch/start.h"

typedef struct start_member {
    role_kind kind;
    int index;
} start_member;

typedef VEC(start_member) start_members;

/* ps 0 to P - 1, then the workers. */
start_members start_all_members(const start_job *job, ptl_arena *arena);

/* Some processes of the job, on one machine. */
typedef struct start_group {
    const start_job *job;
    start_members members;
    const char *coordinator; /* NULL: follows from the lists */
    int listen_fd;           /* for the coordinator; taken; -1: none */
    const char *started_by;
    int control; /* as children_options has it */
} start_group;

ptl_status start_and_watch(const start_group *group, ptl_arena *arena,
                           int *exit_status, ptl_error *err);

/* `word` for a shell: in single quotes where it needs any. */
void shell_quote(ptl_str *out, const char *word);

children_options start_options(const start_job *job, int control);

#endif
