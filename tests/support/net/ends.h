/*
 * ends.h - ends of a transport that are driven by turns in one thread, each
 * noting what it is told. Waits have a deadline; a test fails when it passes.
 */
#ifndef TEST_NET_ENDS_H
#define TEST_NET_ENDS_H

#include "net/net.h"
#include <stdbool.h>

enum { END_LINES = 64, END_DEADLINE_MS = 20000 };

typedef struct end {
    dist_transport *t;
    int ups, downs, messages;
    int up, heard; /* connections: of the last UP, of the last message */
    uint32_t from, node,
        sender; /* of the last UP; proved by the last message */
    int lines;
    char log[END_LINES][300];
    /* Every message, before it is done with; may be NULL. */
    void (*on)(struct end *e, const transport_event *event);
    void *ctx;
} end;

/* Fails the test where it does not open. */
void end_open(end *e, net_options options);
void end_listen(end *e); /* at 127.0.0.1, any port */
void end_connect(end *e, const char *endpoint);
void end_close(end *e);
/* Takes what there is; waits some ms for it. */
void end_turn(end *e, int ms);
/* Turns all of them until `done`. */
void ends_until(end *const *ends, int count, bool (*done)(end *const *ends));
/* The same for a number that is to reach at least `to`. */
void ends_reach(end *const *ends, int count, const int *number, int to);
/* The rows of its log that hold `text`. */
int end_logged(const end *e, const char *text);
bool end_send(end *e, int connection, const void *bytes, size_t size);

int open_descriptors(void);
/* A folder of its own below the system's for temporary files; removed by
 * folder_remove(). */
void temporary_folder(char path[64]);

#endif
