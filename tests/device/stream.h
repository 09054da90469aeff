/*
 * stream.h - streams and events: what was asked for and has not run.
 *
 * Work waits in queues and runs when somebody waits for it, in an order drawn
 * from the seed among those the driver's rules allow. So a missing wait shows.
 */
#ifndef DEVICE_STREAM_H
#define DEVICE_STREAM_H

#include "device.h"
#include "exec.h"
#include "order.h"

/* A point in a stream that others wait for. */
typedef struct {
    int users;
    bool done;
    order_clock clock; /* what is before it */
    double ms;
} stream_point;

typedef struct operation operation;
struct operation {
    operation *next;
    uint64_t number; /* in the order of calls */
    /* Does the work; what it returns stays with the context. */
    CUresult (*run)(operation *op, struct CUctx_st *context);
    stream_point *records, *waits;
    order_clock past;
    const uint8_t *unordered; /* while it runs: see order_touch() */
    launch *launch;
    CUdeviceptr to, from; /* device, or host where it is not one */
    void *to_host;
    const void *from_host;
    uint8_t *staged; /* owned */
    uint8_t *parameters;
    uint64_t bytes;
    uint32_t value;
};

struct CUstream_st {
    int id; /* in clocks */
    order_clock clock;
    uint64_t *ran; /* numbers of what has run, the last thousands */
    size_t ran_count;
    struct CUctx_st *context;
    bool waits_for_null; /* and the default stream for it */
    operation *first, *last;
    struct CUstream_st *next;
};

struct CUevent_st {
    struct CUctx_st *context;
    bool timed;
    stream_point *point; /* NULL: not recorded */
    struct CUevent_st *next;
};

struct CUstream_st *stream_new(struct CUctx_st *context, bool waits_for_null);
/* The stream meant by a handle; NULL when it is none of `context`. */
struct CUstream_st *stream_of(struct CUctx_st *context, CUstream handle);
void stream_free(struct CUstream_st *s);
operation *operation_new(void);
/* Takes `op`. */
void stream_push(struct CUstream_st *s, operation *op);
/* Runs until `s` is empty (NULL: all of `context`) or something failed. */
CUresult stream_drain(struct CUctx_st *context, struct CUstream_st *s);
/* Until `point` is passed. */
CUresult stream_reach(struct CUctx_st *context, stream_point *point);
/* The host has seen that all of `s` has run. */
void stream_seen(const struct CUstream_st *s);
void stream_point_seen(const stream_point *p);
/* Whether there are operations that others could race with. */
bool stream_are_several(void);
/* Runs a random part of what may run, at least one operation. */
void stream_progress(void);
/* Drops what waits in a context that got stuck. */
void stream_give_up(struct CUctx_st *context);

stream_point *point_new(void);
stream_point *point_use(stream_point *p);
void point_drop(stream_point *p);

#endif
