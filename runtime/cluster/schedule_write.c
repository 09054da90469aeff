/*
 * schedule_write.c - see schedule.h: a process's part of a schedule.
 *
 * A line for each event. Nothing is waited for but the file system, and what it
 * says is looked at once, at the end: the machine that tells goes on.
 */
#include "cluster/cluster.h"
#include "cluster/schedule.h"
#include "cluster/schedule_words.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct schedule_record {
    FILE *file;
    char *path;
    int workers, buckets;
    uint64_t *rounds; /* [bucket][worker]: the next it computes */
    bool *reads;      /* [bucket][worker]: it has read before */
    long long events;
};

static ptl_status failed(const char *path, int code, ptl_error *err)
{
    return ptl_fail(err, PTL_E_IO, "could not write the schedule \"%s\": %s",
                    path, strerror(code));
}

static void write_head(const schedule_record *r, const char *part,
                       const schedule_head *h)
{
    const char *line = h->agreement;
    fprintf(r->file, SCHEDULE_TITLE "%s\n", SCHEDULE_VERSION, part);
    fprintf(r->file, "servers %d\nworkers %d\ntowers %d\nbuckets %d\n",
            h->servers, h->workers, h->towers, h->buckets);
    fprintf(r->file, "first %lld\n", (long long)h->first);
    while (*line) {
        size_t length = strcspn(line, "\n");
        fprintf(r->file, "agreed %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
    fputs("begin\n", r->file);
    /* Whose part it is shows, whatever becomes of the process. */
    fflush(r->file);
}

static ptl_status take_memory(schedule_record *r, const char *path,
                              const uint64_t *rounds, ptl_error *err)
{
    size_t workers = (size_t)r->workers, count = (size_t)r->buckets * workers;
    r->path = strdup(path);
    r->rounds = calloc(count + 1, sizeof *r->rounds);
    r->reads = calloc(count + 1, sizeof *r->reads);
    if (!r->path || !r->rounds || !r->reads)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a schedule");
    for (size_t i = 0; i < count; i++)
        r->rounds[i] = rounds[i / workers];
    return PTL_OK;
}

static void release(schedule_record *r)
{
    free(r->path);
    free(r->rounds);
    free(r->reads);
    free(r);
}

ptl_status record_open(const char *path, const char *part,
                       const schedule_head *head, const uint64_t *rounds,
                       schedule_record **out, ptl_error *err)
{
    schedule_record *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a schedule");
    r->workers = head->workers;
    r->buckets = head->buckets;
    ptl_status st = take_memory(r, path, rounds, err);
    if (st == PTL_OK && !(r->file = fopen(path, "we")))
        st = failed(path, errno, err);
    if (st != PTL_OK) {
        release(r);
        return st;
    }
    write_head(r, part, head);
    *out = r;
    return PTL_OK;
}

/* A worker reads once before its first exchange, and once after each. */
static uint64_t round_of(const schedule_record *r, shard_event what, int at,
                         uint64_t told)
{
    if (what == SHARD_EVENT_READ) {
        r->rounds[at] += r->reads[at];
        r->reads[at] = true;
    }
    return what == SHARD_EVENT_READ || what == SHARD_EVENT_SLOTS ? r->rounds[at]
                                                                 : told;
}

static void tell(void *ctx, shard_event what, uint32_t bucket, int worker,
                 uint64_t round)
{
    schedule_record *r = ctx;
    int at = (int)bucket * r->workers + worker;
    round = round_of(r, what, at, round);
    fprintf(r->file, "%s %u %d %llu\n", schedule_words[what], (unsigned)bucket,
            worker, (unsigned long long)round);
    r->events++;
}

shard_notice record_notice(schedule_record *r)
{
    return (shard_notice){r, r ? tell : NULL};
}

void record_step(schedule_record *r, int64_t step, int64_t updates, bool rated)
{
    fprintf(r->file, "step %lld %lld %s\n", (long long)step, (long long)updates,
            rated ? "rated" : "unrated");
    r->events++;
}

ptl_status record_close(schedule_record *r, ptl_error *err)
{
    ptl_status st = PTL_OK;
    if (!r)
        return PTL_OK;
    fprintf(r->file, "end %lld\n", r->events);
    errno = 0;
    bool wrong = fflush(r->file) != 0 || ferror(r->file);
    int code = errno;
    if (fclose(r->file) != 0 && !wrong) {
        wrong = true;
        code = errno;
    }
    if (wrong)
        st = failed(r->path, code ? code : EIO, err);
    release(r);
    return st;
}

/* ---------- one file of the parts ---------- */

static bool all_are_here(const char *const *parts, int count)
{
    for (int i = 0; i < count; i++) {
        FILE *f = fopen(parts[i], "re");
        if (!f)
            return false;
        fclose(f);
    }
    return true;
}

static ptl_status append(FILE *to, const char *path, const char *part,
                         ptl_error *err)
{
    char bytes[1 << 16];
    FILE *from = fopen(part, "re");
    if (!from)
        return ptl_fail(err, PTL_E_IO, "could not read the schedule \"%s\": %s",
                        part, strerror(errno));
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, from)) > 0;)
        fwrite(bytes, 1, n, to);
    bool wrong = ferror(from);
    fclose(from);
    if (wrong)
        return ptl_fail(err, PTL_E_IO, "could not read the schedule \"%s\"",
                        part);
    return ferror(to) ? failed(path, EIO, err) : PTL_OK;
}

ptl_status cluster_merge_schedule(const char *path, const char *const *parts,
                                  int count, bool *merged, ptl_error *err)
{
    ptl_status st = PTL_OK;
    *merged = all_are_here(parts, count);
    if (!*merged)
        return PTL_OK;
    FILE *to = fopen(path, "we");
    if (!to)
        return failed(path, errno, err);
    for (int i = 0; i < count && st == PTL_OK; i++)
        st = append(to, path, parts[i], err);
    if (fclose(to) != 0 && st == PTL_OK)
        st = failed(path, errno, err);
    for (int i = 0; i < count && st == PTL_OK; i++)
        remove(parts[i]);
    return st;
}
