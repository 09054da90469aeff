/*
 * ends.c - see ends.h.
 */
#include "ends.h"
#include "base/clock.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void note(void *ctx, const char *line)
{
    end *e = ctx;
    if (e->lines < END_LINES)
        snprintf(e->log[e->lines++], sizeof e->log[0], "%s", line);
}

void end_open(end *e, net_options options)
{
    ptl_error err = {0};
    options.log = note;
    options.ctx = e;
    if (net_open(&options, &e->t, &err) != PTL_OK)
        fail_msg("%s", err.text);
}

void end_listen(end *e)
{
    end_open(e, (net_options){.bind = "tcp://127.0.0.1:*"});
}

void end_connect(end *e, const char *endpoint)
{
    const uint32_t worker = wire_node(WIRE_WORKER, 0);
    if (!e->t)
        end_open(e, (net_options){0});
    assert_true(
        e->t->ops->connect(e->t, endpoint, worker, wire_node(WIRE_PS, 0)));
}

void end_close(end *e)
{
    net_close(e->t, 0);
    e->t = NULL;
}

static void take(end *e, const transport_event *event)
{
    switch (event->kind) {
    case TRANSPORT_UP:
        e->ups++;
        e->up = event->connection;
        e->from = event->from;
        e->node = event->node;
        break;
    case TRANSPORT_DOWN:
        e->downs++;
        break;
    case TRANSPORT_MESSAGE:
        e->messages++;
        e->heard = event->connection;
        e->sender = event->node;
        if (e->on)
            e->on(e, event);
        break;
    case TRANSPORT_NOTHING:
        break;
    }
}

void end_turn(end *e, int ms)
{
    transport_event event;
    uint64_t deadline = clock_ms() + (uint64_t)ms;
    for (int i = 0; e->t && i < 64; i++) {
        e->t->ops->next(e->t, deadline, &event);
        if (event.kind == TRANSPORT_NOTHING)
            return;
        take(e, &event);
        e->t->ops->done(e->t, &event);
        deadline = 0;
    }
}

static void turn_all(end *const *ends, int count, uint64_t deadline)
{
    if (clock_ms() > deadline)
        fail_msg("it did not happen in time; last lines: \"%s\", \"%s\"",
                 ends[0]->lines ? ends[0]->log[ends[0]->lines - 1] : "",
                 count > 1 && ends[1]->lines ? ends[1]->log[ends[1]->lines - 1]
                                             : "");
    for (int i = 0; i < count; i++)
        end_turn(ends[i], 2);
}

void ends_until(end *const *ends, int count, bool (*done)(end *const *ends))
{
    uint64_t deadline = clock_ms() + END_DEADLINE_MS;
    while (!done(ends))
        turn_all(ends, count, deadline);
}

void ends_reach(end *const *ends, int count, const int *number, int to)
{
    uint64_t deadline = clock_ms() + END_DEADLINE_MS;
    while (*number < to)
        turn_all(ends, count, deadline);
}

int end_logged(const end *e, const char *text)
{
    int count = 0;
    for (int i = 0; i < e->lines; i++)
        count += strstr(e->log[i], text) != NULL;
    return count;
}

bool end_send(end *e, int connection, const void *bytes, size_t size)
{
    wire_frame frames[2] = {{(const uint8_t *)"head", 4}, {bytes, size}};
    return e->t->ops->send(e->t, connection, frames, 2, NULL);
}

int open_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

void temporary_folder(char path[64])
{
    const char *root = getenv("TMPDIR");
    snprintf(path, 64, "%.40s/ptl-net-XXXXXX", root ? root : "/tmp");
    assert_non_null(mkdtemp(path));
}
