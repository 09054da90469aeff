/*
 * driver_stream.c - the driver's functions for streams and events.
 */
#include "driver.h"
#include <stdlib.h>

static struct CUevent_st *events; /* guarded by the driver's lock */

CUresult cuStreamCreate(CUstream *stream, unsigned flags)
{
    struct CUctx_st *c;
    CUresult r = driver_enter(&c);
    if (r == CUDA_SUCCESS && (!stream || flags > CU_STREAM_NON_BLOCKING))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS)
        *stream = stream_new(c, flags == CU_STREAM_DEFAULT);
    return driver_leave(r);
}

static CUresult enter_stream(CUstream handle, struct CUctx_st **c,
                             struct CUstream_st **s)
{
    CUresult r = driver_enter(c);
    *s = r == CUDA_SUCCESS ? stream_of(*c, handle) : NULL;
    return r == CUDA_SUCCESS && !*s ? CUDA_ERROR_INVALID_HANDLE : r;
}

CUresult cuStreamDestroy_v2(CUstream stream)
{
    struct CUctx_st *c;
    struct CUstream_st *s;
    CUresult r = enter_stream(stream, &c, &s);
    if (r == CUDA_SUCCESS && !stream)
        r = CUDA_ERROR_INVALID_HANDLE;
    if (r == CUDA_SUCCESS) {
        r = stream_drain(s->context, s);
        stream_free(s);
    }
    return driver_leave(r);
}

CUresult cuStreamSynchronize(CUstream stream)
{
    struct CUctx_st *c;
    struct CUstream_st *s;
    CUresult r = enter_stream(stream, &c, &s);
    if (r == CUDA_SUCCESS)
        r = stream_drain(s->context, s);
    return driver_leave(r);
}

CUresult cuStreamQuery(CUstream stream)
{
    struct CUctx_st *c;
    struct CUstream_st *s;
    CUresult r = enter_stream(stream, &c, &s);
    if (r == CUDA_SUCCESS && s->first) {
        stream_progress();
        r = s->context->sticky;
        if (r == CUDA_SUCCESS && s->first)
            r = CUDA_ERROR_NOT_READY;
    }
    if (r == CUDA_SUCCESS)
        stream_seen(s);
    return driver_leave(r);
}

CUresult cuEventCreate(CUevent *event, unsigned flags)
{
    struct CUctx_st *c;
    CUresult r = driver_enter(&c);
    if (r == CUDA_SUCCESS && (!event || flags > 3))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS) {
        struct CUevent_st *e = calloc(1, sizeof *e);
        if (!e)
            abort();
        *e = (struct CUevent_st){c, !(flags & CU_EVENT_DISABLE_TIMING), NULL,
                                 events};
        *event = events = e;
    }
    return driver_leave(r);
}

static bool is_event(CUevent event)
{
    for (const struct CUevent_st *e = events; e; e = e->next)
        if (e == event)
            return true;
    return false;
}

static CUresult enter_event(CUevent event, struct CUctx_st **c)
{
    CUresult r = driver_enter(c);
    return r == CUDA_SUCCESS && !is_event(event) ? CUDA_ERROR_INVALID_HANDLE
                                                 : r;
}

CUresult cuEventDestroy_v2(CUevent event)
{
    struct CUctx_st *c;
    CUresult r = enter_event(event, &c);
    if (r == CUDA_SUCCESS) {
        struct CUevent_st **at = &events;
        while (*at != event)
            at = &(*at)->next;
        *at = event->next;
        point_drop(event->point);
        free(event);
    }
    return driver_leave(r);
}

CUresult cuEventRecord(CUevent event, CUstream stream)
{
    struct CUctx_st *c;
    CUresult r = enter_event(event, &c);
    struct CUstream_st *s = r == CUDA_SUCCESS ? stream_of(c, stream) : NULL;
    if (r == CUDA_SUCCESS && !s)
        r = CUDA_ERROR_INVALID_HANDLE;
    if (r == CUDA_SUCCESS && s->context != event->context)
        r = CUDA_ERROR_INVALID_HANDLE;
    if (r == CUDA_SUCCESS) {
        operation *op = operation_new();
        point_drop(event->point);
        event->point = point_new();
        op->records = point_use(event->point);
        stream_push(s, op);
    }
    return driver_leave(r);
}

/* What was recorded before this call; nothing, if nothing was. */
CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags)
{
    struct CUctx_st *c;
    CUresult r = enter_event(event, &c);
    struct CUstream_st *s = r == CUDA_SUCCESS ? stream_of(c, stream) : NULL;
    if (r == CUDA_SUCCESS && !s)
        r = CUDA_ERROR_INVALID_HANDLE;
    if (r == CUDA_SUCCESS && flags)
        r = CUDA_ERROR_INVALID_VALUE;
    if (r == CUDA_SUCCESS && event->point) {
        operation *op = operation_new();
        op->waits = point_use(event->point);
        stream_push(s, op);
    }
    return driver_leave(r);
}

CUresult cuEventSynchronize(CUevent event)
{
    struct CUctx_st *c;
    CUresult r = enter_event(event, &c);
    if (r == CUDA_SUCCESS && event->point)
        r = stream_reach(event->context, event->point);
    return driver_leave(r);
}

CUresult cuEventQuery(CUevent event)
{
    struct CUctx_st *c;
    CUresult r = enter_event(event, &c);
    if (r == CUDA_SUCCESS && event->point && !event->point->done) {
        stream_progress();
        r = event->context->sticky;
        if (r == CUDA_SUCCESS && !event->point->done)
            r = CUDA_ERROR_NOT_READY;
    }
    if (r == CUDA_SUCCESS && event->point)
        stream_point_seen(event->point);
    return driver_leave(r);
}

/* Operations take a virtual microsecond each. */
CUresult cuEventElapsedTime(float *ms, CUevent start, CUevent end)
{
    struct CUctx_st *c;
    CUresult r = enter_event(start, &c);
    if (r == CUDA_SUCCESS && (!is_event(end) || !start->timed || !end->timed ||
                              !start->point || !end->point))
        r = CUDA_ERROR_INVALID_HANDLE;
    if (r == CUDA_SUCCESS && (!start->point->done || !end->point->done))
        r = CUDA_ERROR_NOT_READY;
    if (r == CUDA_SUCCESS)
        *ms = (float)(end->point->ms - start->point->ms);
    return driver_leave(r);
}
