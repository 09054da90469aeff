/*
 * role_named.c - sources that know roles: PTL's own variables, TensorFlow's
 * TF_CONFIG, DMLC's.
 */
#include "base/json.h"
#include "role_priv.h"
#include <string.h>

/* ---------- PTL ---------- */

role_answer role_from_ptl(role_reading *r)
{
    const char *role = role_get(r, "PTL_ROLE");
    const char *text = role_get(r, "PTL_INDEX");
    int64_t index;
    if (!role && !text)
        return ROLE_SILENT;
    if (!role || !text)
        return role_wrong(r, "%s is \"%s\", and %s is not set",
                          role ? "PTL_ROLE" : "PTL_INDEX", role ? role : text,
                          role ? "PTL_INDEX" : "PTL_ROLE");
    if (strcmp(role, "ps") != 0 && strcmp(role, "worker") != 0)
        return role_wrong(r, "PTL_ROLE is \"%s\", and not ps or worker", role);
    if (!role_number(r, "PTL_INDEX", 0, INT32_MAX, 0, &index))
        return ROLE_WRONG;
    return role_is(r, strcmp(role, "ps") == 0 ? ROLE_PS : ROLE_WORKER, index,
                   arena_printf(r->arena, "PTL_ROLE = %s, PTL_INDEX = %lld",
                                role, (long long)index));
}

/* ---------- TensorFlow ---------- */

typedef struct tf_config {
    role_reading *r;
    const json_value *ps, *chief, *worker; /* arrays of texts, or NULL */
} tf_config;

static int count_of(const json_value *list)
{
    return list ? list->count : 0;
}

/* A list of texts under `key`, or none. */
static bool read_list(role_reading *r, const json_value *cluster,
                      const char *key, const json_value **out)
{
    const json_value *list = json_get(cluster, key);
    *out = list;
    bool good = !list || list->kind == JSON_ARRAY;
    for (int i = 0; good && i < count_of(list); i++)
        good = list->items[i].kind == JSON_TEXT;
    if (!good)
        role_wrong(r, "TF_CONFIG: \"%s\" is not a list of \"host:port\"", key);
    return good;
}

/* Worker `i`; the chief is the first of them. */
static const char *tf_worker(const tf_config *t, int i)
{
    int chiefs = count_of(t->chief);
    return i < chiefs ? t->chief->items[i].text
                      : t->worker->items[i - chiefs].text;
}

static bool counts_agree(const tf_config *t)
{
    const role_request *q = t->r->request;
    int servers = count_of(t->ps);
    int workers = count_of(t->chief) + count_of(t->worker);
    if (servers == q->servers && workers >= q->least_workers &&
        workers <= q->most_workers)
        return true;
    role_wrong(
        t->r,
        "TF_CONFIG lists %d ps and %d workers, and the cluster block has "
        "%d and %d",
        servers, workers, q->servers, q->most_workers);
    return false;
}

static role_answer tf_task(const tf_config *t, const char *type, int64_t index)
{
    role_reading *r = t->r;
    int chiefs = count_of(t->chief);
    const json_value *list = !strcmp(type, "ps")       ? t->ps
                             : !strcmp(type, "chief")  ? t->chief
                             : !strcmp(type, "worker") ? t->worker
                                                       : NULL;
    if (index < 0 || index >= count_of(list))
        return role_wrong(
            r,
            "TF_CONFIG: the task is \"%s\" %lld, which its cluster "
            "does not list",
            type, (long long)index);
    r->own = list->items[index].text;
    r->said = arena_printf(r->arena, "task %s %lld", type, (long long)index);
    if (list == t->ps)
        return role_is(r, ROLE_PS, index, r->said);
    return role_is(r, ROLE_WORKER, list == t->chief ? index : chiefs + index,
                   r->said);
}

static role_answer read_tf(role_reading *r, const json_value *config)
{
    tf_config t = {.r = r};
    const json_value *cluster = json_get(config, "cluster");
    const json_value *task = json_get(config, "task");
    const char *type;
    int64_t index;
    if (!json_get_text(task, "type", &type) ||
        !json_get_int(task, "index", &index))
        return role_wrong(r, "TF_CONFIG has no \"task\" with \"type\" and "
                             "\"index\"");
    if (!read_list(r, cluster, "ps", &t.ps) ||
        !read_list(r, cluster, "chief", &t.chief) ||
        !read_list(r, cluster, "worker", &t.worker) || !counts_agree(&t))
        return ROLE_WRONG;
    r->meeting = count_of(t.ps) ? t.ps->items[0].text : tf_worker(&t, 0);
    r->meeting_binds = true;
    r->workers = count_of(t.chief) + count_of(t.worker);
    return tf_task(&t, type, index);
}

role_answer role_from_tensorflow(role_reading *r)
{
    ptl_error err;
    json_value config;
    const char *text = role_get(r, "TF_CONFIG");
    if (!text)
        return ROLE_SILENT;
    if (json_parse(r->arena, text, strlen(text), &config, &err) != PTL_OK)
        return role_wrong(r, "TF_CONFIG is not JSON: %s", err.text);
    return read_tf(r, &config);
}

/* ---------- DMLC ---------- */

/* How many of `name` DMLC started, against what the cluster has. */
static bool dmlc_count(role_reading *r, const char *name, int least, int most,
                       int64_t *out)
{
    if (!role_number(r, name, 0, INT32_MAX, most, out))
        return false;
    if (*out >= least && *out <= most)
        return true;
    role_wrong(r, "%s is \"%lld\", and the cluster has %d", name,
               (long long)*out, most);
    return false;
}

static bool dmlc_meeting(role_reading *r)
{
    const char *host = role_get(r, "DMLC_PS_ROOT_URI");
    int64_t port;
    if (!role_number(r, "DMLC_PS_ROOT_PORT", 1, 65535, 0, &port))
        return false;
    if (host && port)
        r->meeting = arena_printf(r->arena, "%s:%lld",
                                  role_host(r->arena, host), (long long)port);
    return true;
}

role_answer role_from_dmlc(role_reading *r)
{
    const role_request *q = r->request;
    const char *role = role_get(r, "DMLC_ROLE");
    int64_t index, servers;
    if (!role)
        return ROLE_SILENT;
    bool server = !strcmp(role, "server");
    if (!server && strcmp(role, "worker") != 0)
        return role_wrong(
            r,
            "DMLC_ROLE is \"%s\": start servers and workers only; "
            "the coordinator is in server 0",
            role);
    const char *name = server ? "DMLC_SERVER_ID" : "DMLC_WORKER_ID";
    if (!role_get(r, name))
        name = "DMLC_TASK_ID";
    if (!role_get(r, name))
        return role_wrong(r, "DMLC_ROLE is \"%s\", and %s is not set", role,
                          server ? "DMLC_SERVER_ID" : "DMLC_WORKER_ID");
    if (!dmlc_count(r, "DMLC_NUM_SERVER", q->servers, q->servers, &servers) ||
        !dmlc_count(r, "DMLC_NUM_WORKER", q->least_workers, q->most_workers,
                    &r->workers) ||
        !dmlc_meeting(r) || !role_number(r, name, 0, INT32_MAX, 0, &index))
        return ROLE_WRONG;
    r->said = arena_printf(r->arena, "DMLC_ROLE = %s, %s = %lld", role, name,
                           (long long)index);
    return role_is(r, server ? ROLE_PS : ROLE_WORKER, index, r->said);
}
