/*
 * checkpoint_read.c - finds a checkpoint and loads it, or says what is wrong
 * with it: which file, which tensor.
 */
#include "base/file.h"
#include "base/json.h"
#include "runtime/tensor_file.h"
#include "train/checkpoint.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef struct manifest {
    char path[CHECKPOINT_PATH + 32];
    ptl_arena *arena;
    ptl_bytes bytes;
    json_value root;
    const json_value *part;
} manifest;

static uint32_t sum_of(const void *bytes, size_t size)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), bytes, size);
}

static ptl_status damaged(const manifest *m, const char *reason, ptl_error *err)
{
    return ptl_fail(err, PTL_E_CHECKPOINT, "\"%s\": damaged checkpoint: %s",
                    m->path, reason);
}

/* The last member is the sum of all bytes before its comma. */
static bool sum_agrees(const manifest *m)
{
    int64_t sum;
    const json_value *v = json_get(&m->root, "crc32");
    size_t before = strlen(",\"crc32\":");
    if (!json_get_int(&m->root, "crc32", &sum) || v->begin < before ||
        m->root.kind != JSON_OBJECT || v != &m->root.items[m->root.count - 1])
        return false;
    return sum == (int64_t)sum_of(m->bytes.data, v->begin - before);
}

static void manifest_close(manifest *m)
{
    bytes_free(&m->bytes);
    arena_free(m->arena);
}

static ptl_status manifest_check(manifest *m, ptl_error *err)
{
    ptl_error why;
    int64_t format;
    if (json_parse(m->arena, (const char *)m->bytes.data, m->bytes.size,
                   &m->root, &why) != PTL_OK)
        return damaged(m, why.text, err);
    if (json_get_int(&m->root, "format", &format) && format != 1)
        return ptl_fail(err, PTL_E_CHECKPOINT,
                        "\"%s\": format %lld is not read by this version",
                        m->path, (long long)format);
    if (!sum_agrees(m))
        return damaged(m, "its text does not fit its checksum", err);
    const json_value *parts = json_get(&m->root, "parts");
    if (!parts || parts->kind != JSON_ARRAY || parts->count != 1)
        return damaged(m, "it does not have one part", err);
    m->part = &parts->items[0];
    return PTL_OK;
}

static ptl_status manifest_open(const char *path, manifest *m, ptl_error *err)
{
    *m = (manifest){0};
    snprintf(m->path, sizeof m->path, "%s/manifest.json", path);
    ptl_status st = file_read(m->path, &m->bytes, err);
    if (st != PTL_OK)
        return st;
    m->arena = arena_new();
    st = manifest_check(m, err);
    if (st != PTL_OK)
        manifest_close(m);
    return st;
}

static bool get_seed(const json_value *root, uint64_t *out)
{
    const char *text;
    char *end;
    if (!json_get_text(root, "seed", &text) || !*text)
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return !*end && errno == 0;
}

ptl_status checkpoint_read_info(const char *path, checkpoint_info *info,
                                ptl_error *err)
{
    manifest m;
    ptl_status st = manifest_open(path, &m, err);
    if (st != PTL_OK)
        return st;
    *info = (checkpoint_info){0};
    const json_value *cursor = json_get(&m.root, "cursor");
    const char *real, *hash;
    if (!json_get_int(&m.root, "step", &info->step) || info->step < 0 ||
        !json_get_int(cursor, "batch", &info->batch) || info->batch < 1 ||
        !json_get_int(cursor, "rows", &info->rows) || info->rows < 1 ||
        !get_seed(&m.root, &info->seed) ||
        !json_get_text(&m.root, "real", &real) ||
        !json_get_text(&m.root, "source_hash", &hash)) {
        st = damaged(&m, "its members are not those of a manifest", err);
    } else {
        info->f64 = strcmp(real, "f64") == 0;
        if (!json_get_int(&m.root, "shards", &info->shards))
            info->shards = 1; /* before there were any */
        snprintf(info->hash_found, sizeof info->hash_found, "%s", hash);
    }
    manifest_close(&m);
    return st;
}

