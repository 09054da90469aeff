/*
 * schedule_read.c - see schedule.h. Line by line; every number is checked
 * before it is used, and the order of each worker's events with it.
 */
#include "base/file.h"
#include "base/str.h"
#include "cluster/schedule.h"
#include "cluster/schedule_words.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_PROCESSES = 4096,
    MOST_BUCKETS = 1 << 20,
    MOST_PAIRS = 1 << 24 /* of buckets and workers */
};

/* What a worker did last with a bucket. */
typedef struct pair {
    bool has_read, has_given;
    uint64_t read, given;
} pair;

typedef struct reading {
    schedule *out;
    ptl_error *err;
    const char *path; /* of the file under way */
    int line;
    /* Of the part under way. */
    bool in_part, begun;
    int part; /* 0: worker 0; 1 + i: parameter server i */
    schedule_head head;
    ptl_str agreement;
    uint64_t events;
    /* Of all parts. */
    bool there[1 + MOST_PROCESSES]; /* by part */
    pair *pairs;                    /* [bucket][worker] */
    int *part_of;                   /* by bucket; -1: nothing came of it */
} reading;

static ptl_status bad(const reading *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static ptl_status bad(const reading *r, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ptl_fail(r->err, PTL_E_DATA, "the schedule \"%s\", line %d: %s",
                    r->path, r->line, text);
}

/* ---------- words and numbers ---------- */

/* The word at *at, which moves behind it and one space. */
static bool take_word(const char **at, const char *word)
{
    size_t length = strlen(word);
    char next = strncmp(*at, word, length) == 0 ? (*at)[length] : 'x';
    if (next != ' ' && next != '\0')
        return false;
    *at += length + (next == ' ');
    return true;
}

static bool take_number(const char **at, uint64_t most, uint64_t *out)
{
    const char *digit = *at;
    uint64_t n = 0;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        uint64_t d = (uint64_t)(*digit - '0');
        if (d > most || n > (most - d) / 10)
            return false;
        n = 10 * n + d;
    }
    if (digit == *at || (*digit != ' ' && *digit != '\0'))
        return false;
    *at = digit + (*digit == ' ');
    *out = n;
    return true;
}

/* ---------- the head of a part ---------- */

static ptl_status begin_part(reading *r, const char *line)
{
    uint64_t version, index = 0;
    bool title = take_word(&line, "ptl") && take_word(&line, "schedule") &&
                 take_number(&line, UINT32_MAX, &version) &&
                 take_word(&line, "of");
    if (!title)
        return bad(r, "no schedule begins like this");
    if (version != SCHEDULE_VERSION)
        return bad(r, "its format is version %llu, and this reads version %d",
                   (unsigned long long)version, SCHEDULE_VERSION);
    bool ps = strncmp(line, "ps", 2) == 0;
    if (ps) {
        line += 2;
        ps = take_number(&line, MOST_PROCESSES - 1, &index) && !*line;
    }
    if (!ps && strcmp(line, "worker0") != 0)
        return bad(r, "it is of no process that records: \"%.40s\"", line);
    r->part = ps ? 1 + (int)index : 0;
    if (r->there[r->part])
        return bad(r, "this part was there before");
    r->there[r->part] = r->in_part = true;
    r->begun = false;
    r->events = 0;
    r->head = (schedule_head){.first = -1};
    str_clear(&r->agreement);
    return PTL_OK;
}

