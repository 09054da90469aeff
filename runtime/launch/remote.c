/*
 * remote.c - processes of a job on the machines that the cluster block lists:
 * one remote shell for each machine, and in it an agent (agent.c) that is told
 * by its standard input what to start. Keys go the same way, so they appear in
 * no list of processes; each machine gets those of its own processes.
 */
#include "base/file.h"
#include "base/json.h"
#include "start_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct machine {
    const char *name;
    start_members members;
} machine;

typedef VEC(machine) machines;

/* ---------- who runs where ---------- */

/* "node0" of "node0:2222", "::1" of "[::1]:2222". */
static const char *machine_of(ptl_arena *arena, const char *host)
{
    size_t length = (size_t)(strrchr(host, ':') - host);
    if (*host == '[')
        return arena_strndup(arena, host + 1, length - 2);
    return arena_strndup(arena, host, length);
}

static machine *find_machine(ptl_arena *arena, machines *all, const char *name)
{
    for (int i = 0; i < all->count; i++)
        if (!strcmp(all->data[i].name, name))
            return &all->data[i];
    vec_push(arena, all, ((machine){.name = name}));
    return &all->data[all->count - 1];
}

static machines find_machines(const start_job *job, ptl_arena *arena)
{
    machines all = {0};
    start_members members = start_all_members(job, arena);
    for (int i = 0; i < members.count; i++) {
        start_member m = members.data[i];
        const char *host = m.kind == ROLE_PS ? job->server_hosts[m.index]
                                             : job->worker_hosts[m.index];
        machine *at = find_machine(arena, &all, machine_of(arena, host));
        vec_push(arena, &at->members, m);
    }
    return all;
}

/* ---------- what an agent is told ---------- */

static ptl_status add_key(json_out *j, const start_job *job, const char *name,
                          ptl_arena *arena, ptl_error *err)
{
    ptl_bytes bytes;
    ptl_status st =
        file_read(arena_printf(arena, "%s/%s", job->keys, name), &bytes, err);
    if (st != PTL_OK)
        return st;
    json_key(j, name);
    json_text(j, (const char *)bytes.data);
    explicit_bzero(bytes.data, bytes.size);
    bytes_free(&bytes);
    return PTL_OK;
}

static ptl_status add_pair(json_out *j, const start_job *job, const char *what,
                           int index, ptl_arena *arena, ptl_error *err)
{
    return add_key(j, job, arena_printf(arena, "%s-%d.key", what, index), arena,
                   err);
}

/* As net/keys.h says who has which. */
static ptl_status add_keys(json_out *j, const start_job *job, const machine *m,
                           ptl_arena *arena, ptl_error *err)
{
    ptl_status st = add_key(j, job, "servers", arena, err);
    if (st == PTL_OK)
        st = add_key(j, job, "clients", arena, err);
    for (int i = 0; st == PTL_OK && i < m->members.count; i++) {
        start_member one = m->members.data[i];
        bool ps = one.kind == ROLE_PS, serves = ps || job->servers == 0;
        if (serves)
            st = add_pair(j, job, "server", one.index, arena, err);
        if (serves && st == PTL_OK)
            st = add_pair(j, job, "ps", one.index, arena, err);
        if (!ps && st == PTL_OK)
            st = add_pair(j, job, "worker", one.index, arena, err);
    }
    return st;
}

static void add_members(json_out *j, const machine *m)
{
    json_key(j, "members");
    json_open(j, '[');
    for (int i = 0; i < m->members.count; i++) {
        json_open(j, '{');
        json_key(j, "ps");
        json_bool(j, m->members.data[i].kind == ROLE_PS);
        json_key(j, "index");
        json_int(j, m->members.data[i].index);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void add_text(json_out *j, const char *key, const char *text)
{
    json_key(j, key);
    json_text(j, text);
}

static void add_int(json_out *j, const char *key, int64_t value)
{
    json_key(j, key);
    json_int(j, value);
}

static void add_job(json_out *j, const start_job *job, const char *folder)
{
    add_text(j, "version", PTL_VERSION);
    add_text(j, "folder", folder);
    add_text(j, "file", job->file);
    json_key(j, "words");
    json_open(j, '[');
    for (int i = 0; i < job->word_count; i++)
        json_text(j, job->words[i]);
    json_close(j, ']');
    add_int(j, "servers", job->servers);
    add_int(j, "workers", job->workers);
    add_int(j, "threads", job->threads);
    add_int(j, "json", job->json);
    add_int(j, "quiet", job->quiet);
    add_text(j, "id", job->id);
}

static ptl_status describe(const start_job *job, const machine *m,
                           const char *folder, ptl_arena *arena, ptl_str *out,
                           ptl_error *err)
{
    ptl_status st = PTL_OK;
    json_out j = {.text = out};
    json_open(&j, '{');
    add_job(&j, job, folder);
    add_members(&j, m);
    json_key(&j, "keys");
    json_open(&j, '{');
    if (*job->keys)
        st = add_keys(&j, job, m, arena, err);
    json_close(&j, '}');
    json_close(&j, '}');
    str_addc(out, '\n');
    return st;
}

/* ---------- shells ---------- */

/* Ends with NULL. */
static const char *const *shell_command(const start_job *job, const char *shell,
                                        const char *name, ptl_arena *arena)
{
    VEC(const char *) words = {0};
    while (*(shell += strspn(shell, " \t"))) {
        size_t length = strcspn(shell, " \t");
        vec_push(arena, &words, arena_strndup(arena, shell, length));
        shell += length;
    }
    vec_push(arena, &words, name);
    ptl_str command = {0};
    shell_quote(&command, job->program);
    str_add(&command, " launch --agent");
    vec_push(arena, &words, str_keep(&command, arena));
    vec_push(arena, &words, NULL);
    return words.data;
}

/* What ssh ends with where it could not do what it is for. */
enum { SHELL_FAILED = 255 };

ptl_status start_there(const start_job *job, const char *shell,
                       ptl_arena *arena, int *exit_status, ptl_error *err)
{
    machines all = find_machines(job, arena);
    child_spec *specs = ARENA_ARRAY(arena, child_spec, all.count + 1);
    ptl_str *told = ARENA_ARRAY(arena, ptl_str, all.count + 1);
    children_options options = start_options(job, -1);
    char *folder = getcwd(NULL, 0);
    ptl_status st = folder ? PTL_OK
                           : ptl_fail(err, PTL_E_IO, "which folder is this? %s",
                                      strerror(errno));
    for (int i = 0; st == PTL_OK && i < all.count; i++) {
        const machine *m = &all.data[i];
        st = describe(job, m, folder, arena, &told[i], err);
        specs[i] =
            (child_spec){.name = m->name,
                         .plain = true,
                         .argv = shell_command(job, shell, m->name, arena),
                         .pass_fd = -1,
                         .input = str_text(&told[i])};
    }
    if (st == PTL_OK)
        st = children_run(specs, all.count, &options, exit_status, err);
    if (st == PTL_OK && *exit_status == SHELL_FAILED)
        st = ptl_fail(err, PTL_E_IO, "a remote shell (\"%s\") failed", shell);
    for (int i = 0; i < all.count; i++) {
        if (told[i].data)
            explicit_bzero(told[i].data, told[i].length);
        str_fini(&told[i]);
    }
    free(folder);
    return st;
}