static ptl_status check_tensor(const char *part, const json_value *sums,
                               const tensor_entry *e, ptl_error *err)
{
    int64_t sum;
    if (!json_get_int(sums, e->name, &sum))
        return ptl_fail(err, PTL_E_CHECKPOINT,
                        "\"%s\", tensor \"%s\": the manifest does not know it",
                        part, e->name);
    if (sum != (int64_t)sum_of(e->bytes, e->size))
        return ptl_fail(err, PTL_E_CHECKPOINT,
                        "\"%s\", tensor \"%s\": its values do not fit their "
                        "checksum",
                        part, e->name);
    return PTL_OK;
}

/* Every byte is covered: values by the tensors' sums, the header by the sum of
 * the whole. The tensors come first because they have names. */
static ptl_status check_part(const char *part, const json_value *entry,
                             const ptl_bytes *bytes, const tensor_file *file,
                             ptl_error *err)
{
    int64_t sum, size;
    const json_value *sums = json_get(entry, "tensors");
    ptl_status st = PTL_OK;
    for (int i = 0; i < tensor_file_count(file) && st == PTL_OK; i++)
        st = check_tensor(part, sums, tensor_file_at(file, i), err);
    if (st != PTL_OK)
        return st;
    if (!json_get_int(entry, "bytes", &size) ||
        !json_get_int(entry, "crc32", &sum) || size != (int64_t)bytes->size ||
        sum != (int64_t)sum_of(bytes->data, bytes->size))
        return ptl_fail(err, PTL_E_CHECKPOINT,
                        "\"%s\": its header does not fit its checksum", part);
    return PTL_OK;
}

static ptl_status check_shape(const char *part, const store_tensor *t,
                              const tensor_entry *e, ptl_error *err)
{
    if (!e)
        return ptl_fail(err, PTL_E_CHECKPOINT, "\"%s\": has no tensor \"%s\"",
                        part, t->path);
    if (e->dtype != t->dtype)
        return ptl_fail(err, PTL_E_CHECKPOINT,
                        "\"%s\", tensor \"%s\": is %s, the program has %s",
                        part, t->path, dtype_name(e->dtype),
                        dtype_name(t->dtype));
    if (e->rank != t->rank || e->size != t->size ||
        memcmp(e->dims, t->dims, (size_t)t->rank * sizeof *t->dims) != 0)
        return ptl_fail(err, PTL_E_CHECKPOINT,
                        "\"%s\", tensor \"%s\": its shape is not that of the "
                        "program",
                        part, t->path);
    return PTL_OK;
}

static ptl_status fill_store(const char *part, const tensor_file *file,
                             ptl_store *store, bool exact, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int i = 0; i < store->count && st == PTL_OK; i++)
        if (store->items[i].saved)
            st = check_shape(part, &store->items[i],
                             tensor_file_find(file, store->items[i].path), err);
    for (int i = 0; exact && i < tensor_file_count(file) && st == PTL_OK; i++)
        if (!store_find(store, tensor_file_at(file, i)->name))
            st = ptl_fail(err, PTL_E_CHECKPOINT,
                          "\"%s\", tensor \"%s\": the program has none of that "
                          "name",
                          part, tensor_file_at(file, i)->name);
    for (int i = 0; i < store->count && st == PTL_OK; i++) {
        store_tensor *t = &store->items[i];
        if (t->size && t->saved)
            memcpy(t->memory, tensor_file_find(file, t->path)->bytes, t->size);
    }
    return st;
}

