/*
 * trace.c - see base/trace.h.
 *
 * Every event is a line that ends with a comma; a last one without is written
 * at the end. So a file that was not closed misses but the bracket, which
 * readers of the format do without.
 */
#include "base/trace.h"
#include "base/clock.h"
#include "base/file.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 18, PATH_BYTES = 4096 };

static atomic_bool is_open;
static FILE *file; /* guarded by the lock, as all below */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char buffer[BUFFER_BYTES], path_of[PATH_BYTES];

/* ---------- events ---------- */

static void write_text(const char *text)
{
    putc('"', file);
    for (const char *c = text; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
            fprintf(file, "\\u%04x", (unsigned)(unsigned char)*c);
        else
            putc(*c, file);
    putc('"', file);
}

/* Up to the name; its rest is the caller's. */
static void begin_event(char phase, const char *name)
{
    fprintf(file, "{\"ph\":\"%c\",\"pid\":%d,\"tid\":%d,\"name\":", phase,
            (int)getpid(), (int)gettid());
    write_text(name);
}

static void name_it(const char *what, const char *name, const char *end)
{
    begin_event('M', what);
    fputs(",\"args\":{\"name\":", file);
    write_text(name);
    fprintf(file, "}}%s", end);
}

bool trace_is_open(void)
{
    return atomic_load_explicit(&is_open, memory_order_relaxed);
}

double trace_now(void)
{
    return trace_is_open() ? clock_seconds() : 0;
}

void trace_thread(const char *name)
{
    if (!trace_is_open())
        return;
    pthread_mutex_lock(&lock);
    name_it("thread_name", name, ",\n");
    pthread_mutex_unlock(&lock);
}

/* Times in microseconds. */
void trace_span(const char *kind, const char *name, double begin)
{
    if (!trace_is_open())
        return;
    double seconds = clock_seconds() - begin;
    pthread_mutex_lock(&lock);
    begin_event('X', name);
    fputs(",\"cat\":", file);
    write_text(kind);
    fprintf(file, ",\"ts\":%.3f,\"dur\":%.3f},\n", 1e6 * begin, 1e6 * seconds);
    pthread_mutex_unlock(&lock);
}

/* ---------- the file ---------- */

static ptl_status failed(const char *path, int why, ptl_error *err)
{
    return ptl_fail(err, PTL_E_IO, "could not write the trace \"%s\": %s", path,
                    strerror(why));
}

ptl_status trace_open(const char *path, const char *process, ptl_error *err)
{
    PTL_ASSERT(!file);
    if (strlen(path) >= sizeof path_of)
        return failed(path, ENAMETOOLONG, err);
    file = fopen(path, "we");
    if (!file)
        return failed(path, errno, err);
    strcpy(path_of, path);
    setvbuf(file, buffer, _IOFBF, sizeof buffer);
    fputs("[\n", file);
    name_it("process_name", process, ",\n");
    name_it("thread_name", "main", ",\n");
    atomic_store(&is_open, true);
    return PTL_OK;
}

ptl_status trace_close(ptl_error *err)
{
    if (!trace_is_open())
        return PTL_OK;
    atomic_store(&is_open, false);
    name_it("thread_name", "main", "\n]\n");
    errno = 0;
    bool wrong = ferror(file), last = fclose(file) != 0;
    file = NULL;
    return wrong || last ? failed(path_of, errno ? errno : EIO, err) : PTL_OK;
}

/* ---------- one timeline of several ---------- */

typedef struct merging {
    FILE *to;
    char *line; /* getline()'s */
    size_t room;
    bool some; /* an event was written */
} merging;

/* Whole events alone; the comma comes with the next one. */
static void copy_events(merging *m, FILE *from)
{
    ssize_t length;
    while ((length = getline(&m->line, &m->room, from)) > 0) {
        while (length > 0 && strchr(",\n", m->line[length - 1]))
            m->line[--length] = '\0';
        if (length < 2 || m->line[0] != '{' || m->line[length - 1] != '}')
            continue;
        fprintf(m->to, "%s%s", m->some ? ",\n" : "[\n", m->line);
        m->some = true;
    }
}

ptl_status trace_merge(const char *path, const char *const *parts, int count,
                       ptl_error *err)
{
    merging m = {0};
    ptl_status st = PTL_OK;
    for (int i = 0; i < count && st == PTL_OK; i++) {
        FILE *from = fopen(parts[i], "re");
        if (!from)
            continue;
        m.to = m.to ? m.to : fopen(path, "we");
        if (m.to)
            copy_events(&m, from);
        else
            st = failed(path, errno, err);
        fclose(from);
    }
    free(m.line);
    if (!m.to)
        return st;
    fputs(m.some ? "\n]\n" : "[]\n", m.to);
    bool wrong = ferror(m.to), last = fclose(m.to) != 0;
    if (wrong || last)
        return failed(path, errno, err);
    for (int i = 0; i < count; i++)
        remove(parts[i]);
    return PTL_OK;
}
