/*
 * role_priv.h - what role.c and the files that ask one source share.
 */
#ifndef PTL_LAUNCH_ROLE_PRIV_H
#define PTL_LAUNCH_ROLE_PRIV_H

#include "launch/role.h"

typedef enum role_answer {
    ROLE_SILENT, /* the source says nothing: the next one is asked */
    ROLE_SAID,   /* kind and index are known */
    ROLE_WRONG,  /* what it says cannot be; err is filled */
} role_answer;

typedef struct role_reading {
    const role_request *request;
    ptl_arena *arena;
    launch_role *out;
    ptl_error *err;
    /* What a source says beside kind and index; NULL: nothing. */
    const char *meeting; /* the coordinator, "HOST:PORT" */
    bool meeting_binds;  /* ... and the block may say nothing else */
    const char *own;     /* where this process listens, "HOST:PORT" */
    const char *host;    /* by what others reach it */
    const char *job;     /* what is the same in all processes of this job */
    int64_t workers;     /* of the job; 0: nothing */
    const char *said;    /* "SLURM_PROCID = 3 of SLURM_NTASKS = 5" */
} role_reading;

/* What the environment says; NULL: not set, or empty. */
const char *role_get(const role_reading *r, const char *name);

/* Fills err as E_REFUSED. */
role_answer role_wrong(role_reading *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The whole number from `low` to `high` in `name`; `absent` where it is not
 * set. False: it is something else; err is filled. */
bool role_number(role_reading *r, const char *name, int64_t low, int64_t high,
                 int64_t absent, int64_t *out);

/* This is process `index` of `kind`, as `name` says; err where the job has no
 * such process. */
role_answer role_is(role_reading *r, role_kind kind, int64_t index,
                    const char *name);

/* "Slurm: SLURM_PROCID = 3 of SLURM_NTASKS = 5" */
const char *role_said(const role_reading *r);

/* out->coordinator; out->bind and host. False: err is filled. */
bool role_meet(role_reading *r);
bool role_listen(role_reading *r);

/* As it stands before ":PORT": brackets around an IPv6 address. */
const char *role_host(ptl_arena *arena, const char *host);

/* A port for the coordinator where nothing gives one: PTL_PORT, else from the
 * job's id, between 20000 and 29999. NULL: PTL_PORT is wrong; err is filled. */
const char *role_port(role_reading *r);

/* One for each row of sources.def. */
#define SOURCE(name, text) role_answer role_from_##name(role_reading *r);
#include "launch/sources.def"

#endif
