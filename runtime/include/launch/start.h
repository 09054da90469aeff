/*
 * start.h - the processes of a job, each `ptlc run FILE --job .. --task ..`:
 * all of them here, those of each machine through a remote shell, or this
 * process alone.
 */
#ifndef PTL_LAUNCH_START_H
#define PTL_LAUNCH_START_H

#include "launch/role.h"

typedef struct start_job {
    const char *program; /* path of ptlc */
    const char *file;
    const char *const *words; /* further options of `ptlc run` */
    int word_count;
    int servers, workers;
    /* "HOST:PORT" of each, NULL: none listed. */
    const char *const *server_hosts, *const *worker_hosts;
    const char *id;   /* any text that other jobs do not have */
    const char *keys; /* folder, "": none */
    int threads;      /* of each process; 0: the machine's cores, divided */
    bool json;        /* children write JSON */
    bool quiet;
} start_job;

/* A text for start_job.id: 128 random bits. */
const char *start_new_id(ptl_arena *arena);

/* Makes a folder for keys, in TMPDIR or /tmp, for its owner alone; the caller
 * removes it. */
ptl_status start_key_folder(ptl_arena *arena, const char **out, ptl_error *err);

/*
 * These three come back when all processes have ended; *exit_status as
 * children_run() has it. E_IO: not all could be started, and none is left.
 *
 * start_here(): all on this machine. The coordinator gets a socket that listens
 * already: at its listed place, else at a free port of 127.0.0.1.
 *
 * start_there(): every process is listed. For each machine of the lists,
 * `shell MACHINE COMMAND` (words between blanks), and COMMAND is `ptlc launch
 * --agent` in the same folder.
 *
 * start_agent(): that command: what to start comes as a line of JSON from
 * standard input, orders after it; its end is an order to end.
 */
ptl_status start_here(const start_job *job, ptl_arena *arena, int *exit_status,
                      ptl_error *err);
ptl_status start_there(const start_job *job, const char *shell,
                       ptl_arena *arena, int *exit_status, ptl_error *err);
ptl_status start_agent(const char *program, ptl_arena *arena, int *exit_status,
                       ptl_error *err);

/* Becomes the process that `role` says; comes back only where that fails. */
ptl_status start_role(const start_job *job, const launch_role *role,
                      ptl_arena *arena, ptl_error *err);

#endif