static bool take_head(reading *r, const char *line)
{
    schedule_head *h = &r->head;
    uint64_t n;
    const struct {
        const char *word;
        int *to;
        int most;
    } counts[] = {{"servers", &h->servers, MOST_PROCESSES},
                  {"workers", &h->workers, MOST_PROCESSES},
                  {"towers", &h->towers, MOST_PROCESSES},
                  {"buckets", &h->buckets, MOST_BUCKETS}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (take_word(&line, counts[i].word)) {
            bool is = take_number(&line, (uint64_t)counts[i].most, &n);
            *counts[i].to = is ? (int)n : 0;
            return is && n > 0 && !*line;
        }
    if (take_word(&line, "first")) {
        bool is = take_number(&line, INT64_MAX, &n);
        h->first = is ? (int64_t)n : -1;
        return is && !*line;
    }
    if (!take_word(&line, "agreed"))
        return false;
    str_printf(&r->agreement, "%s\n", line);
    return true;
}

static ptl_status take_memory(reading *r)
{
    schedule *out = r->out;
    size_t buckets = (size_t)out->head.buckets;
    size_t pairs = buckets * (size_t)out->head.workers;
    if (pairs > MOST_PAIRS)
        return bad(r, "more buckets and workers than a job can have");
    r->pairs = calloc(pairs, sizeof *r->pairs);
    r->part_of = malloc(buckets * sizeof *r->part_of);
    if (!r->pairs || !r->part_of)
        return ptl_fail(r->err, PTL_E_MEMORY, "no memory for a schedule");
    for (size_t b = 0; b < buckets; b++)
        r->part_of[b] = -1;
    out->buckets = ARENA_ARRAY(out->arena, schedule_events, buckets);
    return PTL_OK;
}

static bool same_job(const schedule_head *a, const schedule_head *b)
{
    return a->servers == b->servers && a->workers == b->workers &&
           a->towers == b->towers && a->buckets == b->buckets &&
           a->first == b->first && strcmp(a->agreement, b->agreement) == 0;
}

static ptl_status begin_events(reading *r)
{
    schedule_head *h = &r->head;
    schedule *out = r->out;
    h->agreement = str_text(&r->agreement);
    r->begun = true;
    if (!h->servers || !h->workers || !h->towers || !h->buckets || h->first < 0)
        return bad(r, "the head does not say of which job it is");
    if (r->part > h->servers)
        return bad(r, "ps %d of %d", r->part - 1, h->servers);
    if (r->pairs)
        return same_job(h, &out->head)
                   ? PTL_OK
                   : bad(r, "this part is of another job than those before");
    out->head = *h;
    out->head.agreement = arena_strdup(out->arena, h->agreement);
    return take_memory(r);
}

/* ---------- events ---------- */

/* Rounds of a worker follow each other; slots are those beside what it read
 * last. */
static bool is_next(pair *p, shard_event what, uint64_t round)
{
    switch (what) {
    case SHARD_EVENT_READ: {
        bool is = !p->has_read || round == p->read + 1;
        p->has_read = true;
        p->read = round;
        return is;
    }
    case SHARD_EVENT_APPLY:
    case SHARD_EVENT_EMPTY: {
        bool is = p->has_read && (!p->has_given || round == p->given + 1);
        p->has_given = true;
        p->given = round;
        return is && round <= p->read;
    }
    case SHARD_EVENT_SLOTS:
        return p->has_read && round == p->read;
    case SHARD_EVENT_AGAIN:
    case SHARD_EVENT_COUNT:
        break;
    }
    return true;
}

static ptl_status take_event(reading *r, shard_event what, const char *line)
{
    schedule *out = r->out;
    uint64_t bucket, worker, round;
    if (!take_number(&line, (uint64_t)out->head.buckets - 1, &bucket) ||
        !take_number(&line, (uint64_t)out->head.workers - 1, &worker) ||
        !take_number(&line, INT64_MAX, &round) || *line)
        return bad(r, "no event: a bucket, a worker and an exchange of this "
                      "job make one");
    if (what == SHARD_EVENT_AGAIN)
        return bad(r,
                   "the job's members changed while it ran (epoch %llu), and "
                   "what was under way then is not recorded: it cannot be "
                   "replayed",
                   (unsigned long long)round);
    if (r->part == 0 ||
        (r->part_of[bucket] >= 0 && r->part_of[bucket] != r->part))
        return bad(r, "bucket %llu is another process's",
                   (unsigned long long)bucket);
    r->part_of[bucket] = r->part;
    pair *p = &r->pairs[bucket * (uint64_t)out->head.workers + worker];
    if (!is_next(p, what, round))
        return bad(r,
                   "`%s` of exchange %llu of worker %llu and bucket %llu "
                   "does not follow what it did before",
                   schedule_words[what], (unsigned long long)round,
                   (unsigned long long)worker, (unsigned long long)bucket);
    schedule_event e = {what, (int)worker, round, r->line};
    vec_push(out->arena, &out->buckets[bucket], e);
    return PTL_OK;
}

static ptl_status take_step(reading *r, const char *line)
{
    schedule *out = r->out;
    uint64_t step, updates,
        wanted = (uint64_t)(out->head.first + out->steps.count + 1);
    if (r->part != 0 || !take_number(&line, INT64_MAX, &step) ||
        !take_number(&line, INT64_MAX, &updates) ||
        (strcmp(line, "rated") != 0 && strcmp(line, "unrated") != 0))
        return bad(r, "no step of worker 0");
    if (step != wanted)
        return bad(r, "step %llu is where step %llu should be",
                   (unsigned long long)step, (unsigned long long)wanted);
    schedule_step s = {(int64_t)updates, *line == 'r'};
    vec_push(out->arena, &out->steps, s);
    return PTL_OK;
}

static ptl_status end_part(reading *r, const char *line)
{
    uint64_t events;
    r->in_part = false;
    if (!take_number(&line, INT64_MAX, &events) || *line)
        return bad(r, "the end does not say how many events there were");
    if (events != r->events)
        return bad(r, "here are %llu events, and %llu were recorded",
                   (unsigned long long)r->events, (unsigned long long)events);
    return PTL_OK;
}

static ptl_status take_line(reading *r, const char *line)
{
    if (!r->in_part)
        return begin_part(r, line);
    if (!r->begun && strcmp(line, "begin") == 0)
        return begin_events(r);
    if (!r->begun)
        return take_head(r, line)
                   ? PTL_OK
                   : bad(r, "not understood in a head: \"%.40s\"", line);
    if (take_word(&line, "end"))
        return end_part(r, line);
    r->events++;
    if (take_word(&line, "step"))
        return take_step(r, line);
    for (int i = 0; i < SHARD_EVENT_COUNT; i++)
        if (take_word(&line, schedule_words[i]))
            return take_event(r, (shard_event)i, line);
    return bad(r, "not understood: \"%.40s\"", line);
}

/* ---------- files ---------- */

static ptl_status read_lines(reading *r, char *at, size_t size)
{
    ptl_status st = PTL_OK;
    while (size > 0 && st == PTL_OK) {
        char *end = memchr(at, '\n', size);
        size_t length = end ? (size_t)(end - at) : size;
        r->line++;
        if (!end || memchr(at, '\0', length))
            return bad(r, "it breaks off");
        *end = '\0';
        st = take_line(r, at);
        at += length + 1;
        size -= length + 1;
    }
    if (st == PTL_OK && r->in_part)
        return bad(r, "it breaks off: the process that wrote it did not end in "
                      "order");
    return st;
}

static ptl_status read_file(reading *r, const char *path)
{
    ptl_bytes bytes;
    ptl_status st = file_read(path, &bytes, r->err);
    if (st != PTL_OK)
        return st;
    r->path = path;
    r->line = 0;
    st = read_lines(r, (char *)bytes.data, bytes.size);
    bytes_free(&bytes);
    return st;
}

/* In parts, if the first of them is there; else in one file. */
static ptl_status read_files(reading *r)
{
    const schedule *out = r->out;
    const char *chief = arena_printf(out->arena, "%s.worker0", out->path);
    if (!file_exists(chief))
        return read_file(r, out->path);
    ptl_status st = read_file(r, chief);
    for (int i = 0; st == PTL_OK && i < out->head.servers; i++)
        st = read_file(r, arena_printf(out->arena, "%s.ps%d", out->path, i));
    return st;
}

static ptl_status check_whole(const reading *r)
{
    const schedule *out = r->out;
    for (int i = 0; i <= out->head.servers; i++)
        if (!r->there[i])
            return ptl_fail(r->err, PTL_E_DATA,
                            "the schedule \"%s\" has no part of %s %d",
                            out->path, i ? "ps" : "worker", i ? i - 1 : 0);
    for (int b = 0; b < out->head.buckets; b++)
        if (r->part_of[b] < 0)
            return ptl_fail(r->err, PTL_E_DATA,
                            "the schedule \"%s\" has nothing of bucket %d",
                            out->path, b);
    return PTL_OK;
}

ptl_status schedule_read(const char *path, schedule *out, ptl_error *err)
{
    reading *r = calloc(1, sizeof *r);
    *out = (schedule){.arena = arena_new()};
    out->path = arena_strdup(out->arena, path);
    if (!r)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a schedule");
    r->out = out;
    r->err = err;
    ptl_status st = read_files(r);
    if (st == PTL_OK)
        st = check_whole(r);
    str_fini(&r->agreement);
    free(r->pairs);
    free(r->part_of);
    free(r);
    return st;
}

/* ---------- another job's ---------- */

/* The line at *at, which moves behind it; how long it is. */
static int next_line(const char **at, const char **line)
{
    size_t length = strcspn(*at, "\n");
    *line = *at;
    *at += length + ((*at)[length] == '\n');
    return (int)length;
}

ptl_status schedule_check(const schedule *s, const char *agreement,
                          ptl_error *err)
{
    const char *theirs = s->head.agreement, *ours = agreement;
    while (*theirs || *ours) {
        const char *a, *b;
        int in_a = next_line(&theirs, &a), in_b = next_line(&ours, &b);
        if (in_a == in_b && memcmp(a, b, (size_t)in_a) == 0)
            continue;
        bool settings = strncmp(a, "sources and ", 12) == 0;
        return ptl_fail(err, PTL_E_DATA,
                        "the schedule \"%s\" is of another job: it has "
                        "`%.*s`, and this run has `%.*s`%s",
                        s->path, in_a, a, in_b, b,
                        settings ? "; every --set counts, and ptlc launch "
                                   "--local sets cluster.ps and cluster.worker"
                                 : "");
    }
    return PTL_OK;
}

void schedule_fini(schedule *s)
{
    if (s->arena)
        arena_free(s->arena);
    *s = (schedule){0};
}
