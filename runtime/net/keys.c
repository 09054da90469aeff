/*
 * keys.c - see net/keys.h.
 */
#include "net/keys.h"
#include "base/file.h"
#include "base/str.h"
#include "dist/wire.h"
#include "keys_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

/* ---------- names ---------- */

typedef struct key_name {
    char text[32];
} key_name;

static key_name name_of(const char *what, int index)
{
    key_name n;
    snprintf(n.text, sizeof n.text, "%s-%d", what, index);
    return n;
}

static key_name name_of_node(uint32_t node)
{
    return name_of(wire_role(node) == WIRE_PS ? "ps" : "worker",
                   wire_index(node));
}

/* 0: it is the name of no node. */
static uint32_t node_named(const char *name)
{
    int index;
    char rest;
    if (sscanf(name, "ps-%d%c", &index, &rest) == 1)
        return wire_node(WIRE_PS, index);
    if (sscanf(name, "worker-%d%c", &index, &rest) == 1)
        return wire_node(WIRE_WORKER, index);
    return 0;
}

static void path_in(ptl_str *path, const char *folder, const char *name,
                    const char *end)
{
    str_printf(path, "%s/%s%s", folder, name, end);
}

/* ---------- making ---------- */

/* Private from its first byte on. */
static ptl_status write_private(const char *folder, const char *name,
                                const char *end, const char *text,
                                ptl_error *err)
{
    ptl_str path = {0};
    ptl_status st = PTL_OK;
    path_in(&path, folder, name, end);
    unlink(path.data);
    int fd = open(path.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t size = strlen(text);
    if (fd < 0 || write(fd, text, size) != (ssize_t)size)
        st = ptl_fail(err, PTL_E_IO, "could not write \"%s\": %s", path.data,
                      strerror(errno));
    if (fd >= 0)
        close(fd);
    str_fini(&path);
    return st;
}

/* Its pair into a file, its public key into the list. */
static ptl_status make_pair(const char *folder, key_name name, ptl_str *list,
                            ptl_error *err)
{
    key_pair pair;
    char text[2 * KEY_TEXT + 1];
    if (zmq_curve_keypair(pair.public, pair.secret) != 0)
        return ptl_fail(err, PTL_E_IO, "could not make keys: %s",
                        zmq_strerror(zmq_errno()));
    snprintf(text, sizeof text, "%s\n%s\n", pair.public, pair.secret);
    str_printf(list, "%s %s\n", name.text, pair.public);
    ptl_status st = write_private(folder, name.text, ".key", text, err);
    explicit_bzero(&pair, sizeof pair);
    explicit_bzero(text, sizeof text);
    return st;
}

static ptl_status make_pairs(const char *folder, const char *what, int count,
                             ptl_str *list, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int i = 0; i < count && st == PTL_OK; i++)
        st = make_pair(folder, name_of(what, i), list, err);
    return st;
}

ptl_status net_keys_make(const char *folder, int servers, int workers,
                         ptl_error *err)
{
    ptl_str server_list = {0}, client_list = {0};
    int serving = servers > 0 ? servers : workers;
    ptl_status st = folder_make(folder, err);
    if (st == PTL_OK && chmod(folder, 0700) != 0)
        st = ptl_fail(err, PTL_E_IO, "could not make \"%s\" private: %s",
                      folder, strerror(errno));
    if (st == PTL_OK)
        st = make_pairs(folder, "server", serving, &server_list, err);
    if (st == PTL_OK)
        st = make_pairs(folder, "ps", serving, &client_list, err);
    if (st == PTL_OK)
        st = make_pairs(folder, "worker", workers, &client_list, err);
    if (st == PTL_OK)
        st = write_private(folder, "servers", "", str_text(&server_list), err);
    if (st == PTL_OK)
        st = write_private(folder, "clients", "", str_text(&client_list), err);
    str_fini(&server_list);
    str_fini(&client_list);
    return st;
}

/* ---------- reading ---------- */