static ptl_status load_part(const char *path, const manifest *m,
                            ptl_store *store, bool exact, ptl_error *err)
{
    char part[CHECKPOINT_PATH + 300];
    const char *name;
    ptl_bytes bytes;
    tensor_file *file;
    if (!json_get_text(m->part, "file", &name) || strchr(name, '/') ||
        strlen(name) > 255)
        return damaged(m, "its part has no proper name", err);
    snprintf(part, sizeof part, "%s/%s", path, name);
    ptl_status st = file_read(part, &bytes, err);
    if (st != PTL_OK)
        return st;
    st = tensor_file_parse(part, bytes.data, bytes.size, &file, err);
    if (st == PTL_OK) {
        st = check_part(part, m->part, &bytes, file, err);
        if (st == PTL_OK)
            st = fill_store(part, file, store, exact, err);
        tensor_file_close(file);
    }
    bytes_free(&bytes);
    return st;
}

ptl_status checkpoint_load(const char *path, ptl_store *store, bool exact,
                           ptl_error *err)
{
    manifest m;
    ptl_status st = manifest_open(path, &m, err);
    if (st != PTL_OK)
        return st;
    st = load_part(path, &m, store, exact, err);
    manifest_close(&m);
    return st;
}

/* N of "step-N", -1: another name. */
static int64_t step_of(const char *name)
{
    char *end;
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9')
        return -1;
    errno = 0;
    long long n = strtoll(name + 5, &end, 10);
    return *end || errno ? -1 : (int64_t)n;
}

static int64_t newest_step(const char *folder)
{
    int64_t newest = -1;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        char path[CHECKPOINT_PATH + 300];
        int64_t step = step_of(e->d_name);
        snprintf(path, sizeof path, "%s/%s/manifest.json", folder, e->d_name);
        if (step > newest && file_exists(path))
            newest = step;
    }
    if (dir)
        closedir(dir);
    return newest;
}

ptl_status checkpoint_find(const char *given, char path[CHECKPOINT_PATH],
                           ptl_error *err)
{
    char inside[CHECKPOINT_PATH + 32];
    if (strlen(given) + 40 > CHECKPOINT_PATH)
        return ptl_fail(err, PTL_E_IO, "\"%s\": the path is too long", given);
    if (!folder_exists(given))
        return ptl_fail(err, PTL_E_CHECKPOINT,
                        "\"%s\" is not a folder of a run or a checkpoint",
                        given);
    snprintf(inside, sizeof inside, "%s/manifest.json", given);
    if (file_exists(inside)) {
        snprintf(path, CHECKPOINT_PATH, "%s", given);
        return PTL_OK;
    }
    int64_t step = newest_step(given);
    if (step < 0)
        return ptl_fail(err, PTL_E_CHECKPOINT,
                        "\"%s\" holds no whole checkpoint (no manifest.json)",
                        given);
    snprintf(path, CHECKPOINT_PATH, "%s/step-%lld", given, (long long)step);
    return PTL_OK;
}

bool checkpoint_any(const char *folder)
{
    return newest_step(folder) >= 0;
}

/* Calls for each name in the folder that `wanted` accepts: removes it. */
static void remove_where(const char *folder,
                         bool (*wanted)(const char *name, int64_t kept),
                         int64_t kept)
{
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        char path[CHECKPOINT_PATH + 300];
        if (!wanted(e->d_name, kept))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (folder_exists(path))
            folder_remove(path, NULL);
        else
            remove(path);
    }
    if (dir)
        closedir(dir);
}

static bool is_leftover(const char *name, int64_t kept)
{
    (void)kept;
    return (strncmp(name, "step-", 5) == 0 ||
            strncmp(name, "config.json", 11) == 0 ||
            strncmp(name, "metrics.jsonl", 13) == 0) &&
           (strstr(name, ".tmp-") || strstr(name, ".old-"));
}

static bool is_other(const char *name, int64_t kept)
{
    int64_t step = step_of(name);
    return step >= 0 && step != kept;
}

void checkpoint_sweep(const char *folder)
{
    remove_where(folder, is_leftover, 0);
}

void checkpoint_remove_others(const char *folder, int64_t kept)
{
    remove_where(folder, is_other, kept);
}
