/*
 * agent.c - the far end of remote.c: starts what its standard input describes.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "start_priv.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---------- one line ---------- */

enum { LINE_BYTES = 64 << 20, LINE_WAIT_MS = 60000 };

/* Byte by byte: what follows the line is for who reads next. */
static ptl_status read_line(int fd, ptl_str *line, ptl_error *err)
{
    char c;
    struct pollfd p = {fd, POLLIN, 0};
    while (line->length < LINE_BYTES) {
        if (poll(&p, 1, LINE_WAIT_MS) == 0)
            return ptl_fail(err, PTL_E_IO,
                            "standard input did not say what to start");
        ssize_t count = read(fd, &c, 1);
        if (count == 0 || (count < 0 && errno != EINTR))
            return ptl_fail(err, PTL_E_IO,
                            "standard input ended before it said what to "
                            "start");
        if (count == 1 && c == '\n')
            return PTL_OK;
        if (count == 1)
            str_addc(line, c);
    }
    return ptl_fail(err, PTL_E_IO, "standard input has no end of line");
}

/* ---------- what it describes ---------- */

typedef struct description {
    const json_value *json;
    ptl_arena *arena;
    start_job job;
    start_group group;
    const char *folder;
} description;

static bool get_int(const description *d, const char *key, int most, int *out)
{
    int64_t value;
    if (!json_get_int(d->json, key, &value) || value < 0 || value > most)
        return false;
    *out = (int)value;
    return true;
}

static bool get_words(description *d)
{
    const json_value *list = json_get(d->json, "words");
    if (!list || list->kind != JSON_ARRAY)
        return false;
    const char **words = ARENA_ARRAY(d->arena, const char *, list->count + 1);
    for (int i = 0; i < list->count; i++) {
        if (list->items[i].kind != JSON_TEXT)
            return false;
        words[i] = list->items[i].text;
    }
    d->job.words = words;
    d->job.word_count = list->count;
    return true;
}

static bool get_members(description *d)
{
    const json_value *list = json_get(d->json, "members");
    if (!list || list->kind != JSON_ARRAY)
        return false;
    for (int i = 0; i < list->count; i++) {
        const json_value *ps = json_get(&list->items[i], "ps");
        int64_t index;
        if (!ps || ps->kind != JSON_BOOL ||
            !json_get_int(&list->items[i], "index", &index) || index < 0 ||
            index >= (ps->boolean ? d->job.servers : d->job.workers))
            return false;
        vec_push(
            d->arena, &d->group.members,
            ((start_member){ps->boolean ? ROLE_PS : ROLE_WORKER, (int)index}));
    }
    return true;
}

static bool get_job(description *d)
{
    int json, quiet;
    start_job *job = &d->job;
    if (!json_get_text(d->json, "folder", &d->folder) ||
        !json_get_text(d->json, "file", &job->file) ||
        !json_get_text(d->json, "id", &job->id) ||
        !get_int(d, "servers", INT32_MAX, &job->servers) ||
        !get_int(d, "workers", INT32_MAX, &job->workers) ||
        !get_int(d, "threads", INT32_MAX, &job->threads) ||
        !get_int(d, "json", 1, &json) || !get_int(d, "quiet", 1, &quiet))
        return false;
    job->json = json;
    job->quiet = quiet;
    return get_words(d) && get_members(d);
}

static ptl_status read_description(description *d, const ptl_str *line,
                                   ptl_error *err)
{
    ptl_error why;
    json_value *json = ARENA_NEW(d->arena, json_value);
    const char *version;
    if (json_parse(d->arena, line->data, line->length, json, &why) != PTL_OK)
        return ptl_fail(err, PTL_E_IO, "standard input: %s", why.text);
    d->json = json;
    if (!json_get_text(json, "version", &version) ||
        strcmp(version, PTL_VERSION) != 0)
        return ptl_fail(err, PTL_E_REFUSED,
                        "this is ptlc " PTL_VERSION
                        ", and whoever starts the job has another version");
    return get_job(d) ? PTL_OK
                      : ptl_fail(err, PTL_E_IO,
                                 "standard input describes no processes");
}

/* ---------- keys ---------- */

static ptl_status write_keys(const description *d, const char *folder,
                             const json_value *keys, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int i = 0; st == PTL_OK && i < keys->count; i++) {
        if (strchr(keys->keys[i], '/') || keys->items[i].kind != JSON_TEXT)
            return ptl_fail(err, PTL_E_IO, "\"%s\" is no key", keys->keys[i]);
        st = file_write_whole(
            arena_printf(d->arena, "%s/%s", folder, keys->keys[i]),
            keys->items[i].text, keys->items[i].text_length, err);
    }
    return st;
}

/* A folder for the keys that were sent; "" where none were. */
static ptl_status make_keys(description *d, ptl_error *err)
{
    const json_value *keys = json_get(d->json, "keys");
    d->job.keys = "";
    if (!keys || keys->kind != JSON_OBJECT || keys->count == 0)
        return PTL_OK;
    ptl_status st = start_key_folder(d->arena, &d->job.keys, err);
    if (st != PTL_OK)
        return st;
    mode_t usual = umask(077);
    st = write_keys(d, d->job.keys, keys, err);
    umask(usual);
    return st;
}

/* ---------- the agent ---------- */

static ptl_status carry_out(description *d, int *exit_status, ptl_error *err)
{
    ptl_error ignored;
    if (chdir(d->folder) != 0)
        return ptl_fail(err, PTL_E_IO, "could not go to \"%s\": %s", d->folder,
                        strerror(errno));
    ptl_status st = make_keys(d, err);
    if (st == PTL_OK)
        st = start_and_watch(&d->group, d->arena, exit_status, err);
    if (*d->job.keys)
        folder_remove(d->job.keys, &ignored);
    return st;
}

ptl_status start_agent(const char *program, ptl_arena *arena, int *exit_status,
                       ptl_error *err)
{
    ptl_str line = {0};
    description d = {.arena = arena, .job.program = program};
    d.group = (start_group){.job = &d.job,
                            .listen_fd = -1,
                            .started_by = "ptlc launch --ssh",
                            .control = STDIN_FILENO};
    ptl_status st = read_line(STDIN_FILENO, &line, err);
    if (st == PTL_OK)
        st = read_description(&d, &line, err);
    if (st == PTL_OK)
        st = carry_out(&d, exit_status, err);
    if (line.data)
        explicit_bzero(line.data, line.length);
    str_fini(&line);
    return st;
}