static bool is_key(const char *text)
{
    uint8_t bytes[KEY_BYTES];
    bool good = strlen(text) == KEY_TEXT - 1 && zmq_z85_decode(bytes, text);
    explicit_bzero(bytes, sizeof bytes);
    return good;
}

static ptl_status read_pair(const char *folder, key_name name, key_pair *out,
                            ptl_error *err)
{
    ptl_str path = {0};
    ptl_bytes text = {0};
    path_in(&path, folder, name.text, ".key");
    ptl_status st = file_read(path.data, &text, err);
    if (st == PTL_OK && (sscanf((char *)text.data, "%40s %40s", out->public,
                                out->secret) != 2 ||
                         !is_key(out->public) || !is_key(out->secret)))
        st = ptl_fail(err, PTL_E_DATA, "\"%s\" is no pair of keys", path.data);
    if (text.data)
        explicit_bzero(text.data, text.size);
    bytes_free(&text);
    str_fini(&path);
    return st;
}

ptl_status keys_of_server(const char *folder, int index, key_pair *out,
                          ptl_error *err)
{
    return read_pair(folder, name_of("server", index), out, err);
}

ptl_status keys_of_node(const char *folder, uint32_t node, key_pair *out,
                        ptl_error *err)
{
    return read_pair(folder, name_of_node(node), out, err);
}

/* Each line of a list; false ends it. */
typedef bool each_key(void *ctx, const char *name, const char *key);

static ptl_status read_list(const char *folder, const char *list,
                            each_key *each, void *ctx, ptl_error *err)
{
    ptl_str path = {0};
    ptl_bytes text = {0};
    char name[32], key[KEY_TEXT], *rest = NULL;
    path_in(&path, folder, list, "");
    ptl_status st = file_read(path.data, &text, err);
    char *line = st == PTL_OK ? strtok_r((char *)text.data, "\n", &rest) : NULL;
    for (bool more = true; line && more && st == PTL_OK;
         line = strtok_r(NULL, "\n", &rest)) {
        if (sscanf(line, "%31s %40s", name, key) == 2)
            more = each(ctx, name, key);
        else
            st = ptl_fail(err, PTL_E_DATA, "\"%s\" is no list of keys",
                          path.data);
    }
    bytes_free(&text);
    str_fini(&path);
    return st;
}

typedef struct wanted {
    key_name name;
    char *out;
    bool found;
} wanted;

static bool is_wanted(void *ctx, const char *name, const char *key)
{
    wanted *w = ctx;
    if (strcmp(name, w->name.text) != 0)
        return true;
    memcpy(w->out, key, KEY_TEXT);
    w->found = true;
    return false;
}

ptl_status keys_public(const char *folder, uint32_t node, char out[KEY_TEXT],
                       ptl_error *err)
{
    int index = wire_role(node) == WIRE_PS ? wire_index(node) : 0;
    wanted w = {.name = name_of("server", index), .out = out};
    ptl_status st = read_list(folder, "servers", is_wanted, &w, err);
    if (st == PTL_OK && !w.found)
        st = ptl_fail(err, PTL_E_DATA, "\"%s/servers\" has no %s", folder,
                      w.name.text);
    return st;
}

typedef struct allowing {
    key_allowed *list;
    int count;
} allowing;

static bool allow(void *ctx, const char *name, const char *key)
{
    allowing *a = ctx;
    key_allowed one = {.node = node_named(name)};
    if (!one.node || strlen(key) != KEY_TEXT - 1 ||
        !zmq_z85_decode(one.key, key))
        return true;
    a->list = realloc(a->list, (size_t)(a->count + 1) * sizeof one);
    PTL_ASSERT(a->list);
    a->list[a->count++] = one;
    return true;
}

ptl_status keys_allowed(const char *folder, key_allowed **out, int *count,
                        ptl_error *err)
{
    allowing a = {0};
    ptl_status st = read_list(folder, "clients", allow, &a, err);
    *out = a.list;
    *count = a.count;
    return st;
}
